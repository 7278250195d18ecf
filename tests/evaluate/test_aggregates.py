"""The averages of XTREME and XTREME-R: with English, and the mean of F1 and exact match."""

from typing import Any

import numpy as np
import pytest

from weam_ray.evaluate.aggregates import BENCHMARKS, aggregates
from weam_ray.evaluate.tasks import TASKS

XTREME, XTREME_R, BY_SCRIPT = BENCHMARKS


def entry(*per_seed: float, **metrics: tuple[float, ...]) -> dict[str, Any]:
    return {"per_seed": list(per_seed), "metrics": {name: {"per_seed": list(own)} for name, own in metrics.items()}}


def all_languages(benchmark: Any, task: str, *per_seed: float) -> dict[str, Any]:
    both = {"f1": per_seed, "exact_match": tuple(value - 20 for value in per_seed)}
    return {code: entry(*per_seed, **both) for code in benchmark.tasks[task]}


def test_english_counts_and_what_is_missing_is_said() -> None:
    found = aggregates({"xnli": {"en": entry(80, 82), "de": entry(60, 64), "xx": entry(0, 0)}})
    assert set(found) == {"XTREME", "XTREME-R", "XTREME-R, by its script"}
    own = found["XTREME"]["tasks"]["xnli"]
    assert (own["mean"], own["per_seed"]) == (71.5, [70, 73])
    assert own["std"] == pytest.approx(np.std([70, 73], ddof=1))
    assert own["missing"] == [code for code in XTREME.tasks["xnli"] if code not in ("en", "de")]
    assert found["XTREME"]["groups"]["classification"] is found["XTREME"]["all"] is None


def test_questions_count_by_the_mean_of_f1_and_exact_match() -> None:
    found = aggregates(
        {"mlqa": {"en": entry(70, f1=(70,), exact_match=(50,)), "de": entry(50, f1=(50,), exact_match=(30,))}}
    )
    assert found["XTREME"]["tasks"]["mlqa"]["mean"] == 50


def test_groups_and_all_of_whole_tasks() -> None:
    scores = {"xnli": 70, "xcopa": 60, "panx": 50, "udpos": 60, "tatoeba": 40, "lareqa": 20, "mewslix": 30, "xquad": 80}
    scores |= {"mlqa": 70, "tydiqa": 60}
    result = {task: all_languages(XTREME_R, task, score, score + 2) for task, score in scores.items()}
    result["tatoeba"] = all_languages(XTREME_R, "tatoeba", 41)  # of one model
    found = aggregates(result)["XTREME-R"]
    means = {group: own["mean"] for group, own in found["groups"].items()}
    assert means == pytest.approx({"classification": 66, "tagging": 56, "qa": 61, "retrieval": (41 + 21 + 31) / 3})
    assert found["groups"]["tagging"]["per_seed"] == [55, 57]
    assert found["groups"]["retrieval"]["std"] is None  # seeds of one, a model of the other
    assert found["all"]["mean"] == pytest.approx((71 + 61 + 51 + 61 + 41 + 21 + 31 + 71 + 61 + 51) / 10)
    by_script = aggregates(result)[BY_SCRIPT.name]
    means = {group: own["mean"] for group, own in by_script["groups"].items()}
    assert means == pytest.approx(
        {"classification": 66, "tagging": 56, "qa": 61, "retrieval": (41 + 31) / 2, "multi_choice": 61}
    )
    assert by_script["all"]["mean"] == pytest.approx((71 + 61 + 51 + 61 + 41 + 31 + 71 + 61 + 51) / 9)
    del result["tatoeba"]["sw"]
    assert aggregates(result)["XTREME-R"]["groups"]["retrieval"] is None


def test_without_bucc_there_is_no_average_of_all_of_xtreme() -> None:
    """However whole the others are, so that no average of eight tasks is taken for that of nine."""
    here = [task for task in XTREME.tasks if task in TASKS]
    assert set(XTREME.tasks) - set(here) == {"bucc2018"}
    found = aggregates({task: all_languages(XTREME, task, 60) for task in here})["XTREME"]
    assert found["all"] is found["groups"]["retrieval"] is None
    assert all(found["groups"][group] for group in ("classification", "tagging", "qa"))


def test_a_task_of_neither() -> None:
    assert aggregates({"sib200": {"en": entry(1)}}) == {}


@pytest.mark.parametrize("benchmark", BENCHMARKS, ids=lambda benchmark: benchmark.name)
def test_groups_hold_each_task(benchmark: Any) -> None:
    assert {task for group in benchmark.groups.values() for task in group} == set(benchmark.tasks)
    assert set(benchmark.tasks) - set(TASKS) <= {"bucc2018"}
    for languages in benchmark.tasks.values():
        assert len(set(languages)) == len(languages)
