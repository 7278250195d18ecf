"""What a model has seen: a file beside its weights that knows every sentence of its training text again.

The record of an encoder that another run began from is part of it, so that one file tells of the whole chain.
"""

import hashlib
import io
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from weam_ray.errors import UserError
from weam_ray.store.arrays import parquet_options
from weam_ray.store.training_folder import SEEN

FILE = SEEN
ABOUT = b"weam_ray"
VERSION = 2
ROWS_ALONE = 1  # a version that has no sentences inside of rows

FILES, MODEL, EFLOMAL = "files", "a fitted model", "eflomal"
LINKS = {
    FILES: "Word links came from files; what text they were fitted on is not known.",
    MODEL: "Word links came from a fitted model that does not say what text it was fitted on.",
    EFLOMAL: "Word links came from eflomal, which is fitted on held-out pairs too; nothing else is trained on them.",
}


OLD = (
    "A model was trained by an earlier version, whose records know whole rows of the training text; sentences inside "
    "of longer rows were not looked for among them."
)


@dataclass(frozen=True)
class Record:
    """What a model, its tokenizer and its aligner were trained on.

    Args:
        names: (sentences) int64, rising: the names of the sentences.
        corpora: fingerprints of the stages `corpus` that these sentences are the training parts of.
        aligners: fingerprints of further corpora, which a fitted aligner comes from; their sentences are not among
            `names`.
        unknown: names of encoders that a chain began with, and that came without a record.
        links: where word links came from, of LINKS, if their text is not known or goes beyond the training text.
        rows_alone: whether sentences inside of training rows are not all among `names`, as of an earlier version.
    """

    names: NDArray[np.int64]
    corpora: tuple[str, ...] = ()
    aligners: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    rows_alone: bool = False

    @classmethod
    def from_bytes(cls, data: bytes, where: str) -> "Record":
        """Read what `to_bytes` wrote.

        Raises:
            UserError: it is damaged, or of another version.
        """
        try:
            table = pq.read_table(io.BytesIO(data))
            about = json.loads(table.schema.metadata[ABOUT])
            version = about.pop("version")
            rows_alone = bool(about.pop("rows_alone", version == ROWS_ALONE))
            names = np.unique(table["sentence"].to_numpy().astype(np.int64, casting="safe"))
            known = {key: tuple(map(str, value)) for key, value in about.items()}
            record = cls(names, **known, rows_alone=rows_alone)
        except (pa.ArrowException, AttributeError, KeyError, TypeError, ValueError):
            raise UserError(f"{where}: no record of training text that can be read; copy the model again.") from None
        if version not in (ROWS_ALONE, VERSION):
            raise UserError(f"{where}: a record of another version of weam-ray; this one reads version {VERSION}.")
        return record

    @classmethod
    def beside(cls, model: str) -> "Record | None":
        """The record in the folder of a model; None where there is none.

        Raises:
            UserError: it is damaged.
        """
        file = Path(model) / FILE
        return cls.from_bytes(file.read_bytes(), str(file)) if file.is_file() else None

    @property
    def about(self) -> dict[str, Any]:
        """What else is known; an earlier version had no `links`, so they are left out where there is nothing to say."""
        known: dict[str, Any] = {"corpora": self.corpora, "aligners": self.aligners, "unknown": self.unknown}
        known |= {"links": self.links} if self.links else {}
        return known | ({"rows_alone": True} if self.rows_alone else {})

    def sentences(self) -> list[str]:
        """What is not known of the text behind the model."""
        began = [f"The model began from {name}; what that was pre-trained on is not known." for name in self.unknown]
        began += [LINKS.get(name, f"Word links came from {name}.") for name in self.links]
        return began + ([OLD] if self.rows_alone else [])

    def to_bytes(self) -> bytes:
        """The record as a Parquet file."""
        schema = pa.schema([("sentence", pa.int64())], {ABOUT: json.dumps({"version": VERSION, **self.about})})
        sink = pa.BufferOutputStream()
        pq.write_table(pa.table({"sentence": self.names}, schema=schema), sink, **parquet_options(schema))
        return sink.getvalue().to_pybytes()

    def joined(self, other: "Record") -> "Record":
        """This record and another one, as one."""
        about = {
            key: tuple(dict.fromkeys([*getattr(self, key), *getattr(other, key)]))
            for key in ("corpora", "aligners", "unknown", "links")
        }
        return Record(np.union1d(self.names, other.names), **about, rows_alone=self.rows_alone or other.rows_alone)

    def has(self, names: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether each of some names is among those of the record."""
        places = np.searchsorted(self.names, names)
        found = np.zeros(len(names), np.bool_)
        inside = places < len(self.names)
        found[inside] = self.names[places[inside]] == names[inside]
        return found

    @cached_property
    def fingerprint(self) -> str:
        digest = hashlib.sha256(json.dumps(self.about).encode())
        digest.update(np.ascontiguousarray(self.names).data)
        return digest.hexdigest()[:16]
