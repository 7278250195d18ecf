"""What a cluster has room for, and which files its nodes see."""

import socket
import uuid
from pathlib import Path

from weam_ray.cluster.ray_private import max_resources
from weam_ray.errors import UserError


def check_capacity(num_workers: int, per_worker: dict[str, float], setting: str = "training.num_workers") -> None:
    """See that the cluster has, or can scale to, what the workers need that a setting asks for.

    Raises:
        UserError: too many workers, naming the resource that falls short.
    """
    import ray

    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    fit = workers_that_fit(per_worker)
    if num_workers <= fit:
        return
    limit = max_resources()
    if limit is None:
        return  # the cluster may grow
    scaled = [int(limit[name] // amount) for name, amount in per_worker.items() if name in limit]
    if len(scaled) == len(per_worker) and num_workers <= min(scaled):
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


def num_slots(num_cpus: float) -> float:
    """How many tasks of `num_cpus` the cluster runs at once."""
    import ray

    return ray.cluster_resources().get("CPU", 0.0) / num_cpus


def slots_of_node(num_cpus: float) -> float:
    """How many tasks of `num_cpus` the largest node runs at once."""
    import ray

    return max(node["Resources"].get("CPU", 0.0) for node in ray.nodes() if node["Alive"]) / num_cpus
