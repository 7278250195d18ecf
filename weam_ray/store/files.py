"""Files that are written whole, and the hashes that values and files are known by."""

import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from weam_ray.errors import UserError
from weam_ray.store.remote import RemoteFile


def check_folder(path: Path, setting: str) -> None:
    """See that a path is a folder, or that nothing is in the way of one; nothing is written.

    Raises:
        UserError: a file is in the way, or the path cannot be looked at; `setting` is what named it.
    """
    for ancestor in (path, *path.parents):
        try:
            if ancestor.is_dir():
                return
            if os.path.lexists(ancestor):
                what = (
                    f"{ancestor} is a file; name another folder"
                    if ancestor != path
                    else "this is a file; name a folder"
                )
                raise UserError(f"{named(setting, path)}: {what}.")
        except OSError as error:
            raise UserError(f"{named(setting, path)}: {error.strerror}; name another folder.") from None


def make_folder(path: Path, setting: str) -> None:
    """Make a folder, and see that files can be written into it.

    Raises:
        UserError: they cannot; `setting` is what named it.
    """
    check_folder(path, setting)
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise UserError(
            f"{named(setting, path)}: it cannot be written ({error.strerror}); name another folder."
        ) from None


def check_writable(path: Path, setting: str) -> None:
    """See that files can be written into a folder; one that is made for that is removed again.

    Raises:
        UserError: they cannot; `setting` is what named it.
    """
    is_new = not path.exists()
    make_folder(path, setting)
    if is_new:
        path.rmdir()


def looks_writable(path: Path) -> bool:
    """Whether files can be written into a folder, or into the one that it would be made in; nothing is written."""
    return os.access(next(ancestor for ancestor in (path, *path.parents) if ancestor.is_dir()), os.W_OK | os.X_OK)


def named(setting: str, path: Path) -> str:
    """A path with the setting or the option that named it."""
    return f"{setting} {path}" if setting.startswith("-") else f"{setting}={path}"


def write_whole(file: Path, content: str | bytes) -> None:
    """Write a file under another name, of this process, then rename it; its folder is made if need be."""
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f".{file.name}.{os.getpid()}.partial")
    partial.write_bytes(content.encode() if isinstance(content, str) else content)
    os.replace(partial, file)


def fingerprint(value: object) -> str:
    """Hash a JSON value, whatever the order of its keys: 16 hexadecimal digits of its SHA-256."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class SourceHashes:
    """Content hashes of files, remembered by path, size and time of change."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.known: dict[str, list[Any]] = {}
        self.is_new = False
        if file.is_file():
            self.known = json.loads(file.read_text(encoding="utf-8"))

    def sha256(self, path: Path | RemoteFile) -> str:
        """Hash a file's bytes by SHA-256, unless the hash is known; a remote file is streamed, and never kept whole.

        Raises:
            UserError: the file cannot be read.
        """
        status = path.stat()
        state = [status.st_size, status.st_mtime_ns]
        key = str(path.resolve())
        if None in state or key not in self.known or self.known[key][:2] != state:
            try:
                with path.open("rb") as stream:
                    digest = hashlib.file_digest(stream, "sha256").hexdigest()
            except OSError as error:
                raise UserError(f"{path}: cannot be read ({error}).") from error
            self.known[key] = [*state, digest]
            self.is_new = True
        return self.known[key][2]

    def remembered(self, key: str, compute: Callable[[], str]) -> str:
        """A hash that takes long, by a key that says all that it depends on."""
        if key not in self.known:
            self.known[key] = [0, 0, compute()]
            self.is_new = True
        return self.known[key][2]

    def save(self) -> None:
        """Write the hashes to disk if there are new ones."""
        if self.is_new:
            write_whole(self.file, json.dumps(self.known, indent=1))
            self.is_new = False
