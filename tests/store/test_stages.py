"""Stage folders: committed whole or not at all, reused, taken over, waited for."""

import json
import os
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.leases import DEAD_PID, leave_lease
from tests.support.processes import wait_until
from weam_ray.errors import Unreachable, UserError
from weam_ray.store.files import SourceHashes
from weam_ray.store.folder import Folder
from weam_ray.store.lease import DEAD_AFTER_SECONDS
from weam_ray.store.stages import Attempt, Counts, Stage, StageOutput, StageSpec, StageStore

SPEC = StageSpec("demo", 1, {"size": 3}, {"corpus": "abc"})
TABLE = pa.table({"number": pa.array([1, 2, 3], pa.int32()), "text": ["a", "b", "c"]})


@pytest.fixture
def store(folder: Folder) -> StageStore:
    return StageStore(folder)


def build_demo(attempt: Attempt) -> StageOutput:
    files = [
        attempt.write_parquet("train", "00000", TABLE, language_pair="en-de"),
        attempt.write_arrow("train", "00001", TABLE),
        attempt.write("model", "counts", b"some bytes", suffix=".bin"),
    ]
    return StageOutput(files, Counts(8, 6, {"blank": 2}), {"note": "é"})


def must_not_build(attempt: Attempt) -> NoReturn:
    raise AssertionError("the stage was built, where it should have been reused")


def stage_folder(store: StageStore, spec: StageSpec = SPEC) -> Path:
    return Path(store.folder.path) / spec.folder_name


def names(store: StageStore) -> list[str]:
    return sorted(os.listdir(stage_folder(store)))


def test_commit(store: StageStore) -> None:
    stage = store.build(SPEC, build_demo)
    assert stage.fingerprint == SPEC.fingerprint
    assert stage.counts == Counts(8, 6, {"blank": 2})
    assert stage.info == {"note": "é"}
    first, second = stage.files("train")
    assert (first.label, first.rows, first.info) == ("00000", 3, {"language_pair": "en-de"})
    assert stage.read_parquet(first) == stage.read_arrow(second) == TABLE
    (binary,) = stage.files("model")
    assert stage.read(binary) == b"some bytes"
    assert names(store) == sorted([first.name, second.name, binary.name, "manifest.json"])
    manifest = json.loads((stage_folder(store) / "manifest.json").read_text(encoding="utf-8"))
    assert {"stage", "version", "settings", "inputs", "files", "counts", "seconds"} <= manifest.keys()


def test_checksums_are_of_the_files(store: StageStore) -> None:
    hashes = SourceHashes(Path(store.folder.path) / "hashes.json")
    for part in ("train", "model"):
        for file in store.build(SPEC, build_demo).files(part):
            path = stage_folder(store) / file.name
            assert (file.size, file.sha256) == (path.stat().st_size, hashes.sha256(path))


def test_reuse(store: StageStore) -> None:
    assert store.find(SPEC) is None
    built = store.build(SPEC, build_demo)
    said: list[str] = []
    again = store.build(SPEC, must_not_build, said.append)
    assert again.manifest == built.manifest
    assert said == [f"{SPEC.folder_name}: reused (8 rows in, 6 out; rejected 2 blank)"]
    found = store.find(SPEC)
    assert found is not None
    assert found.manifest == built.manifest


def test_path_and_uri_are_the_same_folder(tmp_path: Path) -> None:
    built = StageStore(Folder.at(tmp_path)).build(SPEC, build_demo)
    found = StageStore(Folder.at(tmp_path.as_uri())).build(SPEC, must_not_build)
    assert found.manifest == built.manifest


def remove_file(stage: Stage) -> None:
    stage.folder.delete(stage.files("train")[0].name)


def truncate_file(stage: Stage) -> None:
    file = stage.files("train")[1]
    stage.folder.write(file.name, stage.read(file)[:-1])


def remove_manifest(stage: Stage) -> None:
    stage.folder.delete("manifest.json")


def truncate_manifest(stage: Stage) -> None:
    stage.folder.write("manifest.json", stage.folder.read("manifest.json")[:-40])


