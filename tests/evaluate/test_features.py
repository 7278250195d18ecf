"""The stage of features: what it holds, what it depends on, and that cuts change nothing."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tests.support.features import Here, features_of
from tests.support.lab import write_encoder, write_xnli
from tests.support.writing import write
from weam_ray.cluster.tasks import RayTasks
from weam_ray.errors import UserError
from weam_ray.evaluate import features as module
from weam_ray.evaluate.data import TaskData
from weam_ray.evaluate.features import FeatureStage, by_length, submit_features
from weam_ray.evaluate.finetune import Encoded
from weam_ray.evaluate.planned import sample
from weam_ray.evaluate.tasks import TASKS
from weam_ray.evaluate.tasks.reading import QUESTIONS
from weam_ray.model.tokenizer import load_tokenizer
from weam_ray.settings.evaluation import Recipe
from weam_ray.store.folder import Folder
from weam_ray.store.stages import Stage, StageStore

XNLI, LABELS = TASKS["xnli"], TASKS["xnli"].labels


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_xnli(tmp_path / "data")


class TestStages:
    @pytest.fixture
    def model(self, tmp_path: Path, wordpiece: Any) -> str:
        return str(write_encoder(tmp_path / "model", wordpiece))

    @pytest.fixture
    def store(self, tmp_path: Path) -> StageStore:
        return StageStore(Folder.at(tmp_path / "stages"))

    def encode(
        self, store: StageStore, root: Path, model: str, split: Any = "train", code: str = "en", fingerprint: str = "t",
        **recipe: Any,
    ) -> Stage:  # fmt: skip
        data = TaskData.found(XNLI, root, tested=False)
        return features_of(data, split, (code,), Recipe(**recipe), store, model, fingerprint).stage

    def test_rows_and_features(self, store: StageStore, root: Path, model: str) -> None:
        stage = self.encode(store, root, model)
        rows, features = (stage.read_arrow(stage.files(name)[0]) for name in ("rows", "features"))
        assert rows.equals(TaskData.found(XNLI, root).read("train", "en"))
        assert features["row"].to_pylist() == [0, 1, 2, 3]
        assert features["labels"].to_pylist() == [LABELS.index(label) for label in rows["label"].to_pylist()]
        tokenizer = load_tokenizer(model)
        assert features["input_ids"][0].as_py() == tokenizer("the cat " * 4, "das Haus")["input_ids"]
        assert (stage.counts.rows_in, stage.counts.rows_out) == (4, 4)

    def test_predictions_are_made_on_features_by_length(self, store: StageStore, root: Path, model: str) -> None:
        stage = self.encode(store, root, model, "test", "de")
        features = stage.read_arrow(stage.files("features")[0])
        assert features["row"].to_pylist() == [2, 1, 0]
        assert "labels" not in features.column_names
        assert stage.read_arrow(stage.files("rows")[0])["text"].to_pylist()[0] == "Hund " * 3

    def test_one_stage_for_all_that_read_alike(self, store: StageStore, root: Path, model: str, tmp_path: Path) -> None:
        first = self.encode(store, root, model, learning_rate=1e-3, epochs=1, batch_size=2, prediction_batch_size=3)
        copy = tmp_path / "elsewhere"
        write(copy / "xnli/train-en.tsv", (root / "xnli/train-en.tsv").read_text(encoding="utf-8"))
        assert self.encode(store, copy, "no model is loaded", epochs=9, num_best=3).manifest == first.manifest

    @pytest.mark.parametrize(
        "other",
        [{"max_length": 16}, {"max_train": 2}, {"fingerprint": "another tokenizer"}, {"split": "dev"}],
        ids=lambda other: next(iter(other)),
    )
    def test_another_for_what_changes_features(
        self, other: dict[str, Any], store: StageStore, root: Path, model: str
    ) -> None:
        first, second = self.encode(store, root, model), self.encode(store, root, model, **other)
        assert first.fingerprint != second.fingerprint

    def test_another_for_other_rows(self, store: StageStore, root: Path, model: str) -> None:
        first = self.encode(store, root, model)
        text = (root / "xnli/train-en.tsv").read_text(encoding="utf-8")
        write(root / "xnli/train-en.tsv", text.replace("neutral", "entailment", 1))
        assert self.encode(store, root, model).fingerprint != first.fingerprint

    def test_the_same_rows_train_and_develop_apart(self, store: StageStore, root: Path, model: str) -> None:
        """Features of training hold targets, and stand in their order."""
        write(root / "xnli/dev-en.tsv", (root / "xnli/train-en.tsv").read_text(encoding="utf-8"))
        found = [self.encode(store, root, model, split) for split in ("train", "dev")]
        assert found[0].fingerprint != found[1].fingerprint
        rows = [stage.read_arrow(stage.files("features")[0])["row"].to_pylist() for stage in found]
        assert rows == [[0, 1, 2, 3], [3, 2, 1, 0]]

    def test_some_of_the_rows_train(self, store: StageStore, root: Path, model: str) -> None:
        stage = self.encode(store, root, model, max_train=3)
        assert stage.read_arrow(stage.files("features")[0])["row"].to_pylist() == [0, 1, 2]
        assert self.encode(store, root, model, "test", "de", max_train=1).counts.rows_out == 3

    def test_several_languages_train_together(self, store: StageStore, root: Path, model: str) -> None:
        write(root / "xnli/translate-train/en-de-translated.tsv", "a\tb\tc\td\tneutral\n")
        stage = features_of(TaskData.found(XNLI, root), "train", ("en", "de"), Recipe(), store, model).stage
        assert stage.read_arrow(stage.files("rows")[0])["text"].to_pylist()[-1] == "c"
        assert stage.counts.rows_out == 5

    def test_each_of_several_languages_has_its_share(self, store: StageStore, root: Path, model: str) -> None:
        rows = "".join(f"a\tb\tc{number}\td\tneutral\n" for number in range(4))
        write(root / "xnli/translate-train/en-de-translated.tsv", rows)
        data = TaskData.found(XNLI, root)
        for max_train, share in ((4, 2), (3, 2), (1, 1), (100, 4)):
            stage = features_of(data, "train", ("en", "de"), Recipe(max_train=max_train), store, model).stage
            texts = stage.read_arrow(stage.files("rows")[0])["text"].to_pylist()
            own = [4 - len(text.split()) // 2 for text in texts[:share]], [int(text[1:]) for text in texts[share:]]
            assert all(numbers == sorted(set(numbers)) and len(numbers) == share for numbers in own)

    def test_each_seed_draws_rows_of_its_own(self) -> None:
        rows = pa.table({"text": [f"row {number}" for number in range(40)]})
        found = {seed: sample(rows, 10, seed)["text"].to_pylist() for seed in (1, 2)}
        assert found[1] != found[2]
        assert sample(rows, 10, 1)["text"].to_pylist() == found[1]
        for texts in found.values():
            numbers = [int(text[4:]) for text in texts]
            assert len(numbers) == 10
            assert numbers == sorted(set(numbers))
        assert {*found[1]} < {*sample(rows, 20, 1)["text"].to_pylist()}
        assert sample(rows, 99, 1).equals(rows)

    @pytest.mark.parametrize("split", ["train", "dev"])
    def test_blocks_change_nothing(
        self, store: StageStore, root: Path, model: str, tmp_path: Path, split: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Rows in one block or in many: the same files, row numbers counted on."""
        write(root / "xnli/dev-en.tsv", (root / "xnli/train-en.tsv").read_text(encoding="utf-8"))
        whole = self.encode(store, root, model, split)
        monkeypatch.setattr(module, "ROWS_OF_TASK", 3)
        cut = self.encode(StageStore(Folder.at(tmp_path / "others")), root, model, split)
        for name in ("rows", "features"):
            assert [file.sha256 for file in whole.files(name)] == [file.sha256 for file in cut.files(name)]
        assert (cut.counts, cut.fingerprint) == (whole.counts, whole.fingerprint)


