"""Batches are made ahead of their step, the same in whatever thread or process; what makes them always ends."""

import multiprocessing
import threading
from typing import Any

import pytest

from tests.support.batches import assert_same_batch, encoded_stage, make_batches
from weam_ray.batches.batch import Batch
from weam_ray.batches.prefetch import PREFETCHED_STEPS, StepsByNumber, ahead, collated, unless_mistaken
from weam_ray.errors import UserError
from weam_ray.store.stages import Stage


@pytest.fixture(scope="module")
def encoded(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return encoded_stage(tmp_path_factory.mktemp("stages"))


def workers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "collate"]


@pytest.mark.parametrize("num_processes", [0, 2])
def test_the_same_as_step_by_step(encoded: Stage, num_processes: int) -> None:
    batches = make_batches(encoded)
    found = list(ahead(collated(batches, range(3, 3 + 3 * PREFETCHED_STEPS), num_processes)))
    assert len(found) == 3 * PREFETCHED_STEPS
    for step, entry in enumerate(found, start=3):
        for (number, (batch,)), (expected_number, (expected,)) in zip(entry, batches.step(step), strict=True):
            assert number == expected_number
            assert_same_batch(batch, expected)
    assert workers() == []


def test_no_steps(encoded: Stage) -> None:
    assert list(ahead(collated(make_batches(encoded), range(5, 5), 2))) == []
    assert workers() == []


def test_an_error_in_the_thread_is_passed_on(encoded: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the steps before it, and the thread ends."""
    batches = make_batches(encoded)
    step = batches.step

    def damaged(number: int) -> list[tuple[int, Batch]]:
        if number == 2:
            raise OSError("shard 1 is damaged")
        return step(number)

    monkeypatch.setattr(batches, "step", damaged)
    steps = ahead(collated(batches, range(10)))
    assert [len(next(steps)) for _ in range(2)] == [3, 3]
    with pytest.raises(OSError, match="shard 1 is damaged"):
        next(steps)
    assert workers() == []


def test_a_consumer_that_stops_early(encoded: Stage) -> None:
    """The thread waits with a full queue, and ends with its consumer."""
    steps = ahead(collated(make_batches(encoded), range(10_000)))
    next(steps)
    (worker,) = workers()
    steps.close()
    assert not worker.is_alive()


def test_a_consumer_that_fails(encoded: Stage) -> None:
    def consume() -> None:
        for number, _ in enumerate(ahead(collated(make_batches(encoded), range(10_000)))):
            if number == 3:
                raise RuntimeError("the loss is not finite")

    with pytest.raises(RuntimeError, match="not finite"):
        consume()
    # the generator is closed with the frame that held it, which the traceback kept until here
    assert workers() == []


def test_the_thread_runs_ahead_of_the_step_and_not_far(encoded: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """At most the queue, the batch in hand and the one that waits for a place are made."""
    batches = make_batches(encoded)
    step, made, enough = batches.step, [], threading.Event()

    def counted(number: int) -> list[tuple[int, Batch]]:
        made.append(number)
        if len(made) == PREFETCHED_STEPS + 2:
            enough.set()
        return step(number)

    monkeypatch.setattr(batches, "step", counted)
    steps = ahead(collated(batches, range(1000)))
    next(steps)
    assert enough.wait(timeout=60)
    steps.close()
    assert made == list(range(len(made)))
    assert len(made) <= PREFETCHED_STEPS + 3


def test_each_batch_is_finished_in_the_thread(encoded: Stage) -> None:
    threads = []

    def finish(batch: Batch) -> Any:
        threads.append(threading.current_thread().name)
        return len(batch.input_ids)

    found = list(ahead(collated(make_batches(encoded), range(2)), finish))
    assert found == [[(0, (4,)), (1, (4,)), (2, (4,))]] * 2
    assert threads == ["collate"] * 6


def test_processes_end_with_their_consumer(encoded: Stage) -> None:
    steps = ahead(collated(make_batches(encoded), range(10_000), 1))
    next(steps)
    assert multiprocessing.active_children()
    steps.close()
    del steps
    assert multiprocessing.active_children() == []


def test_a_mistake_in_a_process_comes_without_its_traceback(encoded: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    batches = make_batches(encoded)

    def mistaken(number: int) -> Any:
        raise UserError(f"The pairs of step {number} are wrong.")

    monkeypatch.setattr(batches, "step", mistaken)
    returned = StepsByNumber(batches)[3]
    with pytest.raises(UserError, match=r"^The pairs of step 3 are wrong\.$"):
        unless_mistaken(returned)
