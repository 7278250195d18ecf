"""Which values are units, and which stand against each other."""

from dataclasses import replace
from typing import Any

import pytest

from weam_ray.evaluate.units import (
    CHECKPOINTS,
    METHODS,
    ONE_CHECKPOINT,
    ONE_SIDED,
    REFERENCE,
    SAME_ENCODERS,
    Score,
    Unit,
    by_seeds,
    in_pairs,
    match,
    scores_of,
)

ABOUT: dict[str, Any] = {
    "models": ["a", "b", "a"],
    "pretraining_seeds": [1, 2, 1],
    "weights": ["f", "g", "f"],
    "seeds": [5, 6, 7],
    "intermediate": [],
    "tasks": {"xnli": {"trained": True}, "tatoeba": {"trained": False}},
}


def tuned(seeds: list[int], weights: str, pretraining: int | None = 1) -> list[Score]:
    """A score for each fine-tuning seed; `weights` has a letter for each."""
    of_run = pretraining is not None
    return [Score(str(seed), seed, own, pretraining, of_run) for seed, own in zip(seeds, weights, strict=True)]


def as_they_are(weights: str, pretraining: list[int | None]) -> list[Score]:
    """A score for each model, of which nothing is trained."""
    places = zip(weights, pretraining, strict=True)
    return [Score(str(number), None, own, seed, seed is not None) for number, (own, seed) in enumerate(places, 1)]


def folders(units: list[Unit]) -> list[list[str]]:
    return [[score.folder for score in unit] for unit in units]


class TestPairs:
    @pytest.mark.parametrize(
        ("first", "second", "pairs", "sentence"),
        [
            ((1, 2, 3), (3, 1, 2), [(1, 1), (2, 2), (3, 3)], "seeds by number: 1, 2, 3"),
            ((1, 2), (11, 12), [(1, 11), (2, 12)], "seeds in order, as their numbers differ: 1 with 11, 2 with 12"),
            ((1, 2, 3), (3, 1), [(1, 1), (3, 3)], "seeds by number: 1, 3; left out, as the other system has fewer: 2"),
            (
                (1, 2),
                (2, 3, 4),
                [(1, 2), (2, 3)],
                "seeds in order, as their numbers differ: 1 with 2, 2 with 3; "
                "left out, as the other system has fewer: 4",
            ),
        ],
    )
    def test_seeds(self, first: Any, second: Any, pairs: list[tuple[int, int]], sentence: str) -> None:
        units = ([(score,) for score in tuned(list(seeds), "w" * len(seeds))] for seeds in (first, second))
        ours, theirs, said = in_pairs(*units)
        assert [(own[0].seed, other[0].seed) for own, other in zip(ours, theirs, strict=True)] == pairs
        assert said == sentence

    def test_pre_training_seeds(self) -> None:
        assert match(as_they_are("ab", [1, 2]), as_they_are("cd", [2, 1])).sentence == (
            "pre-training seeds by number: 1, 2"
        )
        said = match(as_they_are("ab", [None, None]), as_they_are("cd", [None, None])).sentence
        assert said == "models in order, as their numbers differ: 1 with 1, 2 with 2"

    def test_encoders_that_share_a_pre_training_seed_stand_in_order(self) -> None:
        """They differ in data or masks; a seed that is there twice pairs nothing."""
        found = match(as_they_are("ab", [1, 1]), as_they_are("cd", [1, 1]))
        assert folders(found.first) == folders(found.second) == [["1"], ["2"]]
        assert found.claim == METHODS


