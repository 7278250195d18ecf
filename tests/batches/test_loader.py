"""The micro-batches of a worker: the same for any number of workers."""

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from tests.support.batches import SHARD_ROWS, assert_same_batch, encoded_stage, make_batches, padded_batches
from weam_ray.batches.loader import TrainingRows
from weam_ray.batches.order import BatchPlan
from weam_ray.settings.training import TrainingSection
from weam_ray.store.folder import Folder
from weam_ray.store.stages import Stage


@pytest.fixture(scope="module")
def encoded(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return encoded_stage(tmp_path_factory.mktemp("stages"))


class TestTrainingRows:
    def test_shards_of_the_training_part(self, encoded: Stage) -> None:
        rows = TrainingRows(encoded)
        assert [(shard.rows, shard.language_pair) for shard in rows.shards] == list(SHARD_ROWS.values())

    def test_shards_are_opened_when_they_are_asked_for(self, encoded: Stage) -> None:
        rows = TrainingRows(encoded)
        assert rows.opened == {}
        assert len(rows.shard(1)) == 17
        assert rows.shard(1) is rows.shard(1)
        assert list(rows.opened) == [1]

    def test_plan(self, encoded: Stage) -> None:
        rows = TrainingRows(encoded)
        plan = rows.plan(TrainingSection(batch_size=12, sampling_temperature=5.0), seed=5)
        assert isinstance(plan, BatchPlan)
        assert (plan.batch_size, plan.seed, plan.pairs) == (12, 5, ["en-de", "en-fr"])
        assert plan.sizes.tolist() == [47, 13]
        assert np.diff(plan.boundaries) == pytest.approx(np.array([47, 13]) ** 0.2 / (47**0.2 + 13**0.2))
        assert plan.lengths(2).tolist() == encoded.read_arrow(encoded.files("train")[2])["num_tokens"].to_pylist()


class TestLengths:
    def test_few_in_a_thousand_steps(self, encoded: Stage) -> None:
        """All are multiples, or the longest that there may be."""
        shapes = {}
        for multiple, number in ((1, 100), (8, 1000)):
            batches = padded_batches(encoded, multiple)
            steps = (batches.step(step) for step in range(number))
            shapes[multiple] = {batch.input_ids.shape for step in steps for _, (batch,) in step}
        assert shapes[8] == {(4, 8), (4, 16), (4, 20)}
        assert len(shapes[1]) > 5

    def test_padding_to_them_changes_nothing_else(self, encoded: Stage) -> None:
        for step in range(20):
            plain, padded = (padded_batches(encoded, multiple).step(step) for multiple in (1, 8))
            for (_, (short,)), (_, (long,)) in zip(plain, padded, strict=True):
                length = short.input_ids.shape[1]
                assert_array_equal(long.input_ids[:, :length], short.input_ids)
                assert_array_equal(long.exchange[:, :length], short.exchange)
                assert long.attention_mask[:, length:].sum() == 0
                assert_array_equal(long.labels, short.labels)
                width = long.input_ids.shape[1]
                assert_array_equal(long.masked // width, short.masked // length)
                assert_array_equal(long.masked % width, short.masked % length)


class TestStep:
    def test_a_batch_holds_the_planned_rows(self, encoded: Stage) -> None:
        """Each row's first source token is its number in the part, in the order of the plan."""
        batches = make_batches(encoded)
        for step in range(8):
            found = []
            for _, (batch,) in batches.step(step):
                ids = batch.input_ids.copy().ravel()
                ids[batch.masked] = batch.labels
                named = ids.reshape(batch.input_ids.shape)
                found += [next(int(value) - 5 for value in line if 5 <= value < 100) for line in named]
            assert found == [row.row for row in batches.plan.batch(step)]

    @pytest.mark.parametrize("world_size", [2, 3, 4, 6, 12])
    def test_any_number_of_workers(self, encoded: Stage, world_size: int) -> None:
        """The micro-batches of all ranks together are those of one worker, number by number."""
        size = 12 // world_size if world_size > 3 else 2
        alone = make_batches(encoded, size)
        ranks = [make_batches(encoded, size, rank, world_size) for rank in range(world_size)]
        for step in (0, 3, 40):
            together = {}
            for rank, batches in enumerate(ranks):
                for number, (batch,) in batches.step(step):
                    assert number % world_size == rank
                    assert number not in together
                    together[number] = batch
            expected = dict(alone.step(step))
            assert sorted(together) == sorted(expected) == list(range(12 // size))
            for number, (batch,) in expected.items():
                assert_same_batch(together[number], batch)

    def test_micro_batches_change_no_row(self, encoded: Stage) -> None:
        """Cut into twelve or into one: the same tokens masked in the same rows."""
        ones, whole = make_batches(encoded, 1), make_batches(encoded, 12)
        for step in range(3):
            (_, (batch,)), *rest = whole.step(step)
            assert rest == []
            for number, (one,) in ones.step(step):
                length = one.input_ids.shape[1]
                assert_array_equal(batch.input_ids[number, :length], one.input_ids[0])
                assert_array_equal(batch.exchange[number, :length], one.exchange[0])

    def test_more_rows_than_the_corpus(self, encoded: Stage) -> None:
        ((_, (batch,)),) = make_batches(encoded, 150, batch_size=150).step(0)
        assert len(batch.input_ids) == 150


def test_stage_in_another_folder_order(encoded: Stage, tmp_path: Path) -> None:
    """The order of rows hangs on the manifest, not on the names of files that an attempt chose."""
    files = [file.name for file in encoded.files("train")]
    other = Stage(Folder.at(tmp_path), {**encoded.manifest, "files": []})
    for entry, name in zip(encoded.manifest["files"], [*reversed(files), "held"], strict=True):
        (tmp_path / name).write_bytes(encoded.folder.read(entry["name"]))
        other.manifest["files"].append({**entry, "name": name})
    for (_, (one,)), (_, (two,)) in zip(make_batches(encoded).step(7), make_batches(other).step(7), strict=True):
        assert_same_batch(two, one)
