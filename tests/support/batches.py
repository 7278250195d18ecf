"""Batches of a small encoded corpus."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.testing import assert_array_equal

from weam_ray.batches.batch import Batch, Vocabulary
from weam_ray.batches.loader import Batches, TrainingRows
from weam_ray.batches.pairs import PairCollator
from weam_ray.corpus.tables import ENCODED
from weam_ray.model.tokenizer import PairTemplate, SentenceTemplate
from weam_ray.settings.objective import ObjectiveSection
from weam_ray.settings.training import SeedSection, TrainingSection
from weam_ray.store.folder import Folder
from weam_ray.store.stages import Attempt, Counts, Stage, StageOutput, StageSpec, StageStore

VOCABULARY = Vocabulary(
    PairTemplate(np.array([2]), np.array([3]), np.array([3]), (0, 0, 0, 1, 1)),
    0,
    4,
    np.arange(5, 200),
    SentenceTemplate(np.array([2]), np.array([3])),
)
SHARD_ROWS = {"000-00000": (30, "en-de"), "000-00001": (17, "en-de"), "001-00000": (13, "en-fr")}


def encoded_table(num_rows: int, first: int) -> pa.Table:
    """Rows of 1 to 9 tokens a side; the first source token names the row."""
    generator = np.random.default_rng(first)
    rows = []
    for number in range(num_rows):
        sizes = generator.integers(1, 10, 2)
        source, target = (generator.integers(100, 200, size).tolist() for size in sizes)
        source[0] = 5 + first + number
        rows.append(
            {
                "pair_id": f"0:{first + number}",
                "source_lang": "en",
                "target_lang": "xx",
                "source_ids": source,
                "target_ids": target,
                "source_word_ids": list(range(len(source))),
                "target_word_ids": list(range(len(target))),
                "token_links": [value for k in range(min(sizes)) for value in (k, k)],
                "num_tokens": len(source) + len(target),
            }
        )
    return pa.Table.from_pylist(rows, schema=ENCODED)


def encoded_stage(folder: Path) -> Stage:
    """A committed stage of sixty rows in three shards, in two language pairs, and a held-out part."""

    def builder(attempt: Attempt) -> StageOutput:
        files, first = [], 0
        for label, (rows, pair) in SHARD_ROWS.items():
            files.append(attempt.write_arrow("train", label, encoded_table(rows, first), language_pair=pair))
            first += rows
        files.append(attempt.write_arrow("held_out", "000-00000", encoded_table(5, 90), language_pair="en-de"))
        return StageOutput(files, Counts(65, 65))

    store = StageStore(Folder.at(folder))
    return store.build(StageSpec("encode", 1, {}, {}), builder)


def make_batches(
    encoded: Stage, micro_batch_size: int = 4, rank: int = 0, world_size: int = 1, batch_size: int = 12
) -> Batches:
    rows = TrainingRows(encoded)
    training = TrainingSection(batch_size=batch_size, micro_batch_size=1)
    collators = [PairCollator(VOCABULARY, ObjectiveSection(), SeedSection(), 32)]
    return Batches(rows, rows.plan(training, seed=5), collators, micro_batch_size, rank, world_size)


def padded_batches(encoded: Stage, multiple: int) -> Batches:
    rows = TrainingRows(encoded)
    collators = [PairCollator(replace(VOCABULARY, multiple=multiple), ObjectiveSection(), SeedSection(), 20)]
    return Batches(rows, rows.plan(TrainingSection(batch_size=12, micro_batch_size=4), seed=5), collators, 4, 0, 1)


def assert_same_batch(actual: Batch, expected: Batch) -> None:
    for name, value in vars(expected).items():
        assert_array_equal(getattr(actual, name), value, err_msg=name)
