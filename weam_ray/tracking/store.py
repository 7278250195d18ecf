"""The MLflow store: its address, its first use, and what is done while it is locked or away."""

import logging
import os
import re
import shlex
import sys
import threading
import time
import uuid
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from tqdm import tqdm

from weam_ray.errors import UserError

PASSING = ("TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED", "DEADLINE_EXCEEDED", "ABORTED")
POLL_SECONDS = 2.0
FIRST_USE_SECONDS = 60.0  # to make the tables of a new store, on a slow disk
QUICK_SECONDS = 10.0  # for a store that is away when a job was interrupted

Result = TypeVar("Result")


def store_of(uri: str | None, home: Path) -> str:
    """The address of the store: the setting, or sqlite in the home."""
    return uri or sqlite_address(home / "mlflow.db")


def sqlite_address(file: Path) -> str:
    """The address of a sqlite file; `?` and `%` in its path are quoted."""
    if not any(mark in str(file) for mark in "?%"):
        return f"sqlite:///{file}"
    from sqlalchemy import URL

    # with the driver named, MLflow makes no folder of the path as it is quoted
    return URL.create("sqlite+pysqlite", database=str(file)).render_as_string()


def sqlite_file(uri: str) -> Path | None:
    """The file of an sqlite address; None for another store, or one in memory."""
    from sqlalchemy import make_url

    if not uri.startswith(("sqlite:", "sqlite+")):
        return None
    database = make_url(uri).database
    return None if not database or database == ":memory:" or database.startswith("file:") else Path(database)


def where_to_compare(uri: str) -> str:
    """What to do to see the runs of a store: the one command, quoted for a shell, or the server's address."""
    if "://" in uri and not uri.startswith("http"):
        return f"Compare runs: mlflow ui --backend-store-uri {shlex.quote(uri)} --host 127.0.0.1"
    return f"Compare runs: {uri}"


def reason_of(error: BaseException) -> str:
    """What a store said, without the statement and the request that it is about, cut to a readable length."""
    text = " ".join(str(error).split("\n[SQL")[0].split())
    cause = re.search(r"\(Caused by \w+\((.*)\)\)", text)  # of a request
    return (cause[1].strip("'\"") if cause else text)[:300] or type(error).__name__


