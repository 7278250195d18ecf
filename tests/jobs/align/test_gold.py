"""Scores against gold links, and pictures."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.align_job import TEXT, VERSES, aligned, directions, pipes, run
from tests.support.texts import as_lists, read_lines, reference_links
from weam_ray.align.gold import read_gold, score_all
from weam_ray.align.symmetrize import METHODS
from weam_ray.errors import UserError

pytestmark = pytest.mark.ray


@pytest.fixture(scope="module")
def gold(base: Path) -> Callable[[int, int, int], Path]:
    """Gold of rows `start` to `end`: sure what is in the C++ program's intersection, possible what is in its union."""
    sure, possible = (as_lists(reference_links(kind)) for kind in ("intersect", "union"))

    def write(start: int, end: int, first: int = 0) -> Path:
        lines = [
            " ".join(f"{i + first}{'-' if (i, j) in sure[row] else 'p'}{j + first}" for i, j in sorted(possible[row]))
            for row in range(start, end)
        ]
        file = base / f"gold-{start}-{end}-{first}"
        file.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
        return file

    return write


class TestGold:
    @pytest.mark.parametrize(
        ("start", "end", "first", "arguments"),
        [
            (0, 300, 0, []),
            (253, 300, 1, ["--gold-one-based"]),
            (10, 30, 0, ["--gold-lines", "10:30"]),
            (295, 300, 0, ["--gold-lines", "-5:"]),
            (0, 300, 0, ["--symmetrization", "intersect"]),
        ],
    )
    def test_scores(
        self,
        good: tuple[Path, dict[str, Any]],
        home: Path,
        tmp_path: Path,
        gold: Callable[[int, int, int], Path],
        start: int,
        end: int,
        first: int,
        arguments: list[str],
    ) -> None:
        """Those of `score_all` on the links of these rows; the job fits and decodes nothing anew."""
        file = gold(start, end, first)
        result = run(home, tmp_path / "out", *VERSES, "--gold", file, *arguments)
        rows = np.arange(start, end)
        forward, reverse = (links.take(rows) for links in directions(aligned(good[0])))
        scores = score_all(forward, reverse, read_gold(file, bool(first)))
        chosen = scores["intersect" if "intersect" in arguments else "grow-diag-final-and"]
        assert result["gold_lines"] == [start, end]
        assert [result[key] for key in ("aer", "precision", "recall")] == [chosen.aer, chosen.precision, chosen.recall]
        assert list(result["aer_by_symmetrization"]) == ["forward", "reverse", *METHODS]
        assert result["aer_by_symmetrization"] == {name: own.aer for name, own in scores.items()}
        assert result["scores_by_symmetrization"] == {name: vars(own) for name, own in scores.items()}
        assert 5 < result["aer"] < 30
        assert [file.name for file in (tmp_path / "out").glob("*.png")] == [f"alignment-{start + 1}.png"]

    @pytest.mark.parametrize(("gold_blank", "text_blank"), [(1, 0), (0, 1), (2, 1)])
    def test_blank_lines_at_the_end(
        self,
        good: tuple[Path, dict[str, Any]],
        home: Path,
        tmp_path: Path,
        gold: Callable[[int, int, int], Path],
        gold_blank: int,
        text_blank: int,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """They shift nothing: the error rate is that of the files without them."""
        plain = gold(253, 300, 0)
        expected = run(home, tmp_path / "plain", *VERSES, "--gold", plain)
        file = tmp_path / "gold"
        file.write_text(plain.read_text(encoding="utf-8") + "\n" * gold_blank, encoding="utf-8")
        text = pipes(tmp_path / "text", *read_lines(TEXT), *[""] * text_blank)
        capsys.readouterr()
        result = run(home, tmp_path / "out", *text, "--gold", file)
        keys = ("aer", "precision", "recall", "scores_by_symmetrization")
        assert [result[key] for key in keys] == [expected[key] for key in keys]
        assert result["gold_lines"][0] == 253
        assert ("of lines 253:" in capsys.readouterr().out) == (gold_blank != text_blank)

    def test_a_last_pair_without_links(
        self, good: tuple[Path, dict[str, Any]], home: Path, tmp_path: Path, gold: Callable[[int, int, int], Path]
    ) -> None:
        """The words of the input say that the blank line is one."""
        lines = gold(253, 300, 0).read_text(encoding="utf-8").splitlines()[:-1]
        file = tmp_path / "gold"
        file.write_text("".join(f"{line}\n" for line in [*lines, ""]), encoding="utf-8")
        assert run(home, tmp_path / "out", *VERSES, "--gold", file)["gold_lines"] == [253, 300]

    def test_a_blank_line_that_may_be_a_pair(
        self, tmp_path: Path, ray_session: None, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """It is the end of a file rather, which is said, and can be said otherwise."""
        text = pipes(tmp_path / "text", *["haus ||| house", "weg ||| way", "fluss ||| river"] * 2)
        (tmp_path / "gold").write_text("0-0\n0-0\n\n", encoding="utf-8")
        arguments = (tmp_path / "home", tmp_path / "out", *text, "--gold", tmp_path / "gold")
        assert run(*arguments)["gold_lines"] == [4, 6]
        assert "1 blank lines at the end are taken for no pairs" in capsys.readouterr().out
        assert run(*arguments, "--gold-lines", "3:6")["gold_lines"] == [3, 6]

    def test_links_of_rejected_lines_are_missed(self, tmp_path: Path, ray_session: None) -> None:
        """Three lines of one word a side, of which one is rejected: two of three sure links are found."""
        text = pipes(tmp_path / "text", "haus ||| house", "weg ||| ", "fluss ||| river")
        (tmp_path / "gold").write_text("0-0\n0-0\n0-0\n", encoding="utf-8")
        result = run(tmp_path / "home", tmp_path / "out", *text, "--gold", tmp_path / "gold")
        assert (result["precision"], result["recall"]) == (100, 100 * 2 / 3)
        assert result["aer"] == pytest.approx(100 * (1 - 4 / 5))
        assert (result["pairs"], result["rejected"]) == (2, {"blank": 1})

    def test_pictures(self, good: tuple[Path, dict[str, Any]], home: Path, tmp_path: Path) -> None:
        run(home, tmp_path / "out", *VERSES, "--picture", 3, "--picture", 300)
        for line in (3, 300):
            assert (tmp_path / "out" / f"alignment-{line}.png").read_bytes().startswith(b"\x89PNG")
        with pytest.raises(UserError, match=r"--picture 301: the text has 300 lines"):
            run(home, tmp_path / "out", *VERSES, "--picture", 301)

    def test_picture_of_a_rejected_line(self, tmp_path: Path, ray_session: None) -> None:
        text = pipes(tmp_path / "text", "haus ||| house", "weg ||| ", "fluss ||| river")
        with pytest.raises(UserError, match=r"--picture 2: this line is not among the aligned pairs; it is rejected"):
            run(tmp_path / "home", tmp_path / "out", *text, "--picture", 2)

    @pytest.mark.parametrize(
        ("rows", "arguments", "message"),
        [
            ((0, 300, 0), ["--gold-lines", "0:5"], "--gold-lines 0:5 names 5 of the 300 input lines.*has 300 lines"),
            ((0, 5, 0), ["--gold-lines", "five"], "--gold-lines 'five' is no range"),
            ((1, 2, 0), ["--gold-lines", "0:1"], "line 1: link .* is beyond its pair of 11 source and 10 target words"),
            ((0, 5, 0), ["--gold-one-based"], "has a word 0, but --gold-one-based"),
        ],
    )
    def test_gold_of_other_lines(
        self,
        good: tuple[Path, dict[str, Any]],
        home: Path,
        tmp_path: Path,
        gold: Callable[[int, int, int], Path],
        rows: tuple[int, int, int],
        arguments: list[str],
        message: str,
    ) -> None:
        with pytest.raises(UserError, match=message):
            run(home, tmp_path / "out", *VERSES, "--gold", gold(*rows), *arguments)

    def test_more_gold_than_lines(self, tmp_path: Path, gold: Callable[[int, int, int], Path]) -> None:
        text = pipes(tmp_path / "text", "haus ||| house")
        with pytest.raises(UserError, match="--gold has 5 lines and the input 1"):
            run(tmp_path / "home", tmp_path / "out", *text, "--gold", gold(0, 5, 0))
