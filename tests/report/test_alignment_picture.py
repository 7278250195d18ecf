"""The picture of a sentence pair: what is drawn, how large, and in which words."""

import logging
import struct
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from weam_ray.report.alignment_picture import LINK, POSSIBLE, SURE, alignment_figure, draw_alignment, shown

SOURCE = ["it", "is", "raining", "today"]
TARGET = ["il", "pleut", "aujourd'hui"]
LINKS = [(0, 0), (2, 1), (3, 2), (1, 1)]
GOLD = ([(0, 0), (3, 2)], [(0, 0), (3, 2), (1, 1), (2, 1), (1, 0)])


def pixels(file: Path) -> tuple[int, int]:
    """Width and height from the header of a PNG."""
    head = file.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    return struct.unpack(">II", head[16:24])


def squares(figure: Any, gid: str) -> list[tuple[int, int]]:
    """The cells (row, column) in whose middle the patches of a kind stand."""
    patches = [patch for patch in figure.axes[0].patches if patch.get_gid() == gid]
    centres = [(patch.get_y() + patch.get_height() / 2, patch.get_x() + patch.get_width() / 2) for patch in patches]
    assert all(abs(y - round(y)) < 1e-9 and abs(x - round(x)) < 1e-9 for y, x in centres)
    return [(round(y), round(x)) for y, x in centres]


def labels(figure: Any) -> tuple[list[str], list[str], list[str]]:
    """The texts of rows, columns and legend."""
    axes = figure.axes[0]
    return (
        [label.get_text() for label in axes.get_yticklabels()],
        [label.get_text() for label in axes.get_xticklabels()],
        [label.get_text() for label in axes.get_legend().get_texts()],
    )


class TestWhatIsDrawn:
    def test_links_and_gold(self) -> None:
        figure = alignment_figure(SOURCE, TARGET, LINKS, GOLD, "rain")
        assert squares(figure, LINK) == sorted(LINKS)
        assert squares(figure, SURE) == [(0, 0), (3, 2)]
        assert squares(figure, POSSIBLE) == [(1, 0), (1, 1), (2, 1)]
        assert labels(figure) == (SOURCE, TARGET, ["our link", "gold, sure", "gold, possible"])
        assert figure.axes[0].get_title(loc="left") == "rain"

    def test_first_row_on_top(self) -> None:
        bottom, top = alignment_figure(SOURCE, TARGET, LINKS, None, "rain").axes[0].get_ylim()
        assert (bottom, top) == (3.5, -0.5)

    def test_filled_solid_and_dashed(self) -> None:
        figure = alignment_figure(SOURCE, TARGET, LINKS, GOLD, "rain")
        looks = {
            (patch.get_gid(), patch.get_fill(), patch.get_linestyle() == "solid") for patch in figure.axes[0].patches
        }
        assert looks == {(LINK, True, True), (SURE, False, True), (POSSIBLE, False, False)}

    def test_without_gold(self) -> None:
        figure = alignment_figure(SOURCE, TARGET, LINKS, None, "rain")
        assert Counter(patch.get_gid() for patch in figure.axes[0].patches) == {LINK: 4}
        assert labels(figure)[2] == ["our link"]

    def test_a_link_given_twice_is_one(self) -> None:
        figure = alignment_figure(SOURCE, TARGET, LINKS * 2, (LINKS * 2, LINKS * 2), "rain")
        assert Counter(patch.get_gid() for patch in figure.axes[0].patches) == {LINK: 4, SURE: 4}

    @pytest.mark.parametrize("link", [(4, 0), (0, 3), (-1, 0)])
    def test_link_beyond_the_words(self, link: tuple[int, int]) -> None:
        message = f"link {link[0]}-{link[1]} of a pair of 4 source and 3 target words"
        with pytest.raises(ValueError, match=message):
            alignment_figure(SOURCE, TARGET, [link], None, "rain")
        with pytest.raises(ValueError, match=message):
            alignment_figure(SOURCE, TARGET, [], ([], [link]), "rain")


class TestFile:
    def test_grows_with_the_words(self, tmp_path: Path) -> None:
        sizes = []
        for count in (5, 60):
            words = [f"word{k}" for k in range(count)]
            links = [(k, k) for k in range(count)]
            file = tmp_path / f"{count}.png"
            assert draw_alignment(words, words, links, (links, links), "words", file) == file
            sizes.append(pixels(file))
        (width, height), (great_width, great_height) = sizes
        assert 150 < width < 700
        assert 150 < height < 500
        # each word more has at least 25 pixels: enough for a line of its text
        assert great_width - width > 25 * 55 - 300  # the small picture may be as wide as its legend
        assert great_height - height > 25 * 55

    def test_long_sentences_stay_of_bounded_size(self) -> None:
        width, height = alignment_figure(["a"] * 3, ["b"] * 600, [(0, 599)], None, "long").get_size_inches()
        assert width == pytest.approx(60)
        assert height == pytest.approx(0.3)

    def test_nothing_to_draw(self, tmp_path: Path) -> None:
        draw_alignment(SOURCE, TARGET, [], None, "no links", tmp_path / "links.png")
        draw_alignment(SOURCE, TARGET, [], ([], []), "no gold links", tmp_path / "gold.png")
        draw_alignment([], [], [], None, "no words", tmp_path / "words.png")
        assert pixels(tmp_path / "links.png") > pixels(tmp_path / "words.png") > (50, 50)
        assert pixels(tmp_path / "gold.png")[0] > pixels(tmp_path / "links.png")[0]  # the legend of the gold

    def test_any_script_and_no_warning(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
    ) -> None:
        words = ["العَرَبِيَّة", "می\u200cخواهم", "天气", "नमस्ते", "한국", "дождь", "𓀀", "\U0010fffd"]
        with warnings.catch_warnings(), caplog.at_level(logging.WARNING):
            warnings.simplefilter("error")
            draw_alignment(words, words[::-1], [(0, 0)], None, "今天", tmp_path / "scripts.png")
        assert pixels(tmp_path / "scripts.png") > (200, 200)
        assert caplog.records == []
        assert capfd.readouterr() == ("", "")

    def test_formula_signs_and_bad_characters(self, tmp_path: Path) -> None:
        """A dollar sign starts no formula, and a NUL byte or a lone surrogate does not end the program."""
        words = ["$x_", "$\\frac$", "a\0b", "\ud800", "tab\tword"]
        draw_alignment(words, words, [], None, "$ \\badcommand $ \ud800", tmp_path / "bad.png")
        assert pixels(tmp_path / "bad.png") > (150, 150)


class TestShown:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("word", "word"),
            ("\u200fשלום\u200e", "שלום"),
            ("می\u200cخواهم", "می\u200cخواهم"),
            ("a\0b", "a\ufffdb"),
            ("\ud800", "\ufffd"),
            ("x" * 24, "x" * 24),
            ("x" * 25, "x" * 23 + "…"),
        ],
    )
    def test_shown(self, text: str, expected: str) -> None:
        assert shown(text) == expected
