"""What is checked of a study before anything is trained: the shipped ones, on files of the names that data have."""

import gzip
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.lab import write_gold
from tests.support.own import write_moods, write_split
from weam_ray.errors import UserError
from weam_ray.evaluate.data import TaskData
from weam_ray.evaluate.tasks import task_of
from weam_ray.settings.study import STUDIES, load_study
from weam_ray.store.home import Home
from weam_ray.study.cells import Matrix
from weam_ray.study.check import check_study
from weam_ray.study.coverage import languages_of_tasks

PAGE = Path(__file__).parents[2] / "docs" / "study.md"
HIGH = {"de": "deu_Latn", "fr": "fra_Latn", "es": "spa_Latn", "ru": "rus_Cyrl", "ar": "arb_Arab", "vi": "vie_Latn"}
TOPICS = ("eng_Latn", "tgl_Latn", "eus_Latn", *HIGH.values())
HELP = ("en", "de", "eu", "id", "tr", "om", "vi", "km")
INDONESIA = ("en", "id", "jv", "su", "min", "ace", "ban", "bug")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A data root with what the studies name, of which little more than the names of files counts here."""
    write_moods(tmp_path, *HELP, name="lohelp")
    write_moods(tmp_path, *INDONESIA, name="nusax")
    for task in ("catalogues", "books"):
        write_moods(tmp_path, "en", name=task)
    for split in ("train", "dev", "test"):
        write_split(tmp_path / "clinc" / "en" / f"{split}.tsv", [("1", "travel", "fly", "a b")], "id domain label text")
        for folder in TOPICS:
            write_split(tmp_path / "sib200" / folder / f"{split}.tsv", [("1", "x", "y")], "index_id category text")
    names = ["en_lines-ud-train", "en_partut-ud-train", "en_lines-ud-dev", "en_pud-ud-test", "tl_ugnayan-ud-test"]
    for name in [*names, *(f"{code}_pud-ud-test" for code in HIGH)]:
        write_split(tmp_path / "udpos" / f"{name}.conllu", [], "1\tword")
    for code in ("tgl", *(nllb[:3].replace("arb", "ara") for nllb in HIGH.values())):
        for side in (code, "eng"):
            write_split(tmp_path / "tatoeba" / f"tatoeba.{code}-eng.{side}", [], "word")
    write_gold(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", sorted(path.stem for path in STUDIES.glob("*.yaml")))
def test_shipped_studies_can_be_run(name: str, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every task is found, and every claim has scores on both sides."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    study = load_study(name, [f"data_root={root}", f"home={root / 'home'}"])
    check_study(study, Home.of(study, root))


def test_languages(root: Path) -> None:
    study = load_study("lab", [f"data_root={root}", f"home={root / 'home'}"])
    found = languages_of_tasks(Matrix(study, Home.of(study, root), []))
    assert found["sentence_retrieval"] == found["word_retrieval"] == (*HIGH, "tl")
    assert found["lohelp"][0] == "en"
    assert {*found["lohelp"]} == {*HELP}
    assert found["gold_alignment"]


def test_a_task_without_a_language_of_a_claim(root: Path) -> None:
    for file in (root / "sib200").glob("*/test.tsv"):
        if file.parent.name not in ("eng_Latn", "eus_Latn"):
            file.unlink()
    study = load_study("lab", [f"data_root={root}", f"home={root / 'home'}"])
    with pytest.raises(UserError, match="sib200 has none of the languages high-resource, low-resource; it has eu"):
        check_study(study, Home.of(study, root))


def test_the_data_that_the_page_tells_how_to_write(tmp_path: Path) -> None:
    """The recipe of docs/study.md, on a few lines: labels, parts, and what is left out."""
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    messages = [(name, f"{name} says {n}", "x") for name in ("vlc", "gtk30", "gtk30-properties") for n in range(60)]
    both = [("vlc", "in two", "x"), ("gtk30", "in two", "x")]
    verses = [(f"{book}.001.{n:03}", f"verse {n} of {book}") for book in ("01", "02", "19") for n in range(1, 60)]
    for file, lines in {
        "gettext/en-de.tsv.gz": ["\t".join(row) for row in [*messages, *both]],
        "bible/ids.txt.gz": [name for name, _ in verses],
        "bible/en.txt.gz": ["" if name == "01.001.001" else text for name, text in verses],
    }.items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_bytes(gzip.compress("".join(f"{line}\n" for line in lines).encode()))
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    own = load_study("domain", [f"data_root={tmp_path}"])
    settings = Matrix(own, Home.of(own, tmp_path), []).evaluation("encoder", (), "zero-shot", None, ["sib200"])
    labels = {"catalogues": {"vlc", "gtk30"}, "books": {"Genesis", "Psalms"}}
    for task, count in (("catalogues", len(messages)), ("books", 2 * 59 - 1)):
        data = TaskData.found(task_of(task, settings.own_tasks, tmp_path), tmp_path)
        rows = [row for split in ("train", "dev", "test") for row in data.read(split, "en").to_pylist()]
        assert len({row["text"] for row in rows}) == len(rows) == count
        assert {row["label"] for row in rows} == labels[task]
