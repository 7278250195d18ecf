"""Forms of files that several tasks share."""

import json
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.evaluate.tasks.writing import paragraph, write, write_csv, write_json, write_squad
from weam_ray.errors import UserError
from weam_ray.evaluate.tasks.reading import json_lines, read_conllu, read_rows, read_sentences, read_squad, read_tagged

texts = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from('"\t\n\r\u2028'), max_size=8)
same_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


class TestRows:
    @same_folder
    @given(st.lists(st.lists(texts, min_size=2, max_size=4), max_size=4))
    def test_what_csv_writes_comes_back(self, tmp_path: Path, rows: list[list[str]]) -> None:
        file = write_csv(tmp_path / "a.tsv", rows)
        assert list(read_rows(file)) == list(enumerate(rows, 1))

    @same_folder
    @given(st.lists(st.lists(texts.map(lambda text: text.translate(dict.fromkeys(b"\t\n\r"))), min_size=2), max_size=4))
    def test_unquoted_cells_stand_as_they_are(self, tmp_path: Path, rows: list[list[str]]) -> None:
        for end in ("\n", "\r\n"):
            file = write(tmp_path / "a.tsv", "".join("\t".join(row) + end for row in rows))
            assert list(read_rows(file, quoted=False)) == list(enumerate(rows, 1))

    @pytest.mark.parametrize("quoted", [False, True])
    def test_blank_lines_are_left_out_but_counted(self, tmp_path: Path, quoted: bool) -> None:
        file = write(tmp_path / "a.tsv", "a\tb\n\nc\td\n\n\n")
        assert list(read_rows(file, quoted)) == [(1, ["a", "b"]), (3, ["c", "d"])]

    @pytest.mark.parametrize("text", ['a\tb\n"Yes," he said.\tc\n', 'a\tb\n"open\tc\nd\te\n'])
    def test_quotes_that_would_swallow_tabs_and_lines(self, tmp_path: Path, text: str) -> None:
        file = write(tmp_path / "a.tsv", text)
        with pytest.raises(UserError, match=r"a\.tsv, row 2: a cell that begins with a quote must end with one"):
            list(read_rows(file))
        assert [cells for _, cells in read_rows(file, quoted=False)] == [line.split("\t") for line in text.splitlines()]

    def test_files_that_cannot_be_read(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="There is no file"):
            list(read_rows(tmp_path / "absent.tsv"))
        (tmp_path / "latin.tsv").write_bytes("a\tMüller\n".encode("latin-1"))
        with pytest.raises(UserError, match="byte 4 is not UTF-8"):
            list(read_rows(tmp_path / "latin.tsv"))


class TestSentences:
    def test_pairs_singles_and_hidden_labels(self, tmp_path: Path) -> None:
        file = write(tmp_path / "a.tsv", "one\ttwo\t yes \nthree\tfour\n")
        pairs = read_sentences([file, file], (0, 1), 2, header=False, rename=str.upper).to_pylist()
        assert pairs[:2] == [
            {"text": "one", "pair": "two", "label": "YES"},
            {"text": "three", "pair": "four", "label": None},
        ]
        assert pairs[2:] == pairs[:2]
        assert read_sentences([file], (1,), None, header=True).to_pylist() == [
            {"text": "four", "pair": None, "label": None}
        ]

    def test_a_row_with_too_few_cells(self, tmp_path: Path) -> None:
        file = write(tmp_path / "a.tsv", "one\ttwo\tyes\nthree\n")
        with pytest.raises(UserError, match=r"a\.tsv, row 2: 2 cells are expected, not 1"):
            read_sentences([file], (0, 1), 2, header=False)


class TestTagged:
    def test_sentences(self, tmp_path: Path) -> None:
        text = "\n\nthe\tDET\ndog \t NOUN\n\n\n  \nViệt Nam\tPROPN\r\n\r\na\u2028b\tX"
        assert read_tagged([write(tmp_path / "a.tsv", text)]).to_pylist() == [
            {"words": ["the", "dog"], "tags": ["DET", "NOUN"]},
            {"words": ["Việt Nam"], "tags": ["PROPN"]},
            {"words": ["a\u2028b"], "tags": ["X"]},
        ]

    def test_hidden_tags(self, tmp_path: Path) -> None:
        shown, hidden = write(tmp_path / "a.tsv", "dog\tNOUN\n"), write(tmp_path / "b.tsv", "the\ndog\n\nruns\n")
        assert read_tagged([shown, hidden]).to_pylist() == [
            {"words": ["dog"], "tags": ["NOUN"]},
            {"words": ["the", "dog"], "tags": None},
            {"words": ["runs"], "tags": None},
        ]

    @pytest.mark.parametrize(("text", "line"), [("the\tDET\ndog\n", 2), ("a\tX\n\nthe\ndog\tNOUN\n", 4)])
    def test_a_word_without_a_tag_among_others(self, tmp_path: Path, text: str, line: int) -> None:
        with pytest.raises(UserError, match=rf"a\.tsv, line {line}: a word, a tab and its tag are expected"):
            read_tagged([write(tmp_path / "a.tsv", text)])


