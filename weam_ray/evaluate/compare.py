"""Are two evaluated systems different? Folders of `evaluate` against each other, by seeds, languages and examples.

The unit of a claim is a seed: a language is called different where Holm's adjusted p of the paired t test over seeds is
below 0.05; the family is the compared languages of one task. The test set is taken as given, so a bootstrap over
examples stands beside it: the sampling error of the test set only. It decides only for tasks that train nothing, with
one model each: there no seed is left to differ.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from weam_ray.errors import UserError
from weam_ray.evaluate.formats import read_json
from weam_ray.evaluate.statistics import (
    LEVEL,
    NUM_RESAMPLES,
    SAMPLING_ERROR,
    Examples,
    Languages,
    Values,
    compare_languages,
)
from weam_ray.evaluate.tables import same_rows

LOWER_IS_BETTER = frozenset({"aer"})
METHODS = "two methods: in both systems every seed has a pre-training of its own"
CHECKPOINTS = "two checkpoints, not two methods"
SEEDS, EXAMPLES = "seeds", "examples"  # what a verdict is decided by
_KEYS = ("system", "models", "pretraining_seeds", "seeds", "setting", "intermediate", "tasks")
_TOLERANCE = 0.01  # percentage points between result.json and the examples


@dataclass(frozen=True)
class TaskComparison:
    """One task: its languages, which seeds stand against which, and what the claim is about.

    `trained` says whether the model was fine-tuned for it, `decided_by` is SEEDS or EXAMPLES, `claim` is METHODS or
    CHECKPOINTS.
    """

    task: str
    metric: str
    lower_is_better: bool
    trained: bool
    seeds: str
    claim: str
    decided_by: str
    languages: Languages


@dataclass(frozen=True)
class System:
    """A compared system by a name that tells it from the others, and its folder."""

    name: str
    folder: str


@dataclass(frozen=True)
class SystemPair:
    """Two systems; `remarks` are what else differs, `left_out` the tasks and languages that only one of them has."""

    first: System
    second: System
    tasks: tuple[TaskComparison, ...]
    remarks: tuple[str, ...]
    left_out: tuple[str, ...]


@dataclass(frozen=True)
class Comparison:
    """Every system against the first. Each pair and each task is a family of its own."""

    pairs: tuple[SystemPair, ...]

    def tree(self) -> dict[str, Any]:
        """All of it as lists and mappings for JSON."""
        found = {"level": LEVEL, "intervals_and_examples": SAMPLING_ERROR, **asdict(self)}
        return json.loads(json.dumps(found, allow_nan=False))


@dataclass(frozen=True)
class Unit:
    """What one value of a score is of: its folder under examples/TASK, its seed, and its model."""

    folder: str
    seed: int | None
    model: str
    pretraining_seed: int | None


@dataclass(frozen=True)
class Evaluation:
    """What a folder of `evaluate` says of itself; the examples are read when asked for."""

    folder: Path
    result: dict[str, dict[str, Any]]
    about: dict[str, Any]

    def units(self, task: str) -> list[Unit]:
        """The values of a task: one a fine-tuning seed, or, where nothing is trained, one a model."""
        models, pretraining = self.about["models"], self.about["pretraining_seeds"]
        if not self.about["tasks"][task]["trained"]:
            known = dict(zip(models, pretraining, strict=True))  # a model twice is one
            return [Unit(str(number), of, model, of) for number, (model, of) in enumerate(known.items(), 1)]
        seeds = self.about["seeds"]
        model_of = range(len(seeds)) if len(models) > 1 else [0] * len(seeds)
        return [
            Unit(str(seed), seed, models[model], pretraining[model])
            for seed, model in zip(seeds, model_of, strict=True)
        ]

    def examples(self, task: str, language: str, units: Sequence[Unit]) -> Examples:
        """Numerators and denominators of some units.

        Raises:
            UserError: a file that is missing or damaged, seeds of different lengths, a score other than in result.json.
        """
        tables = [self._table(task, language, unit) for unit in units]
        if len({len(table) for table in tables}) > 1:
            counts = ", ".join(f"{len(table)} for {unit.folder}" for table, unit in zip(tables, units, strict=True))
            raise UserError(f"{self.folder}: {task}, {language} has not as many examples for each seed: {counts}.")
        stacked = np.stack(tables)
        found = Examples(stacked[:, :, 0], stacked[:, :, 1])
        told = [float(score) for score in self.result[task][language]["per_seed"]]
        for unit, score in zip(units, found.scores(), strict=True):
            if all(abs(own - score) > _TOLERANCE for own in told):
                has = ", ".join(f"{own:.2f}" for own in told)
                raise UserError(
                    f"{self.folder}: the examples of {task}, {language}, {unit.folder} make {score:.2f}, and "
                    f"result.json has {has}: the folder was changed; evaluate again."
                )
        return found

    def _table(self, task: str, language: str, unit: Unit) -> Values:
        """(N, 2)"""
        import pyarrow as pa
        import pyarrow.parquet as pq

        file = self.folder / "examples" / task / unit.folder / f"{language}.parquet"
        try:
            table = pq.read_table(file, columns=["numerator", "denominator"])
            columns = [table[name].cast(pa.float64()).to_numpy() for name in ("numerator", "denominator")]
        except FileNotFoundError:
            raise UserError(f"{self.folder}: {task}, {language} has no {str(file)!r}; evaluate again.") from None
        except (OSError, pa.ArrowInvalid, pa.ArrowKeyError, KeyError) as error:
            raise UserError(f"{file}: no table of numerator and denominator: {error}") from None
        found = np.stack(columns, axis=1)
        if not len(found) or not np.isfinite(found).all():
            raise UserError(f"{file} has {'a value that is no number' if len(found) else 'no rows'}; evaluate again.")
        return found


def read_evaluation(folder: Path) -> Evaluation:
    """A folder that `evaluate` has finished.

    Raises:
        UserError: no such folder, or one whose `result.json` or `evaluation.json` is missing or not as it should be.
    """
    missing = [name for name in ("evaluation.json", "result.json") if not (folder / name).is_file()]
    if missing:
        raise UserError(f"{str(folder)!r} is no folder of a finished evaluation: it has no {missing[0]}.")
    about, result = read_json(folder / "evaluation.json"), read_json(folder / "result.json")
    if not isinstance(about, dict) or not isinstance(result, dict):
        raise UserError(f"{folder}: evaluation.json and result.json must hold JSON objects; evaluate again.")
    lacking = [key for key in _KEYS if key not in about]
    lacking += [task for task in result if task not in about.get("tasks", ())]
    if lacking:
        raise UserError(f"{folder / 'evaluation.json'} lacks {lacking[0]!r}; evaluate again.")
    models, seeds = about["models"], about["seeds"]
    trained = any(about["tasks"][task]["trained"] for task in result)
    if not models or len(models) != len(about["pretraining_seeds"]):
        raise UserError(f"{folder / 'evaluation.json'}: models and pretraining_seeds must have one entry a model each.")
    if trained and (not seeds or len(models) not in (1, len(seeds))):
        raise UserError(
            f"{folder / 'evaluation.json'}: {len(models)} models for {len(seeds)} seeds, not one or as many."
        )
    twice = [seed for k, seed in enumerate(seeds) if seed in seeds[:k]]
    if twice:
        raise UserError(f"{folder / 'evaluation.json'}: seed {twice[0]} is there twice; a seed counts once.")
    return Evaluation(folder, result, about)


def compare(folders: Sequence[Path], num_resamples: int = NUM_RESAMPLES, seed: int = 0) -> Comparison:
    """Evaluation folders, every other against the first; `seed` is that of the bootstrap.

    Raises:
        UserError: fewer than two folders, folders that cannot be compared, or one that `read_evaluation` refuses.
    """
    if len(folders) < 2:
        raise UserError(f"A comparison takes two folders of evaluations or more, not {len(folders)}.")
    found = [read_evaluation(Path(folder)) for folder in folders]
    systems = [System(name, str(each.folder)) for name, each in zip(_names(found), found, strict=True)]
    return Comparison(
        tuple(_pair(found[0], found[k], systems[0], systems[k], num_resamples, seed) for k in range(1, len(found)))
    )


def _pair(
    ours: Evaluation, theirs: Evaluation, first: System, second: System, num_resamples: int, seed: int
) -> SystemPair:
    both = (ours, theirs)
    common = [task for task in ours.result if task in theirs.result]
    if not common:
        tasks = " and ".join(f"{each.folder} has {', '.join(each.result) or 'no task'}" for each in both)
        raise UserError(f"There is no task to compare: {tasks}.")
    left_out = [f"{task}: only in {each.folder}" for each in both for task in each.result if task not in common]
    compared = []
    for task in common:
        languages = _languages(both, task)
        left_out += [
            f"{task}, {language}: only in {each.folder}"
            for each in both
            for language in each.result[task]
            if language not in languages
        ]
        compared.append(_task(both, task, languages, num_resamples, seed))
    remarks = [
        f"{key}: {_said(ours.about[key])} in {ours.folder}, {_said(theirs.about[key])} in {theirs.folder}"
        for key in ("setting", "intermediate")
        if ours.about[key] != theirs.about[key]
    ]
    return SystemPair(first, second, tuple(compared), tuple(remarks), tuple(left_out))


def _languages(both: tuple[Evaluation, Evaluation], task: str) -> list[str]:
    """The languages that both have of a task, in the order of the first.

    Raises:
        UserError: none, or a task that was trained, measured, or measured on, otherwise in the second.
    """
    ours, theirs = both
    for key in ("trained", "metric", "data"):
        values = [each.about["tasks"][task].get(key) for each in both]
        if values[0] != values[1]:
            raise UserError(_refusal(both, task, key, values))
    languages = [language for language in ours.result[task] if language in theirs.result[task]]
    if not languages:
        has = " and ".join(f"{each.folder} has {', '.join(each.result[task]) or 'none'}" for each in both)
        raise UserError(f"There is no language of {task} to compare: {has}.")
    for language in languages:
        for key in ("metric", "data"):
            values = [each.result[task][language].get(key) for each in both]
            if not (same_rows(*values) if key == "data" else values[0] == values[1]):
                raise UserError(_refusal(both, f"{task}, {language}", key, values))
    return languages


def _refusal(both: tuple[Evaluation, Evaluation], where: str, key: str, values: Sequence[Any]) -> str:
    what = {"trained": "fine-tuned", "data": "fingerprint of the test data", "examples": "test examples"}.get(key, key)
    return (
        f"{both[1].folder} cannot be compared with {both[0].folder}: {where}, {what}: {_said(values[1])} there, "
        f"{_said(values[0])} here; evaluate both alike."
    )


def _task(
    both: tuple[Evaluation, Evaluation], task: str, languages: list[str], num_resamples: int, seed: int
) -> TaskComparison:
    ours, theirs = both
    about = ours.about["tasks"][task]
    *units, seeds = matched(ours.units(task), theirs.units(task), about["trained"])

    def load(language: str) -> tuple[Examples, Examples]:
        first, second = ours.examples(task, language, units[0]), theirs.examples(task, language, units[1])
        if len(first) != len(second):
            raise UserError(_refusal(both, f"{task}, {language}", "examples", [len(first), len(second)]))
        return first, second

    by_examples = not about["trained"] and max(len(each) for each in units) == 1
    lower = about["metric"] in LOWER_IS_BETTER
    found = compare_languages(languages, load, by_examples, lower, num_resamples, seed)
    return TaskComparison(
        task,
        about["metric"],
        lower,
        about["trained"],
        seeds,
        METHODS if all(own_models(each) for each in units) else CHECKPOINTS,
        EXAMPLES if by_examples else SEEDS,
        found,
    )


def matched(first: list[Unit], second: list[Unit], trained: bool) -> tuple[list[Unit], list[Unit], str]:
    """Which units stand against each other, and a sentence that says so.

    By seed where one system has all seeds of the other, else in order; what is over is left out. Where nothing is
    trained a single model has one score, whatever the seed, and stands against every model of the other system.
    """
    if not trained and 1 in (len(first), len(second)):
        many = max(len(first), len(second))
        return first, second, "one model against one" if many == 1 else f"one model against each of {many}"
    what = "seeds" if trained else "pre-training seeds"
    ours, theirs = ({unit.seed: unit for unit in units} for units in (first, second))
    common = [seed for seed in ours if seed is not None and seed in theirs]
    count = min(len(first), len(second))
    if len(common) == count:
        pairs = [(ours[seed], theirs[seed]) for seed in common]
        sentence = f"{what} by number: {', '.join(str(seed) for seed in common)}"
    else:
        pairs = list(zip(first, second, strict=False))
        of = ", ".join(f"{own.folder} with {other.folder}" for own, other in pairs)
        sentence = f"{what if trained else 'models'} in order, as their numbers differ: {of}"
    kept_first, kept_second = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    over = [unit.folder for unit in first if unit not in kept_first]
    over += [unit.folder for unit in second if unit not in kept_second]
    sentence += f"; left out, as the other system has fewer: {', '.join(over)}" if over else ""
    return kept_first, kept_second, sentence


def own_models(units: Sequence[Unit]) -> bool:
    """Whether there are two seeds or more, and every one has a model, and a pre-training seed if known, of its own."""
    known = [unit.pretraining_seed for unit in units if unit.pretraining_seed is not None]
    return len({unit.model for unit in units}) == len(units) > 1 and len(set(known)) == len(known)


def _names(found: Sequence[Evaluation]) -> list[str]:
    """The names of systems; where two are alike, with their folders."""
    names = [each.about["system"] for each in found]
    return [
        f"{name} ({each.folder})" if names.count(name) > 1 else name for name, each in zip(names, found, strict=True)
    ]


def _said(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
