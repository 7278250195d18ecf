"""Paths in settings mean the same in every process: they are absolute from the start."""

from pathlib import Path

import pytest

from weam_ray.errors import UserError
from weam_ray.settings.config import load_config
from weam_ray.settings.evaluation import EvaluationSettings
from weam_ray.settings.paths import absolute


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The current folder has a `runs/base/model`, and `~` is the folder `me` in it."""
    (tmp_path / "runs" / "base" / "model").mkdir(parents=True)
    (tmp_path / "scratch").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "me"))


@pytest.mark.parametrize(
    ("given", "expected"),
    [("a/b", "a/b"), ("~/b", "me/b"), ("./c", "c"), ("~nobody-of-this-name/x", "~nobody-of-this-name/x")],
)
def test_absolute(given: str, expected: str, tmp_path: Path) -> None:
    assert absolute(given) == str(tmp_path / expected)
    assert absolute(absolute(given)) == absolute(given)


def test_every_path_of_the_configuration(tmp_path: Path) -> None:
    config = load_config(
        "bundled",
        [
            "home=~/home", "stages=stages", "data_root=data", "align.model=aligned", "encoder.name=runs/base/model",
            "training.continue_from=runs/base", "output.dir=~/out",
            "corpus.sources=[{format: tsv, path: a.tsv, links: ~/links, source_lang: en, target_lang: de},"
            "{format: moses, source: a.en, target: ~/a.de, source_lang: en, target_lang: de},"
            "{format: text, path: '{data_root}/t', language: en}]",
        ],
    )  # fmt: skip
    tsv, moses, text = config.corpus.sources
    assert [tsv.path, tsv.links, moses.source, moses.target, text.path] == [
        str(tmp_path / name) for name in ("a.tsv", "me/links", "a.en", "me/a.de", "data/t")
    ]
    found = [config.home, config.stages, config.data_root, config.align.model, config.encoder.name]
    found += [config.training.continue_from, config.output.dir]
    names = ("me/home", "stages", "data", "aligned", "runs/base/model", "runs/base", "me/out")
    assert found == [str(tmp_path / name) for name in names]


def test_every_path_of_an_evaluation(tmp_path: Path) -> None:
    settings = EvaluationSettings(
        system="s", models=["runs/base/model"], num_seeds=1, tasks=["udpos"], data_root="~/data", held_out="runs/base",
        output="out", home="~", stages="s3://bucket/stages",
    )  # fmt: skip
    names = ("runs/base/model", "me/data", "runs/base", "out", "me")
    found = [*settings.models, settings.data_root, settings.held_out, settings.output, settings.home]
    assert found == [str(tmp_path / name) for name in names]
    assert settings.stages == "s3://bucket/stages"


def test_what_is_no_folder_stays_a_name() -> None:
    for name in ("bert-base-multilingual-cased", "organisation/model", "scratch"):
        assert load_config("bundled", [f"encoder.name={name}"]).encoder.name == name


def test_a_ray_job_keeps_nothing_in_its_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}")
    for key in ("output.dir", "home", "stages"):
        with pytest.raises(UserError, match=rf"{key}: 'there': in a Ray job name an absolute path"):
            load_config("bundled", [f"{key}=there"])
    assert load_config("bundled", ["output.dir=~/there"]).output.dir == str(tmp_path / "me" / "there")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("sqlite:///m.db", "sqlite:///{here}/m.db"),
        ("sqlite:///~/m.db?timeout=3", "sqlite:///{here}/me/m.db?timeout=3"),
        ("sqlite+pysqlite:///a/m.db", "sqlite+pysqlite:///{here}/a/m.db"),
        ("sqlite:////tmp/m.db", "sqlite:////tmp/m.db"),
        ("sqlite:///:memory:", "sqlite:///:memory:"),
        ("mlruns", "{here}/mlruns"),
        ("~/mlruns", "{here}/me/mlruns"),
        *((other, other) for other in ("http://127.0.0.1:5000", "databricks", "databricks://me", "file:///tmp/x")),
    ],
)
def test_the_store_of_mlflow(given: str, expected: str, tmp_path: Path) -> None:
    assert load_config("bundled", [f"tracking.uri='{given}'"]).tracking.uri == expected.format(here=tmp_path)
