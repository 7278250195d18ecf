"""The corpus inside the package: public-domain Bible verses (see `corpus/bundled/LICENSE.md`)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pyarrow.parquet as pq

from weam_ray.corpus.readers.base import RawPair, SourceBase
from weam_ray.errors import UserError

BUNDLED_FILE = Path(__file__).resolve().parents[1] / "bundled" / "verses.parquet"


class BundledSource(SourceBase):
    """Any two of the corpus's languages, `en`, `de`, `es`, `fr`, `ru`, `tl`; the verse names the pair."""

    format: Literal["bundled"]

    def label(self) -> str:
        return f"the bundled corpus, {self.language_pair}"

    def files(self) -> list[Path]:
        return [BUNDLED_FILE]

    def pairs(self) -> Iterator[RawPair]:
        """The pairs, in the order of the book; a missing verse is a blank side.

        Raises:
            UserError: a language that the corpus does not hold.
        """
        names = [name for name in pq.read_schema(BUNDLED_FILE).names if name != "verse"]
        for language in (self.source_lang, self.target_lang):
            if language not in names:
                raise UserError(f"corpus.sources: the bundled corpus has no {language!r}; it has {', '.join(names)}.")
        table = pq.read_table(BUNDLED_FILE, columns=["verse", self.source_lang, self.target_lang])
        columns = (table[name].to_pylist() for name in ("verse", self.source_lang, self.target_lang))
        for verse, source, target in zip(*columns, strict=True):
            yield RawPair(verse, source, target)
