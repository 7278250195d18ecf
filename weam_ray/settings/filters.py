"""The filters of `corpus.filters`: one class for each, with its limits.

`corpus/filters/` has what they do: one module for each kind of thing that they look at. Where OpusFilter (Aulamo et al.
2020) has the same filter, limits mean the same and have its defaults; the docstring says by which name.
"""

from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, Field, model_validator

from weam_ray.settings.base import Role, Section
from weam_ray.settings.paths import DataPaths, LocalPath

FILTER = "The kind of filter."
# reasons that rows are given whatever the filters are, or after them
RESERVED = {
    *("surrogate", "encoding", "damaged", "separator", "glued_separator", "columns", "too_long", "json", "quotes"),
    *("language", "entity", "state", "fuzzy", "obsolete", "untranslated", "nul", "blank", "identical"),
    *("held_out_elsewhere", "limit"),
}
OWN_NAMES = {"identical": "identical_letters", "language": "wrong_language"}  # of kinds whose own is such a reason
NAME_PATTERN = r"^[a-z][a-z0-9_]*$"
Unit = Annotated[Literal["words", "characters"], Role.RESULT]
UNIT = "What is counted: words, of which each sign of a script without spaces is one, or characters."
Share = Annotated[float, Role.RESULT]


class FilterBase(Section):
    """What every filter has: a name, by which rejected rows and counts tell of it."""

    name: Annotated[str | None, Role.RESULT] = Field(
        default=None,
        pattern=NAME_PATTERN,
        description="The reason that rejected rows are given; null: the kind of filter (identical_letters and "
        "wrong_language of these two), with its place where several are of a kind.",
    )


class LengthFilter(FilterBase):
    """Both sides must be so long (OpusFilter: LengthFilter)."""

    filter: Annotated[Literal["length"], Role.RESULT] = Field(description=FILTER)
    unit: Unit = Field(default="words", description=UNIT)
    min: Annotated[int, Role.RESULT] = Field(default=1, ge=0, description="The shortest side that is kept.")
    max: Annotated[int, Role.RESULT] = Field(default=100, ge=1, description="The longest side that is kept.")

    @model_validator(mode="after")
    def min_is_below_max(self) -> "LengthFilter":
        if self.min > self.max:
            raise ValueError(f"min: {self.min} is more than max, which is {self.max}")
        return self


class LengthRatioFilter(FilterBase):
    """The longer side must not be too many times as long as the shorter one (OpusFilter: LengthRatioFilter)."""

    filter: Annotated[Literal["length_ratio"], Role.RESULT] = Field(description=FILTER)
    unit: Unit = Field(default="words", description=UNIT)
    max: Annotated[float, Role.RESULT] = Field(
        default=3.0, ge=1, description="How many times as long as the shorter side the longer one may be."
    )


class LongWordsFilter(FilterBase):
    """No side may have a very long word between two spaces (OpusFilter: LongWordFilter)."""

    filter: Annotated[Literal["long_words"], Role.RESULT] = Field(description=FILTER)
    max: Annotated[int, Role.RESULT] = Field(default=40, ge=1, description="The longest word, in characters.")


class IdenticalFilter(FilterBase):
    """The sides must differ in their letters, whatever their case, punctuation and digits."""

    filter: Annotated[Literal["identical"], Role.RESULT] = Field(description=FILTER)


class LettersFilter(FilterBase):
    """Enough of each side must be letters and their marks (OpusFilter: AlphabetRatioFilter)."""

    filter: Annotated[Literal["letters"], Role.RESULT] = Field(description=FILTER)
    min: Share = Field(default=0.75, ge=0, le=1, description="The least share of letters among the characters.")
    count_spaces: Annotated[bool, Role.RESULT] = Field(
        default=True, description="Whether white space counts among the characters, as it does in OpusFilter."
    )


class DigitsFilter(FilterBase):
    """Not too much of either side may be digits."""

    filter: Annotated[Literal["digits"], Role.RESULT] = Field(description=FILTER)
    max: Share = Field(default=0.3, ge=0, le=1, description="The largest share of digits among the characters.")


class PunctuationFilter(FilterBase):
    """Not too much of either side may be punctuation and symbols."""

    filter: Annotated[Literal["punctuation"], Role.RESULT] = Field(description=FILTER)
    max: Share = Field(default=0.3, ge=0, le=1, description="The largest share of such signs among the characters.")


class TerminalPunctuationFilter(FilterBase):
    """Both sides must have about as many ends of sentences, and not many (OpusFilter: TerminalPunctuationFilter;
    Vázquez et al. 2019): the score is -log of 1, the difference and those beyond the first of each side.
    """

    filter: Annotated[Literal["terminal_punctuation"], Role.RESULT] = Field(description=FILTER)
    min: Annotated[float, Role.RESULT] = Field(default=-2.0, le=0, description="The lowest score that is kept.")


