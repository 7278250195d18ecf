"""One task of the cluster: fine-tune and predict, or predict alone; it leaves its files, and its record last."""

import json
import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from weam_ray.encode.tokens import tokenize
from weam_ray.encode.unknown import KEY, UnknownCounts
from weam_ray.evaluate.data import TaskData
from weam_ray.evaluate.finetune import Encoded, FineTuned, FineTuning
from weam_ray.evaluate.formats import check_counts, write_mapping
from weam_ray.evaluate.languages import ENGLISH
from weam_ray.evaluate.models import encoder_of, tokenizer_of
from weam_ray.evaluate.origin import held_out_of
from weam_ray.evaluate.rankings import rankings, trained_vectors, untrained
from weam_ray.measure.by_layer import GOLD, METRICS, SENTENCES, WORDS, Measures, measure
from weam_ray.measure.pairs import gold_sets
from weam_ray.measure.ratio import Parts
from weam_ray.settings.evaluation import Recipe
from weam_ray.store.files import write_whole

ALIGNMENT = "alignment"  # among tasks: all metrics of alignment
TEXT_COLUMNS = ("text", "pair", "prompt", "choices", "words", "question", "context")  # of the rows of all kinds
VERSION = 1  # of what a run does: records of another one do not count
ALIGNMENT_VERSION = 2  # likewise of alignment; in 1 a lone metaspace was part of the word behind it


@dataclass(frozen=True)
class Run:
    """One unit of an evaluation that is done or not: a task with a seed, and in `translate-train` a language.

    `number` names it in predictions/TASK/NUMBER: the seed, or that of the model for a task without training.
    `fingerprint` is of all that can change its result; a record with another one is no record of this run. `language`
    names the one language of a run in `translate-train`. `keeps_head`: it goes on with the head of the intermediate
    task before it.
    """

    data: TaskData
    number: int
    seed: int
    model: str
    recipe: Recipe
    labels: tuple[str, ...]
    trains_on: tuple[str, ...]
    tests: tuple[str, ...]
    fingerprint: str
    language: str = ""
    keeps_head: bool = False

    @property
    def task(self) -> str:
        return self.data.task.name

    @property
    def name(self) -> str:
        return f"{self.task}-{self.number}{self.language and '-'}{self.language}"

    def record(self, folder: Path) -> dict[str, Any] | None:
        """Read what the run left when it was finished; None where it is not."""
        return read_record(folder / "runs" / f"{self.name}.json", self.fingerprint)


def read_record(file: Path, fingerprint: str) -> dict[str, Any] | None:
    """Read the record of a run; None where there is none, or that of other settings."""
    if not file.is_file():
        return None
    record: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return record if record["fingerprint"] == fingerprint else None


def write_examples(folder: Path, task: str, number: int, code: str, parts: Parts) -> None:
    """Write the numerator and denominator of each test example, for a bootstrap."""
    file = folder / "examples" / task / str(number) / f"{code}.parquet"
    file.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"numerator": parts.numerator, "denominator": parts.denominator}), file)


def carry_on(
    run: Run, training: Encoded, development: Encoded, model: str, folder: Path, threads: int, use_gpu: bool
) -> str:
    """Fine-tune an intermediate task, and keep the encoder with its head; the folder that it is in."""
    if not (folder / "config.json").is_file():
        tuned = tune(run, training, development, model, threads, use_gpu)
        partial = folder.with_name(f".{folder.name}.{os.getpid()}")
        tuned.save(partial)
        write_whole(
            partial / "intermediate.json", json.dumps({"history": tuned.history, "seconds": tuned.seconds}, indent=1)
        )
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)
    return str(folder)


def tune(run: Run, training: Encoded, development: Encoded, model: str, threads: int, use_gpu: bool) -> FineTuned:
    return FineTuned(
        FineTuning(
            run.data.task,
            model,
            run.labels,
            run.recipe,
            run.seed,
            training,
            development,
            threads=threads,
            use_gpu=use_gpu,
            keeps_head=run.keeps_head,
        )
    )


