"""Tasks with labels: each layout, read from files in the form in which its authors, or XTREME's script, leave them."""

from pathlib import Path

import pytest

from tests.support.writing import layout_of, rows_of, write, write_csv, write_json_lines
from weam_ray.errors import UserError
from weam_ray.evaluate.data import TaskData
from weam_ray.evaluate.languages import language
from weam_ray.evaluate.tasks import TASKS, intermediate_of
from weam_ray.evaluate.tasks.base import Split

QUOTED = '"Yes," he said'  # not as csv writes a cell that begins with a quote
DE = language("de")


def sentences(task: str, layout: str, root: Path, split: Split, code: str) -> list[tuple[str, str | None, str | None]]:
    return [(row["text"], row["pair"], row["label"]) for row in rows_of(task, layout, root, split, code)]


def tagged(task: str, layout: str, root: Path, split: Split, code: str) -> list[tuple[list[str], list[str] | None]]:
    return [(row["words"], row["tags"]) for row in rows_of(task, layout, root, split, code)]


class TestXnli:
    def write_official(self, root: Path) -> None:
        for code in ("en", "de"):
            text = f"premise\thypo\tlabel\n{QUOTED} {code} .\tb\tcontradictory\nc\td\tneutral\n"
            write(root / f"xnli/XNLI-MT-1.0/multinli/multinli.train.{code}.tsv", text)
        for split in ("dev", "test"):
            rows = [["language", "gold_label", "s1_b", "s2_b", "s1_p", "s2_p", "sentence1", "sentence2", "promptID"]]
            for code in ("ar", "de", "en"):
                rows += [[code, "contradictory", *"1234", f"{QUOTED} {split} {code}", "h", "77"]]
                rows += [[code, "entailment", *"1234", "p", "h", "78"]]
            write(root / f"xnli/XNLI-1.0/xnli.{split}.tsv", "".join("\t".join(row) + "\n" for row in rows))

    def test_official(self, tmp_path: Path) -> None:
        self.write_official(tmp_path)
        for code in ("en", "de"):
            assert sentences("xnli", "official", tmp_path, "train", code) == [
                (f"{QUOTED} {code} .", "b", "contradiction"),
                ("c", "d", "neutral"),
            ]
        for split in ("dev", "test"):
            assert sentences("xnli", "official", tmp_path, split, "de") == [
                (f"{QUOTED} {split} de", "h", "contradiction"),
                ("p", "h", "entailment"),
            ]
        with pytest.raises(UserError, match="xnli: the test data for fr are empty"):
            rows_of("xnli", "official", tmp_path, "test", "fr")

    def test_one_file_holds_the_languages_of_xnli_and_no_others(self, tmp_path: Path) -> None:
        self.write_official(tmp_path)
        found = TaskData.found(TASKS["xnli"], tmp_path)
        assert found.layout_name == "official"
        assert found.test_languages() == [
            "ar",
            "bg",
            "de",
            "el",
            "en",
            "es",
            "fr",
            "hi",
            "ru",
            "sw",
            "th",
            "tr",
            "ur",
            "vi",
            "zh",
        ]
        assert not found.has("test", language("ace"))

    def test_a_row_that_is_cut(self, tmp_path: Path) -> None:
        self.write_official(tmp_path)
        write(tmp_path / "xnli/XNLI-1.0/xnli.dev.tsv", "language\nen\tneutral\tx\n")
        with pytest.raises(UserError, match=r"xnli\.dev\.tsv, row 2: 8 cells are expected, not 3"):
            rows_of("xnli", "official", tmp_path, "dev", "en")

    def test_xtreme(self, tmp_path: Path) -> None:
        folder = tmp_path / "xnli"
        write_csv(folder / "train-en.tsv", [[QUOTED, "b", "contradiction"], ["c", "d", "neutral"]])
        write_csv(folder / "dev-de.tsv", [["a", QUOTED, "entailment"]])
        write_csv(folder / "test-de.tsv", [[QUOTED, "b"], ["c", "d"]])
        translated = f"{QUOTED}\tb\t{QUOTED} wirklich\tB\tcontradictory\nc\td\tC\tD\tneutral\n"
        write(folder / "translate-train/en-de-translated.tsv", translated)
        assert sentences("xnli", "xtreme", tmp_path, "train", "en") == [
            (QUOTED, "b", "contradiction"),
            ("c", "d", "neutral"),
        ]
        assert sentences("xnli", "xtreme", tmp_path, "dev", "de") == [("a", QUOTED, "entailment")]
        assert sentences("xnli", "xtreme", tmp_path, "test", "de") == [(QUOTED, "b", None), ("c", "d", None)]
        assert sentences("xnli", "xtreme", tmp_path, "train", "de") == [
            (f"{QUOTED} wirklich", "B", "contradiction"),
            ("C", "D", "neutral"),
        ]
        write(folder / "translate-train/en-fr-translated.tsv", "a\tb\tC\n")
        with pytest.raises(UserError, match=r"en-fr-translated\.tsv, row 1: 4 cells are expected, not 3"):
            rows_of("xnli", "xtreme", tmp_path, "train", "fr")

    @pytest.mark.parametrize("split", ["train", "dev"])
    def test_quotes_of_xtreme_that_csv_did_not_write(self, split: Split, tmp_path: Path) -> None:
        rows = [('"', "b"), ('"open', 'shut"'), (QUOTED, '"all"'), ("a", '5" of 6"')]
        text = "".join(f"{first}\t{second}\tneutral\n" for first, second in rows)
        write(tmp_path / f"xnli/{split}-en.tsv", text)
        write(tmp_path / f"pawsx/{split}-en.tsv", text.replace("neutral", "1"))
        assert sentences("xnli", "xtreme", tmp_path, split, "en") == [(*row, "neutral") for row in rows]
        assert sentences("pawsx", "xtreme", tmp_path, split, "en") == [(*row, "1") for row in rows]

    def test_files_without_a_heading_lose_no_row(self, tmp_path: Path) -> None:
        self.write_official(tmp_path)
        for file in tmp_path.glob("xnli/*/**/*.tsv"):
            write(file, file.read_text(encoding="utf-8").partition("\n")[2])
        assert len(sentences("xnli", "official", tmp_path, "train", "en")) == 2
        assert len(sentences("xnli", "official", tmp_path, "dev", "ar")) == 2
        write(tmp_path / "pawsx/x-final/en/train.tsv", "1\ta\tb\t0\n")
        assert sentences("pawsx", "official", tmp_path, "train", "en") == [("a", "b", "0")]


