"""A fitted model of one language pair: t(f|e) and t(e|f) as one sparse table, kept whole, read without copying.

On disk a model is one file of words and several parts, each a range of source words, all safetensors. A pair of words
takes 20 bytes for both directions. A part is read where it lies: mapped into memory from its file, or shared from an
object store.
"""

import json
import mmap
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from weam_ray.align.fast_align import em
from weam_ray.align.fast_align.bitext import Bitext, find_forms
from weam_ray.align.fast_align.pairs import look_up
from weam_ray.align.fast_align.prior import Priors
from weam_ray.align.links import Alignments
from weam_ray.errors import UserError
from weam_ray.store.arrays import freeze, string_buffers

FORMAT_VERSION = 2
PRIOR_CELLS = 2**20  # 16 MiB

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class IterationReport:
    """What an iteration saw: cross entropy (bits), perplexity, share of null links; and the tension after it."""

    direction: str
    iteration: int
    cross_entropy: float
    perplexity: float
    null_share: float
    tension: float


@dataclass(frozen=True)
class Parameters:
    """The few numbers of a model, each forward then reverse; `lowercase`, `segmentation`: how words were made.

    `tensions` are those of the last iteration; `length_ratios` the means of m/n and of n/m over the training pairs.
    """

    null_probability: float
    tensions: tuple[float, float]
    length_ratios: tuple[float, float]
    segmentation: str
    lowercase: bool
    reports: tuple[IterationReport, ...]


@dataclass(frozen=True)
class Part:
    """The rows of the source words from `first_row` on: row e has `columns[row_offsets[e]:row_offsets[e + 1]]`.

    `columns` are numbers of target words, rising in each row; `table` is (pairs, 2), t(f|e) and t(e|f).
    """

    first_row: int
    row_offsets: NDArray[np.int64]
    columns: NDArray[np.int32]
    table: NDArray[np.float64]

    def __post_init__(self) -> None:
        freeze(self.row_offsets, self.columns, self.table)

    def pieces(self) -> list[pa.Buffer]:
        """The bytes of its file, one piece after another, without a copy of the arrays."""
        arrays: Arrays = {"row_offsets": self.row_offsets, "columns": self.columns, "table": self.table}
        return safetensors_pieces(arrays, {"first_row": self.first_row})

    @classmethod
    def of(cls, arrays: Arrays, values: dict[str, Any]) -> "Part":
        return cls(values["first_row"], arrays["row_offsets"], arrays["columns"], arrays["table"])


@dataclass(frozen=True)
class Lexicon:
    """The words of both sides, sorted, with what the null word says of each: t(f|null) and t(e|null)."""

    source: pa.StringArray
    target: pa.StringArray
    forward_null: NDArray[np.float64]
    reverse_null: NDArray[np.float64]
    parameters: Parameters

    def pieces(self) -> list[pa.Buffer]:
        """The bytes of its file, one piece after another."""
        arrays: Arrays = {"forward_null": self.forward_null, "reverse_null": self.reverse_null}
        for side, forms in (("source", self.source), ("target", self.target)):
            data, begins = string_buffers(forms)
            arrays[f"{side}_bytes"] = np.ascontiguousarray(data[begins[0] : begins[-1]])
            arrays[f"{side}_begins"] = begins - begins[0]
        return safetensors_pieces(arrays, {"format_version": FORMAT_VERSION, **asdict(self.parameters)})

    @classmethod
    def of(cls, arrays: Arrays, values: dict[str, Any]) -> "Lexicon":
        """From what `pieces` gave.

        Raises:
            UserError: written by another version of the format.
        """
        values = dict(values)
        version = values.pop("format_version", None)
        if version != FORMAT_VERSION:
            raise UserError(f"The FastAlign model has format {version}; this version reads format {FORMAT_VERSION}.")
        values["reports"] = tuple(IterationReport(**report) for report in values["reports"])
        for key in ("tensions", "length_ratios"):
            values[key] = tuple(values[key])
        forms = [
            pa.StringArray.from_buffers(
                len(arrays[f"{side}_begins"]) - 1,
                pa.py_buffer(arrays[f"{side}_begins"]),
                pa.py_buffer(arrays[f"{side}_bytes"]),
            )
            for side in ("source", "target")
        ]
        return cls(forms[0], forms[1], arrays["forward_null"], arrays["reverse_null"], Parameters(**values))


