"""The edge to Ray: joining or starting a cluster, and mapping a function over items with Ray Data."""

import importlib
import json
import logging
import os
import socket
import sys
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tqdm import tqdm

from weam_ray.errors import UserError
from weam_ray.ray_address import check_answers, short_folder

QUIET_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # MLflow would try a request for up to a quarter of an hour, and might create a run twice; `mlflow_store` tries
    # again by itself
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "DO_NOT_TRACK": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "300",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
}
# A cluster of this machine's own listens on 127.0.0.1 only. Ray takes its first variable, whatever the system, to mean
# that no other machine will join; gloo, which connects the training workers, is told the interface.
LOOPBACK_ENVIRONMENT = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "GLOO_SOCKET_IFNAME": "lo"}
# Its idle workers are kept for ten minutes: a new one takes seconds to import what it needs. They are not niced, as
# Ray does by itself: the training would wait for whatever else runs. Nobody takes its only node away, so that no
# process need watch for this.
LOCAL_ENVIRONMENT = {
    **LOOPBACK_ENVIRONMENT,
    "RAY_idle_worker_killing_time_threshold_ms": "600000",
    "RAY_worker_niceness": "0",
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
}
PASSED_ON = ("HF_HUB_OFFLINE", "HF_HOME", "HF_ENDPOINT", "HF_TOKEN")

STARTS = 3  # of a cluster of this machine's own; Ray gives each half a minute

Item = dict[str, Any]


def quiet_environment() -> None:
    """Switch telemetry and chatter of the libraries off, unless the user has set them; call before importing them."""
    for key, value in QUIET_ENVIRONMENT.items():
        os.environ.setdefault(key, value)


def use_loopback() -> None:
    """Have a cluster of this machine's own listen on 127.0.0.1 only; Ray reads this when it is imported."""
    late = "ray" in sys.modules and any(key not in os.environ for key in LOOPBACK_ENVIRONMENT)
    assert not late, "ray was imported before the address of its cluster was chosen, and would listen everywhere"
    for key, value in LOCAL_ENVIRONMENT.items():
        os.environ.setdefault(key, value)


@contextmanager
def ray_cluster(address: str, num_cpus: int | None = None) -> Iterator[None]:
    """Join the cluster of RAY_ADDRESS or of the setting; `local` starts one on 127.0.0.1 and ends it afterwards.

    Raises:
        UserError: the cluster cannot be reached, or refuses this client.
    """
    quiet_environment()
    setting = "RAY_ADDRESS" if os.environ.get("RAY_ADDRESS") else "cluster.address"
    address = os.environ.get("RAY_ADDRESS") or address
    if address == "local":
        use_loopback()
    import ray

    if ray.is_initialized():
        yield
        return
    variables = {key: os.environ[key] for key in (*QUIET_ENVIRONMENT, *PASSED_ON) if key in os.environ}
    options: dict[str, Any] = {
        "address": address,
        "log_to_driver": False,
        "logging_level": "warning",
    }
    if address == "local":  # whose workers have this process's environment
        options |= {"include_dashboard": False, "num_cpus": num_cpus, "_temp_dir": short_folder()}
    else:
        check_answers(address, setting)
        options["runtime_env"] = {"env_vars": variables}
    # most of `ray.init` is waiting
    importing = threading.Thread(target=importlib.import_module, args=("ray.data",))
    importing.start()
    try:
        start_ray(options)
    except (ConnectionError, ValueError, RuntimeError, ray.exceptions.AuthenticationError) as error:
        if address == "local" or isinstance(error, UserError):
            raise
        reason = " ".join(str(error).split())
        raise UserError(
            f"The Ray cluster at {address!r} cannot be joined: {reason} "
            "Check cluster.address or RAY_ADDRESS; for a cluster with tokens, set RAY_AUTH_MODE=token."
        ) from None
    importing.join()
    logging.getLogger("ray.data").setLevel(logging.ERROR)  # it reports every short execution at length
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    # reserving shares for operators lets a plan of a single one have half of the cores
    context.op_resource_reservation_enabled = False
    try:
        yield
    finally:
        ray.shutdown()


