"""Stage folders: written whole or not at all, named by what went into them, reused when it is the same.

A stage is a folder `<stage>-<fingerprint>` on any Arrow filesystem. Attempts write files under names of their own;
`manifest.json`, written last, lists the files that count. Nothing is ever renamed, so object stores serve as well.
Files that an attempt has noted as done (`notes`) are taken over by the next one, should it be killed.
"""

import getpass
import hashlib
import json
import os
import tempfile
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq

from weam_ray.errors import Unreachable, UserError
from weam_ray.settings.base import Role, Section
from weam_ray.store.arrays import parquet_options
from weam_ray.store.files import fingerprint
from weam_ray.store.folder import Folder
from weam_ray.store.lease import lease, live_attempts, live_leases, sweep
from weam_ray.store.notes import Notes


@dataclass(frozen=True)
class StageFile:
    """A file of a stage. `part` groups files, such as those of `train`; `label` names one file in its part."""

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


@dataclass(frozen=True)
class Attempt:
    """One attempt to build a stage; writes files that count only once the manifest names them."""

    folder: Folder
    name: str

    @property
    def notes(self) -> Notes:
        """What this attempt and killed ones before it have done."""
        return Notes(self.folder)

    def clear(self, spare: set[str]) -> None:
        """Delete what this attempt has written and what is noted, but for some files."""
        noted = self.notes.names()
        for name in self.folder.sizes():
            if (name in noted or name.startswith(f"{self.name}-")) and name not in spare:
                self.folder.delete(name)

    def write(
        self,
        part: str,
        label: str,
        data: bytes | list[pa.Buffer],
        rows: int = 0,
        suffix: str = "",
        **info: Any,
    ) -> StageFile:
        """Write one file, of some bytes or of pieces, under a name that no other attempt uses."""
        name = f"{self.name}-{part}-{label}{suffix}"
        pieces = [data] if isinstance(data, bytes) else data
        self.folder.write(name, *pieces)
        digest = hashlib.sha256()
        for piece in pieces:
            digest.update(piece)
        return StageFile(part, label, name, sum(map(len, pieces)), digest.hexdigest(), rows, info)

    def write_parquet(self, part: str, label: str, table: pa.Table, **info: Any) -> StageFile:
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, **parquet_options(table.schema))
        return self.write(part, label, sink.getvalue().to_pybytes(), table.num_rows, ".parquet", **info)

    def write_batches(
        self, part: str, label: str, schema: pa.Schema, tables: Iterable[pa.Table], **info: Any
    ) -> StageFile:
        """Write a Parquet file of tables that come one after another, a row group each.

        Only their compressed form is kept in memory.
        """
        sink, rows = pa.BufferOutputStream(), 0
        with pq.ParquetWriter(sink, schema, **parquet_options(schema)) as writer:
            for table in tables:
                writer.write_table(table)
                rows += table.num_rows
        return self.write(part, label, sink.getvalue().to_pybytes(), rows, ".parquet", **info)

    def write_arrow(self, part: str, label: str, table: pa.Table, **info: Any) -> StageFile:
        """Write uncompressed Arrow IPC, in one record batch, for readers that map the file into memory."""
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

    def names(self) -> set[str]:
        """The names of all its files."""
        return {"manifest.json", *(entry["name"] for entry in self.manifest["files"])}

    def files(self, part: str) -> list[StageFile]:
        return [StageFile(**entry) for entry in self.manifest["files"] if entry["part"] == part]

    def read(self, file: StageFile) -> bytes:
        return self.folder.read(file.name)

    def read_parquet(self, file: StageFile, columns: list[str] | None = None) -> pa.Table:
        return self.folder.read_parquet(file.name, columns)

    def batches(self, file: StageFile, num_rows: int) -> Iterator[pa.Table]:
        """Read the rows of a Parquet file, at most `num_rows` at a time."""
        with self.folder.filesystem.open_input_file(self.folder.file(file.name)) as stream:
            for batch in pq.ParquetFile(stream).iter_batches(batch_size=num_rows):
                yield pa.Table.from_batches([batch])

    def local_path(self, file: StageFile) -> Path:
        """Find the file, or a copy that all processes of a user share, on a local disk, to be mapped into memory."""
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
        """Read the table of an Arrow file: mapped into memory from a local disk, read whole from elsewhere."""
        path = self.folder.file(file.name)
        source = pa.memory_map(path) if self.folder.is_local else self.folder.filesystem.open_input_file(path)
        return pa.ipc.open_file(source).read_all()


