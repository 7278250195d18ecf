"""Forms of files that several tasks share."""

import json
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.writing import paragraph, write, write_csv, write_json, write_squad
from weam_ray.errors import UserError
from weam_ray.evaluate.tasks.reading import json_lines, read_conllu, read_rows, read_sentences, read_squad, read_tagged

texts = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from('"\t\n\r\u2028'), max_size=8)
ODD_SPACES = ["\u00a0", "\u2028", "\u2029", "\u3000", "\u200b", "\x85", "\ufeff", "\x0b", "\x1f"]
same_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


in_a_line = texts.map(lambda text: text.translate(dict.fromkeys(b"\t\n")))


class TestRows:
    @same_folder
    @given(st.lists(st.lists(in_a_line, min_size=2, max_size=4), max_size=4))
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

    @pytest.mark.parametrize("quoted", [False, True])
    @pytest.mark.parametrize(
        "text",
        [
            'a\tb\n"Yes," he said.\tc\n',
            'a\tb\n"open\tc\nd\te\n',
            'a\tb\n"open\tc\nd"\te\n',
            '"a quotation"\tb\n"c\t"\n"\td\n""\te\n"f"" g\t"h" i"\n',
        ],
    )
    def test_other_quotes_are_text(self, tmp_path: Path, text: str, quoted: bool) -> None:
        rows = read_rows(write(tmp_path / "a.tsv", text), quoted)
        assert [cells for _, cells in rows] == [line.split("\t") for line in text.splitlines()]

    def test_files_that_cannot_be_read(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="There is no file"):
            list(read_rows(tmp_path / "absent.tsv"))
        (tmp_path / "latin.tsv").write_bytes("a\tMüller\n".encode("latin-1"))
        with pytest.raises(UserError, match="byte 4 is not UTF-8"):
            list(read_rows(tmp_path / "latin.tsv"))


class TestSentences:
    def test_pairs_singles_and_hidden_labels(self, tmp_path: Path) -> None:
        file = write(tmp_path / "a.tsv", "one\ttwo\t yes \nthree\tfour\n")
        pairs = read_sentences([file, file], (0, 1), 2, rename=str.upper).to_pylist()
        assert pairs[:2] == [
            {"text": "one", "pair": "two", "label": "YES"},
            {"text": "three", "pair": "four", "label": None},
        ]
        assert pairs[2:] == pairs[:2]
        assert read_sentences([file], (1,), None)["text"].to_pylist() == ["two", "four"]

    @pytest.mark.parametrize(
        ("heading", "columns", "label"),
        [
            ("sentence1\tsentence2\tgold_label", (0, 1), 2),
            ("\ufeffPremise\tHypothesis\tLabel\r", (0, 1), 2),
            ("anything\telse\tgold_label", (0, 1), 2),
            ("premise\thypo\tpremise\thypo\tlabel", (2, 3), 4),
            ("id\tsentence1\tsentence2\tlabel", (1, 2), 3),
            ("index_id\tcategory\ttext", (2,), 1),
            ("sentence1\tsentence2", (0, 1), 2),
        ],
    )
    def test_a_heading_is_no_row(self, tmp_path: Path, heading: str, columns: tuple[int, ...], label: int) -> None:
        row = "\t".join(f"cell {number}" for number in range(heading.count("\t") + 1))
        with_heading = write(tmp_path / "a.tsv", f"{heading}\n{row}\nlabel\t{row}\n")
        without = write(tmp_path / "b.tsv", f"{row}\nlabel\t{row}\n")
        found, expected = (read_sentences([file], columns, label).to_pylist() for file in (with_heading, without))
        assert found == expected
        assert len(found) == 2

    @pytest.mark.parametrize("row", ["The label\tis gold\tneutral", "text\tb\tneutral", "label\tb\tneutral", "a\tb\t"])
    def test_a_first_row_is_no_heading(self, tmp_path: Path, row: str) -> None:
        assert read_sentences([write(tmp_path / "a.tsv", f"{row}\nc\td\tneutral\n")], (0, 1), 2).num_rows == 2

    @pytest.mark.parametrize("heading", ["gold_label\tsentence1\tsentence2", "sentence1\tlabel\tsentence2"])
    def test_a_heading_of_another_order(self, tmp_path: Path, heading: str) -> None:
        with pytest.raises(UserError) as caught:
            read_sentences([write(tmp_path / "a.tsv", f"{heading}\na\tb\tc\n")], (0, 1), 2)
        for part in ("a.tsv, row 1: the heading is", "column 1 a text, column 2 a text, column 3 the label"):
            assert part in str(caught.value)

    def test_a_row_with_too_few_cells(self, tmp_path: Path) -> None:
        file = write(tmp_path / "a.tsv", "one\ttwo\tyes\nthree\n")
        with pytest.raises(UserError, match=r"a\.tsv, row 2: 2 cells are expected, not 1"):
            read_sentences([file], (0, 1), 2)


