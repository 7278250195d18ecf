"""Gold links beside the links that the alignment job found: which rows they are of, scores, and pictures."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weam_ray.align.gold import Gold, gold_rows, place_gold, score_all
from weam_ray.align.lines import rows_between
from weam_ray.align.links import Links
from weam_ray.align.ready import source_number
from weam_ray.align.symmetrize import symmetrize
from weam_ray.corpus.words import Segmentation, segment
from weam_ray.settings.config import Config
from weam_ray.store.stages import Stage

UNKNOWN_WORDS = 2**15  # of a rejected pair: more than any gold link has
TEXT_COLUMNS = ["row", "source", "target", "source_words", "target_words", "forward_links", "reverse_links"]


@dataclass(frozen=True)
class PlacedGold:
    """Gold links and the rows of the source, from 0, that they are of."""

    gold: Gold
    rows: range

    @classmethod
    def of(cls, gold: Gold, asked: str | None, corpus: Stage, segmentation: Segmentation) -> "PlacedGold":
        """Find the rows that gold links are about; `asked` is a range of lines as `--gold-lines` names it.

        Raises:
            UserError: there are none, or the gold does not fit their words.
        """
        num_rows = corpus.info["rows"][0]
        found = gold_rows(gold, num_rows, num_blank_rows(corpus, num_rows), asked)

        def num_words(rows: range) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
            table = rows_between(corpus, 0, rows.start, rows.stop, ["row", "source", "target"])
            lengths = np.full(len(rows), UNKNOWN_WORDS), np.full(len(rows), UNKNOWN_WORDS)
            for own, side in zip(lengths, ("source", "target"), strict=True):
                words = segment(table[side].combine_chunks(), segmentation)
                own[table["row"].to_numpy() - rows.start] = words.lengths
            return lengths

        placed = cls(*place_gold(gold, found, num_words))
        if len(placed.gold) < len(gold):
            number = len(gold) - len(placed.gold)
            print(
                f"gold: {number} blank lines at the end are taken for no pairs, and the others are of lines "
                f"{placed.lines} from 0; --gold-lines says otherwise"
            )
        elif placed.rows.stop < num_rows and asked is None:
            print(f"gold: blank lines at the end of the text are no pairs; the gold is of lines {placed.lines} from 0")
        return placed

    @property
    def lines(self) -> str:
        """As `--gold-lines` names them."""
        return f"{self.rows.start}:{self.rows.stop}"

    def scores(self, align: Stage, symmetrization: str) -> dict[str, Any]:
        """Alignment error rate and its parts, of the rows that have gold."""
        table = rows_between(align, 0, self.rows.start, self.rows.stop, TEXT_COLUMNS)
        places, num_rows = table["row"].to_numpy() - self.rows.start, len(self.rows)
        forward, reverse = (
            Links.from_arrow(table[f"{name}_links"]).spread(places, num_rows) for name in ("forward", "reverse")
        )
        found = score_all(forward, reverse, self.gold)
        chosen = found[symmetrization]
        return {
            "gold_lines": [self.rows.start, self.rows.stop],
            "aer": chosen.aer,
            "precision": chosen.precision,
            "recall": chosen.recall,
            "aer_by_symmetrization": {name: own.aer for name, own in found.items()},
            "scores_by_symmetrization": {name: asdict(own) for name, own in found.items()},
        }

    def first_row(self, align: Stage) -> list[int]:
        """The first row that is aligned and has gold links, if there is one."""
        with_gold = self.rows.start + np.flatnonzero(np.diff(self.gold.sure.offsets))
        aligned = rows_between(align, 0, self.rows.start, self.rows.stop, ["row"])["row"].to_numpy()
        return np.intersect1d(with_gold, aligned)[:1].tolist()


def num_blank_rows(corpus: Stage, num_rows: int) -> int:
    """How many rows at the end of the first source have two blank sides."""
    blank = {
        row["row"]
        for file in corpus.files("rejected")
        if source_number(file) == 0
        for row in corpus.read_parquet(file, ["row", "source", "target"]).to_pylist()
        if not row["source"].strip() and not row["target"].strip()
    }
    return next(number for number in range(num_rows + 1) if num_rows - 1 - number not in blank)


def draw_row(config: Config, align: Stage, gold: PlacedGold | None, row: int, file: Path) -> None:
    """Draw the links of one row of the source, which is among the aligned, beside its gold links."""
    from weam_ray.report.alignment_picture import draw_alignment

    table = rows_between(align, 0, row, row + 1, TEXT_COLUMNS)
    (pair,) = table.to_pylist()
    words = [
        [pair[side][start:end] for start, end in zip(flat[::2], flat[1::2], strict=True)]
        for side, flat in (("source", pair["source_words"]), ("target", pair["target_words"]))
    ]
    forward, reverse = (Links.from_arrow(table[f"{name}_links"]) for name in ("forward", "reverse"))
    links = symmetrize(forward, reverse, config.encode.symmetrization).of(0)
    own = gold.gold.of(gold.rows.index(row)) if gold is not None and row in gold.rows else None
    title = f"line {row + 1}, {config.align.aligner}, {config.encode.symmetrization}"
    draw_alignment(words[0], words[1], links, own, title, file)
