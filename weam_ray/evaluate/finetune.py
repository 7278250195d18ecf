"""One fine-tuning run: an encoder, a task, a seed; the best epoch by the English development set; predictions."""

import math
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from weam_ray.evaluate.kinds import KINDS
from weam_ray.evaluate.kinds.questions import Questions
from weam_ray.evaluate.models import tokenizer_of, with_own_head
from weam_ray.evaluate.tasks.base import Task
from weam_ray.measure.ratio import Parts, mean_of
from weam_ray.model.encoder import pooler_of
from weam_ray.settings.evaluation import Recipe
from weam_ray.store.stages import Stage

NOT_FOR_MODELS = ("row", "heads", "spans", "may_begin")
IN_BATCH = "in_batch_accuracy"  # what pairs of texts are developed on


@dataclass(frozen=True)
class Encoded:
    """Rows of a split and their features, mapped into memory from a stage that all runs share."""

    stage: Stage

    @property
    def rows(self) -> pa.Table:
        return self.stage.read_arrow(self.stage.files("rows")[0])

    @property
    def features(self) -> pa.Table:
        return self.stage.read_arrow(self.stage.files("features")[0])

    def dataset(self) -> Any:
        """The columns that the model takes."""
        return columns_for_models(self.features, self.stage.fingerprint)


def columns_for_models(features: pa.Table, fingerprint: str) -> Any:
    """A data set of the columns of features that a model takes."""
    import datasets

    columns = features.drop_columns([name for name in NOT_FOR_MODELS if name in features.column_names])
    # without a fingerprint it pickles the table to make one, which fails with some versions of Python and pyarrow
    return datasets.Dataset(columns, fingerprint=fingerprint)


class Examples(Protocol):
    """Rows of a split and their features, wherever they are kept."""

    @property
    def rows(self) -> pa.Table: ...

    @property
    def features(self) -> pa.Table: ...

    def dataset(self) -> Any:
        """The columns that the model takes."""
        ...


@dataclass(frozen=True)
class FineTuning:
    """What a run is made of; `model` is a folder or a name, `development` is English.

    `keeps_head`: the head of the model is trained on; else there is a new one.
    """

    task: Task
    model: str
    labels: tuple[str, ...]
    recipe: Recipe
    seed: int
    training: Examples
    development: Examples
    threads: int = 1
    use_gpu: bool = False
    keeps_head: bool = False