class TestPawsx:
    def test_official(self, tmp_path: Path) -> None:
        for place in ("en/train", "en/dev_2k", "en/test_2k", "de/translated_train", "de/dev_2k", "de/test_2k"):
            text = f"id\tsentence1\tsentence2\tlabel\n1\t{QUOTED} {place}\tb\t0\n2\t''c''\td\t1\n"
            write(tmp_path / f"pawsx/x-final/{place}.tsv", text)
        for code, split, place in [
            ("en", "train", "en/train"),
            ("de", "train", "de/translated_train"),
            ("de", "dev", "de/dev_2k"),
            ("en", "test", "en/test_2k"),
        ]:
            assert sentences("pawsx", "official", tmp_path, split, code) == [
                (f"{QUOTED} {place}", "b", "0"),
                ("''c''", "d", "1"),
            ]

    def test_xtreme(self, tmp_path: Path) -> None:
        folder = tmp_path / "pawsx"
        write_csv(folder / "train-en.tsv", [["a", QUOTED, "1"]])
        write_csv(folder / "test-de.tsv", [["a", QUOTED]])
        write(folder / "translate-train/en-de-translated.tsv", f"a\tb\t{QUOTED}\tB\t0\n")
        assert sentences("pawsx", "xtreme", tmp_path, "train", "en") == [("a", QUOTED, "1")]
        assert sentences("pawsx", "xtreme", tmp_path, "test", "de") == [("a", QUOTED, None)]
        assert sentences("pawsx", "xtreme", tmp_path, "train", "de") == [(QUOTED, "B", "0")]