class NumeralsFilter(FilterBase):
    """The digits of both sides, without zeros, must be much the same, in their order (OpusFilter:
    NonZeroNumeralsFilter; Vázquez et al. 2019).
    """

    filter: Annotated[Literal["numerals"], Role.RESULT] = Field(description=FILTER)
    min: Share = Field(
        default=0.5, ge=0, le=1, description="The lowest likeness of both sequences, from 0 to 1 (Ratcliff/Obershelp)."
    )


class ScriptFilter(FilterBase):
    """The letters of each side must be of the script of its language (OpusFilter: CharacterScoreFilter)."""

    filter: Annotated[Literal["script"], Role.RESULT] = Field(description=FILTER)
    min: Share = Field(default=1.0, ge=0, le=1, description="The least share of letters of the script among letters.")
    scripts: Annotated[dict[str, str], Role.RESULT] = Field(
        default={},
        description="The script of a language, by its code of four letters, such as `sr: Latn`; of others it is the "
        "one that CLDR has as likely.",
    )


class LanguageFilter(FilterBase):
    """Each side must be in its language, as a classifier of fastText finds it (Joulin et al. 2017; OpusFilter:
    FastTextFilter).
    """

    filter: Annotated[Literal["language"], Role.RESULT] = Field(description=FILTER)
    min: Share = Field(default=0.5, ge=0, le=1, description="The lowest probability of the language that is kept.")
    model: Annotated[LocalPath | None, Role.CONTENT] = Field(
        default=None,
        description="The file of a model, such as lid.176.bin or one of GlotLID; null: lid.176.ftz (176 languages), "
        "which comes with the program.",
    )


class RepetitionFilter(FilterBase):
    """No side may have the same string several times in a row (OpusFilter: RepetitionFilter)."""

    filter: Annotated[Literal["repetition"], Role.RESULT] = Field(description=FILTER)
    times: Annotated[int, Role.RESULT] = Field(
        default=2, ge=1, description="How often a string must be repeated for a pair to be rejected."
    )
    min: Annotated[int, Role.RESULT] = Field(default=3, ge=1, description="The shortest such string, in characters.")
    max: Annotated[int, Role.RESULT] = Field(default=100, ge=1, description="The longest such string, in characters.")

    @model_validator(mode="after")
    def min_is_below_max(self) -> "RepetitionFilter":
        if self.min > self.max:
            raise ValueError(f"min: {self.min} is more than max, which is {self.max}")
        return self


class DuplicatesFilter(FilterBase):
    """A pair must not have come before, in any source; the first one is kept (OpusFilter: RemoveDuplicates).

    The order is that of the sources, and of the rows in them. Two pairs are the same whichever side is the source.
    """

    filter: Annotated[Literal["duplicates"], Role.RESULT] = Field(description=FILTER)
    compare: Annotated[Literal["text", "letters"], Role.RESULT] = Field(
        default="text",
        description="What must differ: the text; or its letters, without case, digits, punctuation, spaces and "
        "compatibility forms (NFKC), by which pairs that are nearly the same are found.",
    )
    sides: Annotated[Literal["pair", "source", "target"], Role.RESULT] = Field(
        default="pair", description="Which text a pair is known by; one side is compared within its language pair."
    )


class EvaluationFilter(FilterBase):
    """A pair must have no sentence of an evaluation set, on either side."""

    filter: Annotated[Literal["evaluation"], Role.RESULT] = Field(description=FILTER)
    files: Annotated[DataPaths, Role.CONTENT] = Field(
        description="The files of the evaluation sets, as lines of text; of a line with tabs each column is a text."
    )
    near: Annotated[bool, Role.RESULT] = Field(
        default=True,
        description="Whether sentences go too whose words are nearly the same (a Jaccard index of 0.8 or more).",
    )


AnyFilter = (
    LengthFilter
    | LengthRatioFilter
    | LongWordsFilter
    | IdenticalFilter
    | LettersFilter
    | DigitsFilter
    | PunctuationFilter
    | TerminalPunctuationFilter
    | NumeralsFilter
    | ScriptFilter
    | LanguageFilter
    | RepetitionFilter
    | DuplicatesFilter
    | EvaluationFilter
)
Filter = Annotated[AnyFilter, Field(discriminator="filter")]
FILTER_KINDS: tuple[type[FilterBase], ...] = get_args(AnyFilter)


def with_names(filters: list[Any]) -> list[Any]:
    """The filters, each with a name of its own."""
    kinds = [one.filter for one in filters if one.name is None]
    named = []
    for number, one in enumerate(filters, 1):
        own = OWN_NAMES.get(one.filter, one.filter)
        own = own if kinds.count(one.filter) == 1 else f"{own}_{number}"
        named.append(one if one.name is not None else one.model_copy(update={"name": own}))
    names = [one.name for one in named]
    for number, name in enumerate(names):
        if name in RESERVED:
            raise ValueError(f"{number}: {name!r} is a reason that rows have without filters; give it another name")
        if name in names[:number]:
            raise ValueError(f"{number}: a filter before it is called {name!r} too; give it another name")
    return named


Filters = Annotated[list[Filter], AfterValidator(with_names)]
