"""Data sets of Hugging Face: saved folders, folders of files, and names in the cache."""

from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pytest
from datasets import Dataset, DatasetDict, Features, Translation, Value

from tests.support.forms import source_of
from tests.support.pairs import Pair, read, refusal
from weam_ray.corpus.readers import source_files
from weam_ray.settings.sources import Source
from weam_ray.store.files import SourceHashes

ROWS = [("a", "b"), ("c\u2028", None), ("d", "e")]
EXPECTED = [Pair("1", "a", "b"), Pair("2", "c\u2028", ""), Pair("3", "d", "e")]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own, and no hub."""
    folder = tmp_path / "cache"
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", folder)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    return folder


def translations() -> Dataset:
    features = Features({"id": Value("string"), "translation": Translation(languages=["de", "en"])})
    rows = [{"en": source, "de": target} for source, target in ROWS]
    return Dataset.from_dict({"id": ["x", "y", "z"], "translation": rows}, features=features)


def columns(**names: str) -> Dataset:
    sides = {"source": [row[0] for row in ROWS], "target": [row[1] for row in ROWS]}
    return Dataset.from_dict({names.get(side, side): texts for side, texts in sides.items()} | {"other": [1, 2, 3]})


def source(path: object, **settings: Any) -> Source:
    return source_of("datasets", path=str(path), **settings)


def test_one_split_that_was_saved(tmp_path: Path) -> None:
    translations().save_to_disk(tmp_path / "set", num_shards=2)
    assert read(source(tmp_path / "set")) == EXPECTED
    assert [pair.pair_id for pair in read(source(tmp_path / "set", id_column="id"))] == ["x", "y", "z"]
    assert len(source_files(source(tmp_path / "set"))) == 2


def test_several_splits_that_were_saved(tmp_path: Path) -> None:
    DatasetDict({"train": columns(), "dev": columns().select([2])}).save_to_disk(tmp_path / "set")
    assert read(source(tmp_path / "set")) == EXPECTED
    assert read(source(tmp_path / "set", split="dev")) == [Pair("1", "d", "e")]
    message = refusal(source(tmp_path / "set", split="test"))
    assert message == f"corpus.sources.path {tmp_path}/set, test: no split 'test'; there are train, dev."


def test_columns_by_name(tmp_path: Path) -> None:
    columns(source="left", target="right").save_to_disk(tmp_path / "set")
    assert read(source(tmp_path / "set", source_column="left", target_column="right")) == EXPECTED
    message = refusal(source(tmp_path / "set"))
    assert message == f"{tmp_path}/set, train: no column 'source'; there are left, right, other."
    assert "column 'other' holds int64, not text" in refusal(
        source(tmp_path / "set", source_column="left", target_column="other")
    )


def test_rows_that_were_chosen_and_put_in_order(tmp_path: Path) -> None:
    translations().select([2, 0]).save_to_disk(tmp_path / "set")
    assert [(pair.source, pair.target) for pair in read(source(tmp_path / "set"))] == [("d", "e"), ("a", "b")]


def test_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("weam_ray.corpus.readers.datasets.BATCH_ROWS", 2)
    translations().save_to_disk(tmp_path / "set")
    assert read(source(tmp_path / "set")) == EXPECTED


def test_a_folder_of_files(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    translations().to_parquet(tmp_path / "files" / "train.parquet")
    assert read(source(tmp_path / "files")) == EXPECTED
    assert "Unknown split" in refusal(source(tmp_path / "files", split="dev"))


def test_a_name_in_the_cache(tmp_path: Path, cache: Path) -> None:
    """As the hub's data sets lie there; nothing is asked of the hub."""
    folder = cache / "someone___talks" / "de-en" / "0.0.0" / "0123456789abcdef"
    folder.mkdir(parents=True)
    made = translations()
    with (
        pa.OSFile(str(folder / "talks-train.arrow"), "wb") as sink,
        pa.ipc.new_stream(sink, made.data.schema) as writer,
    ):
        writer.write_table(made.data.table)
    info = made.info
    info.splits = datasets.SplitDict.from_split_dict([{"name": "train", "num_examples": 3, "dataset_name": "talks"}])
    info.builder_name, info.dataset_name, info.config_name, info.version = "parquet", "talks", "de-en", "0.0.0"
    info.write_to_directory(str(folder))
    assert read(source("someone/talks", subset="de-en")) == EXPECTED
    assert "Couldn't" in refusal(source("someone/other"))


def test_what_is_nowhere(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing", "no/such", "\u00e9/x y"):
        assert refusal(source(path)).startswith(f"corpus.sources.path {path}, train: ")


def test_programs_are_not_run(tmp_path: Path) -> None:
    folder = tmp_path / "evil"
    folder.mkdir()
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'run')!r}, 'w')\n")
    assert "no longer supported" in refusal(source(folder))
    assert not (tmp_path / "run").exists()


def test_damage(tmp_path: Path) -> None:
    translations().save_to_disk(tmp_path / "set")
    (file,) = source_files(source(tmp_path / "set"))
    file.write_bytes(file.read_bytes()[:100])
    assert refusal(source(tmp_path / "set")).startswith(f"corpus.sources.path {tmp_path}/set, train: ")


def test_it_counts_by_its_content(tmp_path: Path) -> None:
    hashes = SourceHashes(tmp_path / "hashes.json")
    found = []
    for name, made in (("a", translations()), ("b", translations()), ("c", columns())):
        made.save_to_disk(tmp_path / name)
        found.append([hashes.sha256(file) for file in source_files(source(tmp_path / name))])
    assert found[0] == found[1] != found[2]
    assert source(tmp_path / "a").settings() == source(tmp_path / "b").settings()
    assert source(tmp_path / "a", split="dev").settings() != source(tmp_path / "b").settings()