class TestSib200:
    def test_by_codes_of_nllb(self, tmp_path: Path) -> None:
        for code in ("deu_Latn", "zho_Hans", "ace_Arab"):
            write_csv(
                tmp_path / f"sib200/{code}/test.tsv",
                [["index_id", "category", "text"], ["7", "science/technology", f'"One" {code}'], ["9", "travel", "b"]],
            )
        for code, nllb in {"de": "deu_Latn", "zh": "zho_Hans", "ace_Arab": "ace_Arab"}.items():
            assert sentences("sib200", "official", tmp_path, "test", code) == [
                (f'"One" {nllb}', None, "science/technology"),
                ("b", None, "travel"),
            ]

    def test_one_language_with_two_codes_counts_once(self, tmp_path: Path) -> None:
        for code in ("deu_Latn", "nob_Latn"):
            write(tmp_path / f"sib200/{code}/test.tsv", "index_id\tcategory\ttext\n7\ttravel\ta\n")
        assert TaskData.found(TASKS["sib200"], tmp_path).test_languages() == ["de", "nb"]
        assert sentences("sib200", "official", tmp_path, "test", "no") == [("a", None, "travel")]


class TestChoices:
    ROWS = (
        {"premise": "It rained.", "question": "cause", "choice1": "A", "choice2": "B", "label": 1, "idx": 0},
        {"premise": "It snowed.", "question": "effect", "choice1": "C", "choice2": "D", "label": 0, "changed": False},
    )
    READ = (
        {"prompt": "It rained. What was the cause?", "choices": ["A", "B"], "label": 1},
        {"prompt": "It snowed. What was the effect?", "choices": ["C", "D"], "label": 0},
    )

    def test_xcopa_of_xtreme(self, tmp_path: Path) -> None:
        """Labels of test files are all 0; the English test file of COPA has none, so its development part tests."""
        hidden = [row | {"label": 0} for row in self.ROWS]
        for name, rows in {
            "train-en": self.ROWS,
            "val-en": self.ROWS[::-1],
            "test-en": [{key: value for key, value in row.items() if key != "label"} for row in self.ROWS],
            "val-et": self.ROWS,
            "test-et": hidden,
        }.items():
            write_json_lines(tmp_path / f"xcopa/{name}.jsonl", rows)
        assert rows_of("xcopa", "xtreme", tmp_path, "train", "en") == list(self.READ)
        assert rows_of("xcopa", "xtreme", tmp_path, "dev", "et") == list(self.READ)
        assert rows_of("xcopa", "xtreme", tmp_path, "dev", "en") == list(self.READ[::-1])
        assert rows_of("xcopa", "xtreme", tmp_path, "test", "en") == list(self.READ[::-1])
        assert [row["label"] for row in rows_of("xcopa", "xtreme", tmp_path, "test", "et")] == [None, None]

    def test_xcopa_official(self, tmp_path: Path) -> None:
        for code, name in (("en", "train"), ("en", "val"), ("et", "val"), ("et", "test")):
            write_json_lines(tmp_path / f"xcopa/{code}/{name}.{code}.jsonl", self.ROWS)
        for code, split in (("en", "train"), ("en", "test"), ("et", "dev"), ("et", "test")):
            assert rows_of("xcopa", "official", tmp_path, split, code) == list(self.READ)

    def test_siqa(self, tmp_path: Path) -> None:
        row = {
            "context": "Ann ran.",
            "question": "Why?",
            "answerA": "x",
            "answerB": "y",
            "answerC": "z",
            "correct": "C",
        }
        write_json_lines(tmp_path / "siqa/socialIQa_v1.4_trn.jsonl", [row])
        write_json_lines(tmp_path / "siqa/socialIQa_v1.4_dev.jsonl", [row | {"correct": "A"}])
        read = {"prompt": "Ann ran. Why?", "choices": ["x", "y", "z"], "label": 2}
        assert rows_of("siqa", "official", tmp_path, "train", "en") == [read]
        for split in ("dev", "test"):
            assert rows_of("siqa", "official", tmp_path, split, "en") == [read | {"label": 0}]
        with pytest.raises(UserError, match="siqa: no train data for de: a train file is expected"):
            rows_of("siqa", "official", tmp_path, "train", "de")

    def test_labels(self, tmp_path: Path) -> None:
        """As text too; -1 is none, as in data sets."""
        for given, expected in ((("1", "0"), [1, 0]), ((-1, -1), [None, None]), ((None, "-1"), [None, None])):
            rows = [row | {"label": label} for row, label in zip(self.ROWS, given, strict=True)]
            write_json_lines(tmp_path / "xcopa/test-et.jsonl", rows)
            assert [row["label"] for row in rows_of("xcopa", "xtreme", tmp_path, "test", "et")] == expected
        for label in (2, "b", True, 0.5):
            write_json_lines(tmp_path / "xcopa/test-et.jsonl", [self.ROWS[0] | {"label": label}])
            with pytest.raises(UserError, match=r"xcopa: the row .* has the label .*; 0 or 1 is expected"):
                rows_of("xcopa", "xtreme", tmp_path, "test", "et")

    def test_a_value_of_another_type(self, tmp_path: Path) -> None:
        row = {"context": "a", "question": "b", "answerA": 7, "answerB": "y", "answerC": "z", "correct": "A"}
        write_json_lines(tmp_path / "siqa/socialIQa_v1.4_trn.jsonl", [row])
        with pytest.raises(UserError, match=r"siqa: the train data for en have a value of another type .*_trn\.jsonl"):
            rows_of("siqa", "official", tmp_path, "train", "en")

    def test_keys_that_are_missing(self, tmp_path: Path) -> None:
        write_json_lines(tmp_path / "xcopa/train-en.jsonl", [{"premise": "a", "question": "cause", "choice1": "b"}])
        with pytest.raises(
            UserError, match="the keys premise, question, choice1 and choice2 are expected: no 'choice2'"
        ):
            rows_of("xcopa", "xtreme", tmp_path, "train", "en")
        for correct in ({}, {"correct": "D"}):
            row = {"context": "a", "question": "b", "answerA": "x", "answerB": "y", "answerC": "z"} | correct
            write_json_lines(tmp_path / "siqa/socialIQa_v1.4_trn.jsonl", [row])
            with pytest.raises(UserError, match="not in the form of Social IQA"):
                rows_of("siqa", "official", tmp_path, "train", "en")


