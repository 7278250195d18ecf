"""Progress bars where there is no terminal: lines, and no blank ones."""

import sys

import pytest

from weam_ray.cluster import tasks
from weam_ray.cluster.tasks import Lines, progress


def test_every_state_is_a_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "LINE_SECONDS", 0.0)
    for _ in progress(range(3), "reading"):
        sys.stdout.write("own\n")
    bar = progress(None, "training", 2, leave=True)
    bar.update(2)
    bar.close()
    captured = capsys.readouterr()
    assert captured.out == "own\n" * 3
    lines = captured.err.split("\n")
    assert lines.pop() == ""
    assert len(lines) >= 2
    assert all(line.startswith(("reading: ", "training: ")) and "\r" not in line for line in lines)
    assert "2/2" in lines[-1]


def test_what_ends_soon_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(progress(iter("ab"), "reading", 2)) == ["a", "b"]
    assert capsys.readouterr().err == ""


def test_what_only_moves_the_cursor_is_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    stream = Lines()
    for text in ("\r", "\n\x1b[A", "\r" + " " * 30 + "\r", "\rhalf: 50%   "):
        stream.write(text)
    assert capsys.readouterr().err == "half: 50%\n"