class TestTagged:
    def test_sentences(self, tmp_path: Path) -> None:
        text = "\n\nthe\tDET\ndog \t NOUN\n\n\n  \nViệt Nam\tPROPN\r\n\r\na\u2028b\tX"
        assert read_tagged([write(tmp_path / "a.tsv", text)]).to_pylist() == [
            {"words": ["the", "dog"], "tags": ["DET", "NOUN"]},
            {"words": ["Việt Nam"], "tags": ["PROPN"]},
            {"words": ["a\u2028b"], "tags": ["X"]},
        ]

    @pytest.mark.parametrize("word", ODD_SPACES)
    @pytest.mark.parametrize("end", ["\n", "\r\n"])
    def test_a_word_may_be_any_white_space_but_blanks(self, tmp_path: Path, word: str, end: str) -> None:
        rows = ["a\tX", f"{word}\tO", f"b{word}\tY", "", f"{word}\tO", " ", "c\tZ"]
        found = read_tagged([write(tmp_path / "a.tsv", end.join(rows))]).to_pylist()
        assert found == [
            {"words": ["a", word, f"b{word}"], "tags": ["X", "O", "Y"]},
            {"words": [word], "tags": ["O"]},
            {"words": ["c"], "tags": ["Z"]},
        ]
        hidden = end.join(row.partition("\t")[0] for row in rows)
        found = read_tagged([write(tmp_path / "b.tsv", hidden)]).to_pylist()
        assert [row["words"] for row in found] == [["a", word, f"b{word}"], [word], ["c"]]

    def test_a_word_of_which_a_tag_alone_is_left(self, tmp_path: Path) -> None:
        """It ends no sentence."""
        for word in ("", " "):
            found = read_tagged([write(tmp_path / "a.tsv", f"a\tX\n{word}\tO\nb\tY\n")]).to_pylist()
            assert found == [{"words": ["a", "", "b"], "tags": ["X", "O", "Y"]}]

    @pytest.mark.parametrize("heading", ["word\ttag", "\ufeffTokens\tNER_tags\r", "FORM\tUPOS"])
    def test_a_heading_is_no_word(self, tmp_path: Path, heading: str) -> None:
        found = read_tagged(
            [write(tmp_path / "a.tsv", f"{heading}\nword\tX\nlabel\tY\u00a0\n\nword\ttag\n")]
        ).to_pylist()
        assert found == [{"words": ["word", "label"], "tags": ["X", "Y"]}, {"words": ["word"], "tags": ["tag"]}]

    def test_spaces_between_words_and_tags(self, tmp_path: Path) -> None:
        file = write(tmp_path / "a.tsv", "Berlin B-LOC\nist O\n\nschön O\n")
        with pytest.raises(UserError, match=r"a\.tsv: words and tags stand with spaces .* 'Berlin B-LOC'; put a tab"):
            read_tagged([file])
        words = write(tmp_path / "b.tsv", "Việt Nam\nđẹp\n")  # hidden tags
        assert read_tagged([words]).to_pylist() == [{"words": ["Việt Nam", "đẹp"], "tags": None}]

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

    @pytest.mark.parametrize(
        ("cells", "between", "message"),
        [
            ("1 the the DET _ _ 2 det _", "\t", r"10 columns of CoNLL-U are expected, not 9: ID, FORM, .* '_'"),
            ("1 the the DET _ _ 2 det _ _ x", "\t", "10 columns of CoNLL-U are expected, not 11"),
            ("the 1 the DET _ _ 2 det _ _", "\t", "has 'the', where the number of a word is expected"),
            ("1 the the DET _ _ 2 det _ _", " ", "stand with spaces between them; the 10 columns .* tabs: put one tab"),
            ("1 the the DET _ _ 2 det _", "   ", "stand with spaces between them"),
        ],
    )
    def test_other_lines_are_refused_with_the_remedy(
        self, tmp_path: Path, cells: str, between: str, message: str
    ) -> None:
        file = write(tmp_path / "a.conllu", f"# a\n{between.join(cells.split())}\n")
        with pytest.raises(UserError, match=rf"a\.conllu, line 2: .*{message}"):
            read_conllu([file])

    @pytest.mark.parametrize("word", ODD_SPACES)
    def test_white_space_in_cells_and_around_lines(self, tmp_path: Path, word: str) -> None:
        rows = [
            f"1\t{word}\t_\tPUNCT" + "\t_" * 6,
            "2\tb\t_\tX" + "\t_" * 5 + "\t",
            "",
            " # c",
            "1\tc\t_\tX" + "\t_" * 6 + "\t\t ",
        ]
        for end in ("\n", "\r\n"):
            assert read_conllu([write(tmp_path / "a.conllu", "\ufeff" + end.join(rows))]).to_pylist() == [
                {"words": [word, "b"], "tags": ["PUNCT", "X"]},
                {"words": ["c"], "tags": ["X"]},
            ]


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

    @staticmethod
    def write_answers(folder: Path, answers: Any, **more: Any) -> Path:
        question = {"id": "q7", "question": "What?", "answers": answers} | more
        return write_json(folder / "a.json", {"data": [{"paragraphs": [{"context": "one two", "qas": [question]}]}]})

    @pytest.mark.parametrize(
        ("answer", "there"),
        [
            ({"text": "two"}, "has no 'answer_start'"),
            ({"text": "two", "answer_start": None}, "has no 'answer_start'"),
            ({"text": "two", "answer_start": "4"}, "has '4' as its 'answer_start'"),
            ({"text": "two", "answer_start": 2**31}, "has 2147483648 as its 'answer_start'"),
        ],
    )
    def test_answers_without_a_place(self, tmp_path: Path, answer: dict[str, Any], there: str) -> None:
        """Refused with name and remedy where the place is needed; where it is not, the answers are there."""
        for answers in ([answer], {key: [value] for key, value in answer.items()}):
            file = self.write_answers(tmp_path, answers)
            with pytest.raises(UserError) as caught:
                read_squad([file])
            for part in ("a.json, question 'q7': the answer 'two'", there, "where it begins in the context", "add it"):
                assert part in str(caught.value)
            (row,) = read_squad([file], starts=False).to_pylist()
            assert (row["answers"], row["starts"]) == (["two"], [None])

    def test_answers_as_datasets_have_them(self, tmp_path: Path) -> None:
        file = self.write_answers(tmp_path, {"text": ["one", "two"], "answer_start": [0, 4]})
        (row,) = read_squad([file]).to_pylist()
        assert (row["answers"], row["starts"]) == (["one", "two"], [0, 4])
        for hidden in ([], None, {"text": [], "answer_start": []}, [{"text": "", "answer_start": 0}]):
            assert read_squad([self.write_answers(tmp_path, hidden)])["answers"].to_pylist() == [None]

    @pytest.mark.parametrize(
        ("answers", "more", "message"),
        [
            ([], {"id": None}, r"a\.json: not in SQuAD's form: the question 'What\?' has no 'id'"),
            ([], {"question": None}, r"a\.json, question 'q7': a text is expected as its 'question', not None"),
            ([], {"question": 7}, r"question 'q7': a text is expected as its 'question', not 7"),
            (
                [{"text": 1990, "answer_start": 0}],
                {},
                r"'q7': an answer with a 'text' is expected, not \{'text': 1990",
            ),
            (["one"], {}, r"question 'q7': an answer with a 'text' is expected, not 'one'"),
        ],
    )
    def test_questions_that_are_not_whole(
        self, tmp_path: Path, answers: Any, more: dict[str, Any], message: str
    ) -> None:
        for starts in (False, True):
            with pytest.raises(UserError, match=message):
                read_squad([self.write_answers(tmp_path, answers, **more)], starts=starts)


class TestJsonLines:
    def test_a_byte_order_mark(self, tmp_path: Path) -> None:
        assert list(json_lines(write(tmp_path / "a.jsonl", '\ufeff{"a": 1}\n'))) == [(1, {"a": 1})]

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
