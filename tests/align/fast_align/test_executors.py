"""Steps as threads of this process."""

import threading

import pytest

from weam_ray.align.fast_align.executors import Threads


@pytest.mark.parametrize("num_threads", [1, 3])
class TestThreads:
    def test_results_are_arguments(self, num_threads: int) -> None:
        """Whole results and picks of one, and plain values, which are passed on as they are."""
        tasks = Threads(num_threads)
        quotient, rest = tasks.submit(divmod, 17, 5, returns=2)
        total = tasks.submit(lambda *values: sum(values), quotient, rest, 100)
        assert tasks.get(total) == 105
        assert tasks.get([quotient, [rest], "x"]) == [3, [2], "x"]
        nothing = tasks.submit(lambda values: values, None)
        assert tasks.get(nothing) is None

    def test_long_chains(self, num_threads: int) -> None:
        """Each step waits for the one before; none waits for a thread that waits for it."""
        tasks = Threads(num_threads)
        last = tasks.submit(int)
        for _ in range(200):
            last = tasks.submit(lambda one, other: max(one, other) + 1, last, last)
        assert tasks.get(last) == 200

    def test_errors_reach_who_asks(self, num_threads: int) -> None:
        tasks = Threads(num_threads)
        one, other = tasks.submit(divmod, 1, 0, returns=2)
        after = tasks.submit(lambda value: value, one)
        for result in (one, other, after):
            with pytest.raises(ZeroDivisionError):
                tasks.get(result)
        assert tasks.get(tasks.submit(int)) == 0


def test_side_by_side() -> None:
    """Three steps that wait for each other end on three threads only."""
    barrier = threading.Barrier(3, timeout=20)
    tasks = Threads(3)
    assert sorted(tasks.get([tasks.submit(barrier.wait) for _ in range(3)])) == [0, 1, 2]


def test_started_in_order() -> None:
    order: list[int] = []
    tasks = Threads(1)
    tasks.get([tasks.submit(order.append, number) for number in range(20)])
    assert order == list(range(20))
