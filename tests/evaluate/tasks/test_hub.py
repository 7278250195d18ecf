"""Data sets by name, from local copies of them: Parquet files, and the configurations that README.md tells."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from weam_ray.errors import UserError
from weam_ray.evaluate.data import TaskData
from weam_ray.evaluate.languages import language
from weam_ray.evaluate.tasks import TASKS
from weam_ray.evaluate.tasks.base import Split


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    bars = datasets.utils.logging.is_progress_bar_enabled()
    datasets.disable_progress_bars()
    yield
    if bars:
        datasets.enable_progress_bars()


def write_copy(folder: Path, parts: dict[tuple[str, str], list[dict[str, Any]]], features: Any = None) -> None:
    """A data set's folder; `parts` are rows by configuration and split."""
    import datasets

    header: dict[str, list[str]] = {}
    for (configuration, split), rows in parts.items():
        file = folder / configuration / f"{split}.parquet"
        file.parent.mkdir(parents=True, exist_ok=True)
        datasets.Dataset.from_list(rows, features=features).to_parquet(str(file))
        header.setdefault(configuration, []).append(f"  - split: {split}\n    path: {configuration}/{split}.parquet\n")
    text = "".join(f"- config_name: {name}\n  data_files:\n{''.join(own)}" for name, own in header.items())
    (folder / "README.md").write_text(f"---\nconfigs:\n{text}---\n", encoding="utf-8")


def test_xnli(tmp_path: Path) -> None:
    import datasets

    label = datasets.ClassLabel(names=["entailment", "neutral", "contradiction"])
    text = datasets.Value("string")
    rows = [{"premise": "a", "hypothesis": f"b{number}", "label": number} for number in range(3)]
    parts = {(code, split): rows[:1] if code == "en" else rows for code in ("en", "de") for split in ("train", "test")}
    write_copy(tmp_path / "xnli", parts, datasets.Features({"premise": text, "hypothesis": text, "label": label}))
    data = TaskData.found(TASKS["xnli"], tmp_path)
    assert (data.layout, data.layout_name) == (None, "Hugging Face data set facebook/xnli")
    for split in ("train", "test"):
        assert data.read(split, "de").to_pylist() == [
            {"text": "a", "pair": "b0", "label": "entailment"},
            {"text": "a", "pair": "b1", "label": "neutral"},
            {"text": "a", "pair": "b2", "label": "contradiction"},
        ]
        assert data.read(split, "en").num_rows == 1
    assert data.gold(data.read("test", "de"), "de") == ["entailment", "neutral", "contradiction"]
    with pytest.raises(UserError, match=r"xnli: the dev part for de of the data set .*xnli \(de\) cannot be loaded: "):
        data.read("dev", "de")


@pytest.mark.parametrize(
    ("task", "column", "configuration", "names"),
    [
        ("udpos", "pos_tags", "udpos.German", ["ADJ", "NOUN", "VERB"]),
        ("panx", "ner_tags", "PAN-X.de", ["O", "B-PER", "I-PER"]),
    ],
)
def test_tags_by_number(task: str, column: str, configuration: str, names: list[str], tmp_path: Path) -> None:
    import datasets

    features = datasets.Features(
        {"tokens": datasets.List(datasets.Value("string")), column: datasets.List(datasets.ClassLabel(names=names))}
    )
    rows = [{"tokens": ["alter", "Hund"], column: [0, 1]}, {"tokens": ["läuft"], column: [2]}]
    write_copy(tmp_path / task, {(configuration, "validation"): rows, (configuration, "test"): rows[1:]}, features)
    data = TaskData.found(TASKS[task], tmp_path)
    assert data.layout_name == "Hugging Face data set google/xtreme"
    assert data.read("dev", "de").to_pylist() == [
        {"words": ["alter", "Hund"], "tags": names[:2]},
        {"words": ["läuft"], "tags": names[2:]},
    ]
    assert data.read("test", "de").num_rows == 1