def empty_manifest(stage: Stage) -> None:
    stage.folder.write("manifest.json", b"")


DAMAGES = [remove_file, truncate_file, remove_manifest, truncate_manifest, empty_manifest]


@pytest.mark.parametrize("damage", DAMAGES)
def test_incomplete_stage_is_built_again(store: StageStore, damage: Callable[[Stage], None]) -> None:
    damage(store.build(SPEC, build_demo))
    assert store.find(SPEC) is None
    stage = store.build(SPEC, build_demo)
    assert stage.read_arrow(stage.files("train")[1]) == TABLE
    listed = [file["name"] for file in stage.manifest["files"]]
    assert names(store) == sorted([*listed, "manifest.json"])


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_failed_builder_leaves_nothing(store: StageStore, error: type[BaseException]) -> None:
    def fail(attempt: Attempt) -> StageOutput:
        build_demo(attempt)
        raise error("in the middle")

    with pytest.raises(error, match="in the middle"):
        store.build(SPEC, fail)
    assert not stage_folder(store).exists()
    assert store.find(SPEC) is None


def test_rows_that_are_unaccounted_for_are_not_committed(store: StageStore) -> None:
    def lose(attempt: Attempt) -> StageOutput:
        return StageOutput([attempt.write_parquet("train", "0", TABLE)], Counts(5, 3, {"blank": 1}))

    with pytest.raises(AssertionError, match="1 rows are unaccounted for"):
        store.build(SPEC, lose)
    assert not stage_folder(store).exists()


def test_failure_spares_what_another_process_committed(store: StageStore) -> None:
    """Two that build at the same time: the one that fails takes only its own files with it."""
    other = Attempt(store.folder.child(SPEC.folder_name), "0ther000")

    def fail(attempt: Attempt) -> StageOutput:
        build_demo(attempt)
        output = build_demo(other)
        manifest = {
            "fingerprint": SPEC.fingerprint,
            "files": [vars(file) for file in output.files],
            "counts": vars(output.counts),
            "info": {},
        }
        other.folder.write("manifest.json", json.dumps(manifest).encode())
        raise ValueError("mine failed")

    with pytest.raises(ValueError, match="mine failed"):
        store.build(SPEC, fail)
    found = store.find(SPEC)
    assert found is not None
    assert all(name == "manifest.json" or name.startswith("0ther000") for name in names(store))


def test_leftovers_of_dead_attempts_are_swept(store: StageStore) -> None:
    place = store.folder.child(SPEC.folder_name)
    place.write("deadbeef-train-00000.parquet", b"half")
    leave_lease(place, "deadbeef", pid=DEAD_PID)
    stage = store.build(SPEC, build_demo)
    listed = [file["name"] for file in stage.manifest["files"]]
    assert names(store) == sorted([*listed, "manifest.json"])


@pytest.mark.parametrize(
    "entry", [{"pid": DEAD_PID}, {"host": "another.host", "heartbeat": time.time() - DEAD_AFTER_SECONDS - 1}]
)
def test_lease_of_a_dead_owner_is_taken_over_at_once(store: StageStore, entry: dict[str, Any]) -> None:
    leave_lease(store.folder.child(SPEC.folder_name), "deadbeef", **entry)
    said: list[str] = []
    store.build(SPEC, build_demo, said.append)
    assert len(said) == 1  # no word of waiting
    assert ": done in " in said[0]
    assert not [name for name in names(store) if name.startswith("lease-")]


BUILDER_PROCESS = """
import sys, time
from pathlib import Path
from tests.support.leases import DEAD_PID, leave_lease
from weam_ray.store.folder import Folder
from weam_ray.store.stages import Counts, StageOutput, StageSpec, StageStore

def builder(attempt):
    files = [attempt.write("train", "0", b"of the other process", rows=1)]
    Path(sys.argv[2]).touch()
    while not Path(sys.argv[3]).exists():
        time.sleep(0.05)
    return StageOutput(files, Counts(1, 1))

StageStore(Folder.at(sys.argv[1])).build(StageSpec("demo", 1, {"size": 3}, {"corpus": "abc"}), builder)
"""


