"""Alignment of an encoder's states, measured on gold sets."""

import gzip
from pathlib import Path
from typing import Any

import pytest

from tests.support.lab import write_encoder, write_gold
from weam_ray.errors import UserError
from weam_ray.evaluate.models import encoder_of
from weam_ray.measure.by_layer import GOLD, measure
from weam_ray.measure.pairs import gold_sets


@pytest.mark.parametrize(("given", "layer"), [(None, 2), (-1, 2), (-3, 0), (1, 1)])
def test_the_layer_whose_figures_stand_in_the_result(
    given: int | None, layer: int, tmp_path: Path, wordpiece: Any
) -> None:
    """By its number from the embeddings, however it was asked for."""
    write_gold(tmp_path)
    model = encoder_of(str(write_encoder(tmp_path / "model", wordpiece)))
    found = measure(model, wordpiece, [], gold_sets(tmp_path), given)
    assert found.layer == layer
    figures = found.layers[GOLD]["deen"]
    assert len(figures) == 3
    assert found.parts[GOLD]["deen"].percent == pytest.approx(figures[layer]["aer"])


@pytest.mark.parametrize(
    ("text_end", "gold_end"), [("", ""), ("\n", ""), ("", "\n"), ("\r\n \n", "\n\n\n"), ("\n\n", "\n")]
)
def test_blank_lines_at_the_end_of_a_gold_set(tmp_path: Path, text_end: str, gold_end: str) -> None:
    """They are no pairs where the text has none there; a pair without links is one."""
    write_gold(tmp_path)
    (plain,) = gold_sets(tmp_path)
    for links in ("1-1 2-2\n1p1 2-2\n", "1-1 2-2\n\n"):
        (tmp_path / "gold" / "deen.src-tgt").write_text(
            f"der hund ||| the dog\ndie katze ||| the cat\n{text_end}", encoding="utf-8"
        )
        (tmp_path / "gold" / "deen.gold").write_text(links + gold_end, encoding="utf-8")
        (found,) = gold_sets(tmp_path)
        assert (found.texts, len(found.gold)) == (plain.texts, 2)
        assert found.gold.of(0) == plain.gold.of(0)


def test_gold_sets_of_other_numbers_of_lines(tmp_path: Path) -> None:
    write_gold(tmp_path)
    for links in ("1-1\n", "1-1\n\n1-1\n"):
        (tmp_path / "gold" / "deen.gold").write_text(links, encoding="utf-8")
        with pytest.raises(UserError, match=r"deen\.gold has . lines, and deen\.src-tgt 2\.$"):
            gold_sets(tmp_path)


def test_a_gold_set_with_more_words_than_links_number(tmp_path: Path) -> None:
    write_gold(tmp_path)
    text = f"der hund ||| the dog\ndie katze ||| {'the ' * 40_000}\n"
    (tmp_path / "gold" / "deen.src-tgt").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=r"deen\.src-tgt, line 2: 40000 words on a side; links number 32766 at most"):
        gold_sets(tmp_path)


def test_packed_gold_sets_are_what_they_are(tmp_path: Path) -> None:
    """By their content; what is no text is named."""
    write_gold(tmp_path)
    (plain,) = gold_sets(tmp_path)
    for name in ("deen.gold", "deen.src-tgt"):
        file = tmp_path / "gold" / name
        file.write_bytes(gzip.compress(file.read_bytes()))
    (found,) = gold_sets(tmp_path)
    assert found.fingerprint == plain.fingerprint
    (tmp_path / "gold" / "deen.gold").write_bytes(b"%PDF-1.7")
    with pytest.raises(UserError, match=r"deen\.gold: this is a PDF document"):
        gold_sets(tmp_path)
