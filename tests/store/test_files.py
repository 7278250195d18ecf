"""Folders that jobs write into: refused with a sentence before anything runs."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from weam_ray.errors import UserError
from weam_ray.store.files import check_folder, looks_writable, make_folder


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk that cannot be written, even by root; `old` is in it."""
    folder = tmp_path / "disk"
    (folder / "old").mkdir(parents=True)
    bind = ["mount", "--bind", str(folder), str(folder)]
    if os.geteuid() != 0 or subprocess.run(bind, check=False, capture_output=True).returncode:
        pytest.skip("mounting a disk takes root and the right to mount")
    subprocess.run(["mount", "-o", "remount,ro,bind", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_folders_that_can_be_made(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "new" / "deep"):
        check_folder(path, "home")
    assert list(tmp_path.iterdir()) == []
    assert looks_writable(tmp_path / "new" / "deep")
    make_folder(tmp_path / "new" / "deep", "home")
    assert list((tmp_path / "new" / "deep").iterdir()) == []


def test_a_file_in_the_way(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    cases = {
        file: f"home={file}: this is a file; name a folder.",
        file / "deep" / "home": f"home={file / 'deep' / 'home'}: {file} is a file; name another folder.",
        tmp_path / "link": f"home={tmp_path / 'link'}: this is a file; name a folder.",
    }
    for path, message in cases.items():
        for check in (check_folder, make_folder):
            with pytest.raises(UserError) as caught:
                check(path, "home")
            assert str(caught.value) == message


def test_a_name_that_is_too_long(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"home=.*: File name too long; name another folder"):
        check_folder(tmp_path / ("x" * 300), "home")


def test_a_folder_that_cannot_be_made() -> None:
    check_folder(Path("/proc/home"), "home")
    with pytest.raises(UserError, match=r"--output /proc/home: it cannot be written \(.+\); name another folder\."):
        make_folder(Path("/proc/home"), "--output")


def test_a_read_only_disk(read_only: Path) -> None:
    for path in (read_only, read_only / "old", read_only / "new"):
        check_folder(path, "home")
        assert not looks_writable(path)
        with pytest.raises(UserError, match=r"home=.*: it cannot be written \(Read-only file system\)"):
            make_folder(path, "home")