def answered(name: str, *answers: tuple[str, int]) -> dict[str, Any]:
    given = {"text": [text for text, _ in answers], "answer_start": [start for _, start in answers]}
    return {"id": name, "context": "one two", "question": f"What of {name}?", "answers": given}


@pytest.mark.parametrize(
    ("task", "configuration", "split"), [("xquad", "xquad.de", "validation"), ("mlqa", "mlqa.de.de", "test")]
)
def test_questions(task: str, configuration: str, split: str, tmp_path: Path) -> None:
    write_copy(
        tmp_path / task, {(configuration, split): [answered("q", ("two", 4), ("one", 0)), answered("r", ("one", 0))]}
    )
    data = TaskData.found(TASKS[task], tmp_path)
    assert data.read("test", "de").to_pylist() == [
        {"id": "q", "question": "What of q?", "context": "one two", "answers": ["two", "one"], "starts": [4, 0]},
        {"id": "r", "question": "What of r?", "context": "one two", "answers": ["one"], "starts": [0]},
    ]


def test_xquad_has_no_translated_training(tmp_path: Path) -> None:
    data = TaskData(TASKS["xquad"], tmp_path, None)
    assert not data.has("train", language("de"))
    with pytest.raises(UserError, match=r"xquad: the data set .* has no train part for de"):
        data.read("train", "de")


def test_mlqa_trains_on_translations(tmp_path: Path) -> None:
    write_copy(tmp_path / "mlqa", {("mlqa-translate-train.de", "train"): [answered("q", ("one", 0))]})
    data = TaskData(TASKS["mlqa"], tmp_path, None)
    assert data.read("train", "de")["starts"].to_pylist() == [[0]]
    assert not data.has("train", language("fr"))


def test_tydiqa_by_the_names_of_questions(tmp_path: Path) -> None:
    """All languages stand in one configuration; every tenth English question develops."""
    names = [name for number in range(20) for name in (f"english-{number}", f"finnish-{number}")]
    rows = [answered(name, ("one", 0)) for name in names]
    write_copy(tmp_path / "tydiqa", {("secondary_task", "train"): rows, ("secondary_task", "validation"): rows[:4]})
    data = TaskData.found(TASKS["tydiqa"], tmp_path)
    assert data.read("dev", "en")["id"].to_pylist() == ["english-9", "english-19"]
    assert data.read("train", "en").num_rows == 18
    assert data.read("test", "fi")["id"].to_pylist() == ["finnish-0", "finnish-1"]
    assert not data.has("test", language("de"))


def test_squad_trains(tmp_path: Path) -> None:
    """XQuAD develops on SQuAD without what it tests itself, MLQA on its own development part."""
    tested, more = answered("tested", ("one", 0)), answered("more", ("two", 4))
    squad = {("plain_text", "train"): [answered("t", ("one", 0))], ("plain_text", "validation"): [tested, more]}
    write_copy(tmp_path / "squad", squad)
    write_copy(tmp_path / "xquad", {("xquad.en", "validation"): [tested]})
    write_copy(tmp_path / "mlqa", {("mlqa.en.en", "validation"): [tested], ("mlqa.en.en", "test"): [more]})
    expected: dict[str, dict[Split, list[str]]] = {
        "xquad": {"train": ["t"], "dev": ["more"], "test": ["tested"]},
        "mlqa": {"train": ["t"], "dev": ["tested"], "test": ["more"]},
    }
    for task, splits in expected.items():
        data = TaskData.found(TASKS[task], tmp_path)
        assert data.layout is None
        for split, names in splits.items():
            assert data.read(split, "en")["id"].to_pylist() == names


