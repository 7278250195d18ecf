"""Bad pairs inside a good corpus: each is rejected with its reason, and the others are as if it were not there."""

import json
import resource
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.pairs import without_ray
from weam_ray.corpus import stage
from weam_ray.corpus.shards import PARTS
from weam_ray.errors import UserError
from weam_ray.settings.config import Config
from weam_ray.store.folder import Folder
from weam_ray.store.stages import Attempt, Stage, StageOutput

Sides = tuple[bytes, bytes]

SURROGATES = {"encoding": "utf-8", "errors": "surrogatepass"}
GOOD = [(b"the %d of many" % n, "das %d. von \u200fvielen".encode() % n) for n in range(60)]
BAD = {
    "blank": [(b"", b""), (b"", b"x"), (b"x", b""), (b"x", b"  "), (b"\xe2\x80\x8f", b"x"), (b"x", b"\xc2\xa0")],
    "too_long": [
        *((b"w " * 9_999 + b"w", b"x"), (b"x", b"w " * 10_000)),
        *((b"w" * 40_000, b"v" * 40_000), (b"x", b"y " + b"w" * 70_000), ("\u00e9".encode() * 16_384, b"x")),
    ],
    "nul": [(b"a\0b", b"x"), (b"x", b"\0")],
    "surrogate": [(b"\xed\xa0\x80", b"x"), (b"x", b"a \xed\xbf\xbf b"), (b"\xed\xa0\xbd\xed\xb8\x80", b"x")],
    "separator": [(b"a ||| b", b"x"), (b"x", b"a |||")],
    "identical": [(b"same", b" same")],
}


def write(folder: Path, kind: str, lines: Sequence[Sides]) -> dict[str, Any]:
    """A source of a format that holds the lines."""
    file = folder / f"text.{kind}"
    settings = {"format": kind, "path": str(file), "source_lang": "en", "target_lang": "de"}
    if kind == "moses":
        del settings["path"]
        for side, name in enumerate(("source", "target")):
            file = folder / name
            file.write_bytes(b"".join(line[side] + b"\n" for line in lines))
            settings[name] = str(file)
    elif kind == "parquet":
        columns = [pa.array([line[side] for line in lines], pa.binary()).view(pa.string()) for side in (0, 1)]
        pq.write_table(pa.table(columns, names=["source", "target"]), file)
    elif kind == "jsonl":
        rows = (
            json.dumps({"source": left.decode(**SURROGATES), "target": right.decode(**SURROGATES)})
            for left, right in lines
        )
        file.write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")
    else:
        separator = {"pipes": b" ||| ", "tsv": b"\t", "csv": b","}[kind]
        heading = b"source,target\n" if kind == "csv" else b""
        file.write_bytes(heading + b"".join(separator.join(line) + b"\n" for line in lines))
    return settings


def build(folder: Path, source: dict[str, Any], **corpus: Any) -> tuple[StageOutput, dict[str, list[dict[str, Any]]]]:
    """What the stage counts, and the rows of its parts."""
    settings = {"sources": [source], "held_out": 5, "rows_per_shard": 9, "segmentation": "whitespace", **corpus}
    config = Config.model_validate({"corpus": settings, "encoder": {"name": "scratch"}})
    with without_ray():
        shutil.rmtree(folder / "stage", ignore_errors=True)
        output = stage.build(config.corpus, Attempt(Folder.at(folder / "stage"), "one"), 1.0)
    done = Stage(Folder.at(folder / "stage"), {"files": [vars(file) for file in output.files]})
    parts = {part: [row for file in done.files(part) for row in done.read_parquet(file).to_pylist()] for part in PARTS}
    output.counts.check()
    return output, parts


@pytest.mark.parametrize("segmentation", ["words", "whitespace"])
@pytest.mark.parametrize("kind", ["pipes", "moses", "tsv", "csv", "jsonl", "parquet"])
def test_bad_pairs_inside_a_good_corpus(tmp_path: Path, kind: str, segmentation: str) -> None:
    reasons = {sides: reason for reason, lines in BAD.items() for sides in lines}
    if segmentation == "words":
        reasons = {sides: reason for sides, reason in reasons.items() if reason != "separator" or kind == "pipes"}
    if kind == "jsonl":  # where the two halves of a character are the character
        del reasons[(b"\xed\xa0\xbd\xed\xb8\x80", b"x")]
    lines = list(GOOD)
    for number, sides in enumerate(reasons):
        lines.insert(number * 37 % len(lines), sides)
    expected = [(row, reasons[sides]) for row, sides in enumerate(lines) if sides in reasons]

    _, good = build(tmp_path, write(tmp_path, kind, GOOD), segmentation=segmentation)
    output, found = build(tmp_path, write(tmp_path, kind, lines), segmentation=segmentation)
    assert [(row["row"], row["reason"]) for row in found["rejected"]] == expected
    assert output.counts.rows_in == len(lines)
    assert output.info["noted"] == {"direction_marks": len(GOOD) + 1}  # and one that is nothing but a mark
    rows = [row for row, sides in enumerate(lines) if sides not in reasons]
    for part in ("train", "held_out"):
        assert [
            {**row, "row": rows[row["row"]], "pair_id": f"0:{rows[row['row']] + 1 + (kind == 'csv')}"}
            for row in good[part]
        ] == (found[part])


