"""Tatoeba, LAReQA and Mewsli-X: queries, their targets, and the candidates."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from tests.support.writing import paragraph, rows_of, write, write_json, write_json_lines, write_squad
from weam_ray.errors import UserError
from weam_ray.evaluate.data import TaskData
from weam_ray.evaluate.languages import language
from weam_ray.evaluate.tasks import TASKS, mewslix
from weam_ray.evaluate.tasks.base import Split


def pool(task: str, root: Path, code: str) -> list[dict[str, str]]:
    own = TASKS[task].pool
    assert own is not None
    return [row for table in own.read(own.files(root, language(code))) for row in table.to_pylist()]


class TestTatoeba:
    def test_laser(self, tmp_path: Path) -> None:
        write(tmp_path / "tatoeba/tatoeba.deu-eng.deu", "eins\nzwei \u2028 drei\n")
        write(tmp_path / "tatoeba/tatoeba.deu-eng.eng", "one\ntwo\n")
        data = TaskData.found(TASKS["tatoeba"], tmp_path)
        assert (data.layout_name, data.test_languages()) == ("LASER", ["de"])
        assert data.read("test", "de").to_pylist() == [
            {"id": "0", "text": "eins", "targets": ["0"]},
            {"id": "1", "text": "zwei \u2028 drei", "targets": ["1"]},
        ]
        assert pool("tatoeba", tmp_path, "de") == [{"id": "0", "text": "one"}, {"id": "1", "text": "two"}]
        assert data.gold(data.read("test", "de"), "de") == ["0", "1"]

    def test_xtreme_hides_which_line_belongs_to_which(self, tmp_path: Path) -> None:
        write(tmp_path / "tatoeba/sw-en.sw", "moja\nmbili\n")
        write(tmp_path / "tatoeba/sw-en.en", "one\ntwo\n")
        data = TaskData.found(TASKS["tatoeba"], tmp_path)
        assert (data.layout_name, data.test_languages()) == ("xtreme", ["sw"])
        rows = data.read("test", "sw")
        assert rows.to_pylist() == [
            {"id": str(n), "text": text, "targets": None} for n, text in enumerate(["moja", "mbili"])
        ]
        assert pool("tatoeba", tmp_path, "sw") == [{"id": "0", "text": "one"}, {"id": "1", "text": "two"}]
        assert data.gold(rows, "sw") is None
        write(tmp_path / "labels/tatoeba/test-sw.tsv", "0\n1\n")
        assert data.gold(rows, "sw") == ["0", "1"]

    def test_there_is_nothing_to_train_on(self, tmp_path: Path) -> None:
        write(tmp_path / "tatoeba/tatoeba.deu-eng.deu", "eins\n")
        assert not TaskData.found(TASKS["tatoeba"], tmp_path).has("train", language("en"))
        with pytest.raises(UserError, match=r"There is no file .*de-en\.en"):
            pool("tatoeba", tmp_path, "de")


class TestLareqa:
    def test_the_recipe_is_that_of_the_script(self) -> None:
        """XTREME-R's train_lareqa.sh, for all encoders: four steps of four pairs, queries of 96 and texts of 256."""
        for layers in (12, 24):
            recipe = TASKS["lareqa"].recipe_for(layers)
            assert (recipe.learning_rate, recipe.epochs, recipe.weight_decay, recipe.warmup_share) == (2e-5, 3, 0, 0)
            assert (recipe.batch_size, recipe.micro_batch_size) == (16, 4)
            assert (recipe.query_length, recipe.max_length) == (96, 256)

    def write(self, root: Path) -> None:
        """Two sentences in each language; the second question's answer is between sentences in German."""
        for code, breaks, answers in (
            ("de", [[0, 5], [5, 11], [12, 17]], [("q1", "eins"), ("q2", "!"), ("q3", "drei")]),
            ("en", [[0, 4], [4, 9], [9, 14]], [("q1", "one"), ("q2", "two"), ("q3", "tre")]),
            ("ar", [[0, 4], [4, 9], [9, 14]], [("q3", "one"), ("q1", "tre")]),
        ):
            context = "eins. zwei.!drei." if code == "de" else "one. two.\ntre."
            second = paragraph("x y", ("q4", "y"), sentence_breaks=[[0, 1], [1, 3]])
            articles = (paragraph(context, *answers, sentence_breaks=breaks), second)
            write_squad(root / f"lareqa/xquad-r/{code}.json", *articles)

    def test_targets_are_of_all_languages(self, tmp_path: Path) -> None:
        self.write(tmp_path)
        data = TaskData.found(TASKS["lareqa"], tmp_path)
        assert data.test_languages() == ["ar", "de", "en"]
        found = {row["id"]: row for row in data.read("test", "de").to_pylist()}
        assert {name: sorted(row["targets"]) for name, row in found.items()} == {
            "q1": ["ar_1_2", "de_1_0", "en_1_0"],
            "q3": ["ar_1_0", "de_1_2", "en_1_2"],
            "q4": ["ar_2_1", "de_2_1", "en_2_1"],
        }
        assert found["q3"]["text"] == "What of q3?"
        assert {row["id"]: sorted(row["targets"]) for row in data.read("test", "en").to_pylist()}["q2"] == ["en_1_1"]
        assert data.gold(data.read("test", "ar"), "ar").keys() == {"q1", "q3", "q4"}

    def test_candidates_are_sentences_with_their_paragraphs(self, tmp_path: Path) -> None:
        self.write(tmp_path)
        found = {row["id"]: row["text"] for row in pool("lareqa", tmp_path, "de")}
        assert list(found) == [
            f"{code}_{p}_{s}" for code in ("ar", "de", "en") for p, many in ((1, 3), (2, 2)) for s in range(many)
        ]
        assert found["de_1_2"] == "drei.eins. zwei.!drei."
        assert found["en_1_1"] == " two.one. two.tre."
        assert pool("lareqa", tmp_path, "en") == pool("lareqa", tmp_path, "de")

    @pytest.mark.parametrize("split", ["train", "dev", "test"])
    def test_answers_without_a_place(self, split: Split, tmp_path: Path) -> None:
        self.write(tmp_path)
        bare = paragraph("one two", ("q9", "one"), sentence_breaks=[[0, 7]])
        del bare["qas"][0]["answers"][0]["answer_start"]
        for name in ("squad/train-v1.1.json", "squad/dev-v1.1.json", "lareqa/xquad-r/de.json"):
            write_squad(tmp_path / name, bare)
        code, file = {"train": ("en", "train-v1.1"), "dev": ("en", "dev-v1.1"), "test": ("de", "de")}[split]
        with pytest.raises(UserError, match=rf"{file}\.json, question 'q9': the answer 'one' has no 'answer_start'"):
            rows_of("lareqa", "official", tmp_path, split, code)

    def test_training_pairs(self, tmp_path: Path) -> None:
        context = 'He came in 1990. "It is 3.5 m," he said. U.S. law\nwas new? Yes'
        write_squad(tmp_path / "squad/train-v1.1.json", paragraph(context, ("a", "1990"), ("b", "3.5"), ("c", "Yes")))
        write_squad(tmp_path / "squad/dev-v1.1.json", paragraph("one", ("d", "one"), ("tested", "one")))
        tested = {"id": "tested", "question": "?", "answers": [{"answer_start": 0, "text": "one"}]}
        own = {"context": "one", "sentence_breaks": [[0, 3]], "qas": [tested]}
        write_json(tmp_path / "lareqa/xquad-r/en.json", {"data": [{"paragraphs": [own]}]})
        rows = rows_of("lareqa", "official", tmp_path, "train", "en")
        joined = context.replace("\n", "")
        assert [(row["text"], row["pair"]) for row in rows] == [
            ("What of a?", "He came in 1990. " + joined),
            ("What of b?", '"It is 3.5 m," he said. ' + joined),
            ("What of c?", "Yes" + joined),
        ]
        (developed,) = rows_of("lareqa", "official", tmp_path, "dev", "en")
        assert (developed["text"], developed["pair"]) == ("What of d?", "oneone")

    @pytest.mark.parametrize(
        "qas", [[{"id": "q", "question": "?"}], [{"id": "q", "question": "?", "answers": []}], [{"question": "?"}], 7]
    )
    def test_another_form(self, qas: Any, tmp_path: Path) -> None:
        own = {"context": "a", "sentence_breaks": [[0, 1]], "qas": qas}
        write_json(tmp_path / "lareqa/xquad-r/de.json", {"data": [{"paragraphs": [own]}]})
        with pytest.raises(UserError, match=r"de\.json: not in the form of XQuAD-R"):
            rows_of("lareqa", "official", tmp_path, "test", "de")


