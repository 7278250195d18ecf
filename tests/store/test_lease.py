"""Leases: which live, how they are renewed and given back."""

import os
import socket
import threading
import time
from pathlib import Path

from tests.support.leases import DEAD_PID, leave_lease
from weam_ray.store.folder import Folder
from weam_ray.store.lease import DEAD_AFTER_SECONDS, lease, live_leases


def test_which_leases_live(folder: Folder) -> None:
    now, silent = time.time(), time.time() - DEAD_AFTER_SECONDS - 1
    leave_lease(folder, "mine")
    leave_lease(folder, "dead", pid=DEAD_PID)
    leave_lease(folder, "silent", heartbeat=silent)
    leave_lease(folder, "far", host="another.host", pid=DEAD_PID, heartbeat=now)
    leave_lease(folder, "farsilent", host="another.host", heartbeat=silent)
    assert sorted(entry["attempt"] for entry in live_leases(folder)) == ["far", "mine"]


def test_lease_that_is_renewed_is_always_seen(folder: Folder) -> None:
    """A heartbeat must not take the lease away for the moment in which it is written."""
    leave_lease(folder, "mine")
    stop = threading.Event()

    def beat() -> None:
        while not stop.is_set():
            leave_lease(folder, "mine")

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        missed = sum(not live_leases(folder) for _ in range(500))
    finally:
        stop.set()
        thread.join()
    assert missed == 0


def test_lease_is_given_back(folder: Folder) -> None:
    with lease(folder, "mine", print):
        (found,) = live_leases(folder)
        assert (found["attempt"], found["pid"], found["host"]) == ("mine", os.getpid(), socket.gethostname())
    assert not Path(folder.path).exists()
