"""What an evaluation runs: tasks with their data, languages, labels and recipes, checked before anything is trained."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from weam_ray.errors import UserError
from weam_ray.evaluate.data import TaskData
from weam_ray.evaluate.features import FeatureStage
from weam_ray.evaluate.kinds import KINDS
from weam_ray.evaluate.kinds.questions import check_stride
from weam_ray.evaluate.languages import ENGLISH
from weam_ray.evaluate.models import (
    check_head,
    check_layers,
    examine,
    layer_in_use,
    num_layers,
    room_of,
    tokenizer_of,
    weights_fingerprint,
)
from weam_ray.evaluate.origin import held_out_of, is_of_a_run, provenance_of
from weam_ray.evaluate.planned import Planned, known_labels
from weam_ray.evaluate.run import ALIGNMENT, ALIGNMENT_VERSION, VERSION, AlignmentRun, Run, languages_of_runs
from weam_ray.evaluate.tables import Hash, earlier_table_fingerprint, table_fingerprint
from weam_ray.evaluate.tasks import intermediate_of, task_of
from weam_ray.evaluate.tasks.base import Split, Task
from weam_ray.measure.pairs import HeldOutPairs, gold_sets
from weam_ray.model.encoder import encoder_fingerprint
from weam_ray.settings.base import Role
from weam_ray.settings.encoder import EncoderSection
from weam_ray.settings.evaluation import EvaluationSettings, Recipe
from weam_ray.store.files import SourceHashes, fingerprint
from weam_ray.store.runs import PLAN
from weam_ray.store.training_folder import CONFIG

TABLES, ARROW = "tables", "arrow"  # in that file: how tables of rows are hashed; an earlier version did not say
NO_HEAD = "AutoModel"
QUESTION_FRAME = 4  # special tokens around a question and its context, at most


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
        self.weights = {
            model: hashes.remembered(f"weights of {known}", partial(weights_fingerprint, model))
            for model, known in self.models.items()
        }
        known = {model: provenance_of(model) for model in self.models}
        self.pretraining_seeds = {model: own and own.seeds["model"] for model, own in known.items()}
        self.pretraining = {model: own and own.compared() for model, own in known.items()}
        self.of_runs = {model: is_of_a_run(model) for model in self.models}
        own = settings.own_tasks
        self.chain = [self.planned(intermediate_of(name, own, root), tested=False) for name in settings.intermediate]
        self.notes += [f"{own.task.name}: {note}" for own in self.chain for note in own.notes]
        names = [name for name in dict.fromkeys(settings.tasks) if name != ALIGNMENT]
        self.tasks = [self.planned(task_of(name, own, root), tested=True) for name in names]
        self.runs: list[Run | AlignmentRun] = [run for planned in self.tasks for run in self.runs_of(planned)]
        if ALIGNMENT in settings.tasks:
            self.runs += self.alignment_runs()

    def chain_settings(self) -> list[list[Any]]:
        """The intermediate tasks in their order, with their recipes and data, as they count in fingerprints."""
        return [
            [
                own.task.name,
                own.recipe.counted(Role.RESULT),
                own.data_fingerprints,
                *([dict(own.task.counted)] if own.task.counted else []),
            ]
            for own in self.chain
        ]

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
        default = task.recipe_for(min(map(num_layers, self.models)))
        planned = Planned(data, self.settings.recipe_of(task.name, default), notes=list(task.notes))
        self.fit_length(planned)
        self.check_recipe(planned)
        if task.kind == "nearest":
            planned.layers = sorted({layer_in_use(model, planned.recipe.layer) for model in self.models})
            planned.notes.append(f"The figures are those of layer {' or '.join(map(str, planned.layers))}.")
        if data.layout is not None and data.layout.note:
            planned.notes.append(data.layout.note)
            print(f"{task.name}: {data.layout.note}")
        planned.tests = data.tested(self.settings.languages) if tested else ()
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
        planned.counts = {f"{split}-{code}": rows.num_rows for (split, code), rows in tables.items()}
        planned.note_few(together=tested and self.settings.setting == "translate-train-all")
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
        if planned.task.kind == "questions" and planned.recipe.stride > context and "stride" not in asked:
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
        if task.kind == "retrieval" and recipe.rows_at_once < 2:
            raise UserError(
                f"{task.name}.micro_batch_size={recipe.rows_at_once}: texts look for their pair among those of a "
                "forward pass; it must have 2 or more."
            )

    def runs_of(self, planned: Planned) -> Iterator[Run]:
        """Each (task, seed), in `translate-train` each language of it; each (task, model) where nothing is trained,
        not by intermediate tasks either.
        """
        if not planned.task.trained:
            for number, seed, model in self.measured_encoders():
                yield self.run(planned, number, seed, model, (), planned.tests)
            return
        for seed, model in self.fine_tunings():
            for name, trains_on, tests in languages_of_runs(self.settings.setting, planned.tests):
                yield self.run(planned, seed, seed, model, trains_on, tests, name)

    def fine_tunings(self) -> Iterator[tuple[int, str]]:
        """Each fine-tuning seed, with the model that it trains."""
        yield from ((seed, self.settings.model_of(seed)) for seed in self.settings.seeds)

    def measured_encoders(self) -> Iterator[tuple[int, int, str]]:
        """Number, seed and model of each encoder that a task without training is measured on: every model as it is, or,
        after intermediate tasks, what they make of it with each fine-tuning seed.
        """
        if self.chain:
            yield from ((seed, seed, model) for seed, model in self.fine_tunings())
        else:
            distinct = {self.weights[model]: model for model in reversed(self.models)}  # of copies the first
            chosen = [model for model in self.models if model in distinct.values()]
            yield from ((number, 0, model) for number, model in enumerate(chosen, 1))

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
        for model, (_, pairs) in found.items():
            names = ", ".join(own.name for own in pairs) or "no run"
            print(f"{ALIGNMENT}: {model}: held-out pairs of {names}; {len(sets)} gold sets")
        for number, seed, model in self.measured_encoders():
            run, pairs = found[model]
            data = [*(own.fingerprint for own in pairs), *(own.fingerprint for own in sets)]
            after = [seed, self.chain_settings()] if self.chain else []
            known = fingerprint([ALIGNMENT_VERSION, self.models[model], data, layer, *self.device.values(), *after])
            yield AlignmentRun(number, seed, model, run, self.root, len(pairs), len(sets), layer, known)

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
        keeps_head, version = bool(trains_on) and self.keeps_head(planned), KINDS[planned.task.kind].version
        used = {f"train-{code}" for code in trains_on} | {f"test-{code}" for code in tests} | {f"dev-{ENGLISH}"}
        given = {
            "version": VERSION,
            "task": planned.task.name,
            "recipe": planned.recipe.counted(Role.RESULT),
            "labels": planned.labels,
            "data": {name: own for name, own in planned.data_fingerprints.items() if name in used},
            "model": self.models[model],
            "seed": seed,
            "trains_on": trains_on,
            **self.device,
            **planned.task.counted,
            "intermediate": self.chain_settings(),
            **({"keeps_head": True} if keeps_head else {}),
            **({"kind_version": version} if version > 1 else {}),
            **({"training_rows": "drawn by the seed"} if planned.samples("train") else {}),
        }
        recipe, labels, known = planned.recipe, planned.labels, fingerprint(given)
        return Run(planned.data, number, seed, model, recipe, labels, trains_on, tests, known, language, keeps_head)

    def keeps_head(self, planned: Planned) -> bool:
        """Whether a task goes on with the head of the intermediate task before it: one of its kind with its labels.

        So XCOPA goes on from the whole model of Social IQA, as in XTREME-R.
        """
        before = next((k for k, link in enumerate(self.chain) if link is planned), len(self.chain)) - 1
        if before < 0 or KINDS[planned.task.kind].head == NO_HEAD:
            return False
        return (self.chain[before].task.kind, self.chain[before].labels) == (planned.task.kind, planned.labels)


def table_hash_of(folder: Path) -> Hash:
    """How tables are hashed: in the folder of an evaluation that an earlier version began, as that did."""
    file = folder / PLAN
    earlier = file.is_file() and json.loads(file.read_text(encoding="utf-8")).get(TABLES) != ARROW
    return earlier_table_fingerprint if earlier else table_fingerprint