def run_trained(
    run: Run,
    training: Encoded,
    development: Encoded,
    model: str,
    folder: Path,
    threads: int,
    use_gpu: bool,
    *tests: Encoded | pa.Table,
) -> dict[str, Any]:
    """Fine-tune from an encoder, predict the test sets, and leave files and record in the evaluation's folder.

    Args:
        tests: for each language that is tested its encoded rows, or its rows as they are where they are ranked.
    """
    started = time.monotonic()
    tuned = tune(run, training, development, model, threads, use_gpu)
    predictions: dict[str, Any] = {}
    queries: dict[str, pa.Table] = {}
    for code, test in zip(run.tests, tests, strict=True):
        if not isinstance(test, Encoded):
            queries[code] = test
            continue
        queries[code] = test.rows
        predictions[code], best = tuned.predict(test)
        if best is not None:
            write_mapping(prediction_folder(run, folder) / f"nbest-{code}.json", best)
    if run.data.task.kind == "retrieval":
        lengths = (run.recipe.max_length, run.recipe.query_length)
        encoders = (trained_vectors(tuned.model.base_model, tuned.tokenizer, run.recipe, own) for own in lengths)
        predictions = rankings(run.data, queries, *encoders)
    return finish(
        run,
        folder,
        predictions,
        queries,
        {
            "history": tuned.history,
            "training_rows": training.rows.num_rows,
            "rejected": training.stage.counts.rejected,
            KEY: unknown_counts(queries, tuned.tokenizer).counts,
            "seconds": round(time.monotonic() - started, 1),
        },
    )


def run_untrained(run: Run, model: str, folder: Path, threads: int, use_gpu: bool, *tests: pa.Table) -> dict[str, Any]:
    """Predict with an encoder as it is, and leave files and record in the evaluation's folder.

    Args:
        tests: the rows of each language that is tested.
    """
    started = time.monotonic()
    queries = dict(zip(run.tests, tests, strict=True))
    predictions = untrained(run.data, queries, model, run.recipe, threads, "cuda" if use_gpu else "cpu")
    about = {
        KEY: unknown_counts(queries, tokenizer_of(model)).counts,
        "seconds": round(time.monotonic() - started, 1),
    }
    return finish(run, folder, predictions, queries, about)


def unknown_counts(rows: dict[str, pa.Table], tokenizer: Any) -> UnknownCounts:
    """Count what a tokenizer does not know of the texts of test rows, by language."""
    counts = UnknownCounts()
    for code, table in rows.items():
        columns = [table[name].combine_chunks() for name in TEXT_COLUMNS if name in table.column_names]
        flat = [column.flatten() if pa.types.is_list(column.type) else column for column in columns]
        ids, spans, _ = tokenize(tokenizer, [text for column in flat for text in column.drop_null().to_pylist()])
        counts.add(code, ids, spans, tokenizer)
    return counts


def prediction_folder(run: Run, folder: Path) -> Path:
    predictions = folder / "predictions" / run.task / str(run.number)
    predictions.mkdir(parents=True, exist_ok=True)
    return predictions


def finish(
    run: Run, folder: Path, predictions: dict[str, Any], rows: dict[str, pa.Table], about: dict[str, Any]
) -> dict[str, Any]:
    """Score predictions of rows where labels are known; files first, the record last."""
    form, scores = run.data.task.form, {}
    (folder / "runs" / f"{run.name}.json").unlink(missing_ok=True)  # of other settings, whose files go now
    for code, predicted in predictions.items():
        form.write(prediction_folder(run, folder) / f"test-{code}.{form.suffix}", predicted)
        gold = run.data.gold(rows[code], code)
        if gold is None:
            continue
        check_counts(gold, predicted, f"{run.task}, {code}")
        labels = folder / "labels" / run.task
        labels.mkdir(parents=True, exist_ok=True)
        form.write_labels(labels / f"test-{code}.{form.suffix}", gold)
        parts = run.data.task.score(gold, predicted, code)
        scores[code] = {name: ratio.percent for name, ratio in parts.items()}
        write_examples(folder, run.task, run.number, code, parts[run.data.task.metric])
    record = {
        "task": run.task,
        "number": run.number,
        "seed": run.seed,
        "model": run.model,
        "trains_on": list(run.trains_on),
        "scores": scores,
        **about,
        "fingerprint": run.fingerprint,
    }
    write_whole(folder / "runs" / f"{run.name}.json", json.dumps(record, indent=1))
    return record