def start_ray(options: dict[str, Any]) -> None:
    """Start or join a cluster; one that does not come up in Ray's time, as on a busy machine, is tried again.

    Raises:
        UserError: it does not come up.
    """
    import ray

    for _ in range(STARTS):
        try:
            ray.init(**options)
            return
        except Exception as error:  # of no class of its own
            if "timed out during startup" not in str(error):
                raise
            print("Ray did not start in time on this busy machine; it is tried again.")
    raise UserError(
        f"Ray did not start, in {STARTS} tries: this machine is too busy. Try again when it has less to do."
    )


def prepare_training() -> None:
    """Start, and do not wait for, the actor that every training asks for room: what comes before it takes as long."""
    from ray.data._internal.cluster_autoscaler import get_or_create_autoscaling_coordinator  # has no public name

    get_or_create_autoscaling_coordinator()


def free_reservations() -> None:
    """Give back what actors of this job had reserved that have died: Ray keeps it for them until the job ends."""
    import ray
    from ray._private.state import state  # Ray's public table does not say whose a placement group is
    from ray.core.generated.gcs_pb2 import PlacementGroupTableData
    from ray.util.placement_group import PlacementGroup, remove_placement_group

    job = ray.get_runtime_context().get_job_id()
    for entry in state._connect_and_get_accessor().get_placement_group_table():
        group = PlacementGroupTableData.FromString(entry)
        of_actor = group.creator_job_id.hex() == job and not ray.ActorID(group.creator_actor_id).is_nil()
        if of_actor and group.creator_actor_dead and group.state != PlacementGroupTableData.REMOVED:
            remove_placement_group(PlacementGroup(ray.PlacementGroupID(group.placement_group_id)))