class TestTagged:
    def conllu(self, *words: str) -> str:
        lines = [f"{number}\t{word}\t_\tNOUN" + "\t_" * 6 for number, word in enumerate(words, 1)]
        return "\n".join(["# a comment", *lines, "", ""])

    def test_treebanks(self, tmp_path: Path) -> None:
        """All treebanks of a language, but of English PUD tests and LinES develops."""
        for name, word in {
            "en_lines-ud-train": "a", "en_partut-ud-train": "b", "en_lines-ud-dev": "c", "en_partut-ud-dev": "d",
            "en_pud-ud-test": "e", "en_lines-ud-test": "f", "de_gsd-ud-test": "g", "de_pud-ud-test": "h",
        }.items():  # fmt: skip
            write(tmp_path / f"udpos/{name}.conllu", self.conllu(word, "."))
        for code, split, words in [
            ("en", "train", "ab"),
            ("en", "dev", "c"),
            ("en", "test", "e"),
            ("de", "test", "gh"),
        ]:
            found = tagged("udpos", "treebanks", tmp_path, split, code)
            assert found == [([word, "."], ["NOUN", "NOUN"]) for word in words]
        with pytest.raises(UserError, match=r"no train data for de: .*de_\*-ud-train\.conllu is expected"):
            rows_of("udpos", "treebanks", tmp_path, "train", "de")

    @pytest.mark.parametrize("task", ["udpos", "panx"])
    def test_xtreme(self, task: str, tmp_path: Path) -> None:
        """Test files of words alone; the last sentence of a file has no blank line after it."""
        write(tmp_path / task / "train-en.tsv", "the\tDET\ndog\tNOUN\n\nruns\tVERB\n")
        write(tmp_path / task / "test-de.tsv", "der\nHund\n\nläuft\n")
        assert tagged(task, "xtreme", tmp_path, "train", "en") == [
            (["the", "dog"], ["DET", "NOUN"]),
            (["runs"], ["VERB"]),
        ]
        assert tagged(task, "xtreme", tmp_path, "test", "de") == [(["der", "Hund"], None), (["läuft"], None)]

    def test_panx_official(self, tmp_path: Path) -> None:
        """Words with their language before them; a colon of the word's own stays."""
        for split in ("train", "dev", "test"):
            write(
                tmp_path / "panx/de" / split,
                "de:Berlin\tB-LOC\nde::\tO\nde:de:x\tO\nde:\u00a0\tO\nde:\tO\n\nen:a\tO\n\n",
            )
            assert tagged("panx", "official", tmp_path, split, "de") == [
                (["Berlin", ":", "de:x", "\u00a0", ""], ["B-LOC", *"OOOO"]),
                (["en:a"], ["O"]),
            ]


