"""The sources of `corpus.sources`: one class for each format, with its files and languages.

`corpus/readers/` reads them: one module for each class.
"""

import re
from abc import abstractmethod
from itertools import combinations
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import AfterValidator, BeforeValidator, Field, TypeAdapter, model_validator

from weam_ray.settings.base import Called, Role, Section
from weam_ray.settings.paths import DataPaths, LocalPath, folder_or_name

FORMAT = "The format of the files."
REFERENCE = "Where the text comes from, as it is to be cited; the data card of the corpus has it."
LICENCE = "The licence of the text, likewise."
SEVERAL = (
    "here or at an address (s3://...); a list or a pattern such as part-*.gz names several, read one after another."
)
LANGUAGE_PATTERN = r"^[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8})*$"


class Readable(Section):
    """A source: files of text in one format, and their languages."""

    reference: Annotated[str | None, Role.LABEL] = Field(default=None, description=REFERENCE)
    licence: Annotated[str | None, Role.LABEL] = Field(default=None, description=LICENCE)

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


class FileSource(SourceBase):
    """A source of files that hold both sides."""

    path: Annotated[DataPaths, Role.CONTENT] = Field(description=f"The file, {SEVERAL}")

    def label(self) -> str:
        return named(self.path)


def named(paths: str | list[str]) -> str:
    """Some paths in a message."""
    return paths if isinstance(paths, str) else ", ".join(paths)


DEFAULT_COLUMNS = ("source", "target")


class NamedColumns(SourceBase):
    """A source whose texts stand in columns, or under keys, that have names."""

    source_column: Annotated[str, Role.RESULT] = Field(
        default=DEFAULT_COLUMNS[0], description="The column of the source side; NAME.FIELD is a field of a struct."
    )
    target_column: Annotated[str, Role.RESULT] = Field(
        default=DEFAULT_COLUMNS[1], description="The column of the target side, likewise."
    )
    id_column: Annotated[str | None, Role.RESULT] = Field(
        default=None, description="The column that names the pairs; null: they are numbered from 1."
    )

    @property
    def columns(self) -> tuple[str, str]:
        return self.source_column, self.target_column


class BundledSource(SourceBase):
    """Bible verses that come with the program, in any two of `en`, `de`, `es`, `fr`, `ru` and `tl`."""

    format: Annotated[Literal["bundled"], Role.RESULT] = Field(description=FORMAT)

    def label(self) -> str:
        return f"the bundled corpus, {self.language_pair}"


class CsvSource(FileSource, NamedColumns):
    """A table with commas between its columns, with quotes around fields where need be (RFC 4180), and a heading.

    Where no columns are named, and none is called `source` or `target`, those that the languages name are taken. A line
    with more columns than the heading has the problem `separator`, one with fewer `columns`; one whose quotes do not
    match has the problem `quotes`.
    """

    format: Annotated[Literal["csv"], Role.RESULT] = Field(description=FORMAT)
    delimiter: Annotated[str, Role.RESULT] = Field(
        default=",", pattern=r'^[^"\r\n]$', description="The character between columns, such as `;`."
    )


class DatasetsSource(NamedColumns):
    """A data set of Hugging Face: a folder that `save_to_disk` wrote, a folder of data files, or a name on the hub.

    What the hub has is kept in its cache, and with HF_HUB_OFFLINE=1 read from there. Columns are found as in `parquet`.
    Programs that come with a data set are never run.
    """

    format: Annotated[Literal["datasets"], Role.RESULT] = Field(description=FORMAT)
    path: Annotated[str, Role.CONTENT, AfterValidator(folder_or_name), Called("folder or name")] = Field(
        description="The folder, or the name on the hub."
    )
    subset: Annotated[str | None, Role.CONTENT] = Field(
        default=None, description="Which configuration of the data set, such as de-en; null: its only one."
    )
    revision: Annotated[str | None, Role.CONTENT] = Field(
        default=None, description="Which commit, tag or branch on the hub; null: its main branch."
    )
    split: Annotated[str, Role.RESULT] = Field(default="train", description="Which split is read.")

    def label(self) -> str:
        return f"{self.path}, {'' if self.subset is None else f'{self.subset}, '}{self.split}"