def test_where_no_row_of_a_block_can_train(tmp_path: Path, wordpiece: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its rows are counted and the others train; where none of all can, that is a sentence."""
    model = str(write_encoder(tmp_path / "model", wordpiece))
    store, recipe = StageStore(Folder.at(tmp_path / "stages")), Recipe(max_length=64, max_question=8, stride=8)
    hidden = {"id": "a", "question": "?", "context": "the cat sat", "answers": [], "starts": []}
    shown = {**hidden, "id": "b", "answers": ["cat"], "starts": [4]}
    rows = pa.Table.from_pylist([hidden, hidden, shown], QUESTIONS)
    monkeypatch.setattr(module, "ROWS_OF_TASK", 1)
    stage, other = (FeatureStage("questions", True, (), recipe, name, "t") for name in ("rows", "others"))
    encoded = submit_features(stage, Here(), store, rows, model, "xquad")
    assert encoded.features["row"].to_pylist() == [2]
    assert encoded.stage.counts.rejected == {"answer_not_in_its_place": 2, "answer_in_no_window": 0}
    with pytest.raises(UserError, match="xquad: no training example is left: 2 answer_not_in_its_place; are the ans"):
        submit_features(other, Here(), store, rows.slice(0, 2), model, "xquad")


@pytest.mark.ray
def test_tasks_of_the_cluster(
    ray_session: None, tmp_path: Path, root: Path, wordpiece: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They make what this process makes; a mistake of the user's reaches the task that waits, as it is."""
    model = str(write_encoder(tmp_path / "model", wordpiece))
    rows, tasks = TaskData.found(XNLI, root).read("train", "en"), RayTasks(1.0)
    stage = FeatureStage("sentences", True, LABELS, Recipe(), "r", "t")
    here, there = (StageStore(Folder.at(tmp_path / name)) for name in ("here", "there"))
    monkeypatch.setattr(module, "ROWS_OF_TASK", 3)
    expected = submit_features(stage, Here(), here, rows, model, "xnli").stage
    found = tasks.get(submit_features(stage, tasks, there, rows, model, "xnli")).stage
    for name in ("rows", "features"):
        tables = [[stage.read_arrow(file) for file in stage.files(name)] for stage in (found, expected)]
        assert tables[0] == tables[1]
        assert len(tables[0]) == 1
    assert isinstance(submit_features(stage, tasks, there, rows, "no model is loaded", "xnli"), Encoded)
    hidden = {"id": "a", "question": "?", "context": "the cat sat", "answers": [], "starts": []}
    stage = FeatureStage("questions", True, (), Recipe(max_length=64, max_question=8, stride=8), "r", "t")
    questions = pa.Table.from_pylist([hidden], QUESTIONS)
    features = submit_features(stage, tasks, there, questions, model, "xquad")
    with pytest.raises(UserError, match="xquad: no training example is left: 1 answer_not_in_its_place"):
        tasks.get(tasks.submit(lambda found: found, features))


def test_a_fingerprint_as_it_has_always_been() -> None:
    """Features of earlier versions are found by evaluations that these began."""
    stage = FeatureStage("sentences", True, ("a", "b"), Recipe(), "0123456789abcdef", "t")
    assert stage.spec.folder_name == "features-5cc230edba194ebe"


def test_features_of_like_length_stand_together() -> None:
    table = pa.table({"input_ids": [[1, 2], [1], [3, 4], [2]], "row": [0, 1, 2, 3]})
    assert by_length(table)["row"].to_pylist() == [1, 3, 0, 2]
    pairs = pa.table({"text_input_ids": [[1, 2], [1]], "row": [0, 1]})
    assert by_length(pairs) is pairs
