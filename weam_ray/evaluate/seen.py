"""What a system has seen, in pre-training and in intermediate tasks, of the examples that it is measured on.

An example is seen if one of its texts is, or a sentence inside of one (`overlap.sentences`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from weam_ray.corpus.sentences import sentences_of
from weam_ray.errors import UserError
from weam_ray.evaluate.origin import config_of_run, held_out_of, home_of
from weam_ray.evaluate.plan import EvaluationPlan
from weam_ray.evaluate.planned import Planned
from weam_ray.evaluate.run import TEXT_COLUMNS, AlignmentRun
from weam_ray.evaluate.tasks.base import Split
from weam_ray.measure.by_layer import GOLD, SENTENCES, WORDS
from weam_ray.measure.pairs import gold_sets
from weam_ray.overlap.found import SAME, Asked, Overlap
from weam_ray.overlap.record import Record
from weam_ray.store.stages import StageStore

Counts = dict[str, dict[str, int]]


@dataclass(frozen=True)
class Seen:
    """What was found of the test examples, and what is not known of the models, in sentences."""

    overlap: Overlap
    notes: list[str]
    known: bool = True  # whether all models have a record

    @classmethod
    def of(cls, plan: EvaluationPlan, store: StageStore) -> "Seen":
        """Look for all test examples in what the models have seen; Ray must be up.

        Raises:
            UserError: a record is damaged; or some examples were seen, and `seen` of the settings says `refuse`.
        """
        records = {model: Record.beside(model) for model in plan.models}
        known = {model: record for model, record in records.items() if record is not None}
        stores = [store, *(own for model in known for own in store_of_run(model))]
        cpus, after = plan.settings.cluster.data_cpus, list(chain_texts(plan))
        found = Overlap.find(Asked(dict(asked(plan))), known.values(), stores, cpus, after)
        notes = [
            f"{model} has no record of what it was pre-trained on, so nothing is known of its having seen test text."
            for model, record in records.items()
            if record is None
        ]
        notes += found.notes()
        seen = cls(found, notes, len(known) == len(records))
        if plan.settings.seen == "refuse":
            seen.check()
        return seen

    def check(self) -> None:
        """Raises UserError for examples that were seen word by word."""
        found = [
            f"{label.replace('/', ', ')}: {own[SAME]:,} of {own['examples']:,} examples"
            for label, own in self.overlap.counts().items()
            if own[SAME]
        ]
        if found:
            raise UserError(
                f"{'; '.join(found)} have a sentence that stands in the training text of the system. With seen=mark "
                "they are measured, and this is told."
            )

    def counts(self, task: str) -> Counts | None:
        """By language, or by the name of a set: examples, those seen word by word, and those seen nearly; None where
        that is not known of all models.
        """
        return self.found(task) if self.known else None

    def found(self, task: str) -> Counts:
        """The same, with what is known of some models."""
        return {label.partition("/")[2]: own for label, own in self.overlap.counts().items() if of_task(label, task)}

    def sentences(self, task: str) -> list[str]:
        """What was found of a task, in sentences; of models without a record, in intermediate tasks alone."""
        return [
            f"{code}: {own[SAME]:,} of {own['examples']:,} examples have a sentence whose words stand in the training "
            f"text of the system, and {own['near']:,} more nearly."
            for code, own in self.found(task).items()
            if own[SAME] or own["near"]
        ]


def of_task(label: str, task: str) -> bool:
    """Whether a label is of a task; words are those of the held-out pairs, which are asked for once."""
    return label.partition("/")[0] == (SENTENCES if task == WORDS else task)


def store_of_run(model: str) -> Iterator[StageStore]:
    """The stages of the run of ours that a model was exported from, if it was."""
    config = config_of_run(model)
    if config is not None:
        yield home_of(config, Path(model).absolute().parent).store


def chain_texts(plan: EvaluationPlan) -> Iterator[str]:
    """The texts that the intermediate tasks train on; all of them where each seed draws some."""
    for planned in plan.chain:
        for split, code in planned.tables:
            if split == "train":
                for example in examples_of(planned, code, split):
                    yield from example


def asked(plan: EvaluationPlan) -> Iterator[tuple[str, list[list[str]]]]:
    """The texts of the test examples by `TASK/LANGUAGE`."""
    for planned in plan.tasks:
        for code in planned.tests:
            yield f"{planned.task.name}/{code}", examples_of(planned, code)
    runs = [run for run in plan.runs if isinstance(run, AlignmentRun)]
    pairs = {pair.fingerprint: pair for run in runs if run.held_out is not None for pair in held_out_of(run.held_out)}
    by_name: dict[str, list[list[str]]] = {}
    for pair in pairs.values():
        by_name.setdefault(f"{SENTENCES}/{pair.name}", []).extend(map(list, zip(*pair.texts, strict=True)))
    yield from by_name.items()
    for own in gold_sets(plan.root) if runs else ():
        yield f"{GOLD}/{own.name}", list(map(list, zip(*own.texts, strict=True)))


def examples_of(planned: Planned, code: str, split: Split = "test") -> list[list[str]]:
    """The texts of each row of a language; of the nearest of some sentences, its translations too."""
    rows = planned.tables[split, code]
    cells_of = {name: rows[name].to_pylist() for name in TEXT_COLUMNS if name in rows.column_names}
    if "prompt" in cells_of:
        cells_of["prompt"] = [planned.task.text_of_prompt(cell) for cell in cells_of["prompt"]]
    columns = [[texts_of(name, cell) for cell in cells] for name, cells in cells_of.items()]
    examples = [list(chain.from_iterable(cells)) for cells in zip(*columns, strict=True)]
    if planned.task.kind == "nearest":
        wanted = rows["targets"].to_pylist()
        tables = planned.data.candidates(code) if any(wanted) else ()
        texts = {row["id"]: row["text"] for table in tables for row in table.to_pylist()}
        for example, row in zip(examples, wanted, strict=True):
            example += [texts[name] for name in row or () if name in texts]
    return examples


def texts_of(column: str, cell: Any) -> list[str]:
    """The texts of a cell of a row: a text and, of several sentences, each; every choice; the words as a sentence."""
    if cell is None:
        return []
    if column == "words":
        return [" ".join(cell)]
    if column == "choices":
        return list(cell)
    return sentences_of(cell)