@dataclass(frozen=True)
class AlignmentRun:
    """The alignment metrics of one model; `held_out` is the run with the pairs, `root` has the gold sets.

    Each of its language pairs and gold sets is measured by a task of its own.
    """

    number: int
    seed: int
    model: str
    held_out: Path | None
    root: Path | None
    num_pairs: int
    num_sets: int
    layer: int | None
    fingerprint: str

    @property
    def name(self) -> str:
        return f"{ALIGNMENT}-{self.number}"

    def record(self, folder: Path) -> dict[str, Any] | None:
        return read_record(folder / "runs" / f"{self.name}.json", self.fingerprint)


@dataclass(frozen=True)
class Measured:
    """What was measured on one language pair or gold set, the fingerprint of its data, and the seconds it took."""

    name: str
    measures: Measures
    data: str
    seconds: float


def measure_alignment(run: AlignmentRun, encoder: str, number: int, threads: int, use_gpu: bool) -> Measured:
    """Measure an encoder on one of the run's language pairs or, by numbers after those, of its gold sets."""
    import torch

    torch.set_num_threads(threads)
    started = time.monotonic()
    model, tokenizer = encoder_of(encoder).to("cuda" if use_gpu else "cpu"), tokenizer_of(encoder)
    if run.held_out is not None and number < run.num_pairs:
        pair = held_out_of(run.held_out)[number]
        measures, name, data = measure(model, tokenizer, [pair], [], run.layer), pair.name, pair.fingerprint
    else:
        gold = gold_sets(run.root)[number - run.num_pairs]
        measures, name, data = measure(model, tokenizer, [], [gold], run.layer), gold.name, gold.fingerprint
    return Measured(name, measures, data, time.monotonic() - started)


def finish_alignment(run: AlignmentRun, folder: Path, *measured: Measured) -> dict[str, Any]:
    """Join what was measured, the pairs and then the gold sets, and leave files and record."""
    joined = Measures.joined([each.measures for each in measured])
    scores: dict[str, Any] = {}
    for task, languages in joined.parts.items():
        for name, parts in languages.items():
            scores.setdefault(task, {})[name] = {METRICS[task]: parts.percent}
            write_examples(folder, task, run.number, name, parts)
    first = run.num_pairs
    pairs, sets = ({each.name: each.data for each in some} for some in (measured[:first], measured[first:]))
    record = {
        "task": ALIGNMENT,
        "number": run.number,
        "seed": run.seed,
        "model": run.model,
        "scores": {},
        "layer": joined.layer,
        "layers": joined.layers,
        "counts": joined.counts,
        "cosines": {name: [left, right, matrix.tolist()] for name, (left, right, matrix) in joined.cosines.items()},
        "parts": [{"task": task, "number": run.number, "scores": figures} for task, figures in scores.items()],
        "data": {SENTENCES: pairs, WORDS: pairs, GOLD: sets},
        "seconds": round(sum(each.seconds for each in measured), 1),
        "fingerprint": run.fingerprint,
    }
    write_whole(folder / "runs" / f"{run.name}.json", json.dumps(record, indent=1))
    return record


def languages_of_runs(setting: str, tests: Sequence[str]) -> list[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    """List the runs of a task in a setting: a name, the languages that train, and those that are tested."""
    if setting == "zero-shot":
        return [("", (ENGLISH,), tuple(tests))]
    if setting == "translate-train-all":
        return [("", (ENGLISH, *(code for code in tests if code != ENGLISH)), tuple(tests))]
    return [(code, (code,), (code,)) for code in tests]
