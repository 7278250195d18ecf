"""From the records of runs to the result of an evaluation: mean, spread and every seed, by task and language."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from weam_ray.encode.unknown import KEY, UnknownCounts
from weam_ray.evaluate.compare import LOWER_IS_BETTER
from weam_ray.evaluate.languages import ENGLISH
from weam_ray.evaluate.majority import Majorities
from weam_ray.evaluate.plan import EvaluationPlan
from weam_ray.evaluate.run import ALIGNMENT
from weam_ray.evaluate.seen import Seen
from weam_ray.evaluate.statistics import summary
from weam_ray.measure.by_layer import GOLD, METRICS, TOLD, left_out

Result = dict[str, dict[str, dict[str, Any]]]
Records = Sequence[dict[str, Any]]


def evaluation_result(
    records: Records, metrics: dict[str, str], tests: dict[str, dict[str, Any]], majority: Majorities
) -> Result:
    """Task, language, then `mean`, `std` (n - 1; null for one value) and `per_seed` of the main metric, in percent.

    `metrics` has them for every metric of the task, and `majority` what the main one is to be above, or null. Languages
    whose labels are hidden are left out.

    Args:
        records: of all runs, as `run.finish` leaves them.
        metrics: the main metric of each task.
        tests: for each task its languages in order, with the fingerprint of their test rows.
        majority: the figures of the majority class, or of chance, where there are any.
    """
    result: Result = {}
    for task, metric in metrics.items():
        runs = sorted((record for record in records if record["task"] == task), key=lambda record: record["number"])
        for code, fingerprint in tests[task].items():
            scores = [record["scores"][code] for record in runs if code in record["scores"]]
            if scores:
                figures = {name: spread([score[name] for score in scores]) for name in scores[0]}
                result.setdefault(task, {})[code] = {
                    **figures[metric],
                    "majority": own.figure if (own := majority.get(task, {}).get(code)) else None,
                    "metric": metric,
                    "metrics": figures,
                    "data": fingerprint,
                }
    return result


def spread(values: Sequence[float]) -> dict[str, Any]:
    of_seeds = summary(values)
    return {"mean": of_seeds.mean, "std": of_seeds.std, "per_seed": list(of_seeds.per_seed)}


def all_records(records: Records) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """List a record for each task, those of alignment cut by task; and the records of alignment as they are."""
    measured = sorted(
        (record for record in records if record["task"] == ALIGNMENT), key=lambda record: record["number"]
    )
    return [*records, *(part for record in measured for part in record["parts"])], measured


def tested(plan: EvaluationPlan, measured: Records) -> tuple[dict[str, str], dict[str, dict[str, Any]]]:
    """The main metric of each task, and its languages with the fingerprint of their test rows, or of each model's."""
    metrics = {planned.task.name: planned.task.metric for planned in plan.tasks}
    tests: dict[str, dict[str, Any]] = {planned.task.name: dict(planned.test_fingerprints()) for planned in plan.tasks}
    for record in measured:
        for part in record["parts"]:
            metrics[part["task"]] = METRICS[part["task"]]
            for name in part["scores"]:
                own = tests.setdefault(part["task"], {}).setdefault(name, [])
                own.append(record["data"][part["task"]][name])
    for part in {part["task"] for record in measured for part in record["parts"]}:
        tests[part] = {name: one_or_all(own) for name, own in tests[part].items()}
    return metrics, tests


def one_or_all(values: list[Any]) -> Any:
    """What several models have, or were measured on: one value, or one a model where they differ."""
    return values if len(set(values)) > 1 else values[0]


