"""The example files of the tutorial."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from weam_ray.corpus.readers.bundled import BUNDLED_FILE
from weam_ray.errors import UserError
from weam_ray.evaluate.languages import language
from weam_ray.evaluate.tasks.tatoeba import TASK
from weam_ray.jobs.console import LANGUAGES
from weam_ray.jobs.example import TEST_EVERY, example_files, write_example
from weam_ray.settings.config import load_config


def text_of(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8").splitlines()


def test_the_files_are_what_the_jobs_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / 'a "pair" of mine'
    write_example("de", folder)
    english, german = text_of(folder / "train.en"), text_of(folder / "train.de")
    verses = pq.read_table(BUNDLED_FILE)
    tested = TASK.read(TASK.layouts[0], folder, "test", language("de"))
    assert len(english) == len(german)
    assert tested.num_rows == verses.num_rows // TEST_EVERY
    assert sorted(german + tested["text"].to_pylist()) == sorted(verses["de"].to_pylist())
    assert text_of(folder / "train.tsv")[:2] == ["en\tde", f"{english[0]}\t{german[0]}"]
    (source,) = load_config(str(folder / "pair.yaml")).corpus.sources
    assert source.label() == f"{folder / 'train.en'} and {folder / 'train.de'}"
    assert "pair.yaml" in capsys.readouterr().out


def test_every_language_of_the_bundled_corpus_has_an_example() -> None:
    assert {"verse", "en", *LANGUAGES} == set(pq.read_schema(BUNDLED_FILE).names)


def test_a_folder_with_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "train.en").write_text("mine\n")
    with pytest.raises(UserError, match="is not empty; name a new folder"):
        example_files("tl", tmp_path)
    assert text_of(tmp_path / "train.en") == ["mine"]
