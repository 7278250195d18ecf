"""The aligners by name: a new one is one module and one line here."""

from weam_ray.align.fast_align.aligner import FastAlign
from weam_ray.align.from_eflomal import Eflomal
from weam_ray.align.from_file import Pharaoh
from weam_ray.align.protocol import Aligner


def table() -> dict[str, Aligner]:
    """The aligners by name."""
    return {"fast_align": FastAlign(), "eflomal": Eflomal(), "pharaoh": Pharaoh()}
