"""Stage folders: written whole or not at all, named by what went into them, reused when it is the same.

A stage is a folder `<stage>-<fingerprint>` on any Arrow filesystem. Attempts write files under names of their own;
`manifest.json`, written last, lists the files that count. Nothing is ever renamed, so object stores serve as well.
"""

import getpass
import hashlib
import json
import os
import socket
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from weam_ray.arrays import parquet_options
from weam_ray.config import fingerprint
from weam_ray.errors import UserError

HEARTBEAT_SECONDS = 10.0
DEAD_AFTER_SECONDS = 60.0


@dataclass(frozen=True)
class StageFile:
    """A file of a stage: its part (such as `train`), label in it, name, bytes, SHA-256, rows where it has rows."""

    part: str
    label: str
    name: str
    size: int
    sha256: str
    rows: int = 0
    info: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Counts:
    """Rows in, out and rejected by reason; `check` holds them to account."""

    rows_in: int
    rows_out: int
    rejected: dict[str, int] = field(default_factory=dict)

    def check(self) -> None:
        lost = self.rows_in - self.rows_out - sum(self.rejected.values())
        assert lost == 0, f"{lost} rows are unaccounted for: {self}"


@dataclass(frozen=True)
class StageSpec:
    """What a stage's output depends on: its code (`version`), its settings, and the fingerprints of its inputs."""

    stage: str
    version: int
    settings: dict[str, Any]
    inputs: dict[str, str]

    @property
    def fingerprint(self) -> str:
        return fingerprint(asdict(self))

    @property
    def folder_name(self) -> str:
        return f"{self.stage}-{self.fingerprint}"


@dataclass(frozen=True)
class StageOutput:
    """What the builder of a stage returns."""

    files: list[StageFile]
    counts: Counts
    info: dict[str, Any] = field(default_factory=dict)


class Folder:
    """A folder on an Arrow filesystem; picklable, so that tasks on other machines write into it."""

    def __init__(self, filesystem: pafs.FileSystem, path: str) -> None:
        self.filesystem = filesystem
        self.path = path.rstrip("/")

    @classmethod
    def at(cls, address: str | Path) -> "Folder":
        """The folder of a local path or of a URI such as `s3://bucket/stages`."""
        text = str(address)
        if "://" in text:
            try:
                return cls(*pafs.FileSystem.from_uri(text))
            except (pa.ArrowInvalid, OSError) as error:
                raise UserError(f"stages={text}: not a place that can be used: {error}") from None
        return cls(pafs.LocalFileSystem(), str(Path(text).expanduser().resolve()))

    def child(self, name: str) -> "Folder":
        return Folder(self.filesystem, self.file(name))

    def file(self, name: str) -> str:
        return f"{self.path}/{name}"

    @property
    def is_local(self) -> bool:
        return isinstance(self.filesystem, pafs.LocalFileSystem)

    def write(self, name: str, *pieces: bytes | pa.Buffer) -> None:
        """Write a file whole, of pieces that follow each other, and its folder where there is none.

        A reader sees the old file or the new one.
        """
        # an object store shows a file when it is complete; a local disk needs a second name for that
        partial = f"{name}.partial" if self.is_local else name
        if self.is_local:
            os.makedirs(self.path, exist_ok=True)
        with self.filesystem.open_output_stream(self.file(partial)) as stream:
            for piece in pieces:
                stream.write(piece)
        if self.is_local:
            os.replace(self.file(partial), self.file(name))

    def read(self, name: str) -> bytes:
        with self.filesystem.open_input_file(self.file(name)) as stream:
            return stream.read()

    def sizes(self) -> dict[str, int]:
        """Names and bytes of the files directly inside; empty when there is no such folder."""
        selector = pafs.FileSelector(self.path, allow_not_found=True)
        found = self.filesystem.get_file_info(selector)
        return {info.base_name: info.size for info in found if info.type == pafs.FileType.File}

    def delete(self, name: str) -> None:
        try:
            self.filesystem.delete_file(self.file(name))
        except FileNotFoundError:
            return


