"""Which values of a score are independent, which of two systems stand against each other, and what that can show.

The unit of a claim about a pre-training method is a pre-trained encoder, known by its weights: copies and runs that
came out bit for bit alike are one, runs that differ in any seed are two. Several fine-tuning seeds of one encoder are
one unit; only where both systems are one encoder each are fine-tuning seeds the units, and then nothing is said of
methods.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from weam_ray.store.provenance import BASE

METHODS = "two methods: both systems have several pre-trained encoders, which are the units"
REFERENCE = "a method against a fixed encoder: the units are the pre-trained encoders of the one, the other is given"
ONE_SIDED = "a method against one checkpoint of another, which says nothing of that other method"
CHECKPOINTS = "two checkpoints, not two methods"
ONE_CHECKPOINT = "one checkpoint on both sides, used in two ways"
SAME_ENCODERS = "the same encoders on both sides, used in two ways, and not two methods"
OF_METHODS = (METHODS, REFERENCE)


@dataclass(frozen=True)
class Score:
    """One value of a score.

    Args:
        folder: its folder under examples/TASK.
        seed: that of the fine-tuning; None where nothing is trained.
        weights: those of the encoder, hashed.
        pretraining_seed: that of the encoder; None where it is from no run of ours, or that is not known.
        of_run: whether the encoder is from a run of ours.
        encoder: the fingerprint of its files.
        base: that of the encoder that it was trained from, if that is known.
    """

    folder: str
    seed: int | None
    weights: str
    pretraining_seed: int | None
    of_run: bool = False
    encoder: str | None = None
    base: str | None = None


Unit = tuple[Score, ...]  # the values of one pre-trained encoder, or one of them


@dataclass(frozen=True)
class Match:
    """The units of two systems, as many of either, or one against each; how they were paired, and what for."""

    first: list[Unit]
    second: list[Unit]
    sentence: str
    claim: str

    @property
    def by_examples(self) -> bool:
        """Whether there is one value each, of no training: no seed is left to differ."""
        return len(self.first) == len(self.second) == 1 and self.first[0][0].seed is self.second[0][0].seed is None


def by_seeds(about: dict[str, Any], task: str) -> bool:
    """Whether a task has a value for each fine-tuning seed, as `evaluation.json` says; else it has one for each model.

    A task without training has seeds too where intermediate tasks train the encoder first.
    """
    return bool(about["tasks"][task]["trained"] or about["intermediate"])


def scores_of(about: dict[str, Any], task: str) -> list[Score]:
    """The values of a task, in order; `about` is an `evaluation.json`, of an earlier version if it lacks `weights`."""
    models, pretraining = about["models"], about["pretraining_seeds"]
    weights = about.get("weights") or models
    of_runs = about.get("of_runs") or [seed is not None for seed in pretraining]  # of an earlier version
    encoders = about.get("encoders") or [None] * len(models)
    bases = [own and own.get(BASE) for own in about.get("pretraining") or [None] * len(models)]

    def score(folder: int, seed: int | None, at: int) -> Score:
        return Score(str(folder), seed, weights[at], pretraining[at], of_runs[at], encoders[at], bases[at])

    if not by_seeds(about, task):
        known: dict[str, int] = {}
        for number, own in enumerate(weights):
            known.setdefault(own, number)  # an encoder twice is measured once
        return [score(k, None, at) for k, at in enumerate(known.values(), 1)]
    seeds = about["seeds"]
    places = range(len(seeds)) if len(models) > 1 else [0] * len(seeds)
    return [score(seed, seed, at) for seed, at in zip(seeds, places, strict=True)]


def encoders(scores: Sequence[Score]) -> list[Unit]:
    """The values by encoder, in the order in which encoders come first."""
    found: dict[str, list[Score]] = {}
    for score in scores:
        found.setdefault(score.weights, []).append(score)
    return [tuple(own) for own in found.values()]


def match(first: Sequence[Score], second: Sequence[Score]) -> Match:
    """Find the units of two systems, and which stand against each other."""
    both = encoders(first), encoders(second)
    if len(both[0]) == len(both[1]) > 1 and {own[0].weights for own in both[0]} == {own[0].weights for own in both[1]}:
        places = {own[0].weights: own for own in both[1]}
        said = f"the same {len(both[0])} encoders, each with itself"
        return Match(both[0], [places[own[0].weights] for own in both[0]], said + same_weights(both), SAME_ENCODERS)
    ours, theirs, left_out = without_shared(*both)
    both = ours, theirs
    counts = [len(units) for units in both]
    after = left_out + same_weights(both)
    if min(counts) > 1:
        ours, theirs, sentence = in_pairs(*both)
        return Match(ours, theirs, sentence + after, METHODS)
    if max(counts) == 1:
        same = both[0][0][0].weights == both[1][0][0].weights
        ours, theirs, sentence = one_by_one(both[0][0], both[1][0])
        return Match(ours, theirs, sentence + left_out, ONE_CHECKPOINT if same else CHECKPOINTS)
    single, many = (0, 1) if counts[0] == 1 else (1, 0)
    claim = REFERENCE if is_reference(both[single][0][0], both[many]) else ONE_SIDED
    fixed, units, sentence = against_one(both[single][0], both[many])
    sides = (fixed, units) if single == 0 else (units, fixed)
    return Match(*sides, sentence + after, claim)


def without_shared(first: list[Unit], second: list[Unit]) -> tuple[list[Unit], list[Unit], str]:
    """The encoders of two systems without those that both have, which show no difference of methods, as far as others
    are left; and a clause that names them.
    """
    weights = [{unit[0].weights for unit in units} for units in (first, second)]
    shared = weights[0] & weights[1]
    if not shared or weights[0] == weights[1]:
        return first, second, ""
    kept = [[unit for unit in units if unit[0].weights not in shared] or units for units in (first, second)]
    over = [named(unit) for units, own in zip((first, second), kept, strict=True) for unit in units if unit not in own]
    return kept[0], kept[1], f"; left out, as both systems have these weights: {', '.join(over)}"


def is_reference(single: Score, many: Sequence[Unit]) -> bool:
    """Whether an encoder is a given thing to compare a method with: one of no run, or that which all encoders of the
    method were trained from.
    """
    return not single.of_run or {unit[0].base for unit in many} == {single.encoder} != {None}


def one_by_one(first: Sequence[Score], second: Sequence[Score]) -> tuple[list[Unit], list[Unit], str]:
    """Every value by itself, of one encoder on either side."""
    ours: list[Unit] = [(score,) for score in first]
    theirs: list[Unit] = [(score,) for score in second]
    if None in (first[0].seed, second[0].seed) and 1 in (len(first), len(second)):
        many = max(len(first), len(second))
        return ours, theirs, "one model against one" if many == 1 else f"one model against each of {many} seeds"
    return in_pairs(ours, theirs)


def in_pairs(first: Sequence[Unit], second: Sequence[Unit]) -> tuple[list[Unit], list[Unit], str]:
    """As many units of either side, and a sentence that says which: by seed where one side has all seeds of the other,
    else in order; what is over is left out.
    """
    trained = first[0][0].seed is not None and second[0][0].seed is not None
    what = "seeds" if trained else "pre-training seeds"
    ours, theirs = ({number(unit, trained): unit for unit in units} for units in (first, second))
    common = [seed for seed in ours if seed is not None and seed in theirs]
    count = min(len(first), len(second))
    if len(common) == count and len(ours) == len(first) and len(theirs) == len(second):
        pairs = [(ours[seed], theirs[seed]) for seed in common]
        sentence = f"{what} by number: {', '.join(map(str, common))}"
    else:
        pairs = list(zip(first, second, strict=False))
        of = ", ".join(f"{named(own)} with {named(other)}" for own, other in pairs)
        sentence = f"{what if trained else 'models'} in order, as their numbers differ: {of}"
    kept = [[pair[side] for pair in pairs] for side in (0, 1)]
    over = [named(unit) for units, own in zip((first, second), kept, strict=True) for unit in units if unit not in own]
    sentence += f"; left out, as the other system has fewer: {', '.join(over)}" if over else ""
    return kept[0], kept[1], sentence


def against_one(fixed: Unit, many: Sequence[Unit]) -> tuple[list[Unit], list[Unit], str]:
    """One encoder against each of several: where both are fine-tuned by the same seeds, else as a whole."""
    by_seed = {score.seed: score for score in fixed}
    if None not in by_seed and all(score.seed in by_seed for unit in many for score in unit):
        own = [tuple(by_seed[score.seed] for score in unit) for unit in many]
        seeds = ", ".join(str(score.seed) for unit in many for score in unit)
        return own, list(many), f"one encoder against each of {len(many)}, by fine-tuning seed: {seeds}"
    return [fixed], list(many), f"one encoder against each of {len(many)}"


def number(unit: Unit, trained: bool) -> int | None:
    """What a unit is paired by."""
    return unit[0].seed if trained else unit[0].pretraining_seed


def named(unit: Unit) -> str:
    return "+".join(score.folder for score in unit)


def same_weights(both: Sequence[Sequence[Unit]]) -> str:
    """A clause that says which values are of the same weights, and so are one unit; empty where none are."""
    shared = [named(unit) for units in both for unit in units if len(unit) > 1]
    return f"; of the same weights, so one unit each: {', '.join(shared)}" if shared else ""