class TestLabelled:
    """Files of the user's own, as intermediate tasks."""

    def test_a_file_develops_on_every_tenth_row(self, tmp_path: Path) -> None:
        rows = [[f"text {number}", "good" if number % 2 else " bad "] for number in range(25)]
        task = intermediate_of(str(write_csv(tmp_path / "reviews.tsv", [["text", "label"], *rows])))
        assert (task.name, task.kind, task.form.suffix) == ("reviews", "sentences", "tsv")
        data = TaskData.found(task, tmp_path, tested=False)
        found = {split: data.read(split, "en").to_pylist() for split in ("train", "dev")}
        assert found["dev"] == [{"text": f"text {number}", "pair": None, "label": "good"} for number in (9, 19)]
        assert [row["text"] for row in found["train"]] == [f"text {number}" for number in range(25) if number % 10 != 9]
        assert {row["label"] for row in found["train"]} == {"good", "bad"}
        assert data.test_languages() == []
        with pytest.raises(UserError, match="no train data for de"):
            data.read("train", "de")

    def test_a_folder_and_a_second_text(self, tmp_path: Path) -> None:
        heading = ["id", "label", "pair", "text"]
        write_csv(tmp_path / "mine/train.tsv", [heading, ["1", "yes", "b", "a"]])
        write_csv(tmp_path / "mine/dev.tsv", [heading, ["2", "no", "d", "c"]])
        data = TaskData.found(intermediate_of(str(tmp_path / "mine")), None, tested=False)
        assert data.read("train", "en").to_pylist() == [{"text": "a", "pair": "b", "label": "yes"}]
        assert data.read("dev", "en").to_pylist() == [{"text": "c", "pair": "d", "label": "no"}]

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ('text\tlabel\n"a\tb\nc\td\n', ['"a', "c"]),
            ('text\tlabel\n"a" and "b"\tb\nc\td\n', ['"a" and "b"', "c"]),
            ('text\tlabel\n"a"\tb\n"c ""d"""\td\n', ['"a"', 'c "d"']),
            ('text\tlabel\r\n"a\tb\t\r\nc"\td\r\n', ["a\tb\t\r\nc"]),
            ('text\tlabel\r\n"a\tb""c"\td\r\n"e"\tf\r\n', ['a\tb"c', "e"]),
            ('"text"\t"label"\n"a"\t"b"\n"c, ""d"""\t"e"\n', ["a", 'c, "d"']),
        ],
    )
    def test_quotes(self, text: str, expected: list[str], tmp_path: Path) -> None:
        """Text, but where nothing else gives even rows; no row is lost."""
        task = intermediate_of(str(write(tmp_path / "a.tsv", text)))
        assert TaskData.found(task, tmp_path, tested=False).read("train", "en")["text"].to_pylist() == expected

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("text\tclass\na\tb\n", "the heading must name the columns 'text' and 'label', but it is"),
            ("", "the heading must name the columns"),
            ("text\tlabel\na\tb\nc\n", "row 3: 2 cells are expected, not 1"),
            ("text\tlabel\na\t \n", "row 2: there is no label"),
            ('text\tlabel\n"a\tb\nc\n', "row 3: 2 cells are expected, not 1"),
        ],
    )
    def test_other_files(self, text: str, message: str, tmp_path: Path) -> None:
        task = intermediate_of(str(write(tmp_path / "a.tsv", text)))
        with pytest.raises(UserError, match=message):
            TaskData.found(task, tmp_path, tested=False).read("train", "en")

    def test_neither_a_task_nor_a_file(self, tmp_path: Path) -> None:
        for given in (tmp_path, tmp_path / "absent.tsv"):
            with pytest.raises(UserError, match="neither a task nor a tab-separated file"):
                intermediate_of(str(given))


def test_layouts_are_found_by_files_alone(tmp_path: Path) -> None:
    layout = layout_of("xnli", "xtreme")
    assert layout.present(tmp_path, "dev", DE) == []
    file = write(tmp_path / "xnli/dev-de.tsv", "")
    assert layout.present(tmp_path, "dev", DE) == [file]
