"""Leases: files that say who is at work in a folder, with a heartbeat: others wait for the living, replace the dead."""

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from weam_ray.errors import UserError
from weam_ray.store.files import make_folder
from weam_ray.store.folder import Folder

HEARTBEAT_SECONDS = 10.0
DEAD_AFTER_SECONDS = 60.0


@contextmanager
def lease(folder: Folder, attempt: str, say: Callable[[str], None]) -> Iterator[None]:
    """Hold a stage while it is built: wait for an earlier live attempt, then keep a heartbeat until the end."""
    name = f"lease-{attempt}.json"
    entry = {"attempt": attempt, "host": socket.gethostname(), "pid": os.getpid(), "started": time.time()}
    stop = threading.Event()

    def beat() -> None:
        folder.write(name, json.dumps({**entry, "heartbeat": time.time()}).encode())

    def keep_beating() -> None:
        while not stop.wait(HEARTBEAT_SECONDS):
            with suppress(OSError):  # a disk that is busy or full for a moment; the next beat comes
                beat()

    beat()
    thread = threading.Thread(target=keep_beating, name=f"lease {attempt}", daemon=True)
    thread.start()
    try:
        waiting = False
        while True:
            ahead = [other for other in live_leases(folder) if order(other) < order(entry)]
            if not ahead:
                break
            if not waiting:
                first = min(ahead, key=order)
                say(f"{Path(folder.path).name}: waiting for process {first['pid']} on {first['host']}, which builds it")
                waiting = True
            stop.wait(0.5)
        yield
    finally:
        stop.set()
        thread.join()
        folder.delete(name)
        if folder.is_local:
            with suppress(OSError):  # not empty: the stage is there, or another attempt
                os.rmdir(folder.path)


@contextmanager
def exclusive(path: Path, setting: str, advice: str) -> Iterator[None]:
    """Make a folder, and hold it against a second process; where nothing is written into it, none is left.

    Args:
        setting: what named the folder, in messages.
        advice: what to do while another process has it.

    Raises:
        UserError: another live process has it, or it cannot be written.
    """
    make_folder(path, setting)
    folder = Folder.at(path)
    others = live_leases(folder)
    live = {f"lease-{entry['attempt']}.json" for entry in others}
    for name in folder.sizes():
        if name.startswith("lease-") and name not in live:
            folder.delete(name)  # of a process that was killed
    if others:
        raise UserError(f"{path}: process {others[0]['pid']} on {others[0]['host']} is at work there; {advice}.")
    with lease(folder, f"{os.getpid()}-{time.time_ns()}", print):
        yield


def order(entry: dict[str, Any]) -> tuple[float, str]:
    return entry["started"], entry["attempt"]


def live_leases(folder: Folder) -> list[dict[str, Any]]:
    """Leases whose owner lives: a fresh heartbeat and, on this host, a running process."""
    leases = []
    for name in folder.sizes():
        if not name.startswith("lease-"):
            continue
        try:
            entry = json.loads(folder.read(name))
        except (FileNotFoundError, ValueError):
            continue  # given back, or being written, at this moment
        alive_here = entry["host"] != socket.gethostname() or psutil.pid_exists(entry["pid"])
        if alive_here and time.time() - entry["heartbeat"] < DEAD_AFTER_SECONDS:
            leases.append(entry)
    return leases


def live_attempts(folder: Folder) -> set[str]:
    return {entry["attempt"] for entry in live_leases(folder)}


def sweep(folder: Folder, keep: set[str], spare: set[str]) -> None:
    """Delete what dead attempts left: their files, and a manifest whose files are not all there.

    Args:
        keep: attempts whose files stay.
        spare: names of files that stay, whoever wrote them.
    """
    for name in folder.sizes():
        attempt = name.removeprefix("lease-").split("-")[0].split(".")[0]
        if attempt not in keep and name not in spare:
            folder.delete(name)
