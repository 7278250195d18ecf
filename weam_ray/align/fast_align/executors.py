"""Where the steps of a fit run: as tasks of a cluster (`cluster.tasks.RayTasks`), or as threads of this process."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol


class Tasks(Protocol):
    """Runs the steps of a fit; arguments may be results of other steps, which are not fetched in between."""

    def submit(self, step: Callable[..., Any], *arguments: Any, returns: int = 1) -> Any:
        """Start a step; its result to come, or a list of `returns` results to come where the step returns a tuple."""

    def get(self, results: Any) -> Any:
        """The value of a result, or of a list of results."""


class Threads:
    """Runs steps side by side in this process, started in the order in which they are submitted.

    A step may wait for others; those were submitted before it, so one of them always runs.
    """

    def __init__(self, num_threads: int) -> None:
        self.pool = ThreadPoolExecutor(num_threads, thread_name_prefix="fit")

    def submit(self, step: Callable[..., Any], *arguments: Any, returns: int = 1) -> Any:
        if returns == 1:
            return self.pool.submit(lambda: step(*map(self.get, arguments)))
        futures = [Future[Any]() for _ in range(returns)]  # each result is freed when nobody asks for it any more

        def run() -> None:
            try:
                results = step(*map(self.get, arguments))
            except BaseException as error:  # raised again where a result is asked for
                for future in futures:
                    future.set_exception(error)
            else:
                for future, result in zip(futures, results, strict=True):
                    future.set_result(result)

        self.pool.submit(run)
        return futures

    def get(self, results: Any) -> Any:
        if isinstance(results, list):
            return [self.get(result) for result in results]
        return results.result() if isinstance(results, Future) else results
