"""The sources of `corpus.sources`: one class for each format, with its files and languages.

`corpus/readers/` reads them: one module for each class.
"""

from abc import abstractmethod
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from weam_ray.settings.base import Section
from weam_ray.settings.paths import LocalPath

LANGUAGE_PATTERN = r"^[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8})*$"


class Readable(Section):
    """What every source is: files, and languages."""

    path_keys: ClassVar[tuple[str, ...]] = ()
    link_keys: ClassVar[tuple[str, ...]] = ()

    @property
    @abstractmethod
    def languages(self) -> tuple[str, str]:
        """Source and target; unpaired text has no target language, which is written as a blank."""

    @abstractmethod
    def label(self) -> str:
        """What a message calls the source."""

    @property
    def is_paired(self) -> bool:
        return bool(self.languages[1])

    @property
    def language_pair(self) -> str:
        """`en-de`, or `en` for unpaired text."""
        return "-".join(filter(None, self.languages))

    def settings(self) -> dict[str, Any]:
        """All but the paths: files count by their content."""
        return self.model_dump(mode="json", exclude={*self.path_keys, *self.link_keys})


class SourceBase(Readable):
    """The two languages of a source of parallel text, as codes such as `en` or `pt-BR`."""

    link_keys: ClassVar[tuple[str, ...]] = ("links",)

    source_lang: str = Field(pattern=LANGUAGE_PATTERN)
    target_lang: str = Field(pattern=LANGUAGE_PATTERN)
    links: LocalPath | None = Field(default=None, description="file of links, for the aligner `pharaoh`")

    @model_validator(mode="after")
    def languages_differ(self) -> Self:
        if self.source_lang == self.target_lang:
            raise ValueError(f"source_lang and target_lang are both {self.source_lang!r}; a pair has two languages")
        return self

    @property
    def languages(self) -> tuple[str, str]:
        return self.source_lang, self.target_lang


class BundledSource(SourceBase):
    """Any two of the corpus's languages, `en`, `de`, `es`, `fr`, `ru`, `tl`; the verse names the pair."""

    format: Literal["bundled"]

    def label(self) -> str:
        return f"the bundled corpus, {self.language_pair}"


class MosesSource(SourceBase):
    """Line n of `source` is the translation of line n of `target`."""

    path_keys: ClassVar[tuple[str, ...]] = ("source", "target")

    format: Literal["moses"]
    source: LocalPath
    target: LocalPath

    def label(self) -> str:
        return f"{self.source} and {self.target}"


DEFAULT_COLUMNS = ("source", "target")


class ParquetSource(SourceBase):
    """A missing value counts as a blank side. `id_column` names the pairs; without it they are numbered from 1.

    `translation.en` is the field `en` of the column `translation`. Where no columns are named, and none is called
    `source` or `target`, a struct column with the two languages as fields is taken, as data sets of the hub have it.
    """

    path_keys: ClassVar[tuple[str, ...]] = ("path",)

    format: Literal["parquet"]
    path: LocalPath
    source_column: str = DEFAULT_COLUMNS[0]
    target_column: str = DEFAULT_COLUMNS[1]
    id_column: str | None = None

    def label(self) -> str:
        return self.path


class PipesSource(SourceBase):
    """The token `|||` parts the sides, and so does a tab; a line without either has a blank target.

    A line with more than one of them has the problem `separator`, and one that has `|||` only as a part of other words
    has the problem `glued_separator`.
    """

    path_keys: ClassVar[tuple[str, ...]] = ("path",)

    format: Literal["pipes"]
    path: LocalPath

    def label(self) -> str:
        return self.path


class TextSource(Readable):
    """Sentences of one language, without translations: rows with a blank target."""

    path_keys: ClassVar[tuple[str, ...]] = ("path",)

    format: Literal["text"]
    path: LocalPath
    language: str = Field(pattern=LANGUAGE_PATTERN)

    @property
    def languages(self) -> tuple[str, str]:
        return self.language, ""

    def label(self) -> str:
        return self.path


TSV_REVISION = 2  # of what is made of a file


class TsvSource(SourceBase):
    """Columns are counted from 0. All lines must have as many columns as the heading, or as most lines.

    A line with more has the problem `separator`, since a tab may stand in its text, one with fewer `columns`.
    `header` says whether the first line is a heading; without it, it is one where it names the two columns.
    """

    path_keys: ClassVar[tuple[str, ...]] = ("path",)

    format: Literal["tsv"]
    path: LocalPath
    source_column: int = Field(default=0, ge=0)
    target_column: int = Field(default=1, ge=0)
    header: bool | None = Field(default=None, description="whether line 1 is a heading; null: where it names columns")

    def label(self) -> str:
        return self.path

    def settings(self) -> dict[str, Any]:
        return {**super().settings(), "revision": TSV_REVISION}

    @property
    def columns(self) -> tuple[int, int]:
        return self.source_column, self.target_column


Source = Annotated[
    BundledSource | MosesSource | ParquetSource | PipesSource | TextSource | TsvSource,
    Field(discriminator="format"),
]
