"""Joining a Ray cluster, or starting one on this machine."""

import importlib
import logging
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from weam_ray.cluster.address import check_answers, short_folder
from weam_ray.cluster.environment import PASSED_ON, QUIET_ENVIRONMENT, quiet_environment, use_loopback
from weam_ray.cluster.ray_private import can_free_reservations
from weam_ray.errors import UserError

STARTS = 3  # of a cluster of this machine's own; Ray gives each half a minute


@contextmanager
def ray_cluster(address: str, num_cpus: int | None = None) -> Iterator[None]:
    """Join the cluster of RAY_ADDRESS or of the setting; `local` starts one on 127.0.0.1 and ends it afterwards.

    Raises:
        UserError: the cluster cannot be reached, or refuses this client.
    """
    if "ray" in sys.modules and sys.modules["ray"].is_initialized():  # so it is in a process of a cluster
        yield
        return
    quiet_environment()
    setting = "RAY_ADDRESS" if os.environ.get("RAY_ADDRESS") else "cluster.address"
    address = os.environ.get("RAY_ADDRESS") or address
    if address == "local":
        use_loopback()
    import ray

    variables = {key: os.environ[key] for key in (*QUIET_ENVIRONMENT, *PASSED_ON) if key in os.environ}
    options: dict[str, Any] = {
        "address": address,
        "log_to_driver": False,
        "logging_level": "warning",
    }
    if address == "local":  # whose workers have this process's environment
        options |= {"include_dashboard": not can_free_reservations(), "num_cpus": num_cpus, "_temp_dir": short_folder()}
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