def test_copa_trains_and_tests_english(tmp_path: Path) -> None:
    def row(premise: str, label: int) -> dict[str, Any]:
        return {"premise": premise, "choice1": "b", "choice2": "c", "question": "effect", "idx": 0, "label": label}

    write_copy(tmp_path / "xcopa", {("et", "validation"): [row("e", 0)], ("et", "test"): [row("f", 1)]})
    write_copy(tmp_path / "super_glue", {("copa", "train"): [row("a", 1)], ("copa", "validation"): [row("d", 0)]})
    data = TaskData.found(TASKS["xcopa"], tmp_path)
    assert not data.has("train", language("et"))
    parts: list[tuple[Split, str, str, int]] = [
        ("train", "en", "a", 1),
        ("dev", "en", "d", 0),
        ("test", "en", "d", 0),
        ("dev", "et", "e", 0),
        ("test", "et", "f", 1),
    ]
    for split, code, premise, label in parts:
        (found,) = data.read(split, code).to_pylist()
        assert found == {"prompt": f"{premise} What was the effect?", "choices": ["b", "c"], "label": label}


def test_tatoeba(tmp_path: Path) -> None:
    """Queries and candidates stand in one data set."""
    rows = [
        {"source_sentence": "eins", "target_sentence": "one"},
        {"source_sentence": "zwei", "target_sentence": "two"},
    ]
    write_copy(tmp_path / "tatoeba", {("tatoeba.deu", "validation"): rows})
    data = TaskData.found(TASKS["tatoeba"], tmp_path)
    assert data.layout_name == "Hugging Face data set google/xtreme"
    queries = data.read("test", "de")
    assert queries["text"].to_pylist() == ["eins", "zwei"]
    assert data.gold(queries, "de") == ["0", "1"]
    (candidates,) = data.candidates("de")
    assert candidates.to_pylist() == [{"id": "0", "text": "one"}, {"id": "1", "text": "two"}]
    assert len(data.test_languages()) == 36


@pytest.mark.parametrize(
    ("task", "row", "expected"),
    [
        ("pawsx", {"sentence1": "a", "sentence2": "b", "label": 1}, {"text": "a", "pair": "b", "label": "1"}),
        ("sib200", {"text": "a", "category": "travel"}, {"text": "a", "pair": None, "label": "travel"}),
        (
            "xcopa",
            {"premise": "a", "choice1": "b", "choice2": "c", "question": "cause", "label": 0},
            {"prompt": "a What was the cause?", "choices": ["b", "c"], "label": 0},
        ),
    ],
)
def test_other_data_sets(task: str, row: dict[str, Any], expected: dict[str, Any], tmp_path: Path) -> None:
    code = {"pawsx": "zh", "sib200": "zh", "xcopa": "et"}[task]
    write_copy(tmp_path / task, {({"sib200": "zho_Hans"}.get(task, code), "test"): [row]})
    data = TaskData.found(TASKS[task], tmp_path)
    assert data.layout is None
    assert data.read("test", code).to_pylist() == [expected]


def test_languages_are_those_of_the_data_set() -> None:
    """None that it does not have is asked for where all are."""
    count = {"xnli": 15, "pawsx": 7, "xcopa": 12, "udpos": 33, "panx": 40, "xquad": 12, "mlqa": 7, "tydiqa": 9}
    for name, number in count.items():
        found = TaskData(TASKS[name], Path("absent"), None).test_languages()
        assert len(found) == number, name
        assert "ace" not in found
    sib200 = TaskData(TASKS["sib200"], Path("absent"), None).test_languages()
    assert len(sib200) == 197
    assert "ace" in sib200
    assert not set(sib200) & {"mad", "pcm"}  # which the table has for other tasks


def test_neither_files_nor_a_copy(tmp_path: Path) -> None:
    data = TaskData.found(TASKS["xnli"], tmp_path)
    with pytest.raises(UserError, match=r"the test part for de of the data set facebook/xnli \(de\) cannot be loaded"):
        data.read("test", "de")


