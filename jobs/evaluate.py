"""Evaluate an encoder: fine-tune on English or translations, score XTREME's tasks; compare systems."""

from collections.abc import Sequence
from pathlib import Path

from weam_ray import cli
from weam_ray.jobs.evaluate import EvaluationJob
from weam_ray.jobs.evaluate_options import compare_folders, evaluate_parser, evaluation_settings


def evaluate(arguments: Sequence[str]) -> None:
    options = evaluate_parser(__doc__ or "").parse_intermixed_args(arguments)
    if options.compare:
        compare_folders(options)
    else:
        EvaluationJob.of(evaluation_settings(options), Path(__file__).resolve().parents[1]).run()


if __name__ == "__main__":
    cli.run(evaluate)