def about_evaluation(
    plan: EvaluationPlan, records: Records, measured: Records, seen: Seen, majority: Majorities
) -> dict[str, Any]:
    """Describe what was evaluated and how, and what the models had seen of it, as evaluation.json has it."""
    settings = plan.settings
    # all runs of a task have the same test rows, some of them where each language has runs of its own
    unknown = {planned.task.name: UnknownCounts() for planned in plan.tasks}
    for record in records:
        if record["task"] in unknown:
            unknown[record["task"]].counts |= record.get(KEY, {})  # an earlier version's records have none
    chain = plan.chain_settings()
    tasks: dict[str, Any] = {
        planned.task.name: {
            "trained": planned.task.trained,
            "metric": planned.task.metric,
            "form": planned.data.layout_name,
            "reference": planned.task.reference,
            "licence": planned.task.licence,
            "revision": planned.task.revision,
            "recipe": planned.recipe.model_dump(),
            **planned.training_fingerprints(),
            **({"layer": one_or_all(planned.layers)} if planned.layers else {}),
            "labels": list(planned.labels),
            "chain": chain,
            "notes": [*planned.notes, *unknown[planned.task.name].warnings()],
            "unknown_tokens": unknown[planned.task.name].shares(),
            "languages": list(planned.tests),
        }
        for planned in plan.tasks
    }
    for record in measured[:1]:
        counts = record.get("counts", {})  # an earlier version's records have none
        for task, languages in record["layers"].items():
            tasks[task] = {
                "trained": False,
                "metric": METRICS[task],
                "form": "gold sets" if task == GOLD else "held-out pairs of a run",
                "layer": record["layer"],
                "chain": chain,
                "notes": [
                    f"The figures are those of layer {record['layer']}.",
                    *TOLD.get(task, ()),
                    *left_out(task, counts.get(task, {})),
                ],
                "counts": counts.get(task, {}),
                "languages": list(languages),
            }
    for task, own in tasks.items():
        own["seen"] = seen.counts(task)
        own["notes"] += seen.sentences(task)
        own["majority_class"] = {code: found.label for code, found in majority.get(task, {}).items() if found.label}
    return {
        "identity": plan.identity,
        "system": settings.system,
        "models": settings.models,
        "weights": [plan.weights[model] for model in settings.models],
        "pretraining_seeds": [plan.pretraining_seeds[model] for model in settings.models],
        "pretraining": [plan.pretraining[model] for model in settings.models],
        "of_runs": [plan.of_runs[model] for model in settings.models],
        "encoders": [plan.models[model] for model in settings.models],
        "seeds": settings.seeds,
        "setting": settings.setting,
        "intermediate": [planned.task.name for planned in plan.chain],
        "data_root": settings.data_root,
        "threads": settings.threads,
        "use_gpu": settings.use_gpu,
        "notes": [*plan.notes, *seen.notes],
        "tasks": tasks,
        "data": data_used([plan]),
        "layers": [{key: record[key] for key in ("number", "model", "layer", "layers")} for record in measured],
    }


def data_used(plans: Iterable[EvaluationPlan]) -> list[dict[str, Any]]:
    """Say of each task, in the order of training, what its data are and where they come from.

    `examples` are counted by split and language; of training examples, a recipe with `max_train` draws as many.
    """
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for plan in plans:
        for used, some in (("intermediate", plan.chain), ("task", plan.tasks)):
            for planned in some:
                own: dict[str, Any] = {
                    "task": planned.task.name,
                    "used": used,
                    "form": planned.data.layout_name,
                    "reference": planned.task.reference,
                    "licence": planned.task.licence,
                    "revision": planned.task.revision,
                    "examples": {},
                    "max_train": planned.recipe.max_train,
                }
                found.setdefault((used, planned.task.name), own)["examples"] |= planned.counts
    return [found[key] for key in sorted(found, key=lambda key: key[0] == "task")]


def overview(result: Result) -> dict[str, dict[str, Any]]:
    """For each task: the average without English by seed, English minus that (the cross-lingual gap), the worst
    language; what cannot be had is None. Beside the average and the worst stands the majority class.
    """
    found = {}
    for task, languages in result.items():
        others = {code: entry for code, entry in languages.items() if code != ENGLISH}
        average = gap = worst = None
        if others:
            by_seed = np.mean([entry["per_seed"] for entry in others.values()], axis=0)
            known = [entry["majority"] for entry in others.values() if entry["majority"] is not None]
            majority = float(np.mean(known)) if len(known) == len(others) else None
            average = {**spread(by_seed.tolist()), "majority": majority}
            code = worst_of(others)
            worst = {"language": code, **{key: others[code][key] for key in ("mean", "std", "per_seed", "majority")}}
            if ENGLISH in languages:
                gap = spread((np.asarray(languages[ENGLISH]["per_seed"]) - by_seed).tolist())
        found[task] = {"average_without_english": average, "cross_lingual_gap": gap, "worst_language": worst}
    return found


def worst_of(languages: dict[str, dict[str, Any]]) -> str:
    """The language with the lowest score, or the highest error rate."""
    ranked = sorted(languages, key=lambda code: languages[code]["mean"])
    return ranked[-1] if languages[ranked[0]]["metric"] in LOWER_IS_BETTER else ranked[0]
