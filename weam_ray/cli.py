"""What all jobs share: the command line, and how they end."""

import argparse
import io
import sys
from collections.abc import Callable, Sequence

from weam_ray.cluster.environment import quiet_environment
from weam_ray.errors import Stopped, UserError

USER_ERROR, INTERRUPTED, TERMINATED = 2, 130, 143


def parser(description: str) -> argparse.ArgumentParser:
    """The arguments of a job that takes a configuration."""
    result = argparse.ArgumentParser(
        description=description,
        epilog="Overrides: any key of the configuration, such as objective.lambda=0.5; --dry-run shows them all.",
    )
    result.add_argument("--config", default="bundled", metavar="FILE|NAME", help="a YAML file or a shipped name")
    result.add_argument("--dry-run", action="store_true", help="print what would happen, and do nothing")
    result.add_argument("--fresh", action="store_true", help="a new numbered run folder, whatever is there")
    result.add_argument("overrides", nargs="*", metavar="key.sub=value", help="settings that go before the file's")
    return result


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
