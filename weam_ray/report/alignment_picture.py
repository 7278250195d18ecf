"""The picture of one sentence pair: which words are linked, beside gold where there is some."""

import unicodedata
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weam_ray.report.page import DOTS_PER_INCH

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Pair = tuple[int, int]

CELL = 0.27  # inches of a word's row or column
LARGEST = 60.0  # inches of the matrix at most: with more words the cells shrink
LONGEST = 24  # characters of a word that are shown
FONT = "DejaVu Sans"  # comes with matplotlib: Latin, Greek, Cyrillic, Arabic, Hebrew, Armenian, Georgian
JOINERS = "\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"  # shaping needs them
LINK, SURE, POSSIBLE = "link", "sure", "possible"  # the gid of what is drawn
COLOURS = {LINK: "#7fb2e5", SURE: "#b22222", POSSIBLE: "#b22222"}


def draw_alignment(
    source_words: Sequence[str],
    target_words: Sequence[str],
    links: Iterable[Pair],
    gold: tuple[Iterable[Pair], Iterable[Pair]] | None,
    title: str,
    file: Path,
) -> Path:
    """Write `alignment_figure` as a PNG.

    Raises:
        ValueError: a link beyond the words.
    """
    figure = alignment_figure(source_words, target_words, links, gold, title)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r".*[Gg]lyph", category=UserWarning)  # no font has it: a box
        figure.savefig(file, format="png", dpi=DOTS_PER_INCH, bbox_inches="tight", pad_inches=0.15)
    return file


def alignment_figure(
    source_words: Sequence[str],
    target_words: Sequence[str],
    links: Iterable[Pair],
    gold: tuple[Iterable[Pair], Iterable[Pair]] | None,
    title: str,
) -> "Figure":
    """Source words as rows, target words as columns, links (i, j) as filled squares.

    `gold` are the sure and the possible links: a sure one has a solid outline, one that is only possible a dashed one.
    The size grows with the words. A patch of the axes tells by its gid what it is: LINK, SURE or POSSIBLE.

    Words of scripts that DejaVu Sans lacks are shown in a font of the system that has them, else as boxes. Arabic and
    Hebrew words are shaped and run from right to left with matplotlib 3.11 and later; earlier it shows their letters in
    logical order. The columns go from left to right in any script. Long words are cut with an ellipsis; characters
    that cannot be printed show as U+FFFD.

    Raises:
        ValueError: a link beyond the words.
    """
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch, Rectangle

    rows, columns = len(source_words), len(target_words)
    sure, possible = (set(each) for each in gold) if gold else (set(), set())
    drawn = {LINK: set(links), SURE: sure, POSSIBLE: possible - sure}
    for i, j in set().union(*drawn.values()):
        if not (0 <= i < rows and 0 <= j < columns):
            raise ValueError(f"link {i}-{j} of a pair of {rows} source and {columns} target words")

    cell = min(CELL, LARGEST / max(rows, columns, 1))
    fonts = fonts_for("".join([*source_words, *target_words, title]))
    # the matrix fills the figure; words, title and legend stand outside, and the file is cut around them
    figure = Figure(figsize=(max(columns, 1) * cell, max(rows, 1) * cell))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(-0.5, max(columns, 1) - 0.5), ylim=(max(rows, 1) - 0.5, -0.5))

    styles: dict[str, dict[str, Any]] = {
        LINK: {"facecolor": COLOURS[LINK], "edgecolor": "none"},
        SURE: {"fill": False, "edgecolor": COLOURS[SURE], "linewidth": 1.6},
        POSSIBLE: {"fill": False, "edgecolor": COLOURS[POSSIBLE], "linewidth": 1.1, "linestyle": (0, (2, 1.2))},
    }
    margins = {LINK: 0.0, SURE: 0.1, POSSIBLE: 0.1}  # so that outlines of neighbours stay apart
    for kind, style in styles.items():
        margin = margins[kind]
        size = 1 - 2 * margin
        for i, j in sorted(drawn[kind]):
            corner = (j - 0.5 + margin, i - 0.5 + margin)
            axes.add_patch(Rectangle(corner, size, size, gid=kind, zorder=2 if kind == LINK else 3, **style))

    text: dict[str, Any] = {"fontfamily": fonts, "fontsize": 9 * cell / CELL, "parse_math": False}
    axes.set_xticks(range(columns), [shown(word) for word in target_words], rotation=90, **text)
    axes.set_yticks(range(rows), [shown(word) for word in source_words], **text)
    axes.tick_params(length=0, top=False, bottom=False, labeltop=True, labelbottom=False)
    lines: dict[str, Any] = {"colors": "0.88", "linewidths": 0.6, "zorder": 1}
    axes.vlines([j + 0.5 for j in range(columns - 1)], -0.5, rows - 0.5, **lines)
    axes.hlines([i + 0.5 for i in range(rows - 1)], -0.5, columns - 0.5, **lines)
    for spine in axes.spines.values():
        spine.set(color="0.6", linewidth=0.8)

    axes.set_title(shown(title, 120), loc="left", pad=10, fontsize=11, fontfamily=fonts, parse_math=False)
    names = {LINK: "our link", SURE: "gold, sure", POSSIBLE: "gold, possible"}
    kinds = list(styles) if gold else [LINK]
    axes.legend(
        handles=[Patch(label=names[kind], **styles[kind]) for kind in kinds],
        loc="upper left",
        bbox_to_anchor=(0, 0),
        borderaxespad=0.8,
        frameon=False,
        fontsize=9,
        ncols=len(kinds),
    )
    return figure


def shown(text: str, longest: int = LONGEST) -> str:
    """Text for a label: marks of writing direction left out, what cannot be printed as U+FFFD, cut at `longest`."""
    kept = [character for character in text if character in JOINERS or unicodedata.category(character) != "Cf"]
    label = "".join(
        character if character.isprintable() or character in JOINERS else "\N{REPLACEMENT CHARACTER}"
        for character in kept
    )
    return label if len(label) <= longest else label[: longest - 1] + "…"


def fonts_for(text: str) -> list[str]:
    """Names of fonts that have the characters of the text between them as far as the system has any, FONT first."""
    from matplotlib import font_manager

    missing = {ord(character) for character in text if character.isprintable() and character != " "}
    missing -= set(font_manager.get_font(font_manager.findfont(FONT)).get_charmap())
    names = [FONT]
    for entry in font_manager.fontManager.ttflist:
        if not missing:
            break
        if entry.name.startswith("Last Resort"):  # has a box for every character there is
            continue
        try:
            found = missing & set(font_manager.get_font(entry.fname).get_charmap())
        except (OSError, RuntimeError):  # a font that is listed, but gone or damaged
            continue
        if found:
            names.append(entry.name)
            missing -= found
    return names
