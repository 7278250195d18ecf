"""Environment variables of Ray and of other libraries; they are set before these are imported."""

import os
import sys

QUIET_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # MLflow would try a request for up to a quarter of an hour, and might create a run twice; `tracking.store`
    # tries again by itself
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
# It asks its clients for a token, as Ray has it by itself; said here, Ray need not warn that it does. Its idle workers
# are kept for ten minutes: a new one takes seconds to import what it needs. They are not niced, as Ray does by itself:
# the training would wait for whatever else runs. Nobody takes its only node away, so that no process need watch for
# this.
LOCAL_ENVIRONMENT = {
    **LOOPBACK_ENVIRONMENT,
    "RAY_AUTH_MODE": "token",
    "RAY_idle_worker_killing_time_threshold_ms": "600000",
    "RAY_worker_niceness": "0",
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
}
PASSED_ON = ("HF_HUB_OFFLINE", "HF_HOME", "HF_ENDPOINT", "HF_TOKEN")


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
