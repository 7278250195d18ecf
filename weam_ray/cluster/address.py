"""What is seen to before Ray is started or joined: by itself it waits for minutes, or ends with a traceback."""

import os
import socket
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from weam_ray.cluster.ray_private import running_cluster
from weam_ray.errors import UserError

ANSWER_SECONDS = 15.0
SOCKET_LENGTH = 107  # bytes of a socket's path on Linux
SESSION_LENGTH = len("/ray/session_2000-01-01_00-00-00_000000_4194304/sockets/plasma_store")


def check_answers(address: str, setting: str, seconds: float = ANSWER_SECONDS) -> None:
    """See that a Ray cluster answers at an address, which may be `auto`.

    Raises:
        UserError: it does not, or the address is none of a cluster; `setting` is what named it.
    """
    advice = f"Start it, name one that runs, or leave {setting} out for a cluster of this machine's own."
    if address.startswith(("http://", "https://")):
        raise UserError(
            f"{setting}={address} is the address of a dashboard, for `ray job submit`; a job joins a cluster at "
            f"HOST:PORT. Name that, or leave {setting} out for a cluster of this machine's own."
        )
    target = running_cluster() if address == "auto" else address
    if target == "auto":
        return  # Ray itself looks for it
    if target is None:
        raise UserError(f"{setting}=auto: no Ray cluster runs on this machine. {advice}")
    if target != address:
        address = f"{address} ({target})"
    try:
        parts = urlsplit(target if "://" in target else f"//{target}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or not port:
        raise UserError(f"{setting}={address}: the address of a cluster is HOST:PORT, `auto` or `local`.")
    try:
        socket.create_connection((host, port), timeout=seconds).close()
    except OSError as error:
        reason = error.strerror or str(error)
        raise UserError(f"{setting}={address}: no Ray cluster answers there ({reason}). {advice}") from None
    if not speaks(f"[{host}]:{port}" if ":" in host else f"{host}:{port}", seconds):
        raise UserError(
            f"{setting}={address}: what listens there does not answer as a Ray cluster does, in {seconds:g} s. {advice}"
        )


def speaks(target: str, seconds: float) -> bool:
    """Whether a server greets as those of Ray do, over gRPC; with certificates, this is left to Ray."""
    if os.environ.get("RAY_USE_TLS", "0").lower() in ("1", "true"):
        return True
    import grpc

    with grpc.insecure_channel(target, options=[("grpc.enable_http_proxy", 0)]) as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=seconds)
        except grpc.FutureTimeoutError:
            return False
    return True


def short_folder() -> str | None:
    """A folder for the sockets of a cluster of our own, whose paths the system limits; None where Ray's own will do.

    Raises:
        UserError: there is none.
    """
    usual = os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or "/tmp"
    if len(os.fsencode(os.path.abspath(usual))) + SESSION_LENGTH <= SOCKET_LENGTH:
        return None
    name = f"ray-{os.getuid()}"
    for place in ("/tmp", "/var/tmp", "/dev/shm"):
        if os.access(place, os.W_OK | os.X_OK):
            folder = Path(place, name)
            folder.mkdir(mode=0o700, exist_ok=True)
            return str(folder) if folder.stat().st_uid == os.getuid() else tempfile.mkdtemp(prefix=name, dir=place)
    limit = SOCKET_LENGTH - SESSION_LENGTH
    raise UserError(
        f"{usual}: this folder for temporary files has too long a path for the sockets of Ray; set RAY_TMPDIR to one "
        f"of at most {limit} bytes."
    )
