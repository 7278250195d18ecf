"""The stage `features`: what a model takes of the rows of a split, made by tasks of the cluster."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, ClassVar, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from weam_ray.errors import UserError
from weam_ray.evaluate.finetune import Encoded
from weam_ray.evaluate.kinds import KINDS
from weam_ray.evaluate.kinds.questions import NOT_IN_PLACE
from weam_ray.evaluate.models import tokenizer_of
from weam_ray.settings.base import Role
from weam_ray.settings.evaluation import Recipe
from weam_ray.store.arrays import ipc_buffer, read_ipc
from weam_ray.store.stages import Attempt, Counts, Definition, StageOutput, StageStore

ROWS_OF_TASK = 5_000
Block = tuple[pa.Table, dict[str, int]]  # features of some rows, and rejected rows by reason


@dataclass(frozen=True)
class FeatureStage(Definition):
    """The features of some rows: for training, or in the order of their lengths, for predictions.

    `rows` and `tokenizer` are fingerprints; of the recipe those settings count that change features.
    """

    name: ClassVar[str] = "features"
    version: ClassVar[int] = 2

    kind: str
    training: bool
    labels: tuple[str, ...]
    recipe: Recipe
    rows: str
    tokenizer: str

    @property
    def settings(self) -> dict[str, Any]:
        reading = self.recipe.counted(Role.FEATURES)
        version = KINDS[self.kind].version
        later = {"version": version} if version > 1 else {}
        return {"kind": self.kind, "training": self.training, "labels": list(self.labels), **later, **reading}

    @property
    def inputs(self) -> dict[str, str]:
        return {"rows": self.rows, "tokenizer": self.tokenizer}


class Tasks(Protocol):
    """Where features are made: `cluster.tasks.RayTasks`, or, in tests, this process."""

    def submit(self, step: Callable[..., Any], *arguments: Any) -> Any:
        """Start a task, whose arguments may be results of others that are to come; its result to come."""

    def share(self, value: Any) -> Any:
        """Put a value where all tasks read it."""


def submit_features(stage: FeatureStage, tasks: Tasks, store: StageStore, rows: pa.Table, model: str, task: str) -> Any:
    """Find a stage, or have it built: a task for each ROWS_OF_TASK rows makes features, and one more writes them.

    Args:
        model: where the tokenizer is.
        task: the task of evaluation, which messages name.

    Returns:
        the features as they lie in the store (`Encoded`), or a result to come.
    """
    committed = store.find(stage.spec)
    if committed is not None:
        return Encoded(committed)
    shared = tasks.share(ipc_buffer(rows))
    starts = range(0, rows.num_rows, ROWS_OF_TASK)
    blocks = [tasks.submit(encode_rows, stage, shared, start, ROWS_OF_TASK, model) for start in starts]
    return tasks.submit(write_features, stage, store, task, shared, *blocks)


def encode_rows(stage: FeatureStage, rows: pa.Buffer, start: int, num_rows: int, model: str) -> Block:
    """Make the features of some rows from `start` on."""
    block, tokenizer = read_ipc(rows).slice(start, num_rows), tokenizer_of_process(model, stage.tokenizer)
    table, rejected = KINDS[stage.kind].features(block, tokenizer, stage.recipe, stage.labels, stage.training)
    numbers = pc.add(table["row"], start)
    return in_32_bits(table.set_column(table.column_names.index("row"), "row", numbers)), rejected


def write_features(stage: FeatureStage, store: StageStore, task: str, rows: pa.Buffer, *blocks: Block) -> Encoded:
    """Join the features of all rows, and commit the stage.

    Raises:
        UserError: no row can train.
    """
    build = partial(join, stage.training, task, read_ipc(rows), blocks)
    return Encoded(store.build(stage.spec, build, say=lambda _: None))


def join(training: bool, task: str, rows: pa.Table, blocks: Sequence[Block], attempt: Attempt) -> StageOutput:
    """Write all rows in one file, and their features in another."""
    rejected: Counter[str] = Counter()
    for _, reasons in blocks:
        rejected.update(reasons)
    tables = [table for table, _ in blocks if table.num_rows]
    if not tables:
        told = ", ".join(f"{count} {reason}" for reason, count in rejected.items() if count)
        hint = "; are the answers hidden?" if rejected[NOT_IN_PLACE] == rows.num_rows else "."
        raise UserError(f"{task}: no training example is left: {told}{hint}")
    features = pa.concat_tables(tables)
    files = [
        attempt.write_arrow("rows", "rows", rows),
        attempt.write_arrow("features", "features", features if training else by_length(features)),
    ]
    return StageOutput(files, Counts(rows.num_rows, rows.num_rows - sum(rejected.values()), dict(rejected)))


@lru_cache(maxsize=1)
def tokenizer_of_process(model: str, fingerprint: str) -> Any:
    """Load a tokenizer once for all blocks that a process encodes."""
    return tokenizer_of(model)


def in_32_bits(features: pa.Table) -> pa.Table:
    """Store whole numbers, in lists too, as int32, in half the memory."""

    def narrow(kind: pa.DataType) -> pa.DataType:
        return pa.list_(narrow(kind.value_type)) if pa.types.is_list(kind) else pa.int32()

    return features.cast(
        pa.schema([(name, narrow(features.schema.field(name).type)) for name in features.column_names])
    )


def by_length(features: pa.Table) -> pa.Table:
    """Put features of like length beside each other, so that batches hold little padding."""
    if "input_ids" not in features.column_names:
        return features
    return features.take(pc.sort_indices(pc.list_value_length(features["input_ids"])))  # which is a stable sort
