"""Are two evaluated systems different? Folders of `evaluate` against each other, by seeds, languages and examples.

The unit of a claim is a pre-trained encoder (`units`): a language is called different where Holm's adjusted p of the
paired t test over units is below 0.05; the family is the compared languages of one task. The test set is taken as
given, so a bootstrap over examples stands beside it: the sampling error of the test set only. It decides only for tasks
that train nothing, with one model each: there no seed is left to differ. What else differs between two systems, in how
they were fine-tuned or pre-trained, stands in the caption of every table.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from weam_ray.errors import UserError
from weam_ray.evaluate.formats import read_json
from weam_ray.evaluate.languages import ENGLISH
from weam_ray.evaluate.statistics import (
    DIFFERENT,
    DIFFERENT_CHECKPOINTS,
    LEVEL,
    NUM_RESAMPLES,
    SAMPLING_ERROR,
    Examples,
    Languages,
    Values,
    compare_languages,
    judged_together,
)
from weam_ray.evaluate.tables import same_data
from weam_ray.evaluate.units import OF_METHODS, Score, Unit, by_seeds, match, scores_of
from weam_ray.evaluate.unlike import unlike

LOWER_IS_BETTER = frozenset({"aer"})
SEEDS, EXAMPLES = "seeds", "examples"  # what a verdict is decided by
_KEYS = ("system", "models", "pretraining_seeds", "seeds", "setting", "intermediate", "tasks")
_TOLERANCE = 0.01  # percentage points between result.json and the examples


@dataclass(frozen=True)
class TaskComparison:
    """One task: its languages, which seeds stand against which, and what the claim is about.

    `trained` says whether the model was fine-tuned for it, `decided_by` is SEEDS or EXAMPLES, `claim` is
    one of the claims of `units`. `unlike` is what else differs beside the encoder, in words. `majority` has for each
    language what the scores of either system are to be above: the majority class, or chance.
    """

    task: str
    metric: str
    lower_is_better: bool
    trained: bool
    seeds: str
    claim: str
    decided_by: str
    unlike: tuple[str, ...]
    languages: Languages
    majority: Mapping[str, tuple[float | None, float | None]] = field(default_factory=dict)

    def floors(self, language: str) -> tuple[float | None, float | None]:
        """The `majority` of a language; of the average that over the languages other than English, if all have one."""
        if language in self.majority:
            return self.majority[language]
        own = [self.majority.get(row.language, (None, None)) for row in self.languages.rows if row.language != ENGLISH]
        first, second = (mean_of_known([pair[side] for pair in own]) for side in (0, 1))
        return first, second


@dataclass(frozen=True)
class System:
    """A compared system by a name that tells it from the others, and its folder."""

    name: str
    folder: str


@dataclass(frozen=True)
class SystemPair:
    """Two systems; `left_out` are the tasks and languages that only one of them has."""

    first: System
    second: System
    tasks: tuple[TaskComparison, ...]
    left_out: tuple[str, ...]


@dataclass(frozen=True)
class Comparison:
    """Every system against the first.

    The languages of each task and pair are a family of tests; the averages over languages of all of them are another.
    """

    pairs: tuple[SystemPair, ...]

    def tree(self) -> dict[str, Any]:
        """All of it as lists and mappings for JSON."""
        found = {"level": LEVEL, "intervals_and_examples": SAMPLING_ERROR, **asdict(self)}
        return json.loads(json.dumps(found, allow_nan=False))


@dataclass(frozen=True)
class Evaluation:
    """What a folder of `evaluate` says of itself; the examples are read when asked for."""

    folder: Path
    result: dict[str, dict[str, Any]]
    about: dict[str, Any]

    def examples(self, task: str, language: str, units: Sequence[Unit]) -> Examples:
        """Numerators and denominators of some units; those of a unit with several values are added.

        Raises:
            UserError: a file that is missing or damaged, seeds of different lengths, a score other than in result.json.
        """
        scores = list(dict.fromkeys(score for unit in units for score in unit))
        tables = {score: self._table(task, language, score) for score in scores}
        if len({len(table) for table in tables.values()}) > 1:
            counts = ", ".join(f"{len(table)} for {score.folder}" for score, table in tables.items())
            raise UserError(f"{self.folder}: {task}, {language} has not as many examples for each seed: {counts}.")
        stacked = np.stack(list(tables.values()))
        told = [float(score) for score in self.result[task][language]["per_seed"]]
        for own, value in zip(scores, Examples(stacked[:, :, 0], stacked[:, :, 1]).scores(), strict=True):
            if all(abs(other - value) > _TOLERANCE for other in told):
                has = ", ".join(f"{other:.2f}" for other in told)
                raise UserError(
                    f"{self.folder}: the examples of {task}, {language}, {own.folder} make {value:.2f}, and "
                    f"result.json has {has}: the folder was changed; evaluate again."
                )
        added = np.stack([np.sum([tables[score] for score in unit], axis=0) for unit in units])
        return Examples(added[:, :, 0], added[:, :, 1])

    def _table(self, task: str, language: str, score: Score) -> Values:
        """(N, 2)"""
        import pyarrow as pa
        import pyarrow.parquet as pq

        file = self.folder / "examples" / task / score.folder / f"{language}.parquet"
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
    trained = any(by_seeds(about, task) for task in result)
    if not models or len(models) != len(about["pretraining_seeds"]):
        raise UserError(f"{folder / 'evaluation.json'}: models and pretraining_seeds must have one entry a model each.")
    if len(about.get("weights") or models) != len(models):
        raise UserError(f"{folder / 'evaluation.json'}: weights must have one entry a model.")
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
    pairs = [_pair(found[0], found[k], systems[0], systems[k], num_resamples, seed) for k in range(1, len(found))]
    return Comparison(tuple(_with_averages_adjusted(pairs)))


def _with_averages_adjusted(pairs: Sequence[SystemPair]) -> list[SystemPair]:
    """Judge the averages over languages again as one family: of every task, for every pair of systems."""
    tasks = [task for pair in pairs for task in pair.tasks]
    adjusted = iter(
        judged_together(
            [task.languages.average for task in tasks],
            [(task.decided_by == EXAMPLES, verdict_of(task.claim)) for task in tasks],
        )
    )
    return [
        replace(
            pair,
            tasks=tuple(
                replace(task, languages=replace(task.languages, average=next(adjusted))) for task in pair.tasks
            ),
        )
        for pair in pairs
    ]


def verdict_of(claim: str) -> str:
    """The verdict of a claim where seeds decide that there is a difference."""
    return DIFFERENT if claim in OF_METHODS else DIFFERENT_CHECKPOINTS


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
    return SystemPair(first, second, tuple(compared), tuple(left_out))


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
            if not (same_data(*values) if key == "data" else values[0] == values[1]):
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
    found = match(scores_of(ours.about, task), scores_of(theirs.about, task))

    def load(language: str) -> tuple[Examples, Examples]:
        first, second = ours.examples(task, language, found.first), theirs.examples(task, language, found.second)
        if len(first) != len(second):
            raise UserError(_refusal(both, f"{task}, {language}", "examples", [len(first), len(second)]))
        return first, second

    lower = about["metric"] in LOWER_IS_BETTER
    different = verdict_of(found.claim)
    languages_of_task = compare_languages(languages, load, found.by_examples, lower, num_resamples, seed, different)
    return TaskComparison(
        task,
        about["metric"],
        lower,
        about["trained"],
        found.sentence,
        found.claim,
        EXAMPLES if found.by_examples else SEEDS,
        tuple(unlike(ours.about, theirs.about, task)),
        languages_of_task,
        {
            code: (ours.result[task][code].get("majority"), theirs.result[task][code].get("majority"))
            for code in languages
        },
    )


def mean_of_known(values: Sequence[float | None]) -> float | None:
    """The mean of some values; None where one is not known, or there is none."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known and len(known) == len(values) else None


def _names(found: Sequence[Evaluation]) -> list[str]:
    """The names of systems; where two are alike, with their folders."""
    names = [each.about["system"] for each in found]
    return [
        f"{name} ({each.folder})" if names.count(name) > 1 else name for name, each in zip(names, found, strict=True)
    ]


def _said(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