def test_surrogates_are_stored_as_replacement_characters(tmp_path: Path) -> None:
    lines = [*GOOD, (b"a \xed\xa0\x80\xed\xb0\x80", b"x")]
    _, found = build(tmp_path, write(tmp_path, "moses", lines))
    (row,) = found["rejected"]
    assert (row["source"], row["target"], row["reason"]) == ("a \ufffd\ufffd", "x", "surrogate")


def test_lines_of_pipes_without_or_with_many_separators(tmp_path: Path) -> None:
    source = write(tmp_path, "pipes", GOOD[:5])
    with Path(source["path"]).open("ab") as file:
        file.write(b"no separator\none\ttwo\tthree\none\tzwei\n\n")
    _, found = build(tmp_path, source, held_out=0)
    assert [(row["row"], row["reason"]) for row in found["rejected"]] == [(5, "blank"), (6, "separator"), (8, "blank")]
    assert found["train"][-1]["target"] == "zwei"


def test_separators_without_spaces(tmp_path: Path) -> None:
    """They have a reason of their own, which says what is wrong where nothing is left."""
    source = write(tmp_path, "pipes", [])
    Path(source["path"]).write_bytes(b"a||| b\nc |||d\n\n")
    with pytest.raises(
        UserError, match=r"rejected: 2 glued_separator, 1 blank\. glued_separator: .* on either side\.$"
    ):
        build(tmp_path, source, held_out=0)
    with Path(source["path"]).open("ab") as file:
        file.write(b"e ||| f\n")
    output, found = build(tmp_path, source, held_out=0)
    assert output.counts.rejected == {"blank": 1, "glued_separator": 2}
    assert [row["row"] for row in found["train"]] == [3]


@pytest.mark.parametrize("heading", [b"", b"en\tde\n"])
def test_lines_of_tsv(tmp_path: Path, heading: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    """Tabs inside fields and blank lines are rows that are rejected, a heading is no row; held out or not."""
    source = write(tmp_path, "tsv", [])
    lines = [b"%s\t%s" % pair for pair in GOOD]
    expected = []
    for number, (line, reason) in enumerate([(b"a\tb\tc", "separator"), (b"", "blank"), (b"a", "columns")] * 4):
        at = number * 37 % len(lines)
        lines.insert(at, line)
        expected = [(row + (row >= at), other) for row, other in expected] + [(at, reason)]
    Path(source["path"]).write_bytes(heading + b"\n".join(lines))
    output, found = build(tmp_path, source)
    assert [(row["row"], row["reason"]) for row in found["rejected"]] == sorted(expected)
    assert output.counts.rows_in == len(lines)
    assert {
        (row["source"].encode(), row["target"].encode()) for part in ("train", "held_out") for row in found[part]
    } == {*GOOD}
    assert output.info["noted"].get("headings", 0) == bool(heading)
    assert (f"{source['path']}: line 1 is a heading and no pair" in capsys.readouterr().out) == bool(heading)


def test_a_long_side_of_short_words(tmp_path: Path) -> None:
    output, _ = build(tmp_path, write(tmp_path, "tsv", [(b"word " * 9_000, b"wort")]), held_out=0, max_words=9_000)
    assert (output.counts.rows_out, output.counts.rejected) == (1, {})


def test_identical_pairs_are_kept_on_request(tmp_path: Path) -> None:
    source = write(tmp_path, "tsv", [*GOOD, *BAD["identical"]])
    output, found = build(tmp_path, source, keep_identical=True, held_out=0)
    assert output.counts.rejected == {}
    assert len(found["train"]) == len(GOOD) + 1


def test_segmentation_says_what_a_word_is(tmp_path: Path) -> None:
    source = write(tmp_path, "tsv", [(b"a-b-c", b"x"), (b"a b c", b"x")])
    for segmentation, row in (("words", 0), ("whitespace", 1)):
        _, found = build(tmp_path, source, segmentation=segmentation, max_words=4 if row == 0 else 2, held_out=0)
        assert [row["row"] for row in found["rejected"]] == [row]


def test_nothing_is_noted_of_plain_text(tmp_path: Path) -> None:
    output, _ = build(tmp_path, write(tmp_path, "tsv", [(b"a", b"b")]), held_out=0)
    assert output.info["noted"] == {}


@pytest.mark.parametrize("kind", ["pipes", "moses", "tsv", "csv", "jsonl", "parquet"])
@pytest.mark.parametrize("word", [b"word ", b"word"])
def test_a_line_of_50_mb(tmp_path: Path, kind: str, word: bytes) -> None:
    """It costs no more than to read it, and is kept as far as it can be looked at."""
    lines = [*GOOD[:30], (word * (50_000_000 // len(word)), b"x"), *GOOD[30:]]
    source = write(tmp_path, kind, lines)
    before = resource.getrusage(resource.RUSAGE_SELF)
    output, found = build(tmp_path, source, segmentation="words")
    after = resource.getrusage(resource.RUSAGE_SELF)
    assert output.counts.rejected == {"too_long": 1}
    (row,) = found["rejected"]
    assert row["row"] == 30
    assert 100 < len(row["source"]) <= 1_000
    assert after.ru_utime - before.ru_utime < 30
    assert after.ru_maxrss - before.ru_maxrss < 600_000  # kilobytes
