"""The micro-batches of a worker: the same for any number of workers, collated in a thread that always ends."""

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from numpy.testing import assert_array_equal

from weam_ray.batches.batch import Batch, Vocabulary
from weam_ray.batches.loader import PREFETCHED_STEPS, Batches, TrainingRows
from weam_ray.batches.order import BatchPlan
from weam_ray.batches.pairs import PairCollator
from weam_ray.corpus.tables import ENCODED
from weam_ray.model.tokenizer import PairTemplate, SentenceTemplate
from weam_ray.settings.objective import ObjectiveSection
from weam_ray.settings.training import SeedSection, TrainingSection
from weam_ray.store.folder import Folder
from weam_ray.store.stages import Attempt, Counts, Stage, StageOutput, StageSpec, StageStore

VOCABULARY = Vocabulary(
    PairTemplate(np.array([2]), np.array([3]), np.array([3]), (0, 0, 0, 1, 1)),
    0,
    4,
    np.arange(5, 200),
    SentenceTemplate(np.array([2]), np.array([3])),
)
SHARD_ROWS = {"000-00000": (30, "en-de"), "000-00001": (17, "en-de"), "001-00000": (13, "en-fr")}


def encoded_table(num_rows: int, first: int) -> pa.Table:
    """Rows of 1 to 9 tokens a side; the first source token names the row."""
    generator = np.random.default_rng(first)
    rows = []
    for number in range(num_rows):
        sizes = generator.integers(1, 10, 2)
        source, target = (generator.integers(100, 200, size).tolist() for size in sizes)
        source[0] = 5 + first + number
        rows.append(
            {
                "pair_id": f"0:{first + number}",
                "source_lang": "en",
                "target_lang": "xx",
                "source_ids": source,
                "target_ids": target,
                "source_word_ids": list(range(len(source))),
                "target_word_ids": list(range(len(target))),
                "token_links": [value for k in range(min(sizes)) for value in (k, k)],
                "num_tokens": len(source) + len(target),
            }
        )
    return pa.Table.from_pylist(rows, schema=ENCODED)


@pytest.fixture(scope="module")
def encoded(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """A committed stage of sixty rows in three shards, in two language pairs, and a held-out part."""

    def builder(attempt: Attempt) -> StageOutput:
        files, first = [], 0
        for label, (rows, pair) in SHARD_ROWS.items():
            files.append(attempt.write_arrow("train", label, encoded_table(rows, first), language_pair=pair))
            first += rows
        files.append(attempt.write_arrow("held_out", "000-00000", encoded_table(5, 90), language_pair="en-de"))
        return StageOutput(files, Counts(65, 65))

    store = StageStore(Folder.at(tmp_path_factory.mktemp("stages")))
    return store.build(StageSpec("encode", 1, {}, {}), builder)


def make_batches(
    encoded: Stage, micro_batch_size: int = 4, rank: int = 0, world_size: int = 1, batch_size: int = 12
) -> Batches:
    rows = TrainingRows(encoded)
    training = TrainingSection(batch_size=batch_size, micro_batch_size=1)
    collators = [PairCollator(VOCABULARY, ObjectiveSection(), SeedSection(), 32)]
    return Batches(rows, rows.plan(training, seed=5), collators, micro_batch_size, rank, world_size)


def padded_batches(encoded: Stage, multiple: int) -> Batches:
    rows = TrainingRows(encoded)
    collators = [PairCollator(replace(VOCABULARY, multiple=multiple), ObjectiveSection(), SeedSection(), 20)]
    return Batches(rows, rows.plan(TrainingSection(batch_size=12, micro_batch_size=4), seed=5), collators, 4, 0, 1)


def assert_same_batch(actual: Batch, expected: Batch) -> None:
    for name, value in vars(expected).items():
        assert_array_equal(getattr(actual, name), value, err_msg=name)


def workers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "collate"]


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


class TestSteps:
    def test_the_same_as_step_by_step(self, encoded: Stage) -> None:
        batches = make_batches(encoded)
        found = list(batches.steps(3, 3 + 3 * PREFETCHED_STEPS))
        assert len(found) == 3 * PREFETCHED_STEPS
        for step, entry in enumerate(found, start=3):
            for (number, (batch,)), (expected_number, (expected,)) in zip(entry, batches.step(step), strict=True):
                assert number == expected_number
                assert_same_batch(batch, expected)
        assert workers() == []

    def test_no_steps(self, encoded: Stage) -> None:
        assert list(make_batches(encoded).steps(5, 5)) == []
        assert workers() == []

    def test_an_error_in_the_thread_is_passed_on(self, encoded: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
        """After the steps before it, and the thread ends."""
        batches = make_batches(encoded)
        step = batches.step

        def damaged(number: int) -> list[tuple[int, Batch]]:
            if number == 2:
                raise OSError("shard 1 is damaged")
            return step(number)

        monkeypatch.setattr(batches, "step", damaged)
        steps = batches.steps(0, 10)
        assert [len(next(steps)) for _ in range(2)] == [3, 3]
        with pytest.raises(OSError, match="shard 1 is damaged"):
            next(steps)
        assert workers() == []

    def test_a_consumer_that_stops_early(self, encoded: Stage) -> None:
        """The thread waits with a full queue, and ends with its consumer."""
        steps = make_batches(encoded).steps(0, 10_000)
        next(steps)
        (worker,) = workers()
        steps.close()
        assert not worker.is_alive()

    def test_a_consumer_that_fails(self, encoded: Stage) -> None:
        def consume() -> None:
            for number, _ in enumerate(make_batches(encoded).steps(0, 10_000)):
                if number == 3:
                    raise RuntimeError("the loss is not finite")

        with pytest.raises(RuntimeError, match="not finite"):
            consume()
        # the generator is closed with the frame that held it, which the traceback kept until here
        assert workers() == []

    def test_the_thread_runs_ahead_of_the_step_and_not_far(
        self, encoded: Stage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """At most the queue, the batch in hand and the one that waits for a place are made."""
        batches = make_batches(encoded)
        step, made, enough = batches.step, [], threading.Event()

        def counted(number: int) -> list[tuple[int, Batch]]:
            made.append(number)
            if len(made) == PREFETCHED_STEPS + 2:
                enough.set()
            return step(number)

        monkeypatch.setattr(batches, "step", counted)
        steps = batches.steps(0, 1000)
        next(steps)
        assert enough.wait(timeout=60)
        steps.close()
        assert made == list(range(len(made)))
        assert len(made) <= PREFETCHED_STEPS + 3


def test_stage_in_another_folder_order(encoded: Stage, tmp_path: Path) -> None:
    """The order of rows hangs on the manifest, not on the names of files that an attempt chose."""
    files = [file.name for file in encoded.files("train")]
    other = Stage(Folder.at(tmp_path), {**encoded.manifest, "files": []})
    for entry, name in zip(encoded.manifest["files"], [*reversed(files), "held"], strict=True):
        (tmp_path / name).write_bytes(encoded.folder.read(entry["name"]))
        other.manifest["files"].append({**entry, "name": name})
    for (_, (one,)), (_, (two,)) in zip(make_batches(encoded).step(7), make_batches(other).step(7), strict=True):
        assert_same_batch(two, one)
