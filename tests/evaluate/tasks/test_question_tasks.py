"""XQuAD, MLQA and TyDiQA: which file trains, develops and tests, and what of it."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.writing import layout_of, paragraph, rows_of, write_json, write_squad
from weam_ray.errors import UserError
from weam_ray.evaluate.data import TaskData
from weam_ray.evaluate.languages import language
from weam_ray.evaluate.tasks import TASKS
from weam_ray.evaluate.tasks.base import Split


def articles(prefix: str, count: int, answer: str = "two") -> list[dict[str, Any]]:
    """Articles of one paragraph and two questions; a blank answer is hidden."""
    return [
        paragraph(f"one two {number}", (f"{prefix}{number}a", answer), (f"{prefix}{number}b", answer))
        for number in range(count)
    ]


def ids(task: str, layout: str, root: Path, split: Split, code: str) -> list[str]:
    return [row["id"] for row in rows_of(task, layout, root, split, code)]


class TestXquadWithSquad:
    def write(self, root: Path) -> None:
        write_squad(root / "squad/train-v1.1.json", *articles("s", 2))
        write_squad(root / "squad/translate-train/squad.translate.train.en-de.json", *articles("t", 2))
        write_squad(root / "squad/dev-v1.1.json", *articles("x", 3), *articles("d", 2))
        for code in ("en", "de"):
            write_squad(root / f"xquad/xquad.{code}.json", *articles("x", 2, answer=""))

    def test_files(self, tmp_path: Path) -> None:
        self.write(tmp_path)
        data = TaskData.found(TASKS["xquad"], tmp_path)
        assert data.layout_name == "with SQuAD"
        assert data.test_languages() == ["de", "en"]
        found = {code: data.read("train", code)["id"].to_pylist() for code in ("en", "de")}
        assert found == {"en": ["s0a", "s0b", "s1a", "s1b"], "de": ["t0a", "t0b", "t1a", "t1b"]}
        assert data.read("test", "de")["id"].to_pylist() == ["x0a", "x0b", "x1a", "x1b"]
        assert data.read("test", "de")["answers"].null_count == 4

    def test_development_leaves_out_what_is_tested(self, tmp_path: Path) -> None:
        self.write(tmp_path)
        assert ids("xquad", "with SQuAD", tmp_path, "dev", "en") == ["x2a", "x2b", "d0a", "d0b", "d1a", "d1b"]
        rows = rows_of("xquad", "with SQuAD", tmp_path, "dev", "en")
        assert {tuple(row["answers"]) for row in rows} == {("two",)}

    def test_development_needs_xquad_beside_squad(self, tmp_path: Path) -> None:
        self.write(tmp_path)
        (tmp_path / "xquad/xquad.en.json").unlink()
        with pytest.raises(UserError, match=r"no dev data for en: .*dev-v1\.1\.json, .*xquad\.en\.json is expected"):
            rows_of("xquad", "with SQuAD", tmp_path, "dev", "en")


class TestXquadByArticle:
    SPLITS: tuple[Split, ...] = ("train", "dev", "test")

    def test_the_same_articles_in_every_language_each_once(self, tmp_path: Path) -> None:
        for code in ("en", "de"):
            write_squad(tmp_path / f"xquad/xquad.{code}.json", *articles("x", 48))
        data = TaskData.found(TASKS["xquad"], tmp_path)
        assert data.layout_name == "by article"
        assert data.layout is not None
        assert "not the official test set" in data.layout.note
        found = {split: ids("xquad", "by article", tmp_path, split, "en") for split in self.SPLITS}
        assert {split: len(own) for split, own in found.items()} == {"train": 60, "dev": 12, "test": 24}
        whole = [f"x{number}{letter}" for number in range(48) for letter in "ab"]
        assert sorted(name for own in found.values() for name in own) == sorted(whole)
        for own in found.values():
            assert {name[:-1] + letter for name in own for letter in "ab"} == set(own)  # articles stay whole
        for split in self.SPLITS:
            assert ids("xquad", "by article", tmp_path, split, "de") == found[split]

    def test_it_gives_way_to_squad(self, tmp_path: Path) -> None:
        write_squad(tmp_path / "xquad/xquad.en.json", *articles("x", 4))
        write_squad(tmp_path / "squad/train-v1.1.json", *articles("s", 1))
        assert TaskData.found(TASKS["xquad"], tmp_path).layout_name == "with SQuAD"
        assert layout_of("xquad", "with SQuAD").present(tmp_path / "absent", "test", language("en")) == []


def test_mlqa(tmp_path: Path) -> None:
    """Training is SQuAD's, of which there are translations; the test files of XTREME hide their answers."""
    write_squad(tmp_path / "squad/train-v1.1.json", *articles("s", 1))
    write_squad(tmp_path / "squad/translate-train/squad.translate.train.en-de.json", *articles("t", 1))
    folder = tmp_path / "mlqa/MLQA_V1"
    for code in ("en", "de"):
        write_squad(folder / f"dev/dev-context-{code}-question-{code}.json", *articles(f"d{code}", 1))
        write_squad(folder / f"test/test-context-{code}-question-{code}.json", *articles(f"x{code}", 1, answer=""))
    write_squad(folder / "test/test-context-de-question-en.json", *articles("other", 1))
    assert TaskData.found(TASKS["mlqa"], tmp_path).test_languages() == ["de", "en"]
    assert ids("mlqa", "official", tmp_path, "train", "en") == ["s0a", "s0b"]
    assert ids("mlqa", "official", tmp_path, "train", "de") == ["t0a", "t0b"]
    assert ids("mlqa", "official", tmp_path, "dev", "en") == ["den0a", "den0b"]
    assert ids("mlqa", "official", tmp_path, "test", "de") == ["xde0a", "xde0b"]
    assert [row["answers"] for row in rows_of("mlqa", "official", tmp_path, "test", "de")] == [None, None]


