"""Bad lines among good ones: named, counted, and without effect on the others."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.support.align_job import TEXT, links_lines, pipes, run
from tests.support.texts import read_lines
from weam_ray.errors import UserError

pytestmark = pytest.mark.ray


BAD: list[tuple[int, bytes, str]] = [  # (good lines before it, line, reason)
    (0, b"", "blank"),
    (3, b" ||| ", "blank"),
    (3, b"|||", "blank"),
    (17, b"a line with one side ||| ", "blank"),
    (18, b" ||| nur eine seite", "blank"),
    (40, b"no separator at all", "blank"),
    (99, b"too " * 10_000 + b"long ||| zu lang", "too_long"),
    (99, b"kurz ||| " + b"lang " * 2_001, "too_long"),
    (150, b"a nul \0 byte ||| ein nul-byte", "nul"),
    (200, b"half of a pair \xed\xa0\x80 ||| ein halbes paar", "surrogate"),
    (201, "\u200f\u200f ||| nur zeichen der schreibrichtung".encode(), "blank"),
    (250, b"bars ||| in ||| the text", "separator"),
    (299, b"two\ttabs\tin the line", "separator"),
    (300, b"", "blank"),
]


class TestBadInput:
    @pytest.fixture(scope="class")
    def mixed(self, base: Path) -> tuple[Path, dict[str, Any], dict[int, str]]:
        """Output, result, and the reasons by line from 1, of the verses with bad lines between them."""
        texts = read_lines(TEXT)
        lines: list[str | bytes] = []
        reasons = {}
        for number in range(301):
            for before, bad, reason in BAD:
                if before == number:
                    lines.append(bad)
                    reasons[len(lines)] = reason
            lines += texts[number : number + 1]
        result = run(base / "mixed-home", base / "mixed", *pipes(base / "mixed.txt", *lines))
        return base / "mixed", result, reasons

    def test_other_lines_are_as_without_them(
        self, good: tuple[Path, dict[str, Any]], mixed: tuple[Path, dict[str, Any], dict[int, str]]
    ) -> None:
        found = links_lines(mixed[0])
        assert len(found) == 314
        assert all(found[number - 1] == "" for number in mixed[2])
        assert [line for number, line in enumerate(found, 1) if number not in mixed[2]] == links_lines(good[0])
        assert mixed[1]["tension"] == good[1]["tension"]

    def test_they_are_named_and_counted(self, mixed: tuple[Path, dict[str, Any], dict[int, str]]) -> None:
        folder, result, reasons = mixed
        expected = ["line\treason", *(f"{number}\t{reason}" for number, reason in reasons.items())]
        assert (folder / "rejected.tsv").read_text(encoding="utf-8").splitlines() == expected
        assert (result["lines"], result["pairs"]) == (314, 300)
        assert result["rejected"] == dict(Counter(reasons.values()))
        assert result["noted"] == {"direction_marks": 1}

    def test_bytes_that_are_not_utf8(self, tmp_path: Path, ray_session: None) -> None:
        arguments = pipes(tmp_path / "latin.txt", "the house ||| das haus", b"the river ||| der flu\xdf")
        with pytest.raises(UserError, match=r"latin\.txt, line 2: byte 22 of the line, 0xdf, is not UTF-8"):
            run(tmp_path / "home", tmp_path / "out", *arguments)
        assert not (tmp_path / "out" / "result.json").exists()

    def test_nothing_left(self, tmp_path: Path, ray_session: None) -> None:
        with pytest.raises(UserError, match=r"en-de corpus is empty after filtering: 2 pairs were read from .*2 blank"):
            run(tmp_path / "home", tmp_path / "out", *pipes(tmp_path / "text", "one side", ""))
