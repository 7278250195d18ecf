"""Folders on any Arrow filesystem: a local disk, s3, gs."""

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from weam_ray.errors import UserError


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

    def read_parquet(self, name: str, columns: list[str] | None = None) -> pa.Table:
        """The table of a Parquet file, or some columns of it."""
        return pq.read_table(self.file(name), columns=columns, filesystem=self.filesystem)

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
