"""Pre-train an encoder on parallel text: align, encode, train, export, measure."""

from collections.abc import Sequence
from pathlib import Path

from weam_ray import cli
from weam_ray.jobs.pretrain import Pretraining
from weam_ray.jobs.preview import print_preview
from weam_ray.settings.config import load_config


def pretrain(arguments: Sequence[str]) -> None:
    options = cli.parser(__doc__ or "").parse_intermixed_args(arguments)
    config = load_config(options.config, options.overrides)
    checkout = Path(__file__).resolve().parents[1]
    if options.dry_run:
        print_preview(config, checkout, options.fresh)
    else:
        Pretraining.of(config, checkout, options.fresh).run()


if __name__ == "__main__":
    cli.run(pretrain)
