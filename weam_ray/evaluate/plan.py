"""What an evaluation runs: tasks with their data, languages, labels and recipes, checked before anything is trained."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from weam_ray.errors import UserError
from weam_ray.evaluate.data import TaskData
from weam_ray.evaluate.features import FeatureStage
from weam_ray.evaluate.held_out_runs import held_out_of
from weam_ray.evaluate.kinds import KINDS
from weam_ray.evaluate.kinds.questions import check_stride
from weam_ray.evaluate.languages import ENGLISH, language
from weam_ray.evaluate.models import check_head, check_layers, examine, room_of, tokenizer_of
from weam_ray.evaluate.run import ALIGNMENT, VERSION, AlignmentRun, Run, languages_of_runs
from weam_ray.evaluate.tables import Hash, earlier_table_fingerprint, table_fingerprint
from weam_ray.evaluate.tasks import intermediate_of, task_of
from weam_ray.evaluate.tasks.base import Split, Task
from weam_ray.measure.pairs import HeldOutPairs, gold_sets
from weam_ray.model.encoder import encoder_fingerprint
from weam_ray.settings.base import Role
from weam_ray.settings.config import load_config
from weam_ray.settings.encoder import EncoderSection
from weam_ray.settings.evaluation import EvaluationSettings, Recipe
from weam_ray.store.files import SourceHashes, fingerprint
from weam_ray.store.runs import PLAN
from weam_ray.store.training_folder import CONFIG

TABLES, ARROW = "tables", "arrow"  # in that file: how tables of rows are hashed; an earlier version did not say
QUESTION_FRAME = 4  # special tokens around a question and its context, at most


@dataclass
class Planned:
    """A task with its data, recipe, labels and test languages; `data_fingerprints` by split and language.

    `tables` has the rows of every split and language that is used, until they are handed to the tasks that need them.
    """

    data: TaskData
    recipe: Recipe
    labels: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)
    data_fingerprints: dict[str, str] = field(default_factory=dict)
    tables: dict[tuple[Split, str], pa.Table] = field(default_factory=dict)

    @property
    def task(self) -> Task:
        return self.data.task

    def rows(self, split: Split, codes: Sequence[str]) -> pa.Table:
        """Join the rows of some languages; of `max_train` training rows each has its share."""
        tables = [self.tables[split, code] for code in codes]
        if split == "train" and self.recipe.max_train is not None:
            share = -(-self.recipe.max_train // len(codes))
            tables = [table.slice(0, share) for table in tables]
        return pa.concat_tables(tables)

    def test_fingerprints(self) -> dict[str, str]:
        """Of the test rows, by language."""
        return {code: self.data_fingerprints[f"test-{code}"] for code in self.tests}


class EvaluationPlan:
    """Everything that an evaluation will run, with the fingerprints that say whether it has run."""

    def __init__(self, settings: EvaluationSettings, hashes: SourceHashes) -> None:
        """Find the data and check them.

        Raises:
            UserError: unknown tasks or languages, missing data, labels that training does not show, models that cannot
                be those of one system.
        """
        self.settings, self.hashes = settings, hashes
        self.table_hash = table_hash_of(Path(settings.output))
        root = None if settings.data_root is None else Path(settings.data_root)
        if root is not None and not root.is_dir():
            raise UserError(f"--data-root: there is no folder {str(root)!r}.")
        self.root = root
        self.models = {
            model: encoder_fingerprint(EncoderSection(name=model), hashes, where=f"--model {model}")
            for model in dict.fromkeys(settings.models)
        }
        tokenizers = {encoder_fingerprint(EncoderSection(name=model), hashes, True) for model in self.models}
        if len(tokenizers) > 1:
            raise UserError("--model: the models of one system must share a tokenizer, and these do not.")
        (self.tokenizer,) = tokenizers
        for model in self.models:
            tokenizer_of(model)
        self.notes = examine(self.models)
        for note in self.notes:
            print(f"note: {note}")
        self.pretraining_seeds = {model: pretraining_seed(model) for model in self.models}
        self.chain = [self.planned(intermediate_of(name), tested=False) for name in settings.intermediate]
        self.notes += [f"{own.task.name}: {note}" for own in self.chain for note in own.notes]
        names = [name for name in dict.fromkeys(settings.tasks) if name != ALIGNMENT]
        self.tasks = [self.planned(task_of(name), tested=True) for name in names]
        self.runs: list[Run | AlignmentRun] = [run for planned in self.tasks for run in self.runs_of(planned)]
        if ALIGNMENT in settings.tasks:
            self.runs += self.alignment_runs()

    @property
    def identity(self) -> dict[str, Any]:
        """What makes another evaluation of one: the system, its models, the setting, the intermediate tasks."""
        return {
            "system": self.settings.system,
            "setting": self.settings.setting,
            "models": list(self.models.values()),
            "intermediate": [planned.task.name for planned in self.chain],
        }

    @property
    def device(self) -> dict[str, Any]:
        """The settings of the device of a run, as they count in its fingerprint."""
        return self.settings.counted(Role.DEVICE)

    def planned(self, task: Task, tested: bool) -> Planned:
        """A task with data that are there, whose labels training shows."""
        data = TaskData.found(task, self.root, tested)
        print(f"{task.name}: the data are in the form '{data.layout_name}'")
        for model in self.models:
            check_head(KINDS[task.kind].head, model, task.name)
        planned = Planned(data, self.settings.recipe_of(task.name, task.recipe), notes=list(task.notes))
        self.fit_length(planned)
        self.check_recipe(planned)
        if data.layout is not None and data.layout.note:
            planned.notes.append(data.layout.note)
            print(f"{task.name}: {data.layout.note}")
        planned.tests = self.test_languages(data) if tested else ()
        needed: list[tuple[Split, str]] = [("train", ENGLISH), ("dev", ENGLISH)] if task.trained else []
        if tested and task.trained and self.settings.setting != "zero-shot":
            needed += [("train", code) for code in planned.tests if code != ENGLISH]
        found = {(split, code): data.decided(split, code) for split, code in needed}
        found |= {("test", code): data.decided("test", code) for code in planned.tests}
        tables = {key: rows for key, (rows, _) in found.items()}
        for (split, code), rows in tables.items():
            if split == "test":
                continue
            hidden = rows[KINDS[task.kind].gold_column].null_count if task.kind != "retrieval" else 0
            if hidden:
                raise UserError(f"{task.name}: {hidden} of the {rows.num_rows} {split} rows for {code} have no label.")
        left_out = [f"{split} {code} {count:,}" for (split, code), (_, count) in found.items() if count]
        if left_out:
            note = f"Rows on whose label annotators did not agree are left out: {', '.join(left_out)}."
            planned.notes.append(note)
            print(f"{task.name}: {note}")
        planned.data_fingerprints = {f"{split}-{code}": self.table_hash(own) for (split, code), own in tables.items()}
        for code in planned.tests:
            gold = data.gold(tables["test", code], code)
            planned.data_fingerprints[f"test-{code}"] += "" if gold is None else fingerprint(gold)[:8]
            if task.pool is not None:
                hashes = [self.hashes.sha256(file) for file in data.candidate_files(code)]
                planned.data_fingerprints[f"test-{code}"] += fingerprint(hashes)[:8] if hashes else ""
        if tested and task.kind == "tokens" and self.settings.setting != "zero-shot":
            planned.notes.append("Each language trains on training data of its own, which are no translations.")
        planned.labels = known_labels(planned, tables) if task.trained else task.labels
        planned.tables = tables
        return planned

    def fit_length(self, planned: Planned) -> None:
        """Lower a recipe's own length to the positions of the encoder, and say so; its own stride too.

        Raises:
            UserError: a length that was asked for is more than these.
        """
        room, given = room_of(list(self.models)), planned.recipe.max_length
        if room is None or given <= room:
            return
        asked = self.settings.recipe | self.settings.recipes.get(planned.task.name, {})
        if "max_length" in asked:
            raise UserError(f"{planned.task.name}.max_length={given}: the encoder has positions for {room} tokens.")
        changes = {"max_length": room}
        planned.notes.append(f"max_length is {room}, not {given}: the encoder has no more positions.")
        context = room - planned.recipe.max_question - QUESTION_FRAME
        if planned.task.kind == "questions" and planned.recipe.stride >= context and "stride" not in asked:
            changes["stride"] = max(1, context // 2)
            planned.notes.append(f"The stride is {changes['stride']} for the same reason.")
        planned.recipe = planned.recipe.model_copy(update=changes)
        print(f"{planned.task.name}: {' '.join(planned.notes[-len(changes) :])}")

    def check_recipe(self, planned: Planned) -> None:
        """See that a recipe can be followed.

        Raises:
            UserError: it cannot.
        """
        task, recipe = planned.task, planned.recipe
        if recipe.layer is not None:
            check_layers(list(self.models), recipe.layer, f"{task.name}.layer")
        if task.kind == "questions":
            check_stride(tokenizer_of(self.settings.models[0]), recipe)
        if task.kind == "retrieval" and recipe.rows_at_once != recipe.batch_size:
            raise UserError(
                f"{task.name}.micro_batch_size={recipe.micro_batch_size}: texts look for their pair among those of a "
                "forward pass, so it would change what is learned; leave it, or change batch_size."
            )

    def test_languages(self, data: TaskData) -> tuple[str, ...]:
        """English first, then the languages that are asked for, or all that have test data.

        Raises:
            UserError: a language without test data.
        """
        asked = [language(code).code for code in self.settings.languages] or data.test_languages()
        for code in asked:
            if code != ENGLISH and not data.has("test", language(code)):
                known = ", ".join(data.test_languages()) or "none"
                raise UserError(
                    f"{data.task.name}: no test data for {code} in the form '{data.layout_name}'; there are data for "
                    f"{known}."
                )
        first = [ENGLISH] if data.has("test", language(ENGLISH)) else []
        found = tuple(dict.fromkeys([*first, *(code for code in asked if code != ENGLISH)]))
        if not found:
            raise UserError(f"{data.task.name}: there is nothing to test; it has no test data for English itself.")
        return found

    def runs_of(self, planned: Planned) -> Iterator[Run]:
        """Each (task, seed), in `translate-train` each language of it; each (task, model) where nothing is trained."""
        if not planned.task.trained:
            for number, model in enumerate(self.models, 1):
                yield self.run(planned, number, 0, model, (), planned.tests)
            return
        for seed in self.settings.seeds:
            for name, trains_on, tests in languages_of_runs(self.settings.setting, planned.tests):
                yield self.run(planned, seed, seed, self.settings.model_of(seed), trains_on, tests, name)

    def alignment_runs(self) -> Iterator[AlignmentRun]:
        """One for each model: on the held-out pairs of a run, and on gold sets under the data root.

        All models are measured alike: where one has no pairs, on gold sets alone.

        Raises:
            UserError: there is neither, or one of them is not as it should be.
        """
        sets = gold_sets(self.root)
        layer = self.settings.recipe_of(ALIGNMENT, Recipe()).layer
        if layer is not None:
            check_layers(list(self.models), layer, f"{ALIGNMENT}.layer")
        found = {model: self.held_out(model, alone=not sets) for model in self.models}
        lacking = [model for model, (_, pairs) in found.items() if not pairs]
        if lacking and not sets:
            raise UserError(
                f"{ALIGNMENT}: there are no held-out pairs for {lacking[0]}, and --data-root has no gold/*.src-tgt; "
                "name a run with held_out=DIR, or a data root with gold links."
            )
        if lacking:
            found = {model: (None, []) for model in found}
        for number, (model, (run, pairs)) in enumerate(found.items(), 1):
            names = ", ".join(own.name for own in pairs) or "no run"
            print(f"{ALIGNMENT}: {model}: held-out pairs of {names}; {len(sets)} gold sets")
            data = [*(own.fingerprint for own in pairs), *(own.fingerprint for own in sets)]
            known = fingerprint([VERSION, self.models[model], data, layer, *self.device.values()])
            yield AlignmentRun(number, model, run, self.root, len(pairs), len(sets), layer, known)

    def held_out(self, model: str, alone: bool) -> tuple[Path | None, list[HeldOutPairs]]:
        """The run with the pairs for a model, and these; None for a model of no run, or of one whose pairs are gone.

        Raises:
            UserError: pairs that cannot be had of the run that was named, or that would stand `alone`.
        """
        given = self.settings.held_out
        run = Path(given) if given else Path(model).absolute().parent
        if given is None and not (run / CONFIG).is_file():
            return None, []
        try:
            return run, held_out_of(run)
        except UserError as error:
            if given is not None or alone:
                raise
            print(f"{ALIGNMENT}: {error} Gold sets alone are measured.")
            return None, []

    def features(self, planned: Planned, split: Split, rows: pa.Table) -> FeatureStage:
        """The stage with the features of some rows of a task."""
        task, training = planned.task, split == "train"
        rows_hash = self.table_hash(rows)
        return FeatureStage(task.kind, training, planned.labels, planned.recipe, rows_hash, self.tokenizer)

    def file(self, earlier_runs: dict[str, str]) -> dict[str, Any]:
        """What `plan.json` holds: identity and runs, those of earlier plans of the same evaluation too."""
        runs = earlier_runs | {run.name: run.fingerprint for run in self.runs}
        tables = {TABLES: ARROW} if self.table_hash is table_fingerprint else {}
        return {"identity": self.identity, "runs": runs, **tables}

    def run(
        self,
        planned: Planned,
        number: int,
        seed: int,
        model: str,
        trains_on: tuple[str, ...],
        tests: tuple[str, ...],
        language: str = "",
    ) -> Run:
        """A run, with the fingerprint of all that can change its result."""
        used = {f"train-{code}" for code in trains_on} | {f"test-{code}" for code in tests} | {f"dev-{ENGLISH}"}
        given = {
            "version": VERSION,
            "task": planned.task.name,
            "recipe": planned.recipe.model_dump(),
            "labels": planned.labels,
            "data": {name: own for name, own in planned.data_fingerprints.items() if name in used},
            "model": self.models[model],
            "seed": seed,
            "trains_on": trains_on,
            **self.device,
            "intermediate": [
                (own.task.name, own.recipe.model_dump(), own.data_fingerprints) for own in self.chain if trains_on
            ],
        }
        recipe, labels = planned.recipe, planned.labels
        return Run(planned.data, number, seed, model, recipe, labels, trains_on, tests, fingerprint(given), language)


def table_hash_of(folder: Path) -> Hash:
    """How tables are hashed: in the folder of an evaluation that an earlier version began, as that did."""
    file = folder / PLAN
    earlier = file.is_file() and json.loads(file.read_text(encoding="utf-8")).get(TABLES) != ARROW
    return earlier_table_fingerprint if earlier else table_fingerprint


def pretraining_seed(model: str) -> int | None:
    """The model seed of the run of ours that a model was exported from, if it was."""
    file = Path(model).absolute().parent / CONFIG
    if not file.is_file():
        return None
    try:
        return load_config(str(file)).seeds.model
    except UserError:  # a file of others
        return None


def known_labels(planned: Planned, tables: dict[tuple[Split, str], pa.Table]) -> tuple[str, ...]:
    """The labels of a task that predicts labels of a set: its own, or those of the training data.

    Raises:
        UserError: a label that neither the task nor its training data know.
    """
    kind, task = KINDS[planned.task.kind], planned.task
    used = {key: kind.labels(table) for key, table in tables.items() if task.kind != "retrieval" or key[0] != "test"}
    shown = set().union(*(labels for (split, _), labels in used.items() if split == "train"))
    known = tuple(task.labels) or tuple(sorted(shown))
    if task.kind == "sentences" and len(known) < 2:
        raise UserError(f"{task.name}: the training data have one label, {known[0]!r}; a classification takes two.")
    for (split, code), labels in used.items():
        strange = sorted(labels - set(known))
        if strange:
            raise UserError(
                f"{task.name}: the {split} data for {code} have the label {strange[0]!r}, which "
                + (f"is none of the task's ({', '.join(known)})." if task.labels else "no training example has.")
            )
        unseen = sorted(labels - shown)
        if unseen:
            planned.notes.append(f"{code}: no training example has {', '.join(unseen)}; these count as wrong")
            print(f"{task.name}, {planned.notes[-1]}.")
    return known
