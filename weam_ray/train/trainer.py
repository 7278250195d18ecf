"""Ray's trainer with no more processes than it needs: each takes seconds to start, in which the others wait."""

import asyncio
from typing import Any

import ray
from ray.train.v2._internal.callbacks.datasets import DatasetsCallback
from ray.train.v2._internal.execution.controller import TrainController
from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer


class Trainer(DataParallelTrainer):
    """Without a manager of datasets, since the workers read their rows by themselves; and in an actor, as a trial of a
    search is one, with the controller in the same process: the two end together, and what they reserve goes with them.
    """

    def _create_default_callbacks(self) -> list[Any]:
        callbacks = super()._create_default_callbacks()
        return [callback for callback in callbacks if not isinstance(callback, DatasetsCallback)]

    def _initialize_and_run_controller(self, **settings: Any) -> Any:
        if ray.get_runtime_context().get_actor_id() is None:
            return super()._initialize_and_run_controller(**settings)
        controller = TrainController(**settings)
        asyncio.run(controller.run())
        return controller.get_result()