class GettextSource(FileSource):
    """Catalogues of messages of programs, PO or MO: a message and its translation, and each form of a plural.

    Fuzzy, obsolete and untranslated messages have these words as problems; all of a catalogue for another language have
    the problem `language`. The header is no message. A catalogue is held in memory as a whole.
    """

    format: Annotated[Literal["gettext"], Role.RESULT] = Field(description=FORMAT)


class JsonlSource(FileSource, NamedColumns):
    """A file with a JSON object on each line, of which two keys hold the texts.

    `translation.en` is the key `en` of the object at the key `translation`. Where no columns are named, and the first
    object has no key `source` or `target`, the two languages are taken as keys, of the object or of its `translation`.
    A line that is no object has the problem `json`, one without a text under a key `columns`; null is a blank side.
    """

    format: Annotated[Literal["jsonl"], Role.RESULT] = Field(description=FORMAT)


class MosesSource(SourceBase):
    """Two files of which line n of one is the translation of line n of the other; or several such pairs of files."""

    format: Annotated[Literal["moses"], Role.RESULT] = Field(description=FORMAT)
    source: Annotated[DataPaths, Role.CONTENT] = Field(
        description=f"The file of the source side, a sentence a line, {SEVERAL}"
    )
    target: Annotated[DataPaths, Role.CONTENT] = Field(
        description="The file of the target side, or as many; its line n is the translation of line n of the other."
    )

    def label(self) -> str:
        return f"{named(self.source)} and {named(self.target)}"


class MultiwaySource(Section):
    """Files of which line n of each is the same sentence in another language; it stands for a `moses` source for each
    language pair: of the pivot with every other language, or of all languages with each other.
    """

    format: Annotated[Literal["multiway"], Role.RESULT] = Field(description=FORMAT)
    files: Annotated[dict[str, DataPaths], Role.CONTENT, Called("mapping of languages to paths")] = Field(
        min_length=2, description="The file of each language, by its code."
    )
    pivot: Annotated[str | None, Role.RESULT] = Field(
        default=None, description="The language that every language pair has as its source; null: all pairs are made."
    )
    reference: Annotated[str | None, Role.LABEL] = Field(default=None, description=REFERENCE)
    licence: Annotated[str | None, Role.LABEL] = Field(default=None, description=LICENCE)

    @model_validator(mode="after")
    def languages_are_known(self) -> Self:
        for language in self.files:
            if not re.fullmatch(LANGUAGE_PATTERN, language):
                raise ValueError(f"files: {language!r} is no code of a language, such as en or pt-BR")
        if self.pivot is not None and self.pivot not in self.files:
            raise ValueError(f"pivot {self.pivot!r} has no file; the languages are {', '.join(self.files)}")
        return self

    def pairs(self) -> list[MosesSource]:
        """The sources of the language pairs, in the order of the languages."""
        languages = [*self.files]
        chosen = [*combinations(languages, 2)]
        if self.pivot is not None:
            chosen = [(self.pivot, other) for other in languages if other != self.pivot]
        return [
            MosesSource(
                format="moses",
                source_lang=source,
                target_lang=target,
                source=self.files[source],
                target=self.files[target],
                reference=self.reference,
                licence=self.licence,
            )
            for source, target in chosen
        ]


class OpusSource(FileSource):
    """A corpus of OPUS as its site gives it in Moses form: a zip archive with a file for each language.

    The two files are those whose names end in the codes of the languages (`pt_BR` for pt-BR, and for pt where it is the
    only one). Nothing is unpacked onto the disk.
    """

    format: Annotated[Literal["opus"], Role.RESULT] = Field(description=FORMAT)


