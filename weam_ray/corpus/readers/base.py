"""What all readers share: the pair they yield, and lines of text with their errors."""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, ClassVar, NamedTuple, Self, cast

from pydantic import Field, model_validator

from weam_ray.errors import UserError
from weam_ray.sections import Section

LANGUAGE_PATTERN = r"^[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8})*$"


class RawPair(NamedTuple):
    """A pair as it stands in its file, before any filter."""

    pair_id: str
    source: str
    target: str


class SourceBase(Section):
    """The two languages of a source of parallel text, as codes such as `en` or `pt-BR`."""

    path_keys: ClassVar[tuple[str, ...]] = ()

    source_lang: str = Field(pattern=LANGUAGE_PATTERN)
    target_lang: str = Field(pattern=LANGUAGE_PATTERN)

    @model_validator(mode="after")
    def languages_differ(self) -> Self:
        if self.source_lang == self.target_lang:
            raise ValueError(f"source_lang and target_lang are both {self.source_lang!r}; a pair has two languages")
        return self

    def absolute(self) -> Self:
        """The same source with absolute paths, for workers that run in another folder."""
        paths = {key: str(Path(getattr(self, key)).expanduser().absolute()) for key in self.path_keys}
        return self.model_copy(update=paths)

    def settings(self) -> dict[str, Any]:
        """All but the paths: files count by their content."""
        return self.model_dump(mode="json", exclude=set(self.path_keys))

    @property
    def language_pair(self) -> str:
        return f"{self.source_lang}-{self.target_lang}"


def existing_file(path: str, key: str) -> Path:
    """The file of a configuration key.

    Raises:
        UserError: no such file.
    """
    file = Path(path).expanduser()
    if not file.is_file():
        raise UserError(f"{key}: there is no file {str(file)!r}.")
    return file


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    r"""Lines of a UTF-8 file, plain or `.gz`, without their `\n` or `\r\n`, numbered from 1.

    Only a line feed ends a line, so that line-aligned files stay aligned when the text holds other
    separators (U+2028, a form feed).

    Raises:
        UserError: bytes that are not UTF-8, or a damaged gzip file, with the file and the line.
    """
    number = 0
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
        try:
            for raw in cast(IO[bytes], file):
                number += 1
                yield number, decode(raw, path, number)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise UserError(f"{path}, after line {number}: not a whole gzip file ({error}).") from error


def decode(raw: bytes, path: Path, number: int) -> str:
    """One line of UTF-8 as text, without its line end and without a byte order mark on line 1."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path}, line {number}: byte {error.start + 1} of the line, 0x{raw[error.start]:02x}, is not UTF-8; "
            "convert the file to UTF-8."
        ) from error
    if number == 1:
        text = text.removeprefix("\ufeff")
    return text.removesuffix("\n").removesuffix("\r")