def check_capacity(num_workers: int, per_worker: dict[str, float], setting: str = "training.num_workers") -> None:
    """See that the cluster has, or can scale to, what the workers need that a setting asks for.

    Raises:
        UserError: too many workers, naming the resource that falls short.
    """
    import ray
    from ray._private.state import state  # no public name yet for what the autoscaler may add

    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    fit = workers_that_fit(per_worker)
    limit = state.get_max_resources_from_cluster_config() or {}
    scaled = [int(limit[name] // amount) for name, amount in per_worker.items() if name in limit]
    if num_workers <= max([fit, min(scaled)] if len(scaled) == len(per_worker) else [fit]):
        return
    needs = " and ".join(f"{amount:g} {name}" for name, amount in per_worker.items())
    has = " and ".join(f"{sum(node.get(name, 0.0) for node in nodes):g} {name}" for name in per_worker)
    grows = " and ".join(f"{limit[name]:g} {name}" for name in per_worker if name in limit)
    raise UserError(
        f"{setting}={num_workers}: {num_workers} workers of {needs} each do not fit; the cluster has {has} "
        f"on {len(nodes)} nodes" + (f" and can scale to {grows}" if grows else "") + f"; at most {fit} workers fit now."
    )


def workers_that_fit(per_worker: dict[str, float]) -> int:
    """How many workers the nodes of the cluster have room for."""
    import ray

    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return sum(int(min(node.get(name, 0.0) / amount for name, amount in per_worker.items())) for node in nodes)


def check_shared(folder: Path, what: str = "home") -> None:
    """See that every node of the cluster reads what this process writes into a folder.

    Raises:
        UserError: a node does not, so the home is not shared storage.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    nodes = [node for node in ray.nodes() if node["Alive"]]
    if len(nodes) < 2:
        return
    folder.mkdir(parents=True, exist_ok=True)
    probe = folder / f".probe-{uuid.uuid4().hex}"
    probe.write_text("shared", encoding="utf-8")
    sees = ray.remote(num_cpus=0)(lambda path: Path(path).is_file())
    try:
        for node in nodes:
            strategy = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            if not ray.get(sees.options(scheduling_strategy=strategy).remote(str(probe)), timeout=60):
                raise UserError(
                    f"{what} {str(folder)!r} is not shared: the node {node['NodeManagerAddress']} does not see what "
                    f"{socket.gethostname()} writes there. Set `{what}` to storage that all nodes mount."
                )
    finally:
        probe.unlink(missing_ok=True)


def check_seen(path: Path, what: str) -> None:
    """See that every node of the cluster has a local file or folder.

    Raises:
        UserError: a node has not.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    nodes = [node for node in ray.nodes() if node["Alive"]]
    sees = ray.remote(num_cpus=0)(lambda place: Path(place).exists())
    for node in nodes if len(nodes) > 1 else ():
        strategy = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        if not ray.get(sees.options(scheduling_strategy=strategy).remote(str(path)), timeout=60):
            raise UserError(
                f"{what} {str(path)!r}: the node {node['NodeManagerAddress']} does not have it. "
                "Put it on storage that all nodes mount."
            )


def map_items(items: Sequence[Item], task: Callable[[Item], Item], label: str, num_cpus: float = 1.0) -> list[Item]:
    """`task` of every item, as tasks of Ray Data, in the order of the items; results are JSON values.

    An item is a small description (a source, a shard of a stage); the task reads and writes the rows itself, so a
    retried task only writes its file again and the number of workers changes nothing.

    Raises:
        UserError: raised in a task, passed on as it is.
    """
    import ray

    def run(batch: dict[str, Any]) -> dict[str, Any]:
        results: list[str] = []
        for number in batch["item"]:
            try:
                result = {"number": int(number), "done": task(items[number])}
            except UserError as error:
                result = {"number": int(number), "mistake": str(error)}
            results.append(json.dumps(result))
        return {"result": results}

    # one operator, and so one start of tasks; a range would be read by another
    dataset = ray.data.from_items([{"item": number} for number in range(len(items))], override_num_blocks=len(items))
    mapped = dataset.map_batches(run, batch_size=1, num_cpus=num_cpus)
    results: dict[int, Item] = {}
    for row in progress(mapped.iter_rows(), label, total=len(items)):
        result = json.loads(row["result"])
        if "mistake" in result:
            raise UserError(result["mistake"])
        results[result["number"]] = result["done"]
    return [results[number] for number in range(len(items))]


def num_slots(num_cpus: float) -> float:
    """How many tasks of `num_cpus` the cluster runs at once."""
    import ray

    return ray.cluster_resources().get("CPU", 0.0) / num_cpus


def slots_of_node(num_cpus: float) -> float:
    """How many tasks of `num_cpus` the largest node runs at once."""
    import ray

    return max(node["Resources"].get("CPU", 0.0) for node in ray.nodes() if node["Alive"]) / num_cpus


def stream(task: Callable[..., Iterator[Any]], num_cpus: float, *arguments: Any) -> Iterator[Any]:
    """What a generator yields that runs as one task, as it comes; what it raises is raised here."""
    import ray

    results = ray.remote(task).options(num_cpus=num_cpus, num_returns="streaming").remote(*arguments)
    for result in results:
        yield RayTasks(num_cpus).get(result)


class Shared:
    """A value in Ray's object store: one copy on a node, whose arrays all its processes read in place."""

    def __init__(self, value: Any) -> None:
        import ray

        self.reference = ray.put(value)

    def get(self) -> Any:
        import ray

        return ray.get(self.reference)


class RayTasks:
    """Runs functions as Ray tasks; their results stay where they are computed until another task or `get` asks."""

    def __init__(self, num_cpus: float, num_gpus: float = 0) -> None:
        self.num_cpus = num_cpus
        self.num_gpus = num_gpus
        self.known: dict[Callable[..., Any], Any] = {}

    def submit(self, step: Callable[..., Any], *arguments: Any, returns: int = 1) -> Any:
        """Start a task; a reference to its result, or `returns` references where it returns a tuple."""
        import ray

        if step not in self.known:
            self.known[step] = ray.remote(step)
        options = {"num_cpus": self.num_cpus, "num_gpus": self.num_gpus, "num_returns": returns}
        return self.known[step].options(**options).remote(*arguments)

    def get(self, results: Any) -> Any:
        """The values of one reference or of a list; what a task raised is raised here."""
        import ray

        try:
            return ray.get(results)
        except ray.exceptions.RayTaskError as error:
            raise (error.cause if isinstance(error.cause, UserError) else error) from None


def progress(rows: Any, label: str, total: int | None = None) -> Any:
    """A progress bar on stderr: redrawn on a terminal, a line now and then elsewhere."""
    return tqdm(rows, desc=label, total=total, leave=False, mininterval=0.5 if sys.stderr.isatty() else 10.0)
