"""A corpus stage that is killed goes on with what is done, and ends with the same bytes."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.pairs import blocks_of, without_ray
from tests.support.processes import CHECKOUT
from weam_ray.corpus import stage as module
from weam_ray.corpus.shards import PARTS
from weam_ray.corpus.stage import CorpusStage
from weam_ray.settings.data import CorpusSection
from weam_ray.store.files import SourceHashes
from weam_ray.store.folder import Folder
from weam_ray.store.stages import Committed, Stage, StageStore

FILTERS = [{"filter": "length", "min": 2}, {"filter": "duplicates"}, {"filter": "digits", "max": 0.2}]


def written(folder: Path, num_pairs: int) -> list[dict[str, Any]]:
    """Two sources of some pairs, of which some are in both, some are short and some have many digits."""
    sources = []
    for number in range(2):
        file = folder / f"{number}.tsv"
        words = [(chr(97 + row % (50 + number)), chr(97 + row % 60), "9" * (row % 11)) for row in range(num_pairs)]
        rows = [f"the sentence {one} of many\tder satz {two} von vielen {digits}" for one, two, digits in words]
        rows[3] = "short\tkurz"
        file.write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")
        sources.append({"format": "tsv", "path": str(file), "source_lang": "en", "target_lang": "de"})
    return sources


def section(sources: list[dict[str, Any]], **given: Any) -> CorpusSection:
    return CorpusSection.model_validate(
        {"sources": sources, "filters": FILTERS, "held_out": 20, "rows_per_shard": 30, **given}
    )


def built(corpus: CorpusSection, home: Path) -> Stage:
    stage = CorpusStage.of(corpus, SourceHashes(home / "sources.json"))
    return Committed(StageStore(Folder.at(home / "stages")), 1.0).build(stage)


def content(stage: Stage) -> dict[str, Any]:
    files = [(file.part, file.label, file.sha256, file.rows, file.info) for part in PARTS for file in stage.files(part)]
    return {"files": files, "info": stage.info, "counts": stage.counts}


class Interrupted:
    """A task that is done some times; then the process is interrupted."""

    def __init__(self, task: Any, times: int) -> None:
        self.task, self.left, self.done = task, times, 0

    def __call__(self, *arguments: Any) -> Any:
        if not self.left:
            raise KeyboardInterrupt
        self.left -= 1
        self.done += 1
        return self.task(*arguments)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    return written(tmp_path_factory.mktemp("texts"), 200)


@pytest.fixture(scope="module")
def undisturbed(sources: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    with without_ray(), blocks_of(20):
        return content(built(section(sources), tmp_path_factory.mktemp("undisturbed")))


def test_counts_and_examples(undisturbed: dict[str, Any], sources: list[dict[str, Any]]) -> None:
    """As they are counted by hand."""
    rows = [
        line.split("\t") for one in sources for line in Path(one["path"]).read_text(encoding="utf-8").split("\n")[:-1]
    ]
    reasons: Counter[str] = Counter()
    seen = set()
    for source, target in rows:
        if len(source.split()) < 2:
            reasons["length"] += 1
        elif (source, target) in seen:
            reasons["duplicates"] += 1
        elif sum(map(str.isdigit, target)) > 0.2 * len(target):
            reasons["digits"] += 1
        seen.add((source, target))
    info, counts = undisturbed["info"], undisturbed["counts"]
    assert {reason: counts.rejected[reason] for reason in reasons} == reasons
    left = 400
    for own, name in zip(info["filters"], ("length", "duplicates", "digits"), strict=True):
        left -= reasons[name]
        assert own == {"name": name, "filter": name, "kept": left, "dropped": reasons[name]}
    assert counts.rows_out == left - counts.rejected["held_out_elsewhere"]
    found = {name: len(rows) for name, rows in info["examples"].items() if name in reasons}
    assert found == {name: min(10, number) for name, number in reasons.items()}
    assert info["examples"]["length"][0] == {"pair_id": "0:4", "source": "short", "target": "kurz"}


@settings(max_examples=15, deadline=None)
@given(filtering=st.integers(0, 20), writing=st.integers(0, 12))
def test_interrupted_anywhere(
    sources: list[dict[str, Any]],
    undisturbed: dict[str, Any],
    tmp_path_factory: pytest.TempPathFactory,
    filtering: int,
    writing: int,
) -> None:
    home = tmp_path_factory.mktemp("interrupted")
    corpus = section(sources)
    blocks, shards = Interrupted(module.filter_block, filtering), Interrupted(module.write_shards, writing)
    filter_block, asked = module.filter_block, []

    def counted(*arguments: Any) -> Any:
        asked.append(arguments[-1] is not None)
        return filter_block(*arguments)

    with without_ray(), blocks_of(20):
        with (
            patch.object(module, "filter_block", blocks),
            patch.object(module, "write_shards", shards),
            suppress(KeyboardInterrupt),
        ):
            built(corpus, home)
        with patch.object(module, "filter_block", counted):
            stage = built(corpus, home)
    assert content(stage) == undisturbed
    assert sum(asked) == (20 - blocks.done if asked else 0)  # nothing is asked of a stage that is whole
    left = {"manifest.json", *(file["name"] for file in stage.manifest["files"])}
    assert set(os.listdir(stage.folder.path)) == left


def test_a_block_that_is_damaged_is_filtered_again(
    sources: list[dict[str, Any]], undisturbed: dict[str, Any], tmp_path: Path
) -> None:
    corpus = section(sources)
    interrupted = Interrupted(module.write_shards, 2)
    with without_ray(), blocks_of(20):
        with patch.object(module, "write_shards", interrupted), pytest.raises(KeyboardInterrupt):
            built(corpus, tmp_path)
        (folder,) = (tmp_path / "stages").iterdir()
        block = sorted(folder.glob("*-block-*.parquet"))[3]
        block.write_bytes(block.read_bytes()[:-1])
        note = sorted(folder.glob("note-block-*.json"))[7]
        note.write_text(note.read_text(encoding="utf-8")[:-5], encoding="utf-8")
        sorted(folder.glob("note-block-*.json"))[9].write_bytes(bytes(range(128, 256)))
        assert content(built(corpus, tmp_path)) == undisturbed


def test_blocks_that_are_cut_elsewhere_are_filtered_again(
    sources: list[dict[str, Any]], undisturbed: dict[str, Any], tmp_path: Path
) -> None:
    """As those of another version of the program are; and what is left of them goes."""
    corpus = section(sources)
    interrupted = Interrupted(module.filter_block, 5)
    with (
        without_ray(),
        blocks_of(20),
        patch.object(module, "filter_block", interrupted),
        pytest.raises(KeyboardInterrupt),
    ):
        built(corpus, tmp_path)
    with without_ray(), blocks_of(30):
        stage = built(corpus, tmp_path)
    assert content(stage) == undisturbed
    assert set(os.listdir(stage.folder.path)) == stage.names()


def still_there(folder: Path) -> Iterator[Path]:
    yield from folder.glob("stages/corpus-*/note-*.json")


@pytest.mark.slow
@pytest.mark.ray
def test_killed(tmp_path: Path) -> None:
    """The job is killed by a signal that nothing can catch, as soon as some blocks are done."""
    rows = (f"the sentence {row} of many\tder satz {row} von vielen\n" for row in range(400_000))
    file = tmp_path / "text.tsv"
    file.write_text("".join(rows), encoding="utf-8")
    config = tmp_path / "corpus.yaml"
    config.write_text(
        "corpus:\n"
        f"  sources: [{{format: tsv, path: {file}, source_lang: en, target_lang: de}}]\n"
        "  filters: [{filter: duplicates}, {filter: language, min: 0}]\n"
        "encoder: {name: scratch}\n",
        encoding="utf-8",
    )
    found = []
    for name in ("undisturbed", "killed"):
        home = tmp_path / name
        command = [
            sys.executable,
            "jobs/corpus.py",
            "build",
            "--config",
            str(config),
            f"home={home}",
            f"output.dir={home}/built",
        ]
        if name == "killed":
            process = subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            deadline = time.monotonic() + 300
            while len([*still_there(home)]) < 3:
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            assert not [*home.glob("stages/corpus-*/manifest.json")]
            assert [*still_there(home)]
        subprocess.run(command, cwd=CHECKOUT, check=True, timeout=600, stdout=subprocess.DEVNULL)
        (folder,) = home.glob("stages/corpus-*")
        stage = StageStore(Folder.at(home / "stages")).named(folder.name)
        assert stage is not None
        found.append(content(stage))
    assert found[0] == found[1]
