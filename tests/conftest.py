"""Fixtures of all tests: one local Ray cluster a session, and tiny tokenizers and models that tests write."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")

from hypothesis import settings

from weam_ray.cluster import quiet_environment, ray_cluster
from weam_ray.config import Config, TokenizerSection, load_config
from weam_ray.encode.tokenizer import train_wordpiece

quiet_environment()
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

TEXTS = [
    "It is raining today, isn't it?",
    "Is it raining today?",
    "the cat sat on the mat and the dog ran to the old house",
    "das alte Haus steht am Fluss und der Hund läuft",
    "l'homme n'a pas vu l'été à la maison aujourd'hui",
    "今天下雨吗？今天天气很好。",
    "आज बारिश हो रही है। नमस्ते दुनिया",
    "هل تمطر اليوم؟ العَرَبِيَّة لغة جميلة",
    "сегодня идёт дождь, старый дом стоит у реки",
]


@pytest.fixture(scope="session")
def ray_session() -> Iterator[None]:
    """One local Ray cluster for all tests that need one."""
    with ray_cluster("local"):
        yield


@pytest.fixture(scope="session")
def wordpiece() -> Any:
    """A WordPiece tokenizer in BERT's form, as `encoder.name: scratch` trains it."""
    return train_wordpiece(TEXTS * 3, TokenizerSection(vocab_size=400), max_length=128)


@pytest.fixture(scope="session")
def sentencepiece() -> Any:
    """A unigram tokenizer in XLM-R's form: metaspace, `<s> x </s></s> y </s>`."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=300, special_tokens=special, unk_token="<unk>", show_progress=False)
    tokenizer.train_from_iterator(TEXTS * 3, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        cls_token="<s>",
        eos_token="</s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        mask_token="<mask>",
        model_max_length=128,
    )


def write_moses(folder: Path, num_pairs: int = 120) -> tuple[Path, Path]:
    """Two line-aligned files of a small made-up language pair, en and xx: word n of one is word n of the other."""
    nouns = ["house", "river", "dog", "cat", "king", "tree", "stone", "bread", "water", "fire", "hand", "road"]
    verbs = ["sees", "takes", "finds", "loves", "leaves"]
    english, other = [], []
    for number in range(num_pairs):
        first, second = nouns[number % 12], nouns[(number // 12 + number * 5) % 12]
        verb = verbs[number % 5]
        english.append(f"the {first} {verb} the {second} number {number} .")
        other.append(f"da {first[::-1]}u {verb[::-1]}o da {second[::-1]}u numeru {number} .")
    source, target = folder / "text.en", folder / "text.xx"
    source.write_text("\n".join(english) + "\n", encoding="utf-8")
    target.write_text("\n".join(other) + "\n", encoding="utf-8")
    return source, target


@pytest.fixture
def moses_files(tmp_path: Path) -> tuple[Path, Path]:
    return write_moses(tmp_path)


def tiny_overrides(home: Path, files: tuple[Path, Path]) -> list[str]:
    """Overrides of `bundled` for a run of seconds on two small files."""
    return [
        f"home={home}",
        f"corpus.sources=[{{format: moses, source: {files[0]}, target: {files[1]}, source_lang: en, target_lang: xx}}]",
        "corpus.rows_per_shard=40",
        "tokenizer.vocab_size=200",
        "encoder.scratch={num_layers: 1, hidden_size: 16, num_heads: 2, intermediate_size: 32, max_positions: 64}",
        "encoder.dropout=0.1",
        "training.max_steps=6",
        "training.batch_size=8",
        "training.max_length=48",
        "training.checkpoint_steps=2",
        "training.threads_per_worker=1",
        "evaluation.layer=1",
    ]


@pytest.fixture
def tiny_config(tmp_path: Path, moses_files: tuple[Path, Path]) -> Config:
    """The configuration of a run of seconds."""
    return load_config("bundled", tiny_overrides(tmp_path / "home", moses_files))