@pytest.mark.parametrize("task", ["xnli", "pawsx"])
@pytest.mark.parametrize("kind", ["names", "numbers", "texts"])
def test_rows_without_a_label(task: str, kind: str, tmp_path: Path) -> None:
    """Data sets have -1 for them: left out of some, and hidden where no row has one."""
    import datasets

    texts = ("premise", "hypothesis") if task == "xnli" else ("sentence1", "sentence2")
    names = ["entailment", "neutral", "contradiction"] if task == "xnli" else ["0", "1"]
    labels: list[Any] = [0, -1, 1]
    if kind == "texts":
        labels = [names[0], None, names[1]]
    value = (
        datasets.ClassLabel(names=names)
        if kind == "names"
        else datasets.Value("string" if kind == "texts" else "int64")
    )
    features = datasets.Features({**dict.fromkeys(texts, datasets.Value("string")), "label": value})
    rows = [{texts[0]: "a", texts[1]: f"b{number}", "label": label} for number, label in enumerate(labels)]
    hidden = [{**row, "label": labels[1]} for row in rows]
    write_copy(tmp_path / task, {("de", "train"): rows, ("de", "test"): hidden}, features)
    data = TaskData.found(TASKS[task], tmp_path)
    found, count = data.decided("train", "de")
    assert [(row["pair"], row["label"]) for row in found.to_pylist()] == [("b0", names[0]), ("b2", names[1])]
    assert count == 1
    tested, count = data.decided("test", "de")
    assert (tested["label"].to_pylist(), count) == ([None] * 3, 0)
    assert data.gold(tested, "de") is None


def test_names_of_labels_in_another_order(tmp_path: Path) -> None:
    import datasets

    text, label = datasets.Value("string"), datasets.ClassLabel(names=["contradiction", "entailment", "neutral"])
    rows = [{"premise": "a", "hypothesis": "b", "label": number} for number in range(3)]
    features = datasets.Features({"premise": text, "hypothesis": text, "label": label})
    write_copy(tmp_path / "xnli", {("de", "test"): rows}, features)
    found = TaskData.found(TASKS["xnli"], tmp_path).read("test", "de")["label"].to_pylist()
    assert found == ["contradiction", "entailment", "neutral"]


def test_tags_as_text(tmp_path: Path) -> None:
    write_copy(tmp_path / "panx", {("PAN-X.de", "test"): [{"tokens": ["in", "Berlin"], "ner_tags": ["O", "B-LOC"]}]})
    (row,) = TaskData.found(TASKS["panx"], tmp_path).read("test", "de").to_pylist()
    assert row == {"words": ["in", "Berlin"], "tags": ["O", "B-LOC"]}


@pytest.mark.parametrize("task", ["xnli", "pawsx", "sib200", "panx", "xcopa"])
def test_a_column_that_is_missing(task: str, tmp_path: Path) -> None:
    part = {"panx": "PAN-X.de", "sib200": "deu_Latn", "xcopa": "et"}.get(task, "de")
    write_copy(tmp_path / task, {(part, "test"): [{"something": "else"}]})
    with pytest.raises(
        UserError, match=rf"{task}: the data set .* has no column '\w+'; its test part for \w+ has something"
    ):
        TaskData.found(TASKS[task], tmp_path).read("test", "et" if task == "xcopa" else "de")


def test_answers_without_a_place(tmp_path: Path) -> None:
    """Training needs it, a test does not; answers may be a list of objects too."""
    row = {"id": "q", "context": "one two", "question": "?", "answers": [{"text": "two"}]}
    write_copy(tmp_path / "squad", {("plain_text", "train"): [row]})
    write_copy(tmp_path / "mlqa", {("mlqa.de.de", "test"): [row]})
    data = TaskData.found(TASKS["mlqa"], tmp_path)
    assert data.gold(data.read("test", "de"), "de") == [("q", ["two"])]
    with pytest.raises(UserError, match=r"mlqa, question 'q': the answer 'two' has no 'answer_start'"):
        data.read("train", "en")
