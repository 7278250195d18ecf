"""Tokens that a tokenizer does not know: counted by language, shown in every run, and warned of if they are many."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weam_ray.store.stages import Stage

HIGH_SHARE = 0.01  # of the tokens or of the characters of a language
KEY = "unknown"  # of a file's info in the stage `encode`


@dataclass
class UnknownCounts:
    """By language: tokens, unknown tokens, characters in tokens, and characters in unknown tokens."""

    counts: dict[str, list[int]] = field(default_factory=dict)

    def add(self, language: str, ids: NDArray[np.int32], spans: NDArray[np.int32], tokenizer: Any) -> None:
        """Count the tokens of texts in a language; `spans` are their (start, end) in characters, flat."""
        lengths = spans[1::2] - spans[::2]
        unknown = ids == (-1 if tokenizer.unk_token_id is None else tokenizer.unk_token_id)
        self.merge({language: [len(ids), int(unknown.sum()), int(lengths.sum()), int(lengths[unknown].sum())]})

    def merge(self, counts: dict[str, list[int]]) -> None:
        for language, values in counts.items():
            known = self.counts.get(language, [0] * len(values))
            self.counts[language] = [a + b for a, b in zip(known, values, strict=True)]

    @classmethod
    def of(cls, encoded: Stage, load_tokenizer: Callable[[], Any]) -> "UnknownCounts":
        """Add up the counts of a stage `encode`.

        One that an earlier version wrote has none: its tokens are counted now, with the tokenizer that wrote them, and
        their characters count as none.
        """
        result, unknown_id = cls(), None
        for file in (file for part in ("train", "held_out") for file in encoded.files(part)):
            if KEY in file.info:
                result.merge(file.info[KEY])
                continue
            unknown_id = load_tokenizer().unk_token_id if unknown_id is None else unknown_id
            table = encoded.read_arrow(file)
            for side in ("source", "target"):
                ids = table[f"{side}_ids"].combine_chunks().flatten().to_numpy()
                if len(ids):
                    counts = [len(ids), int(np.count_nonzero(ids == unknown_id)), 0, 0]
                    result.merge({table[f"{side}_lang"][0].as_py(): counts})
        return result

    def shares(self) -> dict[str, float]:
        """The share of unknown tokens, by language."""
        return {language: unknown / max(1, tokens) for language, (tokens, unknown, _, _) in sorted(self.counts.items())}

    def warnings(self) -> list[str]:
        """Write a sentence for each language of which much is unknown."""
        found = []
        for language, (tokens, unknown, characters, lost) in sorted(self.counts.items()):
            share, of_text = unknown / max(1, tokens), lost / max(1, characters)
            if max(share, of_text) >= HIGH_SHARE:
                text = f", which stand for {of_text:.1%} of its text" if characters else ""
                found.append(
                    f"{share:.1%} of the tokens in {language!r} are unknown to the tokenizer{text}; nothing can be "
                    "learned of that text. Choose an encoder whose tokenizer knows the script, or train a tokenizer "
                    "with encoder.name=scratch."
                )
        return found

    def lines(self) -> list[str]:
        """Give the lines to print: the shares, and the warnings."""
        shares = ", ".join(f"{language} {share:.2%}" for language, share in self.shares().items())
        return [f"unknown tokens: {shares or 'none'}", *(f"warning: {warning}" for warning in self.warnings())]
