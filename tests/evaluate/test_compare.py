"""Comparison of evaluation folders that the tests write: pairing, claims, verdicts, and every refusal."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.evaluations import FIRST, SECOND, SIZE, changed, folder_of, of_two, refusal
from weam_ray.evaluate.compare import EXAMPLES, SEEDS, compare
from weam_ray.evaluate.statistics import DIFFERENT, DIFFERENT_CHECKPOINTS, DIFFERENT_HERE, IDENTICAL, NOT_SHOWN
from weam_ray.evaluate.units import CHECKPOINTS, METHODS, ONE_SIDED, REFERENCE


@pytest.fixture
def both(tmp_path: Path) -> tuple[Path, Path]:
    return folder_of(tmp_path / "mbert", FIRST), folder_of(tmp_path / "weam", SECOND)


class TestVerdicts:
    def test_a_task_by_seeds(self, both: tuple[Path, Path]) -> None:
        pair = of_two(*both)
        (task,) = pair.tasks
        assert (pair.first.name, pair.second.name) == ("mbert", "weam")
        assert (task.decided_by, task.claim, task.seeds) == (SEEDS, CHECKPOINTS, "seeds by number: 1, 2, 3, 4, 5")
        rows = {row.language: row for row in task.languages.rows}
        assert {language: row.verdict for language, row in rows.items()} == {
            "en": NOT_SHOWN,
            "de": DIFFERENT_CHECKPOINTS,
            "sw": NOT_SHOWN,
        }
        assert rows["de"].seeds.difference == pytest.approx(10.1)
        assert rows["de"].examples.difference == pytest.approx(10.1)
        low, high = rows["de"].examples.interval
        assert 5 < low < 10.1 < high < 15
        assert rows["de"].num_examples == SIZE
        assert rows["de"].adjusted_p == pytest.approx(3 * (rows["de"].seeds.p or 0))
        assert task.languages.average is not None
        assert task.languages.average.verdict == DIFFERENT_CHECKPOINTS
        assert pair.left_out == task.unlike == ()

    def test_tree_is_json(self, both: tuple[Path, Path]) -> None:
        tree = compare(both, num_resamples=200).tree()
        assert json.loads(json.dumps(tree, allow_nan=False)) == tree
        row = tree["pairs"][0]["tasks"][0]["languages"]["rows"][1]
        assert (row["language"], row["verdict"], row["first"]["per_seed"]) == (
            "de",
            DIFFERENT_CHECKPOINTS,
            [60, 61, 60, 62, 61],
        )
        assert tree["intervals_and_examples"] == "sampling error of the test set only"

    def test_a_folder_with_itself(self, both: tuple[Path, Path]) -> None:
        (task,) = of_two(both[0], both[0]).tasks
        assert {row.verdict for row in task.languages.rows} == {IDENTICAL}

    def test_all_against_the_first(self, both: tuple[Path, Path], tmp_path: Path) -> None:
        third = folder_of(tmp_path / "tlm", FIRST, system="weam")
        found = compare([*both, third], num_resamples=200)
        assert [pair.first.name for pair in found.pairs] == ["mbert", "mbert"]
        assert [pair.second.name for pair in found.pairs] == [f"weam ({both[1]})", f"weam ({third})"]
        assert found.pairs[0].tasks[0].languages.rows[1].verdict == DIFFERENT_CHECKPOINTS
        assert found.pairs[1].tasks[0].languages.rows[1].verdict == IDENTICAL

    def test_averages_are_a_family_of_all_tasks_and_pairs(self, both: tuple[Path, Path], tmp_path: Path) -> None:
        """Each alone would be called different; among many the p of each counts as often as there are others."""
        alone = of_two(*both).tasks[0].languages.average
        third = folder_of(tmp_path / "tlm", SECOND)
        found = compare([*both, third], num_resamples=200)
        averages = [task.languages.average for pair in found.pairs for task in pair.tasks]
        assert alone is not None
        assert alone.adjusted_p == pytest.approx(alone.seeds.p)
        assert [own is not None and own.adjusted_p for own in averages] == pytest.approx([2 * (alone.seeds.p or 0)] * 2)
        assert averages[0] is not None
        languages = [row.adjusted_p for row in found.pairs[0].tasks[0].languages.rows]
        assert languages == [row.adjusted_p for row in of_two(*both).tasks[0].languages.rows]

    def test_one_seed_makes_no_claim(self, tmp_path: Path) -> None:
        first = folder_of(tmp_path / "a", {"xnli": {"de": (40,)}}, seeds=[1])
        second = folder_of(tmp_path / "b", {"xnli": {"de": (90,)}}, seeds=[1])
        (task,) = of_two(first, second).tasks
        assert (task.decided_by, task.claim) == (SEEDS, CHECKPOINTS)
        assert task.languages.rows[0].verdict == NOT_SHOWN
        assert task.languages.rows[0].seeds.p is None

    def test_an_error_rate(self, tmp_path: Path) -> None:
        scores = {"aer": {"de": (30,), "ro": (40,)}}
        first = folder_of(tmp_path / "a", scores, untrained=["aer"], metric="aer")
        (task,) = of_two(first, first).tasks
        assert task.lower_is_better
        assert task.languages.worst[0][0] == "ro"


class TestUntrained:
    def test_one_model_each_is_decided_by_examples(self, tmp_path: Path) -> None:
        first = folder_of(tmp_path / "a", {"tatoeba": {"de": (40,), "sw": (50,)}}, untrained=["tatoeba"])
        second = folder_of(tmp_path / "b", {"tatoeba": {"de": (60,), "sw": (50.5,)}}, untrained=["tatoeba"])
        (task,) = of_two(first, second).tasks
        assert (task.decided_by, task.claim, task.seeds) == (EXAMPLES, CHECKPOINTS, "one model against one")
        assert [row.verdict for row in task.languages.rows] == [DIFFERENT_HERE, NOT_SHOWN]
        assert task.languages.rows[0].first.std is None

    def test_several_models_each_are_decided_by_seeds(self, tmp_path: Path) -> None:
        models = ["p1", "p2", "p3"]
        first = folder_of(tmp_path / "a", {"t": {"de": (40, 41, 42)}}, models=models, untrained=["t"])
        second = folder_of(
            tmp_path / "b", {"t": {"de": (60, 62, 61)}}, models=[f"w{m}" for m in models], untrained=["t"]
        )
        (task,) = of_two(first, second).tasks
        assert (task.decided_by, task.claim) == (SEEDS, METHODS)
        assert task.seeds == "models in order, as their numbers differ: 1 with 1, 2 with 2, 3 with 3"
        assert task.languages.rows[0].verdict == DIFFERENT

    def test_one_model_against_several(self, tmp_path: Path) -> None:
        first = folder_of(tmp_path / "a", {"t": {"de": (40,)}}, untrained=["t"])
        second = folder_of(tmp_path / "b", {"t": {"de": (60, 62, 61)}}, models=["x", "y", "z"], untrained=["t"])
        (task,) = of_two(first, second).tasks
        assert (task.decided_by, task.claim, task.seeds) == (SEEDS, REFERENCE, "one encoder against each of 3")
        assert task.languages.rows[0].seeds.num_seeds == 3

    def test_the_same_model_twice_is_one(self, tmp_path: Path) -> None:
        first = folder_of(tmp_path / "a", {"t": {"de": (40, 41)}}, models=["x", "x", "y"], untrained=["t"])
        (task,) = of_two(first, first).tasks
        assert task.languages.rows[0].first.per_seed == (40, 41)


class TestClaims:
    """Scores that differ clearly, so that the verdict is that of the claim."""

    @pytest.mark.parametrize(
        ("models", "pretraining_seeds", "weights", "claim", "verdict", "num_units"),
        [
            (list("abcde"), [1, 2, 3, 4, 5], None, METHODS, DIFFERENT, 5),
            (list("abcde"), None, None, METHODS, DIFFERENT, 5),
            (list("abcde"), [1, 1, 1, 1, 1], None, METHODS, DIFFERENT, 5),  # other seeds than the model's may differ
            (["a"], [1], None, ONE_SIDED, DIFFERENT_CHECKPOINTS, 5),
            (["a"], [None], None, REFERENCE, DIFFERENT, 5),
            (list("aabbb"), None, None, METHODS, DIFFERENT, 2),  # seeds that share a model are no five trainings
            (list("abcde"), [1, 2, 3, 4, 5], ["f00"] * 5, ONE_SIDED, DIFFERENT_CHECKPOINTS, 5),  # copies
            (list("abcde"), [1, 1, 2, 2, 3], ["f", "f", "g", "g", "h"], METHODS, DIFFERENT, 3),
        ],
    )
    def test_what_is_claimed(
        self,
        tmp_path: Path,
        models: list[str],
        pretraining_seeds: Any,
        weights: Any,
        claim: str,
        verdict: str,
        num_units: int,
    ) -> None:
        scores = {"xnli": {"de": (60, 60.5, 60, 60.5, 61)}}, {"xnli": {"de": (90, 90.5, 91, 90, 90.5)}}
        many = [f"m{k}" for k in range(5)]
        first = folder_of(tmp_path / "a", scores[0], models=many, pretraining_seeds=[5, 6, 7, 8, 9])
        more = {} if weights is None else {"weights": weights}
        second = folder_of(tmp_path / "b", scores[1], models=models, pretraining_seeds=pretraining_seeds, **more)
        for found in (of_two(first, second).tasks[0], of_two(second, first).tasks[0]):
            assert found.claim == claim
            assert found.languages.rows[0].verdict == verdict
            assert found.languages.rows[0].seeds.num_seeds == num_units

    def test_one_checkpoint_a_side_never_shows_that_methods_differ(self, tmp_path: Path) -> None:
        scores = {"xnli": {"de": (60, 60.5, 60, 60.5, 61)}}, {"xnli": {"de": (90, 90.5, 91, 90, 90.5)}}
        first, second = folder_of(tmp_path / "a", scores[0]), folder_of(tmp_path / "b", scores[1])
        (task,) = of_two(first, second).tasks
        assert (task.claim, task.languages.rows[0].verdict) == (CHECKPOINTS, DIFFERENT_CHECKPOINTS)

    def test_a_copy_of_a_system_is_no_other_method(self, tmp_path: Path) -> None:
        scores = {"xnli": {"de": (60, 62, 61)}}
        many, weights = list("abc"), ["1", "2", "3"]
        first = folder_of(tmp_path / "a", scores, seeds=[1, 2, 3], models=many, weights=weights)
        second = folder_of(tmp_path / "b", scores, seeds=[1, 2, 3], models=["x", "y", "z"], weights=weights)
        assert of_two(first, second).tasks[0].languages.rows[0].verdict == IDENTICAL

    def test_values_of_the_same_weights_are_one_unit(self, tmp_path: Path) -> None:
        """Equal scores by encoder: the mean of 60 and 70 is that of 64 and 66."""
        first = folder_of(
            tmp_path / "a", {"t": {"de": (60, 70, 50)}}, seeds=[1, 2, 3], models=list("xyz"), weights=["p", "p", "q"]
        )
        second = folder_of(
            tmp_path / "b", {"t": {"de": (64, 66, 50)}}, seeds=[1, 2, 3], models=list("uvw"), weights=["r", "r", "s"]
        )
        (task,) = of_two(first, second).tasks
        assert task.languages.rows[0].first.per_seed == task.languages.rows[0].second.per_seed == (65, 50)
        assert task.seeds == "seeds by number: 1, 3; of the same weights, so one unit each: 1+2, 1+2"

    def test_weights_of_another_number_of_models(self, both: tuple[Path, Path]) -> None:
        changed(both[0], "evaluation.json", "weights", value=["1", "2"])
        assert refusal(*both) == f"{both[0] / 'evaluation.json'}: weights must have one entry a model."


class TestPairing:
    def test_seeds_are_paired_and_not_places(self, tmp_path: Path) -> None:
        """The same scores by seed, in another order: nothing differs."""
        first = folder_of(tmp_path / "a", {"t": {"de": (60, 65, 70)}}, seeds=[1, 2, 3])
        second = folder_of(tmp_path / "b", {"t": {"de": (70, 60, 65)}}, seeds=[3, 1, 2])
        assert of_two(first, second).tasks[0].languages.rows[0].verdict == IDENTICAL


class TestWhatIsLeftOut:
    def test_tasks_and_languages_of_one(self, tmp_path: Path) -> None:
        first = folder_of(tmp_path / "a", {**FIRST, "pawsx": {"de": [50] * 5}})
        second = folder_of(tmp_path / "b", {"xnli": {"de": [50] * 5, "ur": [50] * 5}})
        pair = of_two(first, second)
        assert [row.language for row in pair.tasks[0].languages.rows] == ["de"]
        assert pair.left_out == (
            f"pawsx: only in {first}",
            f"xnli, en: only in {first}",
            f"xnli, sw: only in {first}",
            f"xnli, ur: only in {second}",
        )

    def test_another_chain_is_said(self, both: tuple[Path, Path]) -> None:
        changed(both[1], "evaluation.json", "intermediate", value=["mnli"])
        assert of_two(*both).tasks[0].unlike == ('intermediate: [] and ["mnli"]',)

    def test_another_recipe_is_said(self, both: tuple[Path, Path]) -> None:
        for folder, epochs in zip(both, (1, 5), strict=True):
            changed(folder, "evaluation.json", "tasks", "xnli", "recipe", value={"epochs": epochs, "stride": 128})
        assert of_two(*both).tasks[0].unlike == ("recipe.epochs: 1 and 5",)