class TestConllu:
    def test_syntactic_words_alone(self, tmp_path: Path) -> None:
        rest = "\t_" * 6
        text = (
            f"# text = du pain\n1-2\tdu\t_\t_{rest}\n1\tde\tde\tADP{rest}\n2\tle\tle\tDET{rest}\n"
            f"2.1\tx\t_\tNOUN{rest}\n3\tpain\tpain\tNOUN{rest}\n\n\n# text = Việt Nam\n1\tViệt Nam\t_\tPROPN{rest}"
        )
        expected = [
            {"words": ["de", "le", "pain"], "tags": ["ADP", "DET", "NOUN"]},
            {"words": ["Việt Nam"], "tags": ["PROPN"]},
        ]
        for ends in (text, text + "\n", text + "\n\n", text.replace("\n", "\r\n")):
            assert read_conllu([write(tmp_path / "a.conllu", ends)]).to_pylist() == expected

    def test_another_number_of_columns(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match=r"line 2: the 10 columns of CoNLL-U are expected, not 2"):
            read_conllu([write(tmp_path / "a.conllu", "# a\nthe\tDET\n")])


class TestSquad:
    ARTICLES = (paragraph("one two", ("q0", "one"), ("q1", "two")), paragraph("tre four", ("q2", "tre")))

    def test_rows(self, tmp_path: Path) -> None:
        file = write_squad(tmp_path / "a.json", *self.ARTICLES)
        rows = read_squad([file]).to_pylist()
        assert [row["id"] for row in rows] == ["q0", "q1", "q2"]
        assert rows[1] == {
            "id": "q1", "question": "What of q1?", "context": "one two", "answers": ["two"], "starts": [4]
        }  # fmt: skip
        assert [row["id"] for row in read_squad([file], lambda article: article == 1).to_pylist()] == ["q2"]
        assert read_squad([file, file]).num_rows == 6

    def test_hidden_answers(self, tmp_path: Path) -> None:
        """As XTREME blanks them; one answer that is left shows all."""
        hidden = write_squad(tmp_path / "a.json", paragraph("one two", ("q0", ""), ("q1", "")))
        assert [(row["answers"], row["starts"]) for row in read_squad([hidden]).to_pylist()] == [(None, None)] * 2
        shown = write_squad(tmp_path / "b.json", paragraph("one two", ("q0", ""), ("q1", "two")))
        assert [row["answers"] for row in read_squad([shown]).to_pylist()] == [[""], ["two"]]

    def test_several_answers_and_none(self, tmp_path: Path) -> None:
        two = {"id": 7, "question": "?", "answers": [{"text": a, "answer_start": s} for a, s in (("b", 2), ("c", 4))]}
        data = {"data": [{"paragraphs": [{"context": "a b c", "qas": [two, {"id": "8", "question": "?"}]}]}]}
        rows = read_squad([write_json(tmp_path / "a.json", data)]).to_pylist()
        assert [(row["id"], row["answers"], row["starts"]) for row in rows] == [
            ("7", ["b", "c"], [2, 4]),
            ("8", [], []),
        ]

    @pytest.mark.parametrize(
        "found", [[], {}, {"data": 1}, {"data": [{}]}, {"data": [{"paragraphs": [{"context": "a", "qas": [{}]}]}]}]
    )
    def test_another_form(self, tmp_path: Path, found: Any) -> None:
        with pytest.raises(UserError, match=r"a\.json: not in SQuAD's form"):
            read_squad([write_json(tmp_path / "a.json", found)])


class TestJsonLines:
    def test_lines_end_with_line_feeds_alone(self, tmp_path: Path) -> None:
        file = write(tmp_path / "a.jsonl", '{"a": "x\u2028y\x85"}\r\n\n{"a": 2}\n\n')
        assert list(json_lines(file)) == [(1, {"a": "x\u2028y\x85"}), (3, {"a": 2})]

    def test_lines_are_read_as_they_are_asked_for(self, tmp_path: Path) -> None:
        file = write(tmp_path / "a.jsonl", json.dumps({"a": 1}) + "\n" + "not JSON\n")
        assert list(islice(json_lines(file), 1)) == [(1, {"a": 1})]

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ('{"a": 1}\n{"a"\n', "line 2: not valid JSON"),
            ('{"a": 1}\n[1]\n', "line 2: a JSON object is expected"),
        ],
    )
    def test_other_lines(self, tmp_path: Path, text: str, message: str) -> None:
        with pytest.raises(UserError, match=message):
            list(json_lines(write(tmp_path / "a.jsonl", text)))

    def test_files_that_cannot_be_read(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="There is no file"):
            list(json_lines(tmp_path / "absent"))
        (tmp_path / "latin.jsonl").write_bytes(b'{}\n{"a": "\xfc"}\n')
        with pytest.raises(UserError, match="line 2: not UTF-8"):
            list(json_lines(tmp_path / "latin.jsonl"))
