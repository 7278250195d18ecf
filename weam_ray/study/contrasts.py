"""The difference of two arms of a study, or of two differences, by independent units, and what tests say of it.

The unit is a pre-trained encoder, known by its weights. An encoder that the study does not train is given: its score is
one number. Only where all arms are one given encoder are fine-tuning seeds the units, and then of this encoder alone.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.stats import nct, pearsonr
from scipy.stats import t as student_t

from weam_ray.errors import UserError
from weam_ray.evaluate.languages import ENGLISH
from weam_ray.evaluate.statistics import LEVEL, Interval
from weam_ray.settings.study import ALL, Arm, Contrast, arms_of
from weam_ray.study.table import Score, Scores

POWER = 0.8  # with which the smallest effect of a power statement would have been found
ROUNDING = 1e-9  # percentage points; what differs by less is equal
METHODS = "pre-trained encoders"
FINE_TUNINGS = "fine-tunings of one encoder"
POINTS = "systems and languages"
Values = Mapping[tuple[str, int | None], float]  # by encoder and fine-tuning seed


@dataclass(frozen=True)
class Differences:
    """The values of a contrast, one a unit, in the direction in which more is better; `units` says what one is.

    `copies`: both arms are of the same encoders, used in the same way.
    """

    values: NDArray[np.float64]
    units: str
    copies: bool = False


@dataclass(frozen=True)
class Finding:
    """What is found of a claim.

    Attributes:
        effect: the mean over units, in percentage points; of `correlated` the coefficient.
        interval: with 95 % confidence; None where it cannot be had.
        p: of the test that decides, two-sided; None where nothing can be tested.
        supports: whether what was found lies on the side of the claim.
        detectable: the effect that so many units, with this spread, find with a power of 80 %; None without a spread.
        note: why something cannot be had; empty where all can.
    """

    effect: float
    interval: Interval | None
    num_units: int
    units: str
    p: float | None
    supports: bool
    detectable: float | None
    note: str = ""


def languages_of(arm: Arm, task: str, scores: Scores, groups: Mapping[str, Sequence[str]]) -> list[str]:
    """The languages of a task that an arm names, or all but English; of a group those that the task has."""
    named = [code for name in arm.languages or [ALL] for code in written_group(name, scores.languages(task), groups)]
    return list(dict.fromkeys(named))


def written_group(name: str, there: Sequence[str], groups: Mapping[str, Sequence[str]]) -> Sequence[str]:
    """The languages of a group, as far as they are there; a name that is no group is a language."""
    if name == ALL:
        return there
    return [code for code in groups[name] if code in there] if name in groups else [name]


def values_of(arm: Arm, scores: Scores, groups: Mapping[str, Sequence[str]]) -> Values:
    """The score of an arm by encoder and fine-tuning seed: the mean over its tasks of the mean over their languages.

    More is better: the scores of a metric of which less is better are negative.

    Raises:
        UserError: the study has no score of the arm.
    """
    assert arm.system is not None
    assert arm.intermediate is not None
    assert arm.setting is not None
    by_task = []
    for task in arm.tasks or scores.tasks(arm.setting):
        there = scores.tasks(arm.setting)
        if task not in there:
            raise UserError(f"There is no score of the task {task}, {arm.setting}; there is of {', '.join(there)}.")
        sign = -1 if scores.lower_is_better(task) else 1
        known = scores.languages(task)
        by_language = []
        for code in languages_of(arm, task, scores, groups):
            if code not in (ENGLISH, *known):
                raise UserError(f"{task} has no language {code!r}; it has {', '.join(known) or 'English alone'}.")
            own = scores.places.get((arm.system, arm.intermediate, arm.setting, task, code))
            if own is None:
                raise UserError(
                    f"There is no score of {arm.system}, intermediate {arm.intermediate}, {arm.setting}, on {task}, "
                    f"{code}."
                )
            by_language.append({key_of(score): sign * score.value for score in own})
        if not by_language:
            named = ", ".join(arm.languages) or "other than English"
            raise UserError(f"{task} has none of the languages {named}; it has {', '.join(known) or 'no other'}.")
        by_task.append(mean_by_key(by_language))
    return mean_by_key(by_task)


def key_of(score: Score) -> tuple[str, int | None]:
    return score.weights, score.finetuning_seed


def mean_by_key(values: Sequence[Values]) -> Values:
    """The means of several values by encoder and seed; one that has no seed counts for all of its encoder."""
    keys = dict.fromkeys(key for own in values for key in own)
    if any(seed is not None for _, seed in keys):
        keys = {key: None for key in keys if key[1] is not None}
    return {
        (weights, seed): float(
            np.mean([own[(weights, seed) if (weights, seed) in own else (weights, None)] for own in values])
        )
        for weights, seed in keys
    }


@dataclass(frozen=True)
class Encoders:
    """What is known of the encoders of a system: the pre-training seed of each by its weights, None for a given one."""

    seeds: Mapping[str, int | None]

    @classmethod
    def of(cls, system: str, scores: Scores) -> "Encoders":
        """Those of a system; of copies, and of runs that came out bit for bit alike, the first counts."""
        found: dict[str, int | None] = {}
        for place, own in scores.places.items():
            if place[0] == system:
                for score in own:
                    found.setdefault(score.weights, score.pretraining_seed)
        return cls(found)

    @property
    def given(self) -> bool:
        """Whether it is one encoder that no training of the study made."""
        return all(seed is None for seed in self.seeds.values())


def differences(contrast: Contrast, scores: Scores, groups: Mapping[str, Sequence[str]]) -> Differences:
    """The values of a contrast by unit.

    Encoders of several systems are paired by their pre-training seed, with which they saw the same rows in the same
    order; an encoder that is given stands against each of the others.

    Raises:
        UserError: the study lacks a score, or no seed is there in all systems.
    """
    arms = list(arms_of(contrast))
    encoders = {arm.system: Encoders.of(str(arm.system), scores) for _, arm in arms}
    values = [(sign, arm, values_of(arm, scores, groups)) for sign, arm in arms]
    trained = {system: own for system, own in encoders.items() if not own.given}
    if not trained:
        return of_fine_tunings([(sign, own) for sign, _, own in values], len(encoders) == 1 or same_weights(encoders))
    seeds = [set(own.seeds.values()) for own in trained.values()]
    common = sorted(seed for seed in set.intersection(*seeds) if seed is not None)
    if not common:
        raise UserError(f"{' and '.join(map(str, trained))} have no pre-training seed in common.")
    found = []
    for seed in common:
        others = partners(values, encoders, seed)
        found.append(sum((sign * of_unit(own, encoders[arm.system], seed, others) for sign, arm, own in values), 0.0))
    return Differences(np.array(found), METHODS, are_copies(contrast, encoders))


def partners(
    values: Sequence[tuple[int, Arm, Values]], encoders: Mapping[str | None, Encoders], seed: int
) -> set[int | None]:
    """The fine-tuning seeds of the encoders that were pre-trained with a seed."""
    return {
        fine_tuning
        for _, arm, own in values
        for weights, fine_tuning in own
        if encoders[arm.system].seeds[weights] == seed
    }


def of_unit(values: Values, encoders: Encoders, seed: int, fine_tunings: set[int | None]) -> float:
    """The score of a system in a unit: that of its encoder of a pre-training seed, or of the encoder that is given.

    Of a given encoder, the fine-tunings count that have the seeds of the unit's others, so that the error of a
    fine-tuning is in the spread over units and not the same in all.
    """
    if not encoders.given:
        return float(np.mean([value for (weights, _), value in values.items() if encoders.seeds[weights] == seed]))
    own = [value for (_, fine_tuning), value in values.items() if fine_tuning in fine_tunings]
    return float(np.mean(own or list(values.values())))


def are_copies(contrast: Contrast, encoders: Mapping[str | None, Encoders]) -> bool:
    """Whether both arms are of the same encoders, and alike but for the names of their systems."""
    first, second = encoders[contrast.better.system].seeds, encoders[contrast.than.system].seeds
    alike = contrast.better.model_copy(update={"system": None}) == contrast.than.model_copy(update={"system": None})
    return contrast.beyond is None and alike and set(first) == set(second)


def same_weights(encoders: Mapping[str | None, Encoders]) -> bool:
    return len({weights for own in encoders.values() for weights in own.seeds}) == 1


def of_fine_tunings(values: Sequence[tuple[int, Values]], one_encoder: bool) -> Differences:
    """The values of a contrast of given encoders: by fine-tuning seed where all arms are of one, else one number."""
    by_seed = [{seed: value for (_, seed), value in own.items()} for _, own in values]
    tuned = [own for own in by_seed if None not in own]
    seeds = [seed for seed in tuned[0] if all(seed in own for own in tuned)] if one_encoder and tuned else []
    if not seeds:
        total = sum(sign * float(np.mean(list(own.values()))) for sign, own in values)
        return Differences(np.array([total]), METHODS)
    signs = [sign for sign, _ in values]
    # what was measured without fine-tuning is the same for each
    found = [
        sum(sign * own[seed if seed in own else None] for sign, own in zip(signs, by_seed, strict=True))
        for seed in seeds
    ]
    return Differences(np.array(found), FINE_TUNINGS)


def greater(found: Differences, margin: float) -> Finding:
    """Whether the mean is more than a margin: a two-sided t test over units, with n - 1 degrees of freedom."""
    values, count = found.values, len(found.values)
    effect = float(values.mean())
    if count == 1:
        note = "one unit: nothing can be said of others"
        return Finding(effect, None, 1, found.units, None, effect > margin, None, note)
    if np.ptp(values) < ROUNDING:
        return without_spread(found, effect, effect - margin > ROUNDING)
    error = float(values.std(ddof=1)) / math.sqrt(count)
    p = float(2 * student_t.sf(abs(effect - margin) / error, count - 1))
    return Finding(
        effect, interval_of(values), count, found.units, min(1.0, p), effect > margin, detectable(values)
    )  # fmt: skip


def equivalent(found: Differences, margin: float) -> Finding:
    """Whether the mean lies within a margin of 0: two one-sided tests (Schuirmann 1987, Journal of Pharmacokinetics and
    Biopharmaceutics 15), or else whether it lies outside of it; p is doubled for the two questions.
    """
    values, count = found.values, len(found.values)
    effect = float(values.mean())
    within = abs(effect) < margin
    if count == 1:
        note = "one unit: nothing can be said of others"
        return Finding(effect, None, 1, found.units, None, within, None, note)
    if np.ptp(values) < ROUNDING:
        return without_spread(found, effect, within)
    error = float(values.std(ddof=1)) / math.sqrt(count)
    p = float(student_t.sf(abs(margin - abs(effect)) / error, count - 1))
    return Finding(effect, interval_of(values), count, found.units, min(1.0, 2 * p), within, detectable(values))


def without_spread(found: Differences, effect: float, supports: bool) -> Finding:
    """What is found of units that do not differ from each other: of copies everything is known; of others, p is that of
    the exact sign-flip test, and 1 where nothing differs at all.
    """
    count = len(found.values)
    if found.copies:
        return Finding(0.0, (0.0, 0.0), count, found.units, 0.0, supports, None, "both are the same encoders")
    p = 1.0 if abs(effect) < ROUNDING else 2 / 2**count
    note = "no unit differs from another, so there is no spread to test by"
    return Finding(effect, None, count, found.units, p, supports, None, note)


def correlated(x: ArrayLike, y: ArrayLike) -> Finding:
    """Whether two values rise together over points: Pearson's coefficient, its interval by Fisher's z."""
    first, second = np.asarray(x, np.float64), np.asarray(y, np.float64)
    count = len(first)
    if count < 4 or np.ptp(first) < ROUNDING or np.ptp(second) < ROUNDING:
        note = "fewer than four points" if count < 4 else "one axis has no spread"
        return Finding(0.0, None, count, POINTS, None, False, None, note)
    result = pearsonr(first, second)
    low, high = result.confidence_interval(1 - LEVEL)
    return Finding(
        float(result.statistic), (float(low), float(high)), count, POINTS, float(result.pvalue),
        result.statistic > 0, None,
    )  # fmt: skip


def interval_of(values: NDArray[np.float64]) -> Interval:
    """Of the mean, with 95 % confidence, by the t distribution."""
    mean, count = float(values.mean()), len(values)
    half = float(student_t.ppf(1 - LEVEL / 2, count - 1)) * float(values.std(ddof=1)) / math.sqrt(count)
    return mean - half, mean + half


def detectable(values: NDArray[np.float64]) -> float:
    """The smallest mean that a two-sided t test at 5 % of so many values with this spread finds 4 times in 5."""
    count = len(values)
    threshold = float(student_t.ppf(1 - LEVEL / 2, count - 1))

    def lacking(centre: float) -> float:
        return float(nct.sf(threshold, count - 1, centre)) - POWER

    high = 2 * threshold + 10.0
    return float(brentq(lacking, 0.0, high)) * float(values.std(ddof=1)) / math.sqrt(count)