@dataclass(frozen=True)
class Attempt:
    """One attempt to build a stage; writes files that count only once the manifest names them."""

    folder: Folder
    name: str

    def write(
        self,
        part: str,
        label: str,
        data: bytes | list[pa.Buffer],
        rows: int = 0,
        suffix: str = "",
        **info: Any,
    ) -> StageFile:
        """Write one file, of some bytes or of pieces, under a name that no other attempt uses; `label` is what the
        file is called in its part.
        """
        name = f"{self.name}-{part}-{label}{suffix}"
        pieces = [data] if isinstance(data, bytes) else data
        self.folder.write(name, *pieces)
        told = hashlib.sha256()
        for piece in pieces:
            told.update(piece)
        return StageFile(part, label, name, sum(map(len, pieces)), told.hexdigest(), rows, info)

    def write_parquet(self, part: str, label: str, table: pa.Table, **info: Any) -> StageFile:
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, **parquet_options(table.schema))
        return self.write(part, label, sink.getvalue().to_pybytes(), table.num_rows, ".parquet", **info)

    def write_batches(
        self, part: str, label: str, schema: pa.Schema, tables: Iterable[pa.Table], **info: Any
    ) -> StageFile:
        """Parquet of tables that come one after another, a row group each; only their compressed form is kept."""
        sink, rows = pa.BufferOutputStream(), 0
        with pq.ParquetWriter(sink, schema, **parquet_options(schema)) as writer:
            for table in tables:
                writer.write_table(table)
                rows += table.num_rows
        return self.write(part, label, sink.getvalue().to_pybytes(), rows, ".parquet", **info)

    def write_arrow(self, part: str, label: str, table: pa.Table, **info: Any) -> StageFile:
        """Uncompressed Arrow IPC, in one record batch, for readers that map the file into memory."""
        sink = pa.BufferOutputStream()
        with pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table.combine_chunks())
        return self.write(part, label, sink.getvalue().to_pybytes(), table.num_rows, ".arrow", **info)


@dataclass(frozen=True)
class Stage:
    """A committed stage, read through its manifest only."""

    folder: Folder
    manifest: dict[str, Any]

    @property
    def fingerprint(self) -> str:
        return self.manifest["fingerprint"]

    @property
    def info(self) -> dict[str, Any]:
        return self.manifest["info"]

    @property
    def counts(self) -> Counts:
        return Counts(**self.manifest["counts"])

    def files(self, part: str) -> list[StageFile]:
        return [StageFile(**entry) for entry in self.manifest["files"] if entry["part"] == part]

    def read(self, file: StageFile) -> bytes:
        return self.folder.read(file.name)

    def read_parquet(self, file: StageFile, columns: list[str] | None = None) -> pa.Table:
        return pq.read_table(self.folder.file(file.name), columns=columns, filesystem=self.folder.filesystem)

    def batches(self, file: StageFile, num_rows: int) -> Iterator[pa.Table]:
        """The rows of a Parquet file, at most `num_rows` at a time."""
        with self.folder.filesystem.open_input_file(self.folder.file(file.name)) as stream:
            for batch in pq.ParquetFile(stream).iter_batches(batch_size=num_rows):
                yield pa.Table.from_batches([batch])

    def local_path(self, file: StageFile) -> Path:
        """The file on a local disk, to be mapped into memory: itself, or a copy that all processes of a user share."""
        if self.folder.is_local:
            return Path(self.folder.file(file.name))
        folder = Path(tempfile.gettempdir()) / f"weam-ray-{getpass.getuser()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.stat().st_uid != os.getuid():
            raise UserError(f"{folder} belongs to another user; set TMPDIR to a folder of your own.")
        copy = folder / f"{file.sha256}{Path(file.name).suffix}"
        if not copy.is_file():
            partial = copy.with_suffix(f".{uuid.uuid4().hex}")
            partial.write_bytes(self.read(file))
            partial.replace(copy)
        return copy

    def read_arrow(self, file: StageFile) -> pa.Table:
        """The table of an Arrow file: memory-mapped on a local disk, read whole from elsewhere."""
        path = self.folder.file(file.name)
        source = pa.memory_map(path) if self.folder.is_local else self.folder.filesystem.open_input_file(path)
        return pa.ipc.open_file(source).read_all()


