"""The evaluation job on tasks of the user's own, in two settings and before another task, in this process."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.support.lab import job, write_encoder, write_sib200, write_tatoeba, write_udpos
from tests.support.own import write_moods, write_split
from weam_ray.errors import UserError
from weam_ray.evaluate.compare import compare
from weam_ray.evaluate.score import score_files
from weam_ray.evaluate.tasks.own import ANY

pytestmark = pytest.mark.ray
OWN = (
    "own_tasks.moods={folder: moods, metric: macro_f1, reference: a paper, licence: CC0, revision: first}",
    "own_tasks.same={folder: same, pair: second, languages: {german: de}}",
    "own_tasks.words.folder=words",
)


def write_same(root: Path, *folders: str) -> None:
    """Pairs of texts that are the same or not."""
    for folder in folders:
        for split, count in (("train", 24), ("dev", 8), ("test", 12)):
            rows = [(f"{folder} {n}", f"{folder} {n - n % 2}", "no" if n % 2 else "yes") for n in range(count)]
            write_split(root / "same" / folder / f"{split}.tsv", rows, "text second label")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, ray_session: None, wordpiece: Any) -> Path:
    folder = tmp_path_factory.mktemp("lab")
    for write in (write_sib200, write_udpos, write_tatoeba):
        write(folder / "data")
    write_moods(folder / "data", "en", "deu", "ace")
    write_moods(folder / "data", ".", name="words")
    write_same(folder / "data", "en", "german")
    write_encoder(folder / "encoder", wordpiece)
    return folder


def evaluated(lab: Path, output: str, *arguments: str) -> dict[str, Any]:
    return job(lab, output, "--seeds", "2", *OWN, *arguments).run()


def read(lab: Path, output: str, name: str = "evaluation.json") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((lab / output / name).read_text(encoding="utf-8"))
    return found


def labels(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8").splitlines()


@pytest.fixture(scope="module")
def plain(lab: Path) -> dict[str, Any]:
    """The result of both tasks and of one that is shipped, after a third that is own, of which each seed draws rows."""
    return evaluated(
        lab, "plain", "--tasks", "moods,same,udpos,tatoeba", "--intermediate", "words", "words.max_train=10"
    )


class TestZeroShot:
    def test_languages_and_metrics(self, plain: dict[str, Any]) -> None:
        assert {task: list(languages) for task, languages in plain.items()} == {
            "moods": ["en", "ace", "de"],
            "same": ["en", "de"],
            "udpos": ["en", "de"],
            "tatoeba": ["de"],
        }
        assert plain["moods"]["de"]["metric"] == "macro_f1"
        assert set(plain["moods"]["de"]["metrics"]) == {"macro_f1", "accuracy"}
        assert plain["same"]["de"]["metric"] == "accuracy"

    @pytest.mark.parametrize("task", ["moods", "same"])
    def test_anyones_scorer_gives_the_figures(self, lab: Path, plain: dict[str, Any], task: str) -> None:
        folder, entry = lab / "plain", plain[task]["de"]
        for number, expected in enumerate(entry["per_seed"], 1):
            predictions = folder / "predictions" / task / str(number) / "test-de.tsv"
            found = score_files(ANY, "de", folder / "labels" / task / "test-de.tsv", predictions)
            assert found[entry["metric"]] == pytest.approx(expected)

    def test_the_majority_class_by_counting(self, lab: Path, plain: dict[str, Any]) -> None:
        train = [line.split("\t")[2] for line in labels(lab / "data/same/en/train.tsv")[1:]]
        assert Counter(train) == {"yes": 12, "no": 12}
        gold = labels(lab / "plain/labels/same/test-de.tsv")
        assert plain["same"]["de"]["majority"] == 100 * gold.count("no") / len(gold)  # the first of two
        gold = labels(lab / "plain/labels/moods/test-de.tsv")
        assert Counter(gold) == {"good": 6, "bad": 3, "so-so": 3}
        assert plain["moods"]["de"]["majority"] == pytest.approx(100 * (2 * 6 / (12 + 6)) / 3)
        assert plain["udpos"]["de"]["majority"] == 0
        assert plain["tatoeba"]["de"]["majority"] == 100 / 8

    def test_it_stands_beside_the_figures(self, lab: Path, plain: dict[str, Any]) -> None:
        about = read(lab, "plain")
        assert about["tasks"]["moods"]["majority_class"] == dict.fromkeys(("en", "ace", "de"), "good")
        assert about["tasks"]["tatoeba"]["majority_class"] == {}
        average = about["overview"]["moods"]["average_without_english"]
        assert average["majority"] == pytest.approx(plain["moods"]["de"]["majority"])
        text = (lab / "plain/report.md").read_text(encoding="utf-8")
        assert "| majority class | 50.0 | 50.0 | 50.0 | 50.0 |" in text  # of `same`: en, de, average, worst
        assert "| chance | 12.5 |" in text
        row = next(line for line in text.splitlines() if line.startswith("| plain |") or line.startswith("| encoder |"))
        cells = [cell.strip() for cell in row.split("|")[2:5]]
        for cell, entry in zip(cells, plain["moods"].values(), strict=True):
            assert cell.endswith("†") == (entry["mean"] <= entry["majority"] + 1e-9), cell

    def test_where_the_data_come_from(self, lab: Path, plain: dict[str, Any]) -> None:
        data = {own["task"]: own for own in read(lab, "plain")["data"]}
        assert list(data) == ["words", "moods", "same", "udpos", "tatoeba"]
        assert [data["moods"][key] for key in ("reference", "licence", "revision")] == ["a paper", "CC0", "first"]
        assert (data["words"]["used"], data["words"]["max_train"]) == ("intermediate", 10)
        assert data["words"]["examples"] == {"train-en": 24, "dev-en": 8}
        for name in ("report.md", "report.html"):
            text = (lab / "plain" / name).read_text(encoding="utf-8")
            assert "https://universaldependencies.org/" in text
            assert "train 24 (each seed draws 10); dev 8" in text

    def test_each_seed_draws_of_the_intermediate_task(self, lab: Path, plain: dict[str, Any]) -> None:
        """Its features have as many rows as are drawn, other ones for each seed, for all tasks after it."""
        assert len(list((lab / "plain/intermediate").iterdir())) == 2
        counts = Counter()
        for manifest in (lab / "home/stages").glob("features-*/manifest.json"):
            counts[json.loads(manifest.read_text(encoding="utf-8"))["counts"]["rows_in"]] += 1
        assert counts[10] == 2

    def test_what_is_done_is_not_done_again(
        self, lab: Path, plain: dict[str, Any], capsys: pytest.CaptureFixture[str]
    ) -> None:
        given = ("--tasks", "moods,same,udpos,tatoeba", "--intermediate", "words", "words.max_train=10")
        assert evaluated(lab, "plain", *given) == plain
        assert "8 of 8 runs are done already" in capsys.readouterr().out
        with pytest.raises(UserError, match=r"holds moods-1, .* with another recipe, data"):
            evaluated(lab, "plain", *given, "own_tasks.moods.metric=accuracy")

    def test_two_systems_are_compared(self, lab: Path, plain: dict[str, Any]) -> None:
        evaluated(lab, "again", "--tasks", "moods", "--languages", "de")
        (pair,) = compare([lab / "plain", lab / "again"]).pairs
        (task,) = pair.tasks
        assert (task.task, task.metric) == ("moods", "macro_f1")
        assert [row.language for row in task.languages.rows] == ["en", "de"]


@pytest.mark.parametrize("setting", ["translate-train", "translate-train-all"])
def test_on_translations(lab: Path, setting: str) -> None:
    result = evaluated(lab, setting, "--tasks", "moods", "--languages", "deu", "--setting", setting)
    assert list(result["moods"]) == ["en", "de"]
    records = [json.loads(file.read_text(encoding="utf-8")) for file in (lab / setting / "runs").glob("moods-1*.json")]
    rows = {tuple(record["trains_on"]): record["training_rows"] for record in records}
    assert rows == ({("en",): 24, ("de",): 24} if setting == "translate-train" else {("en", "de"): 48})
