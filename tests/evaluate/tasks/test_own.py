"""Tasks of the user's own: which languages their folders are, how their files are read, and what is refused."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.own import declared, write_moods, write_split
from weam_ray.errors import UserError
from weam_ray.evaluate.data import TaskData
from weam_ray.evaluate.score import score_files
from weam_ray.evaluate.tasks import intermediate_of, task_of
from weam_ray.evaluate.tasks.own import ANY, own_task

PAIRS = {"text": "first", "pair": "second", "label": "same"}


def data(root: Path, tested: bool = True, **keys: Any) -> TaskData:
    return TaskData.found(own_task("moods", declared(**keys), root), root, tested)


def refusal(root: Path | None, **keys: Any) -> str:
    """What is said of a task, or of its rows in English."""
    with pytest.raises(UserError) as caught:
        TaskData.found(own_task("moods", declared(**keys), root), root).read("train", "en")
    return str(caught.value)


class TestLanguages:
    def test_by_xtreme_s_codes_iso_s_and_nllb_s(self, tmp_path: Path) -> None:
        """Those that XTREME has not are there too; a folder without a split is none of a language."""
        write_moods(tmp_path, "en", "deu", "tgl_Latn", "om", "ace", "ban", "bbc", "min_Arab", "sme_Latn")
        (tmp_path / "moods" / "pairs").mkdir()
        found = data(tmp_path)
        assert found.layout_name == "a folder for each language"
        assert found.test_languages() == ["ace", "ban", "bbc", "de", "en", "om", "tl", "min_Arab", "sme_Latn"]
        for code, folder in (("de", "deu"), ("tl", "tgl_Latn"), ("om", "om"), ("sme_Latn", "sme_Latn")):
            assert found.read("train", code)["text"][0].as_py() == f"{folder} feels good at 0"

    def test_languages_that_the_table_lacks_alone(self, tmp_path: Path) -> None:
        assert data(write_moods(tmp_path, "ace_Arab")).test_languages() == ["ace_Arab"]

    def test_folders_with_names_of_their_own(self, tmp_path: Path) -> None:
        write_moods(tmp_path, "en", "german", "deu", "old")
        found = data(tmp_path, languages={"german": "de", "deu": None, "old": None})
        assert found.test_languages() == ["de", "en"]
        assert found.read("test", "de")["text"][0].as_py() == "german feels good at 0"

    def test_by_an_absolute_path(self, tmp_path: Path) -> None:
        write_moods(tmp_path, "en")
        task = own_task("moods", declared(folder=str(tmp_path / "moods")), None)
        assert TaskData.found(task, None).test_languages() == ["en"]

    def test_english_without_a_folder(self, tmp_path: Path) -> None:
        write_moods(tmp_path, ".")
        for tested in (True, False):
            found = data(tmp_path, tested)
            assert found.layout_name == "files of English"
            assert found.read("train", "en").num_rows == 24
        assert found.test_languages() == ["en"]

    @pytest.mark.parametrize(
        ("folders", "keys", "message"),
        [
            (["en"], {"folder": "absent"}, "own_tasks.moods.folder: there is no folder '{root}/absent'."),
            (["en", "elvish"], {}, "own_tasks.moods: no language is known by 'elvish', of the folder "),
            (["en"], {"languages": {"en": "eng_lish"}}, "own_tasks.moods: no language is known by 'eng_lish'"),
            (["en", "eng"], {}, "'{root}/moods/en' and '{root}/moods/eng' are both of the language 'en'"),
            (["en"], {"languages": {"de": "de"}}, "own_tasks.moods.languages.de: there is no folder "),
            ([], {}, "own_tasks.moods.folder: '{root}/moods' has neither LANG/train.tsv of any language nor train.tsv"),
            (["de"], {}, "moods: no train data for en: {root}/moods/en/train.tsv is expected"),
            (["en"], {"train": "train-all"}, "moods: no train data for en: {root}/moods/en/train-all.tsv is expected"),
        ],
    )
    def test_refused(self, folders: list[str], keys: dict[str, Any], message: str, tmp_path: Path) -> None:
        (tmp_path / "moods").mkdir()
        write_moods(tmp_path, *folders)
        assert message.format(root=tmp_path) in refusal(tmp_path, **keys)

    def test_a_relative_folder_without_a_root(self) -> None:
        assert "'moods' lies under the data root, and none is named; give --data-root, or" in refusal(None)


class TestRows:
    def test_columns_by_name(self, tmp_path: Path) -> None:
        for split in ("train", "dev", "test"):
            write_split(
                tmp_path / f"moods/en/{split}.tsv",
                [("a", "1", "no", "b"), ("c", "2", " yes ", 'd "so""')],
                "first id same second",
            )
        found = data(tmp_path, **PAIRS).read("dev", "en").to_pylist()
        assert found == [
            {"text": "a", "pair": "b", "label": "no"},
            {"text": "c", "pair": 'd "so""', "label": "yes"},
        ]
        assert data(tmp_path, text="second", label="id").read("dev", "en").to_pylist()[0] == {
            "text": "b",
            "pair": None,
            "label": "1",
        }

    def test_training_data_of_another_name(self, tmp_path: Path) -> None:
        write_moods(tmp_path, "en")
        write_split(tmp_path / "moods/en/train-all.tsv", [("1", "good", "a"), ("2", "bad", "b")])
        assert data(tmp_path, train="train-all").read("train", "en").num_rows == 2
        assert data(tmp_path).read("train", "en").num_rows == 24

    @pytest.mark.parametrize(
        ("text", "keys", "message"),
        [
            ("id\ttext\n1\ta\n", {}, "the heading must name the columns 'text' and 'label', but it is ['id', 'text']"),
            ("text\tlabel\na\tb\n", PAIRS, "must name the columns 'first', 'second' and 'same', but it is ['text', "),
            ("text\tlabel\ttext\na\tb\tc\n", {}, "the heading names the column 'text' more than once: ['text', "),
            ("text\tlabel\na\tb\nc\td\te\n", {}, "row 3: 2 cells are expected, not 3"),
            ("text\tlabel\na\tb\nc\n", {}, "row 3: 2 cells are expected, not 1"),
            ("text\tlabel\na\tb\nc\t \n", {}, "row 3: there is no label"),
            ("", {}, "the heading must name the columns"),
            ("text\tlabel\n", {}, "moods: the train data for en are empty"),
        ],
    )
    def test_refused(self, text: str, keys: dict[str, Any], message: str, tmp_path: Path) -> None:
        write_moods(tmp_path, "en")
        (tmp_path / "moods/en/train.tsv").write_text(text, encoding="utf-8")
        told = refusal(tmp_path, **keys)
        assert message in told
        assert f"{tmp_path}/moods/en/train.tsv" in told


class TestNames:
    def test_own_tasks_are_known_beside_the_shipped(self, tmp_path: Path) -> None:
        write_moods(tmp_path, "en")
        own = {"moods": declared(metric="macro_f1", recipe={"epochs": 2}, reference="r", licence="l", revision="v")}
        task = task_of("moods", own, tmp_path)
        assert (task.name, task.kind, task.metric, task.recipe.epochs) == ("moods", "sentences", "macro_f1", 2)
        assert (task.reference, task.licence, task.revision) == ("r", "l", "v")
        assert intermediate_of("moods", own, tmp_path).name == "moods"
        assert task_of("xnli", own, tmp_path).name == "xnli"
        with pytest.raises(UserError, match=r"'mood' is no task; the tasks are xnli, .*, sib200, moods\."):
            task_of("mood", own, tmp_path)

    @pytest.mark.parametrize("name", ["xnli", "alignment", "sentence_retrieval"])
    def test_names_that_are_taken(self, name: str, tmp_path: Path) -> None:
        message = re.escape(f"own_tasks.{name}: this is the name of a task that there is")
        for task in (name, "sib200"):
            with pytest.raises(UserError, match=message):
                task_of(task, {name: declared()}, tmp_path)


def test_files_of_predictions_can_be_scored(tmp_path: Path) -> None:
    files = [tmp_path / "labels.tsv", tmp_path / "predictions.tsv"]
    for file, labels in zip(files, ("a a b", "a b b"), strict=True):
        file.write_text("".join(f"{label}\n" for label in labels.split()), encoding="utf-8")
    assert score_files(ANY, "de", *files) == {
        "accuracy": pytest.approx(200 / 3),
        "macro_f1": pytest.approx(100 * (2 / 3 + 2 / 3) / 2),
    }
