"""Every name of Ray that is not public, each with what is done by the public API where a release of Ray lacks it.

They save seconds, a wait, or a restart of a search; without any of them the results are the same.
"""

import asyncio
from typing import TYPE_CHECKING, Any

from weam_ray.private_names import PrivateName, tell_once

if TYPE_CHECKING:
    from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

COORDINATOR = PrivateName(
    "ray.data._internal.cluster_autoscaler",
    "get_or_create_autoscaling_coordinator",
    "a training starts some seconds later.",
)
RUNNING_CLUSTER = PrivateName(
    "ray._private.services",
    "canonicalize_bootstrap_address",
    "whether a cluster runs on this machine is left to Ray to find out, which may wait for it.",
)
MAX_RESOURCES = PrivateName(
    "ray._private.state",
    "state.get_max_resources_from_cluster_config",
    "how far the cluster can grow is not known; workers that do not fit now wait for nodes.",
)
NOT_FREED = (
    "what a trial had reserved whose process dies is left to Ray's own cleaner, and the dashboard that it needs is "
    "started too. Should the next trial of a search wait for room, stop the search and give the same command again."
)
GROUPS = PrivateName("ray._private.state", "state._connect_and_get_accessor", NOT_FREED)
GROUP = PrivateName("ray.core.generated.gcs_pb2", "PlacementGroupTableData", NOT_FREED)
MORE_PROCESSES = "each training starts one to three processes more, which takes some seconds."
CONTROLLER = PrivateName("ray.train.v2._internal.execution.controller", "TrainController", MORE_PROCESSES)
DATASETS = PrivateName("ray.train.v2._internal.callbacks.datasets", "DatasetsCallback", MORE_PROCESSES)
CLEANER = PrivateName(
    "ray.train.v2._internal.callbacks.placement_group_callback", "PlacementGroupCleanerCallback", MORE_PROCESSES
)
MAKE_CALLBACKS = PrivateName(
    "ray.train.v2.api.data_parallel_trainer", "DataParallelTrainer._create_default_callbacks", MORE_PROCESSES
)
RUN_CONTROLLER = PrivateName(
    "ray.train.v2.api.data_parallel_trainer", "DataParallelTrainer._initialize_and_run_controller", MORE_PROCESSES
)


def bounded_stream(task: Any, ahead: int) -> Any:
    """A remote generator that takes no CPU, and waits when it is so many values ahead of who asks for them.

    Where Ray has no option for that, it does not wait: values stay in shared memory, and then on the disk.
    """
    try:
        return task.options(num_cpus=0, num_returns="streaming", _generator_backpressure_num_objects=ahead)
    except ValueError:
        tell_once("This version of Ray cannot hold back streams: text that is read may take more room than is needed.")
        return task.options(num_cpus=0, num_returns="streaming")


def prepare_training() -> None:
    """Start Ray's autoscaling coordinator, an actor, in the background.

    Every training asks it for resources, and it takes as long to start as the data stages that come before.
    """
    start = COORDINATOR.find()
    if start is not None:
        start()


def running_cluster() -> str | None:
    """The address of the cluster that `auto` joins, which is `auto` itself where Ray does not say; None without one."""
    canonical = RUNNING_CLUSTER.find()
    if canonical is None:
        return "auto"
    try:
        return canonical("auto")
    except ConnectionError:
        return None


def max_resources() -> dict[str, float] | None:
    """What the cluster can scale to by resource: empty where it does not scale, None where Ray does not say."""
    ask = MAX_RESOURCES.find()
    return None if ask is None else ask() or {}


def can_free_reservations() -> bool:
    """Whether `free_reservations` has the names of Ray that it needs."""
    return GROUPS.find() is not None and GROUP.find() is not None


def free_reservations() -> None:
    """Give back what actors of this job had reserved that have died: Ray keeps it for them until the job ends.

    Ray's public table does not say who made a placement group. Where the private one is missing, this is left to Ray
    Train's own cleaner, which needs a dashboard (`lean_trainer`, `join.ray_cluster`) and knows of a group only when its
    workers have started; the end of the job frees all.
    """
    if not can_free_reservations():
        return
    import ray
    from ray.util.placement_group import PlacementGroup, remove_placement_group

    accessor, data = GROUPS.find(), GROUP.find()
    assert accessor is not None
    assert data is not None
    job = ray.get_runtime_context().get_job_id()
    for entry in accessor().get_placement_group_table():
        group = data.FromString(entry)
        of_actor = group.creator_job_id.hex() == job and not ray.ActorID(group.creator_actor_id).is_nil()
        if of_actor and group.creator_actor_dead and group.state != data.REMOVED:
            remove_placement_group(PlacementGroup(ray.PlacementGroupID(group.placement_group_id)))


def lean_trainer() -> "type[DataParallelTrainer]":
    """Ray's trainer with no more processes than it needs: each takes seconds to start, in which the others wait.

    It has no manager of datasets, since the workers read their rows by themselves. In an actor, as a trial of a search
    is one, the controller is in the same process, and the two end together. There no process watches over what it has
    reserved: who started the actor does, by `free_reservations`.

    Returns:
        the trainer's class; Ray's own where a name is missing.
    """
    import ray
    from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer

    names = (CONTROLLER, DATASETS, CLEANER, MAKE_CALLBACKS, RUN_CONTROLLER)
    found: list[Any] = [name.find() for name in names]
    if None in found:
        return DataParallelTrainer
    controller, datasets, cleaner, *_ = found
    in_actor = ray.get_runtime_context().get_actor_id() is not None
    unwanted = (datasets, cleaner) if in_actor and can_free_reservations() else (datasets,)

    class LeanTrainer(DataParallelTrainer):
        def _create_default_callbacks(self) -> list[Any]:
            return [own for own in super()._create_default_callbacks() if not isinstance(own, unwanted)]

        def _initialize_and_run_controller(self, **settings: Any) -> Any:
            if not in_actor:
                return super()._initialize_and_run_controller(**settings)
            own = controller(**settings)
            asyncio.run(own.run())
            return own.get_result()

    return LeanTrainer