@contextmanager
def process_that_builds(store: StageStore, folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """Another process in the midst of the build of SPEC, and the file that lets it finish."""
    begun, go = folder / "begun", folder / "go"
    command = [sys.executable, "-c", textwrap.dedent(BUILDER_PROCESS), store.folder.path, str(begun), str(go)]
    process = subprocess.Popen(command)
    try:
        wait_until(lambda: begun.exists() or process.poll() is not None)
        assert begun.exists()
        yield process, go
    finally:
        process.kill()
        process.wait()


def test_second_process_waits_and_reuses(store: StageStore, tmp_path: Path) -> None:
    said: list[str] = []
    with process_that_builds(store, tmp_path) as (process, go):

        def say(line: str) -> None:
            said.append(line)
            go.touch()  # only once this process has said that it waits

        stage = store.build(SPEC, must_not_build, say)
        assert process.wait() == 0
    assert (
        said[0] == f"{SPEC.folder_name}: waiting for process {process.pid} on {socket.gethostname()}, which builds it"
    )
    assert said[1:] == [f"{SPEC.folder_name}: built meanwhile by another process (1 rows in, 1 out)"]
    assert stage.read(stage.files("train")[0]) == b"of the other process"
    assert len(names(store)) == 2


def test_process_that_is_killed_is_followed(store: StageStore, tmp_path: Path) -> None:
    with process_that_builds(store, tmp_path) as (process, _):
        process.kill()
        process.wait()
        assert len(names(store)) == 2  # its lease and its file
        stage = store.build(SPEC, build_demo)
    assert len(stage.files("train")) == 2
    assert names(store) == sorted([*(file["name"] for file in stage.manifest["files"]), "manifest.json"])


REASONS = st.dictionaries(st.sampled_from(["blank", "too_long", "identical"]), st.integers(0, 10**9))


@given(rows_out=st.integers(0, 10**9), rejected=REASONS, lost=st.integers(-(10**6), 10**6))
def test_counts_are_held_to_account(rows_out: int, rejected: dict[str, int], lost: int) -> None:
    counts = Counts(rows_out + sum(rejected.values()) + lost, rows_out, rejected)
    if lost == 0:
        counts.check()
    else:
        with pytest.raises(AssertionError, match=f"^{lost} rows are unaccounted for"):
            counts.check()


def test_fingerprint_is_of_version_settings_and_inputs() -> None:
    same = StageSpec("demo", 1, {"size": 3}, {"corpus": "abc"})
    assert same.folder_name == SPEC.folder_name
    changed = [
        StageSpec("other", 1, {"size": 3}, {"corpus": "abc"}),
        StageSpec("demo", 2, {"size": 3}, {"corpus": "abc"}),
        StageSpec("demo", 1, {"size": 4}, {"corpus": "abc"}),
        StageSpec("demo", 1, {"size": 3, "more": None}, {"corpus": "abc"}),
        StageSpec("demo", 1, {"size": 3}, {"corpus": "abd"}),
    ]
    assert len({spec.fingerprint for spec in [SPEC, *changed]}) == 6


@given(settings=st.dictionaries(st.text(max_size=3), st.integers() | st.text(max_size=3), max_size=5))
def test_fingerprint_does_not_depend_on_the_order_of_keys(settings: dict[str, Any]) -> None:
    turned = dict(reversed(settings.items()))
    assert StageSpec("demo", 1, settings, {}).fingerprint == StageSpec("demo", 1, turned, {}).fingerprint


def test_fingerprint_is_the_same_everywhere() -> None:
    """Stages of an earlier version of the program are found again."""
    assert SPEC.folder_name == "demo-3879da42826e9367"


def test_arrow_is_mapped_into_memory(folder: Folder) -> None:
    table = pa.table({"ids": pa.array([list(range(1_000))] * 1_000, pa.list_(pa.int32()))})
    attempt = Attempt(folder, "one")
    file = attempt.write_arrow("train", "0", pa.concat_tables([table, table]))
    before = pa.total_allocated_bytes()
    read = Stage(folder, {}).read_arrow(file)
    assert read.num_rows == file.rows == 2_000
    assert read.column("ids").num_chunks == 1
    assert pa.total_allocated_bytes() - before < table.nbytes / 10
    assert read.column("ids")[1_999].as_py() == list(range(1_000))


def test_source_hashes_are_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, memory = tmp_path / "text.en", tmp_path / "deep" / "sources.json"
    file.write_bytes(b"one\n")
    hashes = SourceHashes(memory)
    first = hashes.sha256(file)
    assert not memory.parent.exists()
    hashes.save()
    assert first == "2c8b08da5ce60398e1f19af0e5dccc744df274b826abe585eaba68c525434806"

    def must_not_read(*_: object) -> NoReturn:
        raise AssertionError("the file was read again")

    monkeypatch.setattr("hashlib.file_digest", must_not_read)
    assert SourceHashes(memory).sha256(file) == first


@pytest.mark.parametrize("content", [b"two\n", b"one and more\n"])
def test_source_hashes_notice_a_change(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "text.en"
    file.write_bytes(b"one\n")
    hashes = SourceHashes(tmp_path / "sources.json")
    first = hashes.sha256(file)
    hashes.save()
    changed = file.stat().st_mtime_ns + 1_000_000
    file.write_bytes(content)
    os.utime(file, ns=(changed, changed))
    assert hashes.sha256(file) != first
    assert SourceHashes(tmp_path / "sources.json").sha256(file) == hashes.sha256(file)


def test_source_hashes_know_a_file_by_its_content(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(b"the same")
    hashes = SourceHashes(tmp_path / "sources.json")
    assert hashes.sha256(tmp_path / "a") == hashes.sha256(tmp_path / "b")


class TestNotes:
    """What is done of a stage that fails in the middle."""

    def note_and_fail(self, error: type[BaseException]) -> Callable[[Attempt], StageOutput]:
        def builder(attempt: Attempt) -> StageOutput:
            file = attempt.write_parquet("part", "one", TABLE)
            attempt.notes.add("one", {"files": [asdict(file)], "value": 7})
            attempt.write_parquet("part", "two", TABLE)
            raise error("in the middle")

        return builder

    def go_on(self, attempt: Attempt) -> StageOutput:
        assert attempt.notes.read()["one"]["value"] == 7
        return build_demo(attempt)

    @pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError, Unreachable])
    def test_the_next_attempt_has_it(self, store: StageStore, error: type[BaseException]) -> None:
        with pytest.raises(error):
            store.build(SPEC, self.note_and_fail(error))
        assert len(names(store)) == 2  # a note and its file; the other file is gone
        stage = store.build(SPEC, self.go_on)
        assert set(names(store)) == stage.names()

    def test_after_a_mistake_nothing_is_left(self, store: StageStore) -> None:
        with pytest.raises(UserError):
            store.build(SPEC, self.note_and_fail(UserError))
        assert not stage_folder(store).exists()

    @pytest.mark.parametrize("data", [b"", b"{}", b"\xff\x00", b"[1]"])
    def test_a_damaged_note_does_not_count(self, store: StageStore, data: bytes) -> None:
        with pytest.raises(KeyboardInterrupt):
            store.build(SPEC, self.note_and_fail(KeyboardInterrupt))
        next(stage_folder(store).glob("note-*")).write_bytes(data)

        def must_begin_again(attempt: Attempt) -> StageOutput:
            assert attempt.notes.read() == {}
            return build_demo(attempt)

        assert set(store.build(SPEC, must_begin_again).names()) == set(names(store))

    def test_what_one_that_was_killed_at_its_end_left(self, store: StageStore) -> None:
        stage = store.build(SPEC, build_demo)
        (stage_folder(store) / "deadbeef-block-one.parquet").write_bytes(b"x")
        (stage_folder(store) / "note-one.json").write_bytes(b"{}")
        store.build(SPEC, must_not_build)
        assert set(names(store)) == stage.names()