def test_tydiqa(tmp_path: Path) -> None:
    """XTREME splits the training file by language; a tenth of the English one develops, its development part tests."""
    folder = tmp_path / "tydiqa"
    for code in ("en", "fi"):
        write_squad(folder / f"tydiqa-goldp-v1.1-train/tydiqa.goldp.{code}.train.json", *articles(code, 12))
        write_squad(folder / f"tydiqa-goldp-v1.1-dev/tydiqa.goldp.{code}.dev.json", *articles(f"x{code}", 1, answer=""))
    write_squad(folder / "translate-train/tydiqa.translate.train.en-fi.json", *articles("t", 11))
    whole = [f"en{number}{letter}" for number in range(12) for letter in "ab"]
    assert ids("tydiqa", "xtreme", tmp_path, "dev", "en") == whole[9::10]
    assert ids("tydiqa", "xtreme", tmp_path, "train", "en") == [name for name in whole if name not in whole[9::10]]
    assert ids("tydiqa", "xtreme", tmp_path, "test", "en") == ["xen0a", "xen0b"]
    assert ids("tydiqa", "xtreme", tmp_path, "test", "fi") == ["xfi0a", "xfi0b"]
    assert ids("tydiqa", "xtreme", tmp_path, "train", "fi") == [
        f"t{number}{letter}" for number in range(11) for letter in "ab"
    ]
    assert TaskData.found(TASKS["tydiqa"], tmp_path).test_languages() == ["en", "fi"]


class TestMultiCheckList:
    """Suites without answers, as the benchmark has them in SQuAD's form; answers lie beside them, or nowhere."""

    def write(self, root: Path) -> None:
        write_squad(root / "squad/train-v1.1.json", *articles("s", 2))
        write_squad(root / "squad/dev-v1.1.json", *articles("d", 2))
        for code in ("en", "qu"):
            questions = [[{"question": "which?", "id": f"{number}"}] for number in range(3)]
            paragraphs = [[{"context": f"one two {number}", "qas": own}] for number, own in enumerate(questions)]
            suite = {"version": "fake", "data": [{"title": "", "paragraphs": own} for own in paragraphs]}
            write_json(root / f"multichecklist/lang_suites/{code}_squad_suite.json", suite)

    def test_hidden(self, tmp_path: Path) -> None:
        self.write(tmp_path)
        data = TaskData.found(TASKS["multichecklist"], tmp_path)
        assert data.test_languages() == ["en", "qu"]
        rows = data.read("test", "qu")
        assert rows["id"].to_pylist() == ["0", "1", "2"]
        assert data.gold(rows, "qu") is None
        assert data.read("dev", "en")["answers"].null_count == 0

    def test_scored_by_answers_beside(self, tmp_path: Path) -> None:
        self.write(tmp_path)
        task = TASKS["multichecklist"]
        data = TaskData.found(task, tmp_path)
        labels = tmp_path / "labels" / "multichecklist"
        labels.mkdir(parents=True)
        gold = [(name, ["two"]) for name in ("0", "1", "2")]
        task.form.write_labels(labels / "test-qu.json", gold)
        found = data.gold(data.read("test", "qu"), "qu")
        assert found == gold
        scores = task.score(found, {"0": "two", "1": "Two.", "2": "one two"}, "qu")
        assert scores[task.metric].percent == pytest.approx(200 / 3)
