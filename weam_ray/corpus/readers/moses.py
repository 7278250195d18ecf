"""Moses form: two line-aligned files, plain or gzipped."""

from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import ClassVar, Literal

from weam_ray.corpus.readers.base import RawPair, SourceBase, existing_file, read_lines
from weam_ray.errors import UserError


class MosesSource(SourceBase):
    """Line n of `source` is the translation of line n of `target`."""

    path_keys: ClassVar[tuple[str, ...]] = ("source", "target")

    format: Literal["moses"]
    source: str
    target: str

    def label(self) -> str:
        return f"{self.source} and {self.target}"

    def files(self) -> list[Path]:
        return [
            existing_file(self.source, "corpus.sources.source"),
            existing_file(self.target, "corpus.sources.target"),
        ]

    def pairs(self) -> Iterator[RawPair]:
        """The pairs, numbered from 1 by line.

        Raises:
            UserError: the files differ in their number of lines.
        """
        source_file, target_file = self.files()
        sources, targets = read_lines(source_file), read_lines(target_file)
        for left, right in zip_longest(sources, targets):
            if left is None or right is None:
                shared = (right or left)[0] - 1
                num_source = shared + (left is not None) + sum(1 for _ in sources)
                num_target = shared + (right is not None) + sum(1 for _ in targets)
                raise UserError(
                    f"{source_file} has {num_source} lines and {target_file} has {num_target}: "
                    "line-aligned files must have the same number of lines."
                )
            yield RawPair(str(left[0]), left[1], right[1])
