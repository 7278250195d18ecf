"""Align the words of parallel text: fit one model on all of it, link every pair, and compare with gold links."""

from collections.abc import Sequence
from pathlib import Path

from weam_ray import cli
from weam_ray.jobs.align import Alignment
from weam_ray.jobs.align_options import align_config, align_parser, join_ranges, wishes


def align(arguments: Sequence[str]) -> None:
    options = align_parser(__doc__ or "").parse_args(join_ranges(arguments))
    Alignment.of(align_config(options), Path(__file__).resolve().parents[1], wishes(options)).run()


if __name__ == "__main__":
    cli.run(align)
