"""Data of a task: in which form they are found, what there is of them, and labels beside them."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.lab import write_mewslix, write_xnli
from tests.support.writing import paragraph, write, write_csv, write_json, write_squad
from weam_ray.errors import UserError
from weam_ray.evaluate.data import TaskData
from weam_ray.evaluate.languages import language
from weam_ray.evaluate.tasks import TASKS, intermediate_of

XNLI = TASKS["xnli"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_xnli(tmp_path / "data")


class TestFound:
    def test_a_test_file_or_for_an_intermediate_task_the_english_training_file(self, tmp_path: Path) -> None:
        hub = "Hugging Face data set facebook/xnli"
        for number, (name, tested, form) in enumerate(
            [
                ("xnli/test-sw.tsv", True, "xtreme"),
                ("xnli/test-sw.tsv", False, hub),
                ("xnli/train-en.tsv", False, "xtreme"),
                ("xnli/train-en.tsv", True, hub),
                ("xnli/XNLI-1.0/xnli.test.tsv", True, "official"),
                ("xnli/dev-en.tsv", True, hub),
                ("xnli/translate-train/en-de-translated.tsv", False, hub),
            ]
        ):
            write(tmp_path / str(number) / name, "")
            assert TaskData.found(XNLI, tmp_path / str(number), tested).layout_name == form

    def test_the_first_layout_of_several(self, root: Path) -> None:
        assert TaskData.found(XNLI, root).layout_name == "xtreme"
        write(root / "xnli/XNLI-1.0/xnli.test.tsv", "")
        assert TaskData.found(XNLI, root).layout_name == "official"

    def test_without_a_root_no_folder_is_looked_into(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(root)
        assert TaskData.found(XNLI, None).layout_name == "Hugging Face data set facebook/xnli"

    def test_nowhere(self, tmp_path: Path) -> None:
        with pytest.raises(UserError) as error:
            TaskData.found(TASKS["lareqa"], tmp_path)
        for part in ("lareqa: there are no data", str(tmp_path), "xquad-r/de.json (official)"):
            assert part in str(error.value)

    def test_what_there_is(self, root: Path) -> None:
        data = TaskData.found(XNLI, root)
        has = [
            (split, code)
            for split in ("train", "dev", "test")
            for code in ("en", "de")
            if data.has(split, language(code))
        ]
        assert has == [("train", "en"), ("dev", "en"), ("test", "de")]
        assert data.test_languages() == ["de"]
        with pytest.raises(UserError, match=r"xnli: no test data for fr: .*test-fr\.tsv is expected \(xtreme\)"):
            data.read("test", "fr")


class TestGold:
    def test_labels_of_the_test_file_itself_come_first(self, root: Path) -> None:
        write_csv(root / "xnli/test-fr.tsv", [["a", "b", "neutral"]])
        write(root / "labels/xnli/test-fr.tsv", "entailment\n")
        data = TaskData.found(XNLI, root)
        assert data.gold(data.read("test", "fr"), "fr") == ["neutral"]

    def test_labels_beside_files_that_hide_theirs(self, root: Path) -> None:
        data = TaskData.found(XNLI, root)
        rows = data.read("test", "de")
        assert data.gold(rows, "de") is None
        write(root / "labels/xnli/test-de.tsv", "neutral\nentailment\nneutral\n")
        assert data.gold(rows, "de") == ["neutral", "entailment", "neutral"]

    @pytest.mark.parametrize(
        ("task", "file", "text", "label", "labels", "gold"),
        [
            ("udpos", "test-de.tsv", "der\nHund\n", "test-de.tsv", "DET\nNOUN\n\n", [["DET", "NOUN"]]),
            ("xcopa", "test-et.jsonl", '{"premise":"a","question":"cause","choice1":"b","choice2":"c","label":0}\n',
             "test-et.jsonl", '{"label": 1}\n', [1]),
            ("mlqa", "MLQA_V1/test/test-context-de-question-de.json",
             '{"data":[{"paragraphs":[{"context":"a","qas":[{"id":"q","question":"?","answers":[]}]}]}]}',
             "test-de.json", '[{"paragraphs":[{"qas":[{"id":"q","answers":[{"text":"a"}]}]}]}]', [("q", ["a"])]),
        ],
    )  # fmt: skip
    def test_in_the_form_of_each_task(
        self, task: str, file: str, text: str, label: str, labels: str, gold: Any, tmp_path: Path
    ) -> None:
        code = file.removesuffix(".jsonl").removesuffix(".json").removesuffix(".tsv")[-2:]
        write(tmp_path / task / file, text)
        data = TaskData.found(TASKS[task], tmp_path)
        rows = data.read("test", code)
        assert data.gold(rows, code) is None
        write(tmp_path / "labels" / task / label, labels)
        assert data.gold(rows, code) == gold

    @pytest.mark.parametrize(
        ("task", "file", "text"),
        [
            ("xnli", "test-de.tsv", "a\tb\tneutral\nc\td\n"),
            ("udpos", "test-de.tsv", "der\tDET\n\nHund\n"),
            ("xcopa", "val-en.jsonl",
             '{"premise":"a","question":"cause","choice1":"b","choice2":"c","label":1}\n'
             '{"premise":"a","question":"cause","choice1":"b","choice2":"c"}\n'),
            ("mlqa", "MLQA_V1/test/test-context-de-question-de.json",
             '{"data":[{"paragraphs":[{"context":"a","qas":[{"id":"q","question":"?","answers":[]},'
             '{"id":"r","question":"?","answers":[{"text":"a","answer_start":0}]}]}]}]}'),
            ("mlqa", "MLQA_V1/test/test-context-de-question-de.json",
             '{"data":[{"paragraphs":[{"context":"a","qas":[{"id":"q","question":"?","answers":[{"text":"",'
             '"answer_start":0}]},{"id":"r","question":"?","answers":[{"text":"a","answer_start":0}]}]}]}]}'),
        ],
    )  # fmt: skip
    def test_labels_that_some_rows_have(self, task: str, file: str, text: str, tmp_path: Path) -> None:
        write(tmp_path / task / file, text)
        data = TaskData.found(TASKS[task], tmp_path)
        (code,) = data.test_languages()
        with pytest.raises(UserError, match=f"{task}: 1 of the 2 test rows for {code} have no label"):
            data.gold(data.read("test", code), code)

    def test_labels_of_mentions_in_news(self, tmp_path: Path) -> None:
        """Where Mewsli-X has them; a file in the form of all tasks goes before it."""
        write_mewslix(tmp_path)
        data = TaskData.found(TASKS["mewslix"], tmp_path)
        rows = data.read("test", "de")
        expected = {f"de{number}": [f"Q{number}"] for number in range(4)}
        assert data.gold(rows, "de") == expected
        write_json(tmp_path / "mewslix/wikinews_labels/test-de.json", {name: own for name, (own,) in expected.items()})
        assert data.gold(rows, "de") == expected
        write_json(tmp_path / "labels/mewslix/test-de.json", expected | {"de0": ["Q3"]})
        assert data.gold(rows, "de") == expected | {"de0": ["Q3"]}
        write_json(tmp_path / "labels/mewslix/test-de.json", {"de0": ["Q3"]})
        with pytest.raises(UserError, match=r"test-de\.json: 3 predictions for names that the labels lack: 'de1'"):
            data.gold(rows, "de")


class TestUndecided:
    """Rows on whose label annotators did not agree: left out, and counted."""

    ROWS = "a\tb\tneutral\nc\td\t-\ne\tf\tentailment\ng\th\t - \n"

    @pytest.mark.parametrize("split", ["train", "dev", "test"])
    def test_of_xnli_as_xtreme_leaves_it(self, split: Any, root: Path) -> None:
        write(root / f"xnli/{split}-en.tsv", self.ROWS)
        data = TaskData.found(XNLI, root)
        rows, count = data.decided(split, "en")
        assert (rows["text"].to_pylist(), rows["label"].to_pylist(), count) == (
            ["a", "e"],
            ["neutral", "entailment"],
            2,
        )
        assert data.read(split, "en") == rows

    @pytest.mark.parametrize("split", ["train", "dev", "test"])
    def test_of_xnli_itself(self, split: Any, tmp_path: Path) -> None:
        write(tmp_path / "xnli/XNLI-MT-1.0/multinli/multinli.train.en.tsv", f"premise\thypo\tlabel\n{self.ROWS}")
        rows = [line.split("\t") for line in self.ROWS.splitlines()]
        text = "".join(f"{code}\t{row[2]}\t1\t2\t3\t4\t{row[0]}\t{row[1]}\n" for code in ("de", "en") for row in rows)
        for name in ("dev", "test"):
            write(tmp_path / f"xnli/XNLI-1.0/xnli.{name}.tsv", f"language\tgold_label\n{text}")
        found, count = TaskData.found(XNLI, tmp_path).decided(split, "en")
        assert (found["text"].to_pylist(), count) == (["a", "e"], 2)

    def test_translations_and_pawsx(self, root: Path) -> None:
        write(root / "xnli/translate-train/en-de-translated.tsv", "a\tb\tc\td\t-\na\tb\te\tf\tneutral\n")
        assert TaskData.found(XNLI, root).decided("train", "de")[1] == 1
        write(root / "pawsx/test-de.tsv", "a\tb\t1\nc\td\t-1\n")
        rows, count = TaskData.found(TASKS["pawsx"], root).decided("test", "de")
        assert (rows["label"].to_pylist(), count) == (["1"], 1)

    def test_labels_beside_say_which(self, root: Path) -> None:
        """Rows and gold stay beside each other, in the features and in the files that are written."""
        data = TaskData.found(XNLI, root)
        write(root / "labels/xnli/test-de.tsv", "neutral\n-\nentailment\n")
        rows, count = data.decided("test", "de")
        assert ([len(text.split()) for text in rows["text"].to_pylist()], count) == ([3, 1], 1)
        assert data.gold(rows, "de") == ["neutral", "entailment"]
        assert rows["label"].null_count == 2
        write(root / "labels/xnli/test-de.tsv", "neutral\n-\n")
        with pytest.raises(UserError, match=r"test-de\.tsv: 3 lines of predictions, but 2 of labels"):
            data.decided("test", "de")

    def test_a_test_set_of_them_hides_its_labels(self, root: Path) -> None:
        write(root / "xnli/test-fr.tsv", "a\tb\t-\nc\td\t-\n")
        data = TaskData.found(XNLI, root)
        rows, count = data.decided("test", "fr")
        assert (rows["label"].to_pylist(), count, data.gold(rows, "fr")) == ([None, None], 0, None)
        write(root / "labels/xnli/test-fr.tsv", "neutral\nentailment\n")
        assert data.gold(data.read("test", "fr"), "fr") == ["neutral", "entailment"]

    def test_others_are_labels_like_any(self, tmp_path: Path) -> None:
        """Of a file of the user's own."""
        file = write(tmp_path / "own.tsv", "text\tlabel\na\t+\nb\t-\n")
        found = TaskData.found(intermediate_of(str(file)), None, tested=False).read("train", "en")
        assert found["label"].to_pylist() == ["+", "-"]


@pytest.mark.parametrize(
    ("task", "file"),
    [("mlqa", "MLQA_V1/{split}/{split}-context-de-question-de.json"), ("lareqa", "xquad-r/de.json")],
)
def test_names_that_are_given_twice(task: str, file: str, tmp_path: Path) -> None:
    """Two questions of one name would have one prediction."""
    article = paragraph("one two", ("q", "one"), ("q", "two"), sentence_breaks=[[0, 7]])
    for split in ("train", "dev", "test"):
        write_squad(tmp_path / task / file.format(split=split), article)
    data = TaskData.found(TASKS[task], tmp_path)
    for split in ("dev", "test")[task == "lareqa" :]:
        with pytest.raises(
            UserError, match=rf"{task}: the {split} data for de have 1 names more than once, such as 'q'"
        ):
            data.read(split, "de")
    write_squad(tmp_path / "squad/train-v1.1.json", article)
    assert TaskData.found(TASKS["mlqa"], tmp_path, tested=False).read("train", "en").num_rows == 2