@cache
def failures() -> tuple[type[Exception], ...]:
    """What MLflow raises when a store fails: its own errors, those of the connection, and those of the database."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    return MlflowException, OSError, SQLAlchemyError


def is_passing(error: Exception) -> bool:
    """Whether a failure may pass by itself: the store is locked, or cannot be reached, or has too much to do."""
    code = getattr(error, "error_code", None)
    if code is not None:
        return code in PASSING or (code == "INTERNAL_ERROR" and "API request to" in str(error))
    if isinstance(error, OSError):
        return isinstance(error, ConnectionError | TimeoutError) or error.errno is None  # those of `requests` have none
    return any(word in str(error).lower() for word in ("locked", "connect", "timeout"))


def insist(action: Callable[[], Result], seconds: float, place: str) -> Result:
    """The result of `action`, which is tried again while a store is locked or away, for about so many seconds.

    Raises:
        Exception: the failure, if it cannot pass by itself or has not passed in time.
    """
    deadline, told = time.monotonic() + seconds, False
    while True:
        try:
            result = action()
        except failures() as error:
            if not is_passing(error) or time.monotonic() >= deadline:
                raise
            if not told:
                say(f"MLflow ({place}) is locked or away; waiting for up to {seconds:g} s: {reason_of(error)}")
            told = True
            time.sleep(min(POLL_SECONDS, seconds))
        else:
            if told:
                say("MLflow is back.")
            return result


def say(text: str) -> None:
    """Print a line, beside progress bars."""
    tqdm.write(text, file=sys.stdout)
    sys.stdout.flush()


def connect(uri: str, seconds: float) -> Any:
    """A client of a store. The tables of a new sqlite file are made whole or not at all, by one process."""
    from mlflow import MlflowClient

    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)  # it shows a traceback of every failure
    file = sqlite_file(uri)
    if file is not None:
        create_tables(file, seconds)
    return MlflowClient(tracking_uri=uri)


def create_tables(file: Path, seconds: float) -> None:
    """Make MLflow's tables in an sqlite file, unless it is there.

    They are made under another name, since a process that is killed would leave some of them, and two processes would
    each make a part.

    Raises:
        UserError: another process has not made them in so many seconds.
    """
    from filelock import FileLock, Timeout
    from mlflow import MlflowClient

    if file.is_file() and file.stat().st_size:
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(file.with_name(f".{file.name}.lock"))
    try:
        try:
            lock.acquire(timeout=0)
        except Timeout:
            say(f"waiting for another process, which makes {file}")
            lock.acquire(timeout=max(seconds, FIRST_USE_SECONDS))
    except Timeout:
        raise UserError(f"{file}: another process has begun to make it, and does not end.") from None
    partial = file.with_name(f".{file.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        if not (file.is_file() and file.stat().st_size):  # the other process may have made it
            MlflowClient(tracking_uri=sqlite_address(partial)).search_experiments(max_results=1)
            os.replace(partial, file)
    finally:
        partial.unlink(missing_ok=True)
        lock.release()


class Courier:
    """Brings to MLflow what it lacks, in a thread of its own: a store that is locked or away holds nothing else up.

    `deliver` brings all that is new. It is called again and again, after a failure too, so it must look at what MLflow
    has and send nothing twice.
    """

    def __init__(self, deliver: Callable[[], None], back: Callable[[], None] = lambda: None) -> None:
        """`back` is called when MLflow answers again."""
        self.deliver, self.back = deliver, back
        self.reason = ""  # why the last try failed; empty if it did not
        self.rounds = 0  # how often MLflow had all that there was
        self.wake = threading.Event()
        self.closing = False
        self.deadline = 0.0
        self.thread = threading.Thread(target=self.work, name="courier", daemon=True)

    def start(self) -> None:
        self.thread.start()

    def attempt(self) -> bool:
        """Whether a try succeeded; the first failure of several, and the end of them, are said."""
        try:
            self.deliver()
        except Exception as error:  # artefact stores have errors of their own
            if not self.reason:
                say(f"MLflow is locked or away; what it lacks is kept and sent later: {reason_of(error)}")
            self.reason = reason_of(error)
            return False
        if self.reason:
            say("MLflow is back, and has what it lacked.")
            self.reason = ""
            self.back()
        self.rounds += 1
        return True

    def work(self) -> None:
        while not self.closing:
            self.wake.wait(POLL_SECONDS)
            self.wake.clear()
            if not self.closing:
                self.attempt()
        # a round that was under way when the end came does not have what came last, nor the end
        while not self.attempt() and time.monotonic() < self.deadline:
            time.sleep(POLL_SECONDS)

    def catch_up(self, seconds: float) -> bool:
        """Wait, for at most so many seconds, until MLflow has all that there is now; whether it has."""
        deadline = time.monotonic() + seconds
        for _ in range(2):  # the round that is under way may have begun before
            before = self.rounds
            self.wake.set()
            while self.rounds == before:
                if time.monotonic() > deadline:
                    return False
                time.sleep(0.05)
        return True

    def finish(self, seconds: float, last: Callable[[], None]) -> bool:
        """Bring the rest, then do what is `last`, in about so many seconds; whether MLflow has all."""
        deliver = self.deliver

        def conclude() -> None:
            deliver()
            last()

        self.deliver = conclude
        self.deadline = time.monotonic() + seconds
        self.closing = True
        self.wake.set()
        self.thread.join(seconds + QUICK_SECONDS)
        if self.thread.is_alive():  # in a request, which ends with the process
            self.reason = self.reason or "no answer"
        return not self.reason


def main() -> None:
    """Print the address of the store of WEAM_RAY_HOME, else of the checkout that is named, for `make ui`."""
    home = Path(os.environ.get("WEAM_RAY_HOME") or sys.argv[1])
    print(store_of(None, home.expanduser().absolute()))


if __name__ == "__main__":
    main()
