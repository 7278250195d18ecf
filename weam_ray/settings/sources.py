"""The sources of `corpus.sources`: one class for each format, with its files and languages.

`corpus/readers/` reads them: one module for each class.
"""

from abc import abstractmethod
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Field, model_validator

from weam_ray.settings.base import Role, Section
from weam_ray.settings.paths import LocalPath

FORMAT = "The format of the files."
LANGUAGE_PATTERN = r"^[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8})*$"


class Readable(Section):
    """A source: files of text in one format, and their languages."""

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
        """What counts in a fingerprint besides the content of the files."""
        return self.only(Role.RESULT)


class SourceBase(Readable):
    """A source of parallel text: two languages, and perhaps links that come with it."""

    source_lang: Annotated[str, Role.RESULT] = Field(
        pattern=LANGUAGE_PATTERN, description="The language of the source side, a code such as en or pt-BR."
    )
    target_lang: Annotated[str, Role.RESULT] = Field(
        pattern=LANGUAGE_PATTERN, description="The language of the target side, likewise."
    )
    links: Annotated[LocalPath | None, Role.CONTENT] = Field(
        default=None, description="The file of links that the aligner pharaoh takes, a line for each pair."
    )

    @model_validator(mode="after")
    def languages_differ(self) -> Self:
        if self.source_lang == self.target_lang:
            raise ValueError(f"source_lang and target_lang are both {self.source_lang!r}; a pair has two languages")
        return self

    @property
    def languages(self) -> tuple[str, str]:
        return self.source_lang, self.target_lang


class BundledSource(SourceBase):
    """Bible verses that come with the program, in any two of `en`, `de`, `es`, `fr`, `ru` and `tl`."""

    format: Annotated[Literal["bundled"], Role.RESULT] = Field(description=FORMAT)

    def label(self) -> str:
        return f"the bundled corpus, {self.language_pair}"


class MosesSource(SourceBase):
    """Two files of which line n of one is the translation of line n of the other."""

    format: Annotated[Literal["moses"], Role.RESULT] = Field(description=FORMAT)
    source: Annotated[LocalPath, Role.CONTENT] = Field(description="The file of the source side, a sentence a line.")
    target: Annotated[LocalPath, Role.CONTENT] = Field(
        description="The file of the target side; its line n is the translation of line n of the other."
    )

    def label(self) -> str:
        return f"{self.source} and {self.target}"


DEFAULT_COLUMNS = ("source", "target")


class ParquetSource(SourceBase):
    """A Parquet file with a column for each side; a missing value counts as a blank side.

    `translation.en` is the field `en` of the column `translation`. Where no columns are named, and none is called
    `source` or `target`, a struct column with the two languages as fields is taken, as data sets of the hub have it.
    """

    format: Annotated[Literal["parquet"], Role.RESULT] = Field(description=FORMAT)
    path: Annotated[LocalPath, Role.CONTENT] = Field(description="The Parquet file.")
    source_column: Annotated[str, Role.RESULT] = Field(
        default=DEFAULT_COLUMNS[0], description="The column of the source side; NAME.FIELD is a field of a struct."
    )
    target_column: Annotated[str, Role.RESULT] = Field(
        default=DEFAULT_COLUMNS[1], description="The column of the target side, likewise."
    )
    id_column: Annotated[str | None, Role.RESULT] = Field(
        default=None, description="The column that names the pairs; null: they are numbered from 1."
    )

    def label(self) -> str:
        return self.path


class PipesSource(SourceBase):
    """A file of lines `source ||| target`; a tab parts the sides too, and a line without either has a blank target.

    A line with more than one of them has the problem `separator`, and one that has `|||` only as a part of other words
    has the problem `glued_separator`.
    """

    format: Annotated[Literal["pipes"], Role.RESULT] = Field(description=FORMAT)
    path: Annotated[LocalPath, Role.CONTENT] = Field(description="The file, with a pair on each line.")

    def label(self) -> str:
        return self.path


class TextSource(Readable):
    """A file of sentences of one language, without translations."""

    format: Annotated[Literal["text"], Role.RESULT] = Field(description=FORMAT)
    path: Annotated[LocalPath, Role.CONTENT] = Field(description="The file, with a sentence on each line.")
    language: Annotated[str, Role.RESULT] = Field(
        pattern=LANGUAGE_PATTERN, description="The language of the text, a code such as en or pt-BR."
    )

    @property
    def languages(self) -> tuple[str, str]:
        return self.language, ""

    def label(self) -> str:
        return self.path


TSV_REVISION = 2  # of what is made of a file


class TsvSource(SourceBase):
    """A file with tabs between its columns, of which every line has as many as the heading, or as most lines.

    A line with more has the problem `separator`, since a tab may stand in its text, one with fewer `columns`.
    """

    format: Annotated[Literal["tsv"], Role.RESULT] = Field(description=FORMAT)
    path: Annotated[LocalPath, Role.CONTENT] = Field(
        description="The file, with a pair on each line, and tabs between columns."
    )
    source_column: Annotated[int, Role.RESULT] = Field(
        default=0, ge=0, description="The column of the source side, counted from 0."
    )
    target_column: Annotated[int, Role.RESULT] = Field(
        default=1, ge=0, description="The column of the target side, counted from 0."
    )
    header: Annotated[bool | None, Role.RESULT] = Field(
        default=None, description="Whether line 1 is a heading; null: it is one where it names the two columns."
    )

    def label(self) -> str:
        return self.path

    def settings(self) -> dict[str, Any]:
        return {**super().settings(), "revision": TSV_REVISION}

    @property
    def columns(self) -> tuple[int, int]:
        return self.source_column, self.target_column


AnySource = BundledSource | MosesSource | ParquetSource | PipesSource | TextSource | TsvSource
Source = Annotated[AnySource, Field(discriminator="format")]
SOURCE_KINDS: tuple[type[Readable], ...] = get_args(AnySource)
