"""Leases as processes leave them."""

import json
import os
import socket
import time
from typing import Any

from weam_ray.store.folder import Folder

DEAD_PID = 2**22 + 1  # more than any process id of Linux


def leave_lease(place: Folder, attempt: str, **entry: Any) -> None:
    """A lease as a process of this machine writes it, except for what is given."""
    now = time.time()
    whole = {"attempt": attempt, "host": socket.gethostname(), "pid": os.getpid(), "started": now - 5, "heartbeat": now}
    place.write(f"lease-{attempt}.json", json.dumps({**whole, **entry}).encode())
