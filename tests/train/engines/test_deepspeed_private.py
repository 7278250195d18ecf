"""DeepSpeed's module for shared memory is not compiled, where it can be told so."""

import deepspeed
import pytest

from tests.support.private import take_away
from weam_ray.train.engines.deepspeed_private import COMPATIBLE, without_shared_memory


def test_shared_memory_is_taken_for_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    operations = {"deepspeed_shm_comm": True}
    monkeypatch.setattr(deepspeed.ops, "__compatible_ops__", operations)
    without_shared_memory()
    assert operations == {"deepspeed_shm_comm": False}


def test_where_the_name_is_missing_nothing_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    operations = {"deepspeed_shm_comm": True}
    monkeypatch.setattr(deepspeed.ops, "__compatible_ops__", operations)
    take_away(monkeypatch, COMPATIBLE)
    without_shared_memory()
    assert operations == {"deepspeed_shm_comm": True}
