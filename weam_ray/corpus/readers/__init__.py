"""Readers of parallel and of unpaired text, a module for each class of `settings.sources`.

A reader registers functions for its class: `source_files`, the files that are read; `raw_pairs`, their rows in file
order, as record batches of `base.RAW_PAIRS`; and where lines before the first row are none, `num_headings`. All modules
of this folder are imported, and so registered.
"""

from importlib import import_module
from pkgutil import iter_modules

from weam_ray.corpus.readers.base import RAW_PAIRS, SKIPS, damage_is, num_headings, raw_pairs, source_files

for module in iter_modules(__path__):
    import_module(f"{__name__}.{module.name}")

__all__ = ["RAW_PAIRS", "SKIPS", "damage_is", "num_headings", "raw_pairs", "source_files"]
