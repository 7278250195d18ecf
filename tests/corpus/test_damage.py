"""Damage in the middle of good text: told with file and place, and, on demand, left out and counted."""

import errno
import gzip
import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.pairs import without_ray
from weam_ray.corpus.shards import PARTS
from weam_ray.corpus.stage import build
from weam_ray.errors import Unreachable, UserError
from weam_ray.settings.data import CorpusSection
from weam_ray.store.folder import Folder
from weam_ray.store.stages import Attempt, StageOutput

LANGUAGES = {"source_lang": "en", "target_lang": "de"}
GOOD = [(f"the {number} of many", f"das {number}. von vielen") for number in range(60)]
LINES = [f"{left}\t{right}\n".encode() for left, right in GOOD]
Written = dict[str, Any]


def tsv(folder: Path, *lines: bytes, name: str = "text.tsv") -> Written:
    (folder / name).write_bytes(b"".join(lines))
    return {"format": "tsv", "path": str(folder / name), **LANGUAGES}


def bad_bytes(folder: Path) -> Written:
    return tsv(folder, *LINES[:30], b"caf\xe9\tCaf\xc3\xa9\n", b"ok\t\xff\n", *LINES[30:])


def truncated_gz(folder: Path) -> Written:
    data = gzip.compress(b"".join(LINES * 400), compresslevel=0)
    (folder / "text.tsv.gz").write_bytes(data[: len(data) // 2])
    return {"format": "tsv", "path": str(folder / "text.tsv.gz"), **LANGUAGES}


def unequal_lines(folder: Path) -> Written:
    for side, name in enumerate(("en", "de")):
        lines = [f"{pair[side]}\n" for pair in GOOD][: 60 - 5 * side]
        (folder / f"text.{name}").write_text("".join(lines), encoding="utf-8")
    return {"format": "moses", "source": str(folder / "text.en"), "target": str(folder / "text.de"), **LANGUAGES}


def broken_tmx(folder: Path) -> Written:
    units = [
        f"<tu><tuv xml:lang='en'><seg>{left}</seg></tuv><tuv xml:lang='de'><seg>{right}</seg></tuv></tu>"
        for left, right in GOOD
    ]
    text = f"<tmx version='1.4'><header/><body>{''.join(units[:40])}<tu><tuv>"
    (folder / "text.tmx").write_text(text, encoding="utf-8")
    return {"format": "tmx", "path": str(folder / "text.tmx"), **LANGUAGES}


def expanding_entities(folder: Path) -> Written:
    entities = "<!ENTITY a 'aaaaaaaaaa'>" + "".join(
        f"<!ENTITY {chr(98 + k)} '{10 * f'&{chr(97 + k)};'}'>" for k in range(9)
    )
    text = (
        f"<!DOCTYPE tmx [{entities}]><tmx version='1.4'><header/><body><tu><tuv xml:lang='en'><seg>&j;</seg></tuv></tu>"
    )
    (folder / "text.tmx").write_text(text + "</body></tmx>", encoding="utf-8")
    return {"format": "tmx", "path": str(folder / "text.tmx"), **LANGUAGES}


def bomb(folder: Path) -> Written:
    with zipfile.ZipFile(folder / "de-en.txt.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for code in ("en", "de"):
            archive.writestr(f"Bomb.de-en.{code}", b"\n" * 300_000_000)
    return {"format": "opus", "path": str(folder / "de-en.txt.zip"), **LANGUAGES}


def one_file_without_columns(folder: Path) -> Written:
    for number in range(3):
        columns = [pa.array([pair[side] for pair in GOOD[20 * number : 20 * number + 20]]) for side in (0, 1)]
        names = ["source", "target"] if number != 1 else ["source", "other"]
        pq.write_table(pa.table(columns, names=names), folder / f"part-{number}.parquet")
    return {"format": "parquet", "path": str(folder / "part-*.parquet"), **LANGUAGES}


def a_file_in_the_middle(folder: Path) -> Written:
    for number in range(3):
        data = gzip.compress(b"".join(LINES[20 * number : 20 * number + 20]))
        (folder / f"part-{number}.tsv.gz").write_bytes(data if number != 1 else b"no gzip at all")
    return {"format": "tsv", "path": str(folder / "part-*.tsv.gz"), **LANGUAGES}


# what is damaged, what the sentence says, the rejected rows by reason, and how many pairs are kept at least
CASES: list[tuple[Callable[[Path], Written], str, dict[str, int], int]] = [
    (bad_bytes, "text.tsv, line 31: byte 4 of the line, 0xe9, is not UTF-8", {"encoding": 2}, 60),
    (truncated_gz, "text.tsv.gz, after line", {"damaged": 1}, 11_000),
    (unequal_lines, "has 60 lines and .*text.de has 55", {"damaged": 1}, 55),
    (broken_tmx, "text.tmx", {"damaged": 1}, 40),
    (expanding_entities, "text.tmx", {"damaged": 1}, 0),
    (bomb, "de-en.txt.zip", {"damaged": 1}, 0),
    (one_file_without_columns, "part-1.parquet: no column 'target'", {"damaged": 1}, 40),
    (a_file_in_the_middle, "part-1.tsv.gz", {"damaged": 1}, 40),
]


def built(folder: Path, *sources: Written, **given: Any) -> tuple[StageOutput, dict[str, list[dict[str, Any]]]]:
    section = CorpusSection.model_validate({"sources": [*sources], "held_out": 0, **given})
    attempt = Attempt(Folder.at(folder / "stage"), "one")
    with without_ray():
        output = build(section, attempt, 1.0)
    found = {
        part: [
            row
            for file in output.files
            if file.part == part
            for row in attempt.folder.read_parquet(file.name).to_pylist()
        ]
        for part in PARTS
    }
    return output, found


@pytest.mark.parametrize(
    ("damage", "said", "rejected", "kept"), CASES, ids=lambda value: getattr(value, "__name__", "")
)
def test_damage(
    tmp_path: Path,
    capsys: pytest.CaptureFixture,
    damage: Callable[[Path], Written],
    said: str,
    rejected: dict[str, int],
    kept: int,
) -> None:
    (tmp_path / "good").mkdir()
    good = tsv(tmp_path / "good", *LINES)
    source = damage(tmp_path)
    with pytest.raises(UserError, match=said):
        built(tmp_path / "stopped", good, source)
    capsys.readouterr()
    output, rows = built(tmp_path / "skipped", good, source, on_damage="skip")
    counts = {reason: number for reason, number in output.counts.rejected.items() if reason in rejected}
    assert counts == rejected
    assert output.counts.rows_in == output.counts.rows_out + sum(output.counts.rejected.values())
    assert output.counts.rows_out >= 60 + kept
    own = {(row["source"], row["target"]) for row in rows["train"] if row["pair_id"].startswith("1:")}
    assert own <= {*GOOD}
    told = capsys.readouterr().out
    if "damaged" in rejected:
        (row,) = (row for row in rows["rejected"] if row["reason"] == "damaged")
        assert row["source"] in told
        assert source.get("path", "text.en").partition("*")[0] in row["source"]


def test_a_policy_that_changes_nothing_but_damage(tmp_path: Path) -> None:
    source = tsv(tmp_path, *LINES)
    plain, skipping = (built(tmp_path / policy, source, on_damage=policy)[1] for policy in ("stop", "skip"))
    assert plain == skipping


def test_a_file_that_cannot_be_read_at_the_moment_is_no_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a corpus without its rows would be taken for the whole one, later on too."""
    source = tsv(tmp_path, *LINES * 2_000)
    opened = Path.open

    class Failing(io.BufferedReader):
        def read1(self, size: int = -1) -> bytes:
            if self.tell() > 1_000_000:
                raise OSError(errno.EIO, "Input/output error")
            return super().read1(size)

    def opening(path: Path, mode: str = "r", **more: Any) -> Any:
        return Failing(io.FileIO(path)) if path.suffix == ".tsv" and mode == "rb" else opened(path, mode, **more)

    monkeypatch.setattr(Path, "open", opening)
    with pytest.raises(Unreachable, match=r"text.tsv, after line .*cannot be read .*Input/output error"):
        built(tmp_path / "skipped", source, on_damage="skip")