class StageStore:
    """All stages of a home."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder

    def find(self, spec: StageSpec) -> Stage | None:
        """The committed stage of a specification, if all its files are there in full."""
        folder = self.folder.child(spec.folder_name)
        sizes = folder.sizes()
        if "manifest.json" not in sizes:
            return None
        try:
            manifest = json.loads(folder.read("manifest.json"))
        except json.JSONDecodeError:
            return None  # damaged: built again
        whole = all(sizes.get(entry["name"]) == entry["size"] for entry in manifest["files"])
        return Stage(folder, manifest) if whole else None

    def build(
        self,
        spec: StageSpec,
        builder: Callable[[Attempt], StageOutput],
        say: Callable[[str], None] = print,
    ) -> Stage:
        """The stage of a specification: found, or built by `builder` and committed.

        While another live process builds the same stage, this waits for it. Two that start in the same instant may
        both build; they write the same rows under different names, and the manifest names one set.
        """
        found = self.find(spec)
        if found is not None:
            say(f"{spec.folder_name}: reused ({describe(found.counts)})")
            return found
        folder = self.folder.child(spec.folder_name)
        attempt = Attempt(folder, uuid.uuid4().hex[:8])
        with lease(folder, attempt.name, say):
            found = self.find(spec)
            if found is not None:
                say(f"{spec.folder_name}: built meanwhile by another process ({describe(found.counts)})")
                return found
            sweep(folder, keep=live_attempts(folder))
            started = time.monotonic()
            try:
                output = builder(attempt)
                output.counts.check()
            except BaseException:
                for name in folder.sizes():
                    if name.startswith(f"{attempt.name}-"):
                        folder.delete(name)
                raise
            manifest = {
                **asdict(spec),
                "fingerprint": spec.fingerprint,
                "files": [asdict(file) for file in output.files],
                "counts": asdict(output.counts),
                "info": output.info,
                "seconds": round(time.monotonic() - started, 3),
                "created": datetime.now(UTC).isoformat(timespec="seconds"),
            }
            folder.write("manifest.json", json.dumps(manifest, indent=1, ensure_ascii=False).encode())
        say(f"{spec.folder_name}: done in {manifest['seconds']:.1f} s ({describe(output.counts)})")
        return Stage(folder, json.loads(json.dumps(manifest)))


def describe(counts: Counts) -> str:
    rejected = "".join(f", {number:,} {reason}" for reason, number in counts.rejected.items() if number)
    return f"{counts.rows_in:,} rows in, {counts.rows_out:,} out" + (f"; rejected{rejected[1:]}" if rejected else "")


@contextmanager
def lease(folder: Folder, attempt: str, say: Callable[[str], None]) -> Iterator[None]:
    """Hold a stage while it is built: wait for an earlier live attempt, then keep a heartbeat until the end."""
    name = f"lease-{attempt}.json"
    entry = {"attempt": attempt, "host": socket.gethostname(), "pid": os.getpid(), "started": time.time()}
    stop = threading.Event()

    def beat() -> None:
        folder.write(name, json.dumps({**entry, "heartbeat": time.time()}).encode())

    def keep_beating() -> None:
        while not stop.wait(HEARTBEAT_SECONDS):
            with suppress(OSError):  # a disk that is busy or full for a moment; the next beat comes
                beat()

    beat()
    thread = threading.Thread(target=keep_beating, name=f"lease {attempt}", daemon=True)
    thread.start()
    try:
        waiting = False
        while True:
            ahead = [other for other in live_leases(folder) if order(other) < order(entry)]
            if not ahead:
                break
            if not waiting:
                first = min(ahead, key=order)
                say(f"{Path(folder.path).name}: waiting for process {first['pid']} on {first['host']}, which builds it")
                waiting = True
            stop.wait(0.5)
        yield
    finally:
        stop.set()
        thread.join()
        folder.delete(name)
        if folder.is_local:
            with suppress(OSError):  # not empty: the stage is there, or another attempt
                os.rmdir(folder.path)


def order(entry: dict[str, Any]) -> tuple[float, str]:
    return entry["started"], entry["attempt"]


def live_leases(folder: Folder) -> list[dict[str, Any]]:
    """Leases whose owner lives: a fresh heartbeat and, on this host, a running process."""
    leases = []
    for name in folder.sizes():
        if not name.startswith("lease-"):
            continue
        try:
            entry = json.loads(folder.read(name))
        except (FileNotFoundError, json.JSONDecodeError):
            continue  # given back, or being written, at this moment
        alive_here = entry["host"] != socket.gethostname() or psutil.pid_exists(entry["pid"])
        if alive_here and time.time() - entry["heartbeat"] < DEAD_AFTER_SECONDS:
            leases.append(entry)
    return leases


def live_attempts(folder: Folder) -> set[str]:
    return {entry["attempt"] for entry in live_leases(folder)}


def sweep(folder: Folder, keep: set[str]) -> None:
    """Delete what dead attempts left: their files, and a manifest whose files are not all there."""
    for name in folder.sizes():
        attempt = name.removeprefix("lease-").split("-")[0].split(".")[0]
        if attempt not in keep:
            folder.delete(name)


class SourceHashes:
    """Content hashes of local files, remembered by path, size and time of change."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.known: dict[str, list[Any]] = {}
        if file.is_file():
            self.known = json.loads(file.read_text(encoding="utf-8"))

    def sha256(self, path: Path) -> str:
        """SHA-256 of a file's bytes."""
        status = path.stat()
        state = [status.st_size, status.st_mtime_ns]
        key = str(path.resolve())
        if key not in self.known or self.known[key][:2] != state:
            with path.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
            self.known[key] = [*state, digest]
            self.file.parent.mkdir(parents=True, exist_ok=True)
            partial = self.file.with_name(f".{self.file.name}.{os.getpid()}")
            partial.write_text(json.dumps(self.known, indent=1), encoding="utf-8")
            partial.replace(self.file)
        return self.known[key][2]