class StageStore:
    """The folder with all stages of a home; finds and builds them."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder

    def find(self, spec: StageSpec) -> Stage | None:
        """Find the committed stage of a specification; None unless all its files are there in full."""
        return self.named(spec.folder_name)

    def named(self, folder_name: str) -> Stage | None:
        """Find the committed stage in a folder of the store; None unless all its files are there in full."""
        folder = self.folder.child(folder_name)
        sizes = folder.sizes()
        if "manifest.json" not in sizes:
            return None
        try:
            manifest = json.loads(folder.read("manifest.json"))
        except ValueError:
            return None  # damaged: built again
        whole = all(sizes.get(entry["name"]) == entry["size"] for entry in manifest["files"])
        return Stage(folder, manifest) if whole else None

    def build(
        self,
        spec: StageSpec,
        builder: Callable[[Attempt], StageOutput],
        say: Callable[[str], None] = print,
    ) -> Stage:
        """Find the stage of a specification, or have it built by `builder` and commit it.

        While another live process builds the same stage, this waits for it. Two that start in the same instant may
        both build; they write the same rows under different names, and the manifest names one set.
        """
        folder = self.folder.child(spec.folder_name)
        found = self.find(spec)
        if found is not None:
            if set(folder.sizes()) > found.names() and not live_leases(folder):
                sweep(folder, keep=set(), spare=found.names())  # left by one that was killed when it was done
            say(f"{spec.folder_name}: reused ({describe(found.counts)})")
            return found
        attempt = Attempt(folder, uuid.uuid4().hex[:8])
        with lease(folder, attempt.name, say):
            found = self.find(spec)
            if found is not None:
                say(f"{spec.folder_name}: built meanwhile by another process ({describe(found.counts)})")
                return found
            sweep(folder, keep=live_attempts(folder), spare=attempt.notes.names())
            started = time.monotonic()
            try:
                output = builder(attempt)
                output.counts.check()
            except BaseException as error:
                is_mistake = isinstance(error, UserError) and not isinstance(error, Unreachable)
                attempt.clear(set() if is_mistake else attempt.notes.names())
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
            stage = Stage(folder, json.loads(json.dumps(manifest)))
            others = live_attempts(folder) - {attempt.name}
            sweep(folder, keep=others, spare={*stage.names(), f"lease-{attempt.name}.json"})
        say(f"{spec.folder_name}: done in {manifest['seconds']:.1f} s ({describe(output.counts)})")
        return stage


@dataclass(frozen=True)
class Definition:
    """What the output of a stage follows from: every field counts in its fingerprint.

    A field with a fingerprint of its own, such as another stage, is an input. The others are settings, and a section of
    the configuration gives its keys.
    """

    name: ClassVar[str]
    version: ClassVar[int]

    @property
    def settings(self) -> dict[str, Any]:
        """The settings, as the manifest has them."""
        settings: dict[str, Any] = {}
        for entry in fields(self):
            value = getattr(self, entry.name)
            if isinstance(value, Section):
                settings |= value.counted(*Role)
            elif not hasattr(value, "fingerprint"):
                settings[entry.name] = value
        return settings

    @property
    def inputs(self) -> dict[str, str]:
        """The fingerprints of the inputs, as the manifest has them."""
        values = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        return {name: value.fingerprint for name, value in values.items() if hasattr(value, "fingerprint")}

    @cached_property
    def spec(self) -> StageSpec:
        return StageSpec(self.name, self.version, self.settings, self.inputs)

    @property
    def fingerprint(self) -> str:
        return self.spec.fingerprint


@dataclass(frozen=True)
class StageDefinition(Definition, ABC):
    """A stage of the pipeline: a definition that says how it is built."""

    @abstractmethod
    def build(self, attempt: Attempt, committed: "Committed", num_cpus: float) -> StageOutput:
        """Write the files of the stage, by tasks of the cluster.

        Args:
            committed: gives the stages that this one reads, by their definitions.
            num_cpus: CPUs of a task.
        """


class Committed:
    """The stages of a plan that are built so far, by their definitions."""

    def __init__(self, store: StageStore, num_cpus: float) -> None:
        self.store, self.num_cpus = store, num_cpus
        self.stages: dict[str, Stage] = {}

    def build(self, definition: StageDefinition) -> Stage:
        """Build or reuse a stage; those that it reads come before."""
        builder = partial(definition.build, committed=self, num_cpus=self.num_cpus)
        stage = self.store.build(definition.spec, builder)
        self.stages[definition.fingerprint] = stage
        return stage

    def __getitem__(self, definition: StageDefinition | Stage) -> Stage:
        """The stage of a definition; a stage from elsewhere, such as a fitted model, stands for itself."""
        return definition if isinstance(definition, Stage) else self.stages[definition.fingerprint]


def describe(counts: Counts) -> str:
    rejected = "".join(f", {number:,} {reason}" for reason, number in counts.rejected.items() if number)
    return f"{counts.rows_in:,} rows in, {counts.rows_out:,} out" + (f"; rejected{rejected[1:]}" if rejected else "")
