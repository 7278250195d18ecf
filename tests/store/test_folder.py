"""Folders by path and by URI."""

import pickle

import pytest

from weam_ray.store.folder import Folder


def test_folder_is_picklable_and_writes(folder: Folder) -> None:
    copy = pickle.loads(pickle.dumps(folder))  # noqa: S301 (its own)
    assert copy.sizes() == {}
    copy.write("a", b"12")
    copy.child("inner").write("b", b"1")
    assert folder.sizes() == {"a": 2}
    assert folder.child("inner").read("b") == b"1"
    folder.delete("a")
    folder.delete("a")  # gone already
    assert folder.sizes() == {}


def test_address_of_no_filesystem() -> None:
    with pytest.raises(ValueError, match="nosuch"):
        Folder.at("nosuch://bucket/stages")