class FineTuned:
    """A trained model with its head, its history, and what it predicts."""

    def __init__(self, run: FineTuning) -> None:
        """Train it.

        Raises:
            UserError: the model cannot be loaded, or has no head for the task.
        """
        import torch
        import transformers

        torch.set_num_threads(run.threads)
        transformers.utils.logging.set_verbosity_error()
        transformers.utils.logging.disable_progress_bar()
        started = time.monotonic()
        self.run = run
        self.kind = KINDS[run.task.kind]
        self.tokenizer = tokenizer_of(run.model)
        transformers.set_seed(run.seed)
        if run.keeps_head:
            self.model = with_own_head(self.kind.head, run.model)
        else:
            self.model = self.kind.model(run.model, run.labels, run.recipe)
        with tempfile.TemporaryDirectory(prefix="weam-ray-finetune-") as folder:
            self.trainer = self.make_trainer(Path(folder))
            self.trainer.train()
        measured = IN_BATCH if run.task.kind == "retrieval" else run.task.metric
        self.history = [
            {"epoch": round(entry["epoch"], 3), measured: entry["eval_metric"]}
            for entry in self.trainer.state.log_history
            if "eval_metric" in entry
        ]
        self.seconds = round(time.monotonic() - started, 1)

    def make_trainer(self, folder: Path) -> Any:
        import transformers

        recipe, training = self.run.recipe, self.run.training.dataset()
        steps = math.ceil(math.ceil(len(training) / recipe.batch_size) * recipe.epochs)
        arguments = transformers.TrainingArguments(
            output_dir=str(folder),
            per_device_train_batch_size=recipe.rows_at_once,
            gradient_accumulation_steps=recipe.batch_size // recipe.rows_at_once,
            per_device_eval_batch_size=recipe.prediction_batch_size,
            num_train_epochs=recipe.epochs,
            learning_rate=recipe.learning_rate,
            lr_scheduler_type="linear",
            warmup_steps=round(recipe.warmup_share * steps),
            weight_decay=recipe.weight_decay,
            max_grad_norm=recipe.max_gradient_norm,
            optim="adamw_torch",
            eval_strategy="epoch",
            save_strategy="epoch",
            save_only_model=True,
            save_total_limit=1,
            load_best_model_at_end=True,
            metric_for_best_model="metric",
            greater_is_better=True,
            logging_strategy="no",
            report_to=[],
            disable_tqdm=True,
            remove_unused_columns=False,
            use_cpu=not self.run.use_gpu,
            seed=self.run.seed,
            data_seed=self.run.seed,
        )
        patience = [] if recipe.patience is None else [transformers.EarlyStoppingCallback(recipe.patience)]
        score = self.development_score

        class ScoredTrainer(transformers.Trainer):
            """Evaluates by the task's own metric; the Trainer's takes labels that questions have none of."""

            def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
                outputs = self.predict(self.eval_dataset).predictions
                metrics = {"eval_metric": score(outputs)}
                self.log(metrics)
                control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
                self.control: Any = control
                return metrics

        trainer = ScoredTrainer(
            self.model,
            arguments,
            data_collator=self.kind.collator(self.tokenizer),
            train_dataset=training,
            eval_dataset=self.run.development.dataset(),
            callbacks=patience,
        )
        # heads take the mean of a micro-batch, whatever the Trainer concludes from their arguments
        trainer.model_accepts_loss_kwargs = False
        trainer.remove_callback(transformers.PrinterCallback)
        return trainer

    def development_parts(self) -> Parts:
        """The development score of the best epoch, by example."""
        return self.scored(self.trainer.predict(self.trainer.eval_dataset).predictions)

    def development_score(self, outputs: Any) -> float:
        """The task's metric on the English development set, in percent."""
        return self.scored(outputs).percent

    def scored(self, outputs: Any) -> Parts:
        """The task's metric on the English development set, by example."""
        development = self.run.development
        found = self.read(outputs, development)
        if self.run.task.kind == "retrieval":
            return mean_of(found)
        gold = self.kind.gold(development.rows)
        return self.run.task.score(gold, found, "en")[self.run.task.metric]

    def read(self, outputs: Any, data: Examples) -> Any:
        arrays = outputs if isinstance(outputs, tuple) else (outputs,)
        return self.kind.predictions(arrays, data.features, data.rows, self.run.recipe, self.run.labels)

    def predict(self, data: Encoded) -> tuple[Any, dict[str, Any] | None]:
        """Predictions for each row, in the form in which the official metric takes them; for questions the best answers
        of each with their scores too.
        """
        outputs = self.trainer.predict(data.dataset()).predictions
        found = self.read(outputs, data)
        if not isinstance(self.kind, Questions):
            return found, None
        answers = self.kind.num_best(outputs, data.features, data.rows, self.run.recipe)
        names = data.rows["id"].to_pylist()
        return found, {
            names[row]: [{"text": text, "score": score} for text, score in best] for row, best in answers.items()
        }

    def save(self, folder: Path) -> None:
        """The model and the tokenizer, for the task that comes next.

        Where the head stands on no pooler, that of the encoder before is kept: another head may stand on it.
        """
        import transformers

        model = self.model if isinstance(self.model, transformers.PreTrainedModel) else self.model.base_model
        weights = model.state_dict()
        prefix = "" if model is self.model.base_model else f"{model.base_model_prefix}."
        pooler = {prefix + name: weight for name, weight in pooler_of(self.run.model).items()}
        model.save_pretrained(folder, state_dict=pooler | weights)
        self.tokenizer.save_pretrained(folder)
