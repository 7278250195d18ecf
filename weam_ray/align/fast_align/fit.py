"""Fitting FastAlign on shards: expected counts per shard, merged by ranges of source words.

    shard s --expect--> counts of range 0..R ---merge_counts---> counts and totals of range r
       ^                                                               |
       |                                                          normalize (totals of all ranges, one number a word)
       |                                                               |
       +------------------ values of the shard's pairs <---- maximize of range r

The steps are pure functions of immutable values (`steps`), so a step that is run twice gives the same value and is
counted once. A shard stays what it is; counts and values move. No step holds the whole table.
"""

from collections.abc import Callable, Sequence
from typing import Any

from weam_ray.align.fast_align import steps
from weam_ray.align.fast_align.executors import Tasks
from weam_ray.align.fast_align.model import IterationReport, Lexicon, Parameters, Part
from weam_ray.corpus.words import Segmentation
from weam_ray.settings.data import AlignSection

CELLS_PER_RANGE = 16_000_000  # a range's table is below 20 bytes a cell
MOST_RANGES = 256


def fit(
    loads: Sequence[steps.Load],
    settings: AlignSection,
    segmentation: Segmentation,
    tasks: Tasks,
    keep_part: Callable[[int, Part], Any],
    report: Callable[[IterationReport], None] = lambda _: None,
) -> tuple[Lexicon, list[Any]]:
    """Fit both directions on the sentence pairs of all shards.

    Args:
        loads: for each shard, a function that reads the words of its pairs; no side is blank.
        keep_part: takes the number of a part of the model and the part, inside a step; what it returns is returned.

    Returns:
        the lexicon, and what `keep_part` returned for each part.
    """
    read = [tasks.submit(steps.read_shard, load, settings.lowercase, returns=4) for load in loads]
    summaries: list[steps.Summary] = tasks.get([outputs[3] for outputs in read])
    num_ranges = min(-(-sum(summary.num_cells for summary in summaries) // CELLS_PER_RANGE), MOST_RANGES)
    source_forms, bounds = tasks.submit(
        steps.merge_source_forms, num_ranges, *[outputs[1] for outputs in read], returns=2
    )
    target_forms = tasks.submit(steps.merge_forms, *[outputs[2] for outputs in read])
    indexed = [
        tasks.submit(steps.index_shard, outputs[0], source_forms, target_forms, bounds, returns=1 + num_ranges)
        for outputs in read
    ]
    del read
    shards = [outputs[0] for outputs in indexed]
    ranges, sizes, places = [], [], []
    for r in range(num_ranges):
        rows = [outputs[1 + r] for outputs in indexed]
        merged = tasks.submit(steps.merge_range, r, bounds, target_forms, *rows, returns=2 + len(shards))
        ranges.append(merged[0])
        sizes.append(merged[1])
        places.append(merged[2:])
    del indexed
    lengths, frequencies = steps.add_lengths(summaries)
    tensions = [tasks.submit(steps.first_tension, settings.tension) for _ in range(2)]
    exact = settings.tension_gradient == "exact"
    factors = tasks.submit(steps.first_factors, source_forms, target_forms)
    values: list[list[Any]] = [[None] * num_ranges for _ in shards]
    reports: list[IterationReport] = []
    counts: list[Any] = [None] * num_ranges
    for iteration in range(1, settings.iterations):
        expected = [
            tasks.submit(
                steps.expect,
                shard,
                factors,
                *tensions,
                settings.null_probability,
                exact,
                *of_shard,
                returns=2 + num_ranges,
            )
            for shard, of_shard in zip(shards, values, strict=True)
        ]
        statistics = [outputs[0] for outputs in expected]
        if settings.optimize_tension and iteration > 1:
            tensions = [
                tasks.submit(steps.next_tension, direction, tension, lengths, frequencies, exact, *statistics)
                for direction, tension in enumerate(tensions)
            ]
        totals = []
        for r in range(num_ranges):
            of_range = [outputs[2 + r] for outputs in expected]
            counts[r], total = tasks.submit(
                steps.merge_counts, ranges[r], target_forms, *places[r], *of_range, returns=2
            )
            totals.append(total)
        null_counts = [outputs[1] for outputs in expected]
        factors = tasks.submit(
            steps.normalize, settings.alpha, bounds, target_forms, num_ranges, *totals, *sizes, *null_counts
        )
        del expected
        if iteration < settings.iterations - 1:
            updated = [
                tasks.submit(
                    steps.maximize, counts[r], ranges[r], factors, settings.alpha, *places[r], returns=len(shards)
                )
                for r in range(num_ranges)
            ]
            values = [
                list(of_shard) for of_shard in zip(*(own if len(shards) > 1 else [own] for own in updated), strict=True)
            ]
            counts = [None] * num_ranges
        for entry in steps.describe(iteration, tasks.get(statistics), tasks.get(tensions), lengths, frequencies):
            reports.append(entry)
            report(entry)
    kept = [
        tasks.submit(steps.finish, r, counts[r], ranges[r], factors, settings.alpha, keep_part)
        for r in range(num_ranges)
    ]
    m, n = lengths[:, 0], lengths[:, 1]
    num_pairs = frequencies.sum()
    parameters = Parameters(
        settings.null_probability,
        tuple(tasks.get(tensions)),
        (float((frequencies * (m / n)).sum() / num_pairs), float((frequencies * (n / m)).sum() / num_pairs)),
        segmentation,
        settings.lowercase,
        tuple(reports),
    )
    last: steps.Factors = tasks.get(factors)
    lexicon = Lexicon(
        tasks.get(source_forms), tasks.get(target_forms), last.forward_null, last.reverse_null, parameters
    )
    return lexicon, tasks.get(kept)
