"""What a system has seen of the examples that it is measured on: found, counted, told, or refused."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pyarrow as pa
import pytest

from tests.support.lab import write_encoder, write_gold, write_sib200, write_tatoeba, write_udpos, write_xquad
from weam_ray.corpus.sentences import sentence_names
from weam_ray.errors import UserError
from weam_ray.evaluate.plan import EvaluationPlan
from weam_ray.evaluate.seen import Seen, asked, examples_of, texts_of
from weam_ray.evaluate.tasks import task_of
from weam_ray.evaluate.tasks.reading import CHOICES
from weam_ray.evaluate.tasks.xcopa import convert
from weam_ray.evaluate.unlike import unlike
from weam_ray.jobs.command_line import parse
from weam_ray.jobs.evaluate import EvaluationJob
from weam_ray.jobs.evaluate_options import evaluation_settings
from weam_ray.jobs.flags import EVALUATE
from weam_ray.overlap.found import NEAR, SAME
from weam_ray.overlap.record import FILE, Record
from weam_ray.store.files import SourceHashes
from weam_ray.store.folder import Folder
from weam_ray.store.stages import StageStore

TASKS = "sib200,tatoeba,udpos,xquad,alignment"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, wordpiece: Any) -> Path:
    folder = tmp_path_factory.mktemp("lab")
    for write in (write_sib200, write_tatoeba, write_udpos, write_xquad, write_gold):
        write(folder / "data")
    write_encoder(folder / "plain", wordpiece)
    write_encoder(folder / "trained", wordpiece, seed=2)
    texts = ["Das Wort ball, Nummer 1!", "das wort heart nummer 0", "wort 3 ddd", "WORD 5 fff", "der hund läuft"]
    record = Record(sentence_names(texts), unknown=("bert",))
    (folder / "trained" / FILE).write_bytes(record.to_bytes())
    return folder


def plan_of(lab: Path, *arguments: str) -> EvaluationPlan:
    given = ["--data-root", str(lab / "data"), "--output", str(lab / "output"), "--tasks", TASKS, "--seeds", "2"]
    settings = evaluation_settings(parse(EVALUATE, "", [*given, "--languages", "de", *arguments]))
    return EvaluationPlan(settings, SourceHashes(lab / "sources.json"))


def model(lab: Path, name: str) -> list[str]:
    return ["--model", str(lab / name)]


class TestTexts:
    def test_a_text_and_its_sentences(self) -> None:
        text = "It rains in the old town. Why? The dog ran home to the house."
        assert texts_of("context", text) == [text, "It rains in the old town.", "The dog ran home to the house."]
        assert texts_of("context", "今天下雨吗。我们去学校上课。") == [
            "今天下雨吗。我们去学校上课。",
            "今天下雨吗。",
            "我们去学校上课。",
        ]

    def test_one_sentence_once(self) -> None:
        assert texts_of("text", "It rains in the old town.") == ["It rains in the old town."]
        assert texts_of("text", "Why?") == ["Why?"]

    def test_lists(self) -> None:
        assert texts_of("words", ["It", "rains", "."]) == ["It rains ."]
        assert texts_of("choices", ["It rains.", "It does not."]) == ["It rains.", "It does not."]
        assert texts_of("pair", None) == []

    def test_a_premise_is_asked_for_without_its_question(self) -> None:
        """Which stands in no training text, and parts from no premise that ends without a mark, as Thai ones do."""
        row = {"premise": "ผมเปิดก๊อกน้ำ", "question": "effect", "choice1": "น้ำไหล", "choice2": "น้ำแข็ง", "label": 0}
        short = {**row, "premise": "The man fell.", "question": "cause"}
        table = pa.Table.from_pylist(convert([row, short]), schema=CHOICES)
        planned = SimpleNamespace(task=task_of("xcopa"), tables={("test", "th"): table})
        assert examples_of(cast(Any, planned), "th") == [
            ["ผมเปิดก๊อกน้ำ", "น้ำไหล", "น้ำแข็ง"],
            ["The man fell.", "น้ำไหล", "น้ำแข็ง"],
        ]

    def test_examples(self, lab: Path) -> None:
        """Each row of each language; of Tatoeba the translation too; pairs with gold links."""
        examples = dict(asked(plan_of(lab, *model(lab, "plain"))))
        assert examples["tatoeba/de"][3] == ["wort 3 ddd", "word 3 ddd"]
        assert examples["udpos/de"][0] == ["der hund läuft ."]
        assert len(examples["sib200/en"]) == len(examples["sib200/de"]) == 12
        assert all(len(pair) == 2 for pair in examples["gold_alignment/deen"])
        assert {label.split("/")[0] for label in examples} == {*TASKS.replace("alignment", "gold_alignment").split(",")}
        assert all(len(texts) >= 2 for texts in examples["xquad/en"])  # question and context


@pytest.mark.ray
class TestSeen:
    def seen(self, lab: Path, tmp_path: Path, *arguments: str) -> Seen:
        return Seen.of(plan_of(lab, *arguments), StageStore(Folder.at(tmp_path)))

    def test_counts(self, lab: Path, tmp_path: Path, ray_session: None) -> None:
        seen = self.seen(lab, tmp_path, *model(lab, "trained"))
        assert seen.counts("sib200") == {
            "en": {"examples": 12, SAME: 0, NEAR: 0},
            "de": {"examples": 12, SAME: 2, NEAR: 0},
        }
        assert seen.counts("tatoeba") == {"de": {"examples": 8, SAME: 2, NEAR: 0}}
        assert seen.counts("udpos")["de"] == {"examples": 6, SAME: 6, NEAR: 0}
        assert seen.sentences("sib200") == [
            "de: 2 of 12 examples have a sentence whose words stand in the training text of the system, and 0 more "
            "nearly."
        ]
        assert seen.notes == ["The model began from bert; what that was pre-trained on is not known."]

    def test_a_model_without_a_record(self, lab: Path, tmp_path: Path, ray_session: None) -> None:
        seen = self.seen(lab, tmp_path, *model(lab, "plain"))
        assert seen.counts("tatoeba") is None  # not 0
        assert seen.sentences("tatoeba") == []
        assert "plain has no record of what it was pre-trained on" in seen.notes[0]

    def test_text_that_is_not_at_hand_is_named(self, lab: Path, tmp_path: Path, ray_session: None) -> None:
        model_folder = shutil.copytree(lab / "trained", tmp_path / "moved")
        (model_folder / FILE).write_bytes(Record(sentence_names(["wort 3 ddd"]), ("f00d",), ("beef",)).to_bytes())
        seen = self.seen(lab, tmp_path, "--model", str(model_folder))
        assert seen.notes == [
            "Training text that is not at hand (corpus-f00d) was not looked through for what is nearly the same.",
            "The text that the aligner was fitted on is not at hand (corpus-beef), so what stands there is not "
            "counted.",
        ]
        assert seen.counts("tatoeba") == {"de": {"examples": 8, SAME: 1, NEAR: 0}}

    def test_refused(self, lab: Path, tmp_path: Path, ray_session: None) -> None:
        with pytest.raises(
            UserError, match=r"sib200, de: 2 of 12 examples; .*tatoeba, de: 2 of 8 .* With seen=mark they"
        ):
            self.seen(lab, tmp_path, *model(lab, "trained"), "seen=refuse")
        self.seen(lab, tmp_path, *model(lab, "plain"), "seen=refuse")

    def test_intermediate_tasks_are_training_too(self, lab: Path, tmp_path: Path, ray_session: None) -> None:
        """Also of a model of which nothing else is known."""
        file = tmp_path / "domain.tsv"
        rows = [f"wort {n} {chr(97 + n) * 3}\tx" for n in (1, 3)] + [f"nothing of it {n}\ty" for n in range(20)]
        file.write_text("text\tlabel\n" + "\n".join(rows) + "\n", encoding="utf-8")
        chain = ["--intermediate", str(file)]
        seen = self.seen(lab, tmp_path, *model(lab, "trained"), *chain)
        assert seen.counts("tatoeba") == {"de": {"examples": 8, SAME: 3, NEAR: 0}}  # one of them is known already
        plain = self.seen(lab, tmp_path, *model(lab, "plain"), *chain)
        assert plain.counts("tatoeba") is None
        assert plain.sentences("tatoeba")[0].startswith("de: 2 of 8 examples have a sentence")
        with pytest.raises(UserError, match="tatoeba, de: 2 of 8 examples"):
            self.seen(lab, tmp_path, *model(lab, "plain"), *chain, "seen=refuse")

    def test_told(self, lab: Path, tmp_path: Path, ray_session: None) -> None:
        """In evaluation.json, in the report, and where two systems are compared."""
        found = {}
        for name in ("plain", "trained"):
            given = ["--data-root", str(lab / "data"), "--output", str(tmp_path / name), "--tasks", "tatoeba"]
            given += [*model(lab, name), "--languages", "de", "--seeds", "1", f"home={tmp_path / 'home'}"]
            EvaluationJob.of(evaluation_settings(parse(EVALUATE, "", given)), tmp_path).run()
            found[name] = json.loads((tmp_path / name / "evaluation.json").read_text(encoding="utf-8"))
        assert found["trained"]["tasks"]["tatoeba"]["seen"] == {"de": {"examples": 8, SAME: 2, NEAR: 0}}
        report = (tmp_path / "trained" / "report.md").read_text(encoding="utf-8")
        assert "de: 2 of 8 examples have a sentence whose words stand in the training text" in report
        (clause,) = (own for own in unlike(found["plain"], found["trained"], "tatoeba") if "seen" in own)
        assert clause.startswith('test examples seen in pre-training: null and {"de": ')
