"""Write the example files of the tutorial: a language pair from the bundled verses, in the forms that people have."""

import json
from collections.abc import Iterable
from pathlib import Path

from weam_ray.corpus.readers.bundled import bundled_pairs
from weam_ray.errors import UserError
from weam_ray.evaluate.languages import ENGLISH, language
from weam_ray.settings.sources import BundledSource
from weam_ray.store.files import check_folder, check_writable

TEST_EVERY = 10  # one verse in so many is kept for the test files
CONFIG = "pair.yaml"
SETTINGS = """\
# Pre-training on one language pair, small enough for two cores. Keys that are not here have their defaults.
data_root: {root}
corpus:
  sources:
    - {{format: moses, source: "{{data_root}}/train.{source}", target: "{{data_root}}/train.{target}", \
source_lang: {source}, target_lang: {target}}}
  held_out: 200  # pairs that are kept for measurement
tokenizer: {{vocab_size: 4000}}
encoder:
  name: scratch  # a small BERT of our own; in its place the name or folder of a Hugging Face model
  dropout: 0.0
  scratch: {{num_layers: 2, hidden_size: 128, num_heads: 2, intermediate_size: 512}}
objective: {{name: weam, lambda: 1.0, mask_probability: 0.3}}
optimizer: {{learning_rate: 0.002, betas: [0.9, 0.98], warmup_share: 0.1}}
training: {{max_steps: 300, batch_size: 32, max_length: 128, checkpoint_steps: 100}}
evaluation: {{layer: 1}}
"""


def write_example(code: str, folder: Path) -> None:
    """Write the example files of English with another language, and print what they are.

    Raises:
        UserError: the folder is not empty or cannot be written.
    """
    written = example_files(code, folder)
    print(f"{folder}:")
    for name, content in written:
        print(f"  {name:<32} {content}")


def verses(code: str) -> list[tuple[str, str]]:
    """Return the bundled verses as pairs of English and another language."""
    batches = bundled_pairs(BundledSource(format="bundled", source_lang=ENGLISH, target_lang=code))
    return [(row["source"], row["target"]) for batch in batches for row in batch.to_pylist()]


def lines(sentences: Iterable[str]) -> str:
    return "".join(f"{sentence}\n" for sentence in sentences)


def example_files(code: str, folder: Path) -> list[tuple[str, str]]:
    """Write the files of English with another language. Returns the name of each file and a description of it.

    Raises:
        UserError: the folder is not empty or cannot be written.
    """
    pairs = verses(code)
    check_folder(folder, "FOLDER")
    if folder.is_dir() and any(folder.iterdir()):
        raise UserError(f"FOLDER: {folder} is not empty; name a new folder, so that no file of yours is overwritten.")
    check_writable(folder, "FOLDER")
    test = pairs[TEST_EVERY - 1 :: TEST_EVERY]
    train = [pair for number, pair in enumerate(pairs, 1) if number % TEST_EVERY]
    iso = language(code).iso
    tested = f"tatoeba/tatoeba.{iso}-eng"
    settings = SETTINGS.format(root=json.dumps(str(folder), ensure_ascii=False), source=ENGLISH, target=code)
    files = {
        f"train.{ENGLISH}": (lines(english for english, _ in train), f"{len(train):,} English verses, one a line"),
        f"train.{code}": (lines(other for _, other in train), f"their translations into {code}, in the same order"),
        "train.tsv": (lines(map("\t".join, [(ENGLISH, code), *train])), "the same pairs as a table with a heading"),
        f"{tested}.eng": (lines(english for english, _ in test), f"{len(test):,} other English verses, for evaluation"),
        f"{tested}.{iso}": (lines(other for _, other in test), "their translations"),
        CONFIG: (settings, "settings of a small pre-training on train.*"),
    }
    for name, (text, _) in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
    return [(name, content) for name, (_, content) in files.items()]
