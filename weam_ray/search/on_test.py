"""What the best configuration is worth, with an interval, and trained again with seeds that no trial had: on held-out
text that nothing was chosen by; of a task, whose test data are not for searches, on its development data.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from weam_ray.cluster.tasks import progress
from weam_ray.corpus.parts import DEV, TEST
from weam_ray.measure.before_after import on_the_device
from weam_ray.measure.samples import LEVEL, Samples, interval
from weam_ray.pipeline import Data, provenance
from weam_ray.search.ledger import Trial
from weam_ray.search.seen import seen_by
from weam_ray.search.task_metric import TaskMetric
from weam_ray.search.trial import Trials, release
from weam_ray.settings.config import Config
from weam_ray.settings.of_training import TrainingSettings
from weam_ray.store.files import fingerprint
from weam_ray.train.follow import monitored
from weam_ray.train.job import TrainingJob
from weam_ray.train.launch import launch

RETRAINED = "retrained"
ON_TEST, ON_DEVELOPMENT = "on_test", "on_development"


def worth(trials: Trials, best: Trial) -> dict[str, Any]:
    """What result.json says of the best trial beside its value: `on_test` and `retrained`, where its metric can be
    measured so, and what it has `seen`, with `notes`; Ray must be up.
    """
    data = trials.data(trials.configured(best.values))  # links and the like may be among the values
    seen, notes = seen_by(trials, trials.training(best.number, 0).model, data)
    found: dict[str, Any] = {}
    if (where := measured_on(trials)) is not None:
        found[where] = of_best(trials, best, data)
        if trials.config.search.retrain:
            found["retrained"] = retrain(trials, best, data)
    return {**found, "seen": seen, "notes": notes}


def measured_on(trials: Trials) -> str | None:
    """What the best is measured on: held-out pairs that its trials were not compared on, or the development data of the
    task that they were; None where there are no such pairs.
    """
    if TaskMetric.of(trials.config) is not None:
        return ON_DEVELOPMENT
    return ON_TEST if trials.part == DEV else None


def of_best(trials: Trials, best: Trial, data: Data) -> dict[str, Any]:
    """The best trial's value: the mean over its trainings, and the interval of a bootstrap over examples, which knows
    nothing of other seeds.
    """
    config = trials.configured(best.values)
    models = [trials.training(best.number, seed).model for seed in range(trials.rungs.num_seeds)]
    return {**measured(config, data, models), "part": DEV if measured_on(trials) == ON_DEVELOPMENT else TEST}


def measured(config: Config, data: Data, models: Sequence[Path]) -> dict[str, Any]:
    """The mean `value` of some models on the part `test`, or on development data, and its `interval`, null where it
    cannot be had.
    """
    settings, metric, task = config.of_training(), config.search.metric, TaskMetric.of(config)
    if task is not None:
        found = [on_the_device(settings, value_on_development, task, model) for model in models]
    else:
        found = [on_the_device(settings, value_on_test, settings, data, model, metric) for model in models]
    joined: dict[str, list[Any]] = {}
    for _, samples in found:
        for kind, own in samples.items():
            joined.setdefault(kind, []).extend(own)
    value, ends = sum(value for value, _ in found) / len(found), interval(joined, config.search.seed)
    return {"value": value, "interval": None if ends is None else list(ends), "level": LEVEL}


def value_on_test(settings: TrainingSettings, data: Data, model: Path, metric: str) -> tuple[float, Samples]:
    """The value of an exported model on the part `test`, and its samples."""
    import torch
    from transformers import AutoModelForMaskedLM

    from weam_ray.measure.held_out import FIGURES, HeldOut

    torch.set_num_threads(settings.training.threads_per_worker)
    device = "cuda" if settings.training.use_gpu else "cpu"
    trained = AutoModelForMaskedLM.from_pretrained(model, dtype=torch.float32).to(device)
    found = FIGURES[metric](HeldOut.of(data, TEST), trained, data.load_tokenizer(), settings)
    return found.value, found.samples


def value_on_development(task: TaskMetric, model: Path) -> tuple[float, Samples]:
    """The value of an exported model on the development data of a task, and its samples."""
    found = task.of_model(str(model))
    return found.value, found.samples


def retrain(trials: Trials, best: Trial, data: Data) -> list[dict[str, Any]]:
    """Train the best configuration `search.retrain` times with seeds that no trial had, and measure each.

    What an earlier session trained is not trained again.
    """
    found = []
    for number in range(trials.config.search.retrain):
        seed = trials.rungs.num_seeds + number
        config = trials.configured(best.values, seed)
        folder = trials.retrained(best.number, seed)
        if not folder.has_model:
            known = fingerprint([config.result_settings(), data.encoded.fingerprint, RETRAINED])
            folder.path.mkdir(parents=True, exist_ok=True)
            name = f"{trials.folder.name}/{RETRAINED}/{seed + 1}"
            job = TrainingJob(config.of_training(), data, folder, known, name, provenance(config, data))
            bar = progress(None, f"retraining {number + 1} of {trials.config.search.retrain}", trials.rungs.max_steps)
            with monitored(folder, lambda steps: None, bar):
                if not launch(job):
                    raise KeyboardInterrupt
            release(folder.path.parent, with_models=False)
        own = measured(config, data, [folder.model])
        found.append({"seeds": config.seeds.model_dump(), **own, "model": str(folder.model)})
    return found
