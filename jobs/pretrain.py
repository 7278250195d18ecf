"""Pre-train an encoder on parallel text: align, encode, train, export, measure."""

from collections.abc import Sequence
from pathlib import Path

from weam_ray import cli
from weam_ray.jobs.pretrain import Pretraining
from weam_ray.settings.config import load_config


def pretrain(arguments: Sequence[str]) -> None:
    options = cli.parser(__doc__ or "").parse_intermixed_args(arguments)
    config = load_config(options.config, options.overrides)
    job = Pretraining.of(config, Path(__file__).resolve().parents[1], options.fresh)
    if options.dry_run:
        job.preview()
    else:
        job.run()


if __name__ == "__main__":
    cli.run(pretrain)
