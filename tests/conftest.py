"""Fixtures of all tests: one local Ray cluster a session, and tiny tokenizers and models that tests write."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")

from hypothesis import settings

from tests.support.main_job import tiny_overrides, write_moses
from weam_ray.cluster.environment import quiet_environment, use_loopback
from weam_ray.cluster.join import ray_cluster
from weam_ray.model.tokenizer import train_wordpiece
from weam_ray.settings.config import Config, load_config
from weam_ray.settings.data import TokenizerSection
from weam_ray.store.folder import Folder
from weam_ray.tracking import store
from weam_ray.tracking.store import create_tables

quiet_environment()
use_loopback()
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


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Where tests run side by side, keep those of a file in one process, and all files that need the cluster in one."""
    from tests.support.scheduling import ByCluster

    return ByCluster(config, log)


@pytest.fixture(scope="session")
def ray_session() -> Iterator[None]:
    """One local Ray cluster for all tests that need one."""
    with ray_cluster("local"):
        yield


@pytest.fixture(scope="session", autouse=True)
def new_stores_are_copied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The MLflow store of a new home in this process is a copy of the first one: to make its tables takes seconds."""
    first = tmp_path_factory.mktemp("mlflow") / "mlflow.db"

    def copied(file: Path, seconds: float) -> None:
        if file.is_file() and file.stat().st_size:
            return
        if not first.is_file():
            create_tables(first, seconds)
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(first, file)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "create_tables", copied)
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


@pytest.fixture
def moses_files(tmp_path: Path) -> tuple[Path, Path]:
    return write_moses(tmp_path)


@pytest.fixture
def tiny_config(tmp_path: Path, moses_files: tuple[Path, Path]) -> Config:
    """The configuration of a run of seconds."""
    return load_config("bundled", tiny_overrides(tmp_path / "home", moses_files))


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a corpus and a home that tests of runs share, so that the stages and equal runs are made once."""
    folder = tmp_path_factory.mktemp("place")
    write_moses(folder)
    return folder


@pytest.fixture(params=["path", "uri"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Folder:
    """The same folder by path and by URI, with a space in its name."""
    place = tmp_path / "my stages"
    return Folder.at(place if request.param == "path" else place.as_uri())
