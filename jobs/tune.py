"""Search settings of pre-training: each trial a training as the main job runs it, compared on held-out pairs."""

from collections.abc import Sequence
from pathlib import Path

from weam_ray import cli
from weam_ray.jobs.tune import SearchJob
from weam_ray.settings.config import load_config


def tune(arguments: Sequence[str]) -> None:
    parser = cli.parser(__doc__ or "")
    parser.add_argument("--space", metavar="FILE|NAME", help="what is searched; search.space")
    parser.add_argument("--num-trials", type=int, metavar="N", help="search.num_trials")
    parser.add_argument("--max-concurrent", type=int, metavar="N", help="trials at once; search.max_concurrent")
    options = parser.parse_intermixed_args(arguments)
    given = {
        "space": options.space,
        "num_trials": options.num_trials,
        "max_concurrent": options.max_concurrent,
    }
    flags = [f"search.{key}={value}" for key, value in given.items() if value is not None]
    config = load_config(options.config, [*flags, *options.overrides])
    job = SearchJob.of(config, Path(__file__).resolve().parents[1], options.fresh)
    if options.dry_run:
        job.preview()
    else:
        job.run()


if __name__ == "__main__":
    cli.run(tune)