@dataclass(frozen=True)
class Model:
    """A whole model."""

    lexicon: Lexicon
    parts: tuple[Part, ...]

    def align(self, bitext: Bitext) -> Alignments:
        """Best links of both directions of sentence pairs, seen in training or not.

        A word pair that was never seen together, and an unknown word, has the probability 1e-9. Words are at most
        32,767 a sentence.
        """
        source, target, lexicon = bitext.source, bitext.target, self.lexicon
        source_numbers = find_forms(source.forms, lexicon.source)
        target_numbers = find_forms(target.forms, lexicon.target)
        row_offsets, columns, cells, cell_offsets = bitext.pairs()
        values = np.full((len(columns), 2), em.UNSEEN)
        places = np.empty(len(lexicon.target), np.int32)
        for part in self.parts:
            rows = (part.first_row, part.row_offsets, part.columns, part.table)
            look_up(source_numbers, target_numbers, row_offsets, columns, *rows, places, values)
        decoded = em.decode(
            source.ids,
            source.offsets,
            target.ids,
            target.offsets,
            cell_offsets,
            cells,
            values,
            np.where(target_numbers >= 0, lexicon.forward_null[target_numbers], em.UNSEEN),
            np.where(source_numbers >= 0, lexicon.reverse_null[source_numbers], em.UNSEEN),
            lexicon.parameters.tensions,
            lexicon.parameters.length_ratios,
            lexicon.parameters.null_probability,
            known_priors(lexicon.parameters.tensions, lexicon.parameters.null_probability),
        )
        return Alignments.from_best(source.offsets, target.offsets, *decoded)


@lru_cache(maxsize=1)
def known_priors(tensions: tuple[float, float], null_probability: float) -> Priors:
    """Priors that a process keeps from one batch of pairs to the next; their memory is taken at once."""
    priors = Priors.empty(PRIOR_CELLS)
    priors.values[:] = 0.0
    return priors


KINDS = {"F64": np.float64, "I64": np.int64, "I32": np.int32, "U8": np.uint8}


def safetensors_pieces(arrays: Arrays, values: dict[str, Any]) -> list[pa.Buffer]:
    """A safetensors file: the length of a header in JSON, the header, and the arrays one after another.

    The library's own writer copies the arrays three times.
    """
    names = {np.dtype(kind): name for name, kind in KINDS.items()}
    header: dict[str, Any] = {"__metadata__": {"model": json.dumps(values)}}
    end = 0
    ordered = sorted(arrays.items(), key=lambda entry: -entry[1].itemsize)  # so that each array lies aligned
    for name, array in ordered:
        header[name] = {
            "dtype": names[array.dtype],
            "shape": array.shape,
            "data_offsets": [end, end + array.nbytes],
        }
        end += array.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    head = len(text).to_bytes(8, "little") + text
    return [pa.py_buffer(head), *(pa.py_buffer(np.ascontiguousarray(array)) for _, array in ordered)]


def map_safetensors(path: Path) -> tuple[Arrays, dict[str, Any]]:
    """The arrays of a file of `safetensors_pieces`, mapped into memory, and its values.

    The library's own reader copies.

    Raises:
        UserError: not such a file, or cut short.
    """
    try:
        with path.open("rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        size = int.from_bytes(mapped[:8], "little")
        header = json.loads(mapped[8 : 8 + size])
        values = json.loads(header.pop("__metadata__")["model"])
        arrays: Arrays = {}
        for name, entry in header.items():
            begin, end = entry["data_offsets"]
            kind = np.dtype(KINDS[entry["dtype"]])
            flat = np.frombuffer(mapped, kind, (end - begin) // kind.itemsize, 8 + size + begin)
            arrays[name] = flat.reshape(entry["shape"])
    except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
        raise UserError(f"{path}: not a whole part of a FastAlign model ({error}).") from None
    return arrays, values
