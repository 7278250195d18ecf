"""How every program of ours ends: with a sentence and an exit code."""

import io
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from weam_ray.cluster.environment import quiet_environment
from weam_ray.errors import Stopped, UserError

USER_ERROR, INTERRUPTED, TERMINATED = 2, 130, 143


def spoken(command: str) -> str:
    """How a command is typed, in the way that this process was started."""
    started = Path(sys.argv[0])
    return f"python jobs/{command}.py" if started.suffix == ".py" else f"weam-ray {command}"


def run(job: Callable[[Sequence[str]], None], arguments: Sequence[str] | None = None) -> None:
    """Run a job and end the process: 0 when it is done, 2 with a sentence for a user's mistake."""
    quiet_environment()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # progress is seen when it happens, in a log file too
    try:
        job(sys.argv[1:] if arguments is None else arguments)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(USER_ERROR)
    except Stopped as stopped:
        print(stopped, file=sys.stderr)
        sys.exit(TERMINATED)
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from the last checkpoint", file=sys.stderr)
        sys.exit(INTERRUPTED)
