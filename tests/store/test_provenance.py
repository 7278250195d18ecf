"""What stands beside a model's weights of how it was trained: there and back, and damage."""

from pathlib import Path

import pytest

from weam_ray.errors import UserError
from weam_ray.store.provenance import FILE, Provenance

KNOWN = Provenance({"model": 3}, {"objective.name": "weam", "objective.masking": "subword", "a.b": 1}, "f00d", "bert@1")


def test_there_and_back(tmp_path: Path) -> None:
    assert Provenance.beside(str(tmp_path)) is None
    assert Provenance.beside("owner/name") is None
    (tmp_path / FILE).write_bytes(KNOWN.to_bytes())
    assert Provenance.beside(str(tmp_path)) == KNOWN


def test_what_a_method_is_does_not_count() -> None:
    assert KNOWN.compared() == {
        "training text": "f00d",
        "base encoder": "bert@1",
        "objective.masking": "subword",
        "a.b": 1,
    }


@pytest.mark.parametrize("content", [b"", b"[]", b'{"version": 1}', b'{"version": 1, "seeds": {}, "more": 1}'])
def test_damaged(content: bytes, tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(UserError, match=r"provenance\.json: this does not say how the model was trained"):
        Provenance.beside(str(tmp_path))


def test_of_another_version(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b'{"version": 2}')
    with pytest.raises(UserError, match=r"is of version 2; this weam-ray reads version 1"):
        Provenance.beside(str(tmp_path))
