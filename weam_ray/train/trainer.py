"""Ray's trainer with no more processes than it needs: each takes seconds to start, in which the others wait."""

import asyncio
from typing import Any

import ray
from ray.train.v2._internal.callbacks.datasets import DatasetsCallback
from ray.train.v2._internal.callbacks.placement_group_callback import PlacementGroupCleanerCallback
from ray.train.v2._internal.execution.controller import TrainController
from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer


class Trainer(DataParallelTrainer):
    """Without a manager of datasets, since the workers read their rows by themselves.

    In an actor, as a trial of a search is one, the controller is in the same process, and the two end together. There
    no process watches over what it has reserved: who started the actor does (`cluster.ray_private.free_reservations`).
    """

    def _create_default_callbacks(self) -> list[Any]:
        unwanted = (DatasetsCallback, PlacementGroupCleanerCallback) if in_actor() else DatasetsCallback
        return [callback for callback in super()._create_default_callbacks() if not isinstance(callback, unwanted)]

    def _initialize_and_run_controller(self, **settings: Any) -> Any:
        if not in_actor():
            return super()._initialize_and_run_controller(**settings)
        controller = TrainController(**settings)
        asyncio.run(controller.run())
        return controller.get_result()


def in_actor() -> bool:
    """Whether this process is an actor of Ray."""
    return ray.get_runtime_context().get_actor_id() is not None