def spans(*places: tuple[int, int]) -> list[dict[str, int]]:
    return [{"start": start, "end": end} for start, end in places]


class TestMewslix:
    TEXT = "Smith left.\nA {new}  man, Smith {II}, came to Rome."
    CONTEXT: ClassVar = {
        "text": TEXT,
        "sentence_spans": spans((0, 11), (12, 51)),
        "language": "en",
        "document_title": "t",
    }

    def mention(self, name: str, entity: str, word: str, nth: int = 0) -> dict[str, Any]:
        start = [place for place in range(len(self.TEXT)) if self.TEXT.startswith(word, place)][nth]
        span = {"start": start, "end": start + len(word), "text": word}
        return {"example_id": name, "mention_span": span, "entity_id": entity}

    def write(self, root: Path, entity: str) -> None:
        mentions = [self.mention("m1", entity, "Smith", 1), self.mention("m2", entity, "Rome")]
        write_json_lines(
            root / "mewslix/wikinews_mentions/test-de.jsonl",
            [{"context": self.CONTEXT, "mentions": mentions}, {"context": self.CONTEXT, "mentions": []}],
        )

    def test_mentions(self, tmp_path: Path) -> None:
        self.write(tmp_path, "Q1")
        assert rows_of("mewslix", "xtreme", tmp_path, "test", "de") == [
            {"id": "m1", "text": "Smith: A (new) man, { Smith } (II), came to Rome.", "targets": ["Q1"]},
            {"id": "m2", "text": "Rome: A (new) man, Smith (II), came to { Rome } .", "targets": ["Q1"]},
        ]
        data = TaskData.found(TASKS["mewslix"], tmp_path)
        assert data.gold(data.read("test", "de"), "de") == {"m1": ["Q1"], "m2": ["Q1"]}

    def test_hidden_entities(self, tmp_path: Path) -> None:
        self.write(tmp_path, "")
        data = TaskData.found(TASKS["mewslix"], tmp_path)
        rows = data.read("test", "de")
        assert rows["targets"].to_pylist() == [None, None]
        assert data.gold(rows, "de") is None
        write_json(tmp_path / "labels/mewslix/test-de.json", {"m1": ["Q1"], "m2": ["Q2"]})
        assert data.gold(rows, "de") == {"m1": ["Q1"], "m2": ["Q2"]}

    def test_blank_targets_beside_others_are_none(self, tmp_path: Path) -> None:
        """So that a query is not asked for more than it has; where all of some queries are blank, the file is wrong."""
        self.write(tmp_path, "")
        data = TaskData.found(TASKS["mewslix"], tmp_path)
        rows = data.read("test", "de")
        file = tmp_path / "labels/mewslix/test-de.json"
        write_json(file, {"m1": ["", "Q1"], "m2": ["Q2", " ", "Q3"]})
        assert data.gold(rows, "de") == {"m1": ["Q1"], "m2": ["Q2", "Q3"]}
        write_json(file, {"m1": [""], "m2": ["", " "]})
        assert data.gold(rows, "de") is None
        write_json(file, {"m1": [""], "m2": ["Q2"]})
        with pytest.raises(UserError, match=r"test-de\.json: 1 of 2 labels are blank; leave all blank, or none"):
            data.gold(rows, "de")

    def test_a_mention_across_sentences_has_the_whole_text(self) -> None:
        """In text without spaces the braces bring them, as in XTREME's own; those in the mention itself stay."""
        context = {"text": "東京{と}京都。 雨", "sentence_spans": spans((0, 4), (4, 8))}
        mention = {"mention_span": {"start": 2, "end": 5}}
        assert mewslix.mention_text(context, mention) == "{と}: 東京 { {と} } 京都。 雨"

    def entity(self, name: str) -> dict[str, Any]:
        description = f"{name} is.\nIt was.  Left out."
        return {"entity_id": name, "title": name, "description": description, "sentence_spans": spans((0, 6), (7, 14))}

    def test_training_pairs(self, tmp_path: Path) -> None:
        mention = self.mention("m1", "Q1", "Smith")
        row = {"contextual_mention": {"context": self.CONTEXT, "mention": mention}, "entity": self.entity("Q1")}
        for split in ("train", "dev"):
            write_json_lines(tmp_path / f"mewslix/wikipedia_pairs-{split}.jsonl", [row])
            assert rows_of("mewslix", "xtreme", tmp_path, split, "en") == [
                {"text": "Smith: { Smith } left.", "pair": "Q1 is. It was.", "label": None}
            ]

    def test_candidates_come_some_at_a_time(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """What stands behind those that were asked for is not read."""
        monkeypatch.setattr(mewslix, "ROWS", 2)
        file = tmp_path / "mewslix/candidate_set_entities.jsonl"
        lines = [json.dumps(self.entity(f"Q{number}")) for number in range(5)]
        write(file, "\n".join([*lines, "not JSON"]))
        tables: Iterator[Any] = mewslix.candidates([file])
        assert next(tables).to_pylist() == [{"id": f"Q{n}", "text": f"Q{n} is. It was."} for n in range(2)]
        assert next(tables)["id"].to_pylist() == ["Q2", "Q3"]
        with pytest.raises(UserError, match="line 6: not valid JSON"):
            next(tables)
        write(file, "\n".join(lines))
        assert [row["id"] for row in pool("mewslix", tmp_path, "de")] == [f"Q{number}" for number in range(5)]

    @pytest.mark.parametrize(
        "row", [{"entity_id": "Q"}, {"entity_id": "Q", "description": "a", "sentence_spans": None}]
    )
    def test_other_forms(self, row: dict[str, Any], tmp_path: Path) -> None:
        file = write_json_lines(tmp_path / "mewslix/candidate_set_entities.jsonl", [row])
        with pytest.raises(UserError, match="the keys entity_id, description and sentence_spans are expected"):
            list(mewslix.candidates([file]))
        write_json_lines(tmp_path / "mewslix/wikinews_mentions/test-de.jsonl", [{"context": {}, "mentions": [{}]}])
        with pytest.raises(UserError, match="not in the form of Mewsli-X"):
            rows_of("mewslix", "xtreme", tmp_path, "test", "de")
