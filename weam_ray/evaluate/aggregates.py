"""The averages of XTREME and XTREME-R, so that a figure can stand beside a published one.

Other than ours they are with English, and a task of questions counts by the mean of F1 and exact match (Hu et al. 2020,
section 3.2; Ruder et al. 2021, section 3; languages as their evaluation script has them). Of XTREME-R there are two:
the paper's tasks and groups, and those of the script, which leaves LAReQA out. A group, or all tasks, have an average
only where every task of theirs is there; a task's says how many of its languages are.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from weam_ray.evaluate.statistics import summary

Languages = tuple[str, ...]


@dataclass(frozen=True)
class Benchmark:
    """The test languages of each task, and the tasks of each group."""

    name: str
    tasks: dict[str, Languages]
    groups: dict[str, tuple[str, ...]]


def codes(text: str) -> Languages:
    return tuple(text.split())


XNLI = codes("ar bg de el en es fr hi ru sw th tr ur vi zh")
PANX = codes(
    "af ar bg bn de el en es et eu fa fi fr he hi hu id it ja jv ka kk ko ml mr ms my nl pt ru sw ta te th tl tr ur vi "
    "yo zh"
)
UDPOS = codes("af ar bg de el en es et eu fa fi fr he hi hu id it ja kk ko mr nl pt ru ta te th tl tr ur vi yo zh")
TATOEBA = codes(
    "af ar bg bn de el es et eu fa fi fr he hi hu id it ja jv ka kk ko ml mr nl pt ru sw ta te th tl tr ur vi zh"
)
XQUAD = codes("en es de el ru tr ar vi th zh hi")
MLQA = codes("en es de ar hi vi zh")
TYDIQA = codes("en ar bn fi id ko ru sw te")
QUESTIONS = ("xquad", "mlqa", "tydiqa")
OF_XTREME_R = {
    "xnli": XNLI,
    "xcopa": codes("et ht id it qu sw ta th tr vi zh"),
    "panx": (*PANX, *codes("qu pl uk az lt pa gu ro")),
    "udpos": (*UDPOS, *codes("lt pl uk wo ro")),
    "tatoeba": (*TATOEBA, *codes("az lt pl uk ro")),
    "lareqa": codes("ar de el en es hi ru th tr vi zh"),
    "mewslix": codes("ar de en es fa ja pl ro ta tr uk"),
    "xquad": (*XQUAD, "ro"),
    "mlqa": MLQA,
    "tydiqa": TYDIQA,
}
GROUPS_OF_BOTH = {"classification": ("xnli", "xcopa"), "tagging": ("udpos", "panx"), "qa": QUESTIONS}

BENCHMARKS = (
    Benchmark(
        "XTREME",
        {
            "pawsx": codes("de en es fr ja ko zh"),
            "xnli": XNLI,
            "panx": PANX,
            "udpos": UDPOS,
            "bucc2018": ("de", "fr", "ru", "zh"),
            "tatoeba": TATOEBA,
            "xquad": XQUAD,
            "mlqa": MLQA,
            "tydiqa": TYDIQA,
        },
        {
            "classification": ("pawsx", "xnli"),
            "tagging": ("udpos", "panx"),
            "qa": QUESTIONS,
            "retrieval": ("bucc2018", "tatoeba"),
        },
    ),
    Benchmark("XTREME-R", OF_XTREME_R, {**GROUPS_OF_BOTH, "retrieval": ("tatoeba", "lareqa", "mewslix")}),
    Benchmark(
        "XTREME-R, by its script",
        {task: languages for task, languages in OF_XTREME_R.items() if task != "lareqa"},
        {**GROUPS_OF_BOTH, "retrieval": ("tatoeba", "mewslix"), "multi_choice": ("xcopa",)},
    ),
)


def aggregates(result: dict[str, dict[str, dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """The averages of each benchmark that a task of an evaluation belongs to.

    Args:
        result: as `result.json` has it.

    Returns:
        by benchmark: `tasks` (mean, std and per_seed in percent, and the languages that are `missing`), `groups` and
        `all`, None where a task of theirs is missing or lacks languages.
    """
    found = {}
    for benchmark in BENCHMARKS:
        tasks = {
            task: average
            for task, languages in benchmark.tasks.items()
            if task in result and (average := task_average(task, languages, result[task]))
        }
        if not tasks:
            continue
        whole = {task: own for task, own in tasks.items() if not own["missing"]}
        groups = {group: mean_of([whole.get(task) for task in members]) for group, members in benchmark.groups.items()}
        found[benchmark.name] = {
            "tasks": tasks,
            "groups": groups,
            "all": mean_of([whole.get(task) for task in benchmark.tasks]),
        }
    return found


def task_average(task: str, languages: Languages, result: dict[str, dict[str, Any]]) -> dict[str, Any] | None:
    """The mean over the languages of a benchmark that a task was tested in; None where there are none."""
    there = [code for code in languages if code in result]
    if not there:
        return None
    by_language = [metric_of(task, result[code]) for code in there]
    return {**told(np.mean(by_language, axis=0)), "missing": [code for code in languages if code not in result]}


def metric_of(task: str, entry: dict[str, Any]) -> Any:
    """(seeds,) what a benchmark counts of one language."""
    if task not in QUESTIONS:
        return np.asarray(entry["per_seed"], np.float64)
    return np.mean([entry["metrics"][name]["per_seed"] for name in ("f1", "exact_match")], axis=0)


def mean_of(averages: list[dict[str, Any] | None]) -> dict[str, Any] | None:
    """The mean over tasks, by seed where all have as many, else of their means; None where one is missing."""
    known = [average for average in averages if average is not None]
    if not known or len(known) < len(averages):
        return None
    counts = {len(average["per_seed"]) for average in known}
    if len(counts) == 1:
        return told(np.mean([average["per_seed"] for average in known], axis=0))
    return told(np.array([np.mean([average["mean"] for average in known])]))


def told(values: Any) -> dict[str, Any]:
    own = summary(values)
    return {"mean": own.mean, "std": own.std, "per_seed": list(own.per_seed)}