class ParquetSource(FileSource, NamedColumns):
    """A Parquet file with a column for each side; a missing value counts as a blank side.

    `translation.en` is the field `en` of the column `translation`. Where no columns are named, and none is called
    `source` or `target`, a struct column with the two languages as fields is taken, as data sets of the hub have it.
    """

    format: Annotated[Literal["parquet"], Role.RESULT] = Field(description=FORMAT)


class PipesSource(FileSource):
    """A file of lines `source ||| target`; a tab parts the sides too, and a line without either has a blank target.

    A line with more than one of them has the problem `separator`, and one that has `|||` only as a part of other words
    has the problem `glued_separator`.
    """

    format: Annotated[Literal["pipes"], Role.RESULT] = Field(description=FORMAT)


class TextSource(Readable):
    """A file of sentences of one language, without translations."""

    format: Annotated[Literal["text"], Role.RESULT] = Field(description=FORMAT)
    path: Annotated[DataPaths, Role.CONTENT] = Field(description=f"The file, with a sentence on each line, {SEVERAL}")
    language: Annotated[str, Role.RESULT] = Field(
        pattern=LANGUAGE_PATTERN, description="The language of the text, a code such as en or pt-BR."
    )

    @property
    def languages(self) -> tuple[str, str]:
        return self.language, ""

    def label(self) -> str:
        return named(self.path)


class TmxSource(FileSource):
    """A translation memory (TMX): each unit with a segment in both languages is a pair.

    `en` finds segments in `en-US` too, and `en-US` those in `en`, but not those in `en-GB`; an equal code goes first. A
    unit without one of the languages has the problem `language`. Codes of the layout (`bpt`, `ept`, `ph`, `it`, `ut`)
    are left out of the text, and what `hi` highlights stays.
    """

    format: Annotated[Literal["tmx"], Role.RESULT] = Field(description=FORMAT)


TSV_REVISION = 2  # of what is made of a file


class TsvSource(FileSource):
    """A file with tabs between its columns, of which every line has as many as the heading, or as most lines.

    A line with more has the problem `separator`, since a tab may stand in its text, one with fewer `columns`.
    """

    format: Annotated[Literal["tsv"], Role.RESULT] = Field(description=FORMAT)
    source_column: Annotated[int, Role.RESULT] = Field(
        default=0, ge=0, description="The column of the source side, counted from 0."
    )
    target_column: Annotated[int, Role.RESULT] = Field(
        default=1, ge=0, description="The column of the target side, counted from 0."
    )
    header: Annotated[bool | None, Role.RESULT] = Field(
        default=None, description="Whether line 1 is a heading; null: it is one where it names the two columns."
    )

    def settings(self) -> dict[str, Any]:
        return {**super().settings(), "revision": TSV_REVISION}

    @property
    def columns(self) -> tuple[int, int]:
        return self.source_column, self.target_column


class XliffSource(FileSource):
    """Localization files, XLIFF 1.2 or 2: each unit, or segment of a unit, is a pair.

    What has no translation has the problem `untranslated`, one whose state says that it is not done `state`, and one in
    other languages `language`. Codes of the layout are left out of the text.
    """

    format: Annotated[Literal["xliff"], Role.RESULT] = Field(description=FORMAT)


AnySource = (
    BundledSource
    | CsvSource
    | DatasetsSource
    | GettextSource
    | JsonlSource
    | MosesSource
    | OpusSource
    | ParquetSource
    | PipesSource
    | TextSource
    | TmxSource
    | TsvSource
    | XliffSource
)
Source = Annotated[AnySource, Field(discriminator="format")]
Written = Annotated[AnySource | MultiwaySource, Field(discriminator="format")]
SOURCE_KINDS: tuple[type[Section], ...] = get_args(AnySource | MultiwaySource)


def with_every_pair(written: Any) -> list[Readable]:
    """The sources that users write, each that is multi-way as those of its language pairs."""
    found = TypeAdapter(list[Written]).validate_python(written)
    return [one for source in found for one in (source.pairs() if isinstance(source, MultiwaySource) else [source])]


Sources = Annotated[list[Source], BeforeValidator(with_every_pair)]
