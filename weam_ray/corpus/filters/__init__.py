"""Filters of pairs, a module for each kind of thing that they look at; their settings are in `settings/filters.py`.

A filter registers a function for its class with `keeps`, which is given some pairs and says which it keeps. Only
`duplicates` looks at the whole corpus. All modules of this folder are imported, and so registered.
"""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import pyarrow as pa

from weam_ray.corpus.filters.base import Pairs, keeps
from weam_ray.corpus.readers.base import RAW_PAIRS
from weam_ray.corpus.readers.files import existing_files
from weam_ray.settings.filters import DuplicatesFilter, EvaluationFilter, FilterBase, LanguageFilter
from weam_ray.store.remote import RemoteFile

for module in iter_modules(__path__):
    import_module(f"{__name__}.{module.name}")


def check_filters(filters: Sequence[FilterBase], languages: Sequence[tuple[str, str]]) -> None:
    """See that every filter can judge the languages of every source.

    Raises:
        UserError: one cannot.
    """
    nothing = pa.RecordBatch.from_pylist([], schema=RAW_PAIRS)
    for own in filters:
        for pair in languages if not isinstance(own, DuplicatesFilter) else ():
            keeps(own, Pairs.of(pair, nothing))


def files_of_filter(own: FilterBase) -> list[Path | RemoteFile]:
    """The files that a filter reads; by their content a stage is known.

    Raises:
        UserError: one is missing.
    """
    if isinstance(own, EvaluationFilter):
        return existing_files(own.files, "corpus.filters.files")
    if isinstance(own, LanguageFilter) and own.model is not None:
        return existing_files(own.model, "corpus.filters.model")
    return []


__all__ = ["Pairs", "check_filters", "files_of_filter", "keeps"]