class TestClaims:
    def test_seeds_of_two_checkpoints(self) -> None:
        found = match(tuned([1, 2], "aa"), tuned([1, 2], "bb"))
        assert (found.claim, folders(found.first), found.by_examples) == (CHECKPOINTS, [["1"], ["2"]], False)

    def test_one_checkpoint_in_two_ways(self) -> None:
        assert match(tuned([1, 2], "aa"), tuned([1, 2], "aa")).claim == ONE_CHECKPOINT

    def test_a_method_against_a_fixed_encoder_by_the_same_fine_tuning_seeds(self) -> None:
        found = match(tuned([1, 2, 3], "ppp", None), tuned([3, 1, 2], "xyx"))
        assert found.claim == REFERENCE
        assert folders(found.first) == folders(found.second) == [["3", "2"], ["1"]]
        assert found.sentence == (
            "one encoder against each of 2, by fine-tuning seed: 3, 2, 1; "
            "of the same weights, so one unit each: 1+2+3, 3+2"
        )

    def test_the_same_encoders_are_not_two_methods(self) -> None:
        found = match(tuned([1, 2, 3], "abc"), tuned([1, 2, 3], "cab"))
        assert found.claim == SAME_ENCODERS
        assert folders(found.first) == [["1"], ["2"], ["3"]]
        assert folders(found.second) == [["2"], ["3"], ["1"]]  # each with itself

    def test_what_both_have_says_nothing_of_methods(self) -> None:
        found = match(tuned([1, 2, 3], "abc"), tuned([1, 2, 3], "ade"))
        assert (found.claim, folders(found.first), folders(found.second)) == (
            METHODS, [["2"], ["3"]], [["2"], ["3"]],
        )  # fmt: skip
        assert found.sentence.endswith("; left out, as both systems have these weights: 1, 1")
        assert match(tuned([1, 2], "ab"), tuned([1, 2], "ac")).claim == CHECKPOINTS
        more = match(as_they_are("ab", [1, 2]), as_they_are("abcd", [1, 2, 3, 4]))
        assert (more.claim, folders(more.second)) == (METHODS, [["3"], ["4"]])

    def test_the_encoder_that_a_method_begins_from_is_a_reference(self) -> None:
        """Even if a run of ours made it; one that only some of the method's encoders began from is none."""
        base = [Score("1", None, "p", 1, True, "f00d")]
        trained = [Score(str(k), None, own, k, True, own, "f00d") for k, own in enumerate("ab", 1)]
        assert match(base, trained).claim == REFERENCE
        assert match(trained, base).claim == REFERENCE
        assert match(base, [trained[0], replace(trained[1], base="beef")]).claim == ONE_SIDED
        assert match([replace(base[0], encoder=None)], [replace(own, base=None) for own in trained]).claim == ONE_SIDED

    def test_a_model_of_a_run_that_is_not_known_is_no_fixed_encoder(self) -> None:
        moved = [Score("1", None, "p", None, True)]
        assert match(moved, as_they_are("abc", [1, 2, 3])).claim == ONE_SIDED

    def test_a_method_against_one_run_of_another(self) -> None:
        assert match(tuned([1, 2], "ab"), tuned([1, 2], "cc")).claim == ONE_SIDED

    def test_a_fixed_encoder_that_nothing_trains(self) -> None:
        found = match(as_they_are("p", [None]), as_they_are("abc", [1, 2, 3]))
        assert (found.claim, len(found.first), len(found.second)) == (REFERENCE, 1, 3)
        assert not found.by_examples

    def test_one_value_each_of_no_training_leaves_the_examples(self) -> None:
        assert match(as_they_are("p", [None]), as_they_are("a", [1])).by_examples

    def test_before_and_after_intermediate_training(self) -> None:
        found = match(as_they_are("a", [1]), tuned([1, 2, 3], "aaa"))
        assert (found.claim, found.sentence) == (ONE_CHECKPOINT, "one model against each of 3 seeds")
        assert (len(found.first), len(found.second), found.by_examples) == (1, 3, False)


class TestScores:
    def test_a_value_for_each_seed_or_each_model(self) -> None:
        assert scores_of(ABOUT, "xnli") == tuned([5], "f") + tuned([6], "g", 2) + tuned([7], "f")
        assert scores_of(ABOUT, "tatoeba") == as_they_are("fg", [1, 2])

    def test_after_intermediate_training_a_value_for_each_seed(self) -> None:
        about = ABOUT | {"intermediate": ["xnli"]}
        assert by_seeds(about, "tatoeba")
        assert scores_of(about, "tatoeba") == scores_of(about, "xnli")

    def test_folders_of_an_earlier_version_are_known_by_the_names_of_models(self) -> None:
        about = {key: value for key, value in ABOUT.items() if key != "weights"}
        assert [score.weights for score in scores_of(about, "xnli")] == ["a", "b", "a"]
