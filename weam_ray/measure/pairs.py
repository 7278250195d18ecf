"""The pairs that alignment is measured on: held-out pairs of a run, and gold sets with links that people made."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from weam_ray.align.gold import MAX_NUMBER, Gold, check_words, read_gold
from weam_ray.align.links import Links
from weam_ray.align.symmetrize import symmetrize
from weam_ray.corpus.parts import TEST, Part, held_out_parts
from weam_ray.corpus.readers.base import read_lines
from weam_ray.encode.tokens import flat_spans
from weam_ray.errors import UserError
from weam_ray.store.files import fingerprint
from weam_ray.store.stages import Stage

GOLD_LANGUAGES = {"enfr": "en-fr", "roen": "ro-en", "grcen": "grc-en"}


@dataclass(frozen=True)
class HeldOutPairs:
    """Pairs of two languages with their words and one-to-one links; spans flat, offsets in spans."""

    languages: tuple[str, str]
    texts: tuple[list[str], list[str]]
    spans: tuple[NDArray[np.int32], NDArray[np.int32]]
    word_offsets: tuple[NDArray[np.int64], NDArray[np.int64]]
    links: Links

    @classmethod
    def of(cls, table: pa.Table) -> "HeldOutPairs":
        """Take the pairs of rows of the aligned table; the links are the intersection of both directions."""
        spans, offsets = zip(*(flat_spans(table[f"{side}_words"]) for side in ("source", "target")), strict=True)
        forward, reverse = (Links.from_arrow(table[f"{name}_links"]) for name in ("forward", "reverse"))
        return cls(
            (table["source_lang"][0].as_py(), table["target_lang"][0].as_py()),
            (table["source"].to_pylist(), table["target"].to_pylist()),
            spans,
            offsets,
            symmetrize(forward, reverse, "intersect"),
        )

    @property
    def fingerprint(self) -> str:
        return fingerprint([self.languages, self.texts, self.links.links.tolist()])

    @property
    def name(self) -> str:
        return name_of_pair(self.languages)


def name_of_pair(languages: tuple[str, str]) -> str:
    """The other language of a pair with English, such as `de`; else both, such as `fr-de`."""
    others = [language for language in languages if language != "en"]
    return others[0] if len(others) == 1 else "-".join(languages)


def held_out_pairs(align: Stage, seed: int, part: Part = TEST) -> list[HeldOutPairs]:
    """Read a part of the held-out pairs of a run, by language pair; unpaired text is left out.

    Args:
        seed: `corpus.held_out_seed` of the run.
    """
    parts = held_out_parts(align, seed)
    own = pa.array([name for name, found in parts.items() if found == part], pa.string())
    by_pair: dict[str, list[pa.Table]] = {}
    for file in align.files("held_out"):
        table = align.read_parquet(file)
        table = table.filter(pc.is_in(table["pair_id"], own))
        if table.num_rows and table["target_lang"][0].as_py():
            by_pair.setdefault(file.info["language_pair"], []).append(table)
    return [HeldOutPairs.of(pa.concat_tables(tables)) for tables in by_pair.values()]


@dataclass(frozen=True)
class GoldSet:
    """Pairs of sentences in words that spaces part, with links that people made."""

    name: str
    texts: tuple[list[str], list[str]]
    gold: Gold

    @property
    def fingerprint(self) -> str:
        return fingerprint([self.texts, self.gold.sure.links.tolist(), self.gold.possible.links.tolist()])


def gold_sets(root: Path | None) -> list[GoldSet]:
    """Read the gold sets `gold/NAME.src-tgt` and `gold/NAME.gold` under a data root.

    Links count from 0 where any of them has a 0, else from 1.

    Raises:
        UserError: a set that is not in its form, or whose links are beyond its words.
    """
    found = []
    for file in sorted((root / "gold").glob("*.src-tgt")) if root else ():
        links = file.with_suffix(".gold")
        lines = [line for block in read_lines(file) for line in block["text"].to_pylist()]
        while lines and not lines[-1].strip():
            lines.pop()
        sides = [line.split("|||") for line in lines]
        wrong = next((number for number, parts in enumerate(sides, 1) if len(parts) != 2), None)
        if wrong is not None:
            raise UserError(f"{file}, line {wrong}: `source ||| target` is expected.")
        gold = read_gold(links, one_based=False)
        if int(gold.possible.links.min()) > 0:
            gold = read_gold(links, one_based=True)
        texts = ([parts[0].strip() for parts in sides], [parts[1].strip() for parts in sides])
        if not len(gold) - gold.num_blank_at_end <= len(sides) <= len(gold):
            raise UserError(f"{links} has {len(gold)} lines, and {file.name} {len(sides)}.")
        gold = gold.first(len(sides))
        lengths = [[len(text.split()) for text in side] for side in texts]
        for number, own in enumerate(zip(*lengths, strict=True), 1):
            if max(own) > MAX_NUMBER:
                raise UserError(
                    f"{file}, line {number}: {max(own)} words on a side; links number {MAX_NUMBER} at most."
                )
        check_words(gold, *lengths)
        found.append(GoldSet(GOLD_LANGUAGES.get(file.stem, file.stem), texts, gold))
    return found
