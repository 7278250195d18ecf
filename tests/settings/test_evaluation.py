"""Settings of an evaluation and of recipes."""

from typing import Any

import pytest

from weam_ray.errors import UserError
from weam_ray.evaluate.tasks import TASKS
from weam_ray.settings.evaluation import EvaluationSettings, Recipe
from weam_ray.settings.parsing import validated

GIVEN: dict[str, Any] = {"system": "s", "models": ["m"], "tasks": ["xnli"], "output": "o"}


@pytest.mark.parametrize(("given", "rows"), [({}, 32), ({"micro_batch_size": 8}, 8), ({"batch_size": 7}, 7)])
def test_rows_at_once(given: dict[str, Any], rows: int) -> None:
    assert validated(Recipe, given).rows_at_once == rows


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"micro_batch_size": 5}, "batch_size 32 must be a multiple of micro_batch_size 5"),
        ({"epoch": 3}, "epoch: unknown key. Did you mean 'epochs'?"),
        ({"epochs": 0}, "epochs: input should be greater than 0, but 0 was given"),
        ({"epochs": float("inf")}, "epochs: input should be a finite number"),
        ({"learning_rate": float("nan")}, "learning_rate: input should be"),
        ({"learning_rate": "fast"}, "learning_rate: input should be a valid number, but 'fast' was given"),
        ({"max_length": 8}, "max_length: input should be greater than or equal to 16"),
        ({"warmup_share": 1.5}, "warmup_share: input should be less than or equal to 1"),
        ({"weight_decay": float("inf")}, "weight_decay: input should be a finite number"),
        ({"patience": 0}, "patience: input should be greater than or equal to 1"),
    ],
)
def test_recipes_that_cannot_be(given: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as error:
        validated(Recipe, given)
    assert message in str(error.value)


def test_recipes_of_tasks_leave_room_for_the_context() -> None:
    for task in TASKS.values():
        if task.kind == "questions":
            assert task.recipe.stride < task.recipe.max_length - task.recipe.max_question - 4


def test_the_more_particular_setting_wins() -> None:
    settings = validated(
        EvaluationSettings,
        GIVEN
        | {"recipe": {"epochs": 2, "batch_size": 8}, "recipes": {"xnli": {"epochs": 1.5}, "udpos": {"stride": 9}}},
    )
    default = Recipe(learning_rate=3e-5, epochs=7)
    assert settings.recipe_of("xnli", default) == default.model_copy(update={"epochs": 1.5, "batch_size": 8})
    assert settings.recipe_of("udpos", default) == default.model_copy(
        update={"epochs": 2.0, "batch_size": 8, "stride": 9}
    )
    assert settings.recipe_of("panx", default) == default.model_copy(update={"epochs": 2.0, "batch_size": 8})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"recipe": {"epoch": 2}}, "epoch: unknown key"),
        ({"recipe": {"micro_batch_size": 3}}, "batch_size 32 must be a multiple"),
        ({"recipes": {"xnli": {"epochs": "x"}}}, "epochs: input should be a valid number"),
    ],
)
def test_wrong_settings_of_a_recipe(given: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        validated(EvaluationSettings, GIVEN | given).recipe_of("xnli", Recipe())


@pytest.mark.parametrize(
    ("recipe", "rows"),
    [({}, 4), ({"batch_size": 32}, 4), ({"batch_size": 6}, 6), ({"batch_size": 6, "micro_batch_size": 2}, 2)],
)
def test_a_default_micro_batch_gives_way_to_a_batch_that_it_does_not_fit(recipe: dict[str, Any], rows: int) -> None:
    settings = validated(EvaluationSettings, GIVEN | {"recipe": recipe})
    assert settings.recipe_of("lareqa", Recipe(batch_size=16, micro_batch_size=4)).rows_at_once == rows


def test_one_model_for_all_seeds_or_one_for_each() -> None:
    one = validated(EvaluationSettings, GIVEN | {"num_seeds": 2, "first_seed": 5})
    assert {seed: one.model_of(seed) for seed in one.seeds} == {5: "m", 6: "m"}
    each = validated(EvaluationSettings, GIVEN | {"models": ["a", "b", "c"], "first_seed": 4})
    assert {seed: each.model_of(seed) for seed in each.seeds} == {4: "a", 5: "b", 6: "c"}
    with pytest.raises(UserError, match="2 models and num_seeds 3: give one model, or one for each seed"):
        validated(EvaluationSettings, GIVEN | {"models": ["a", "b"]})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"tasks": []}, "tasks: list should have at least 1 item"),
        ({"models": []}, "models: list should have at least 1 item"),
        ({"system": ""}, "system: string should have at least 1 character"),
        ({"setting": "few-shot"}, "setting: input should be 'zero-shot', 'translate-train' or 'translate-train-all'"),
        ({"num_seeds": 0}, "num_seeds: input should be greater than or equal to 1"),
        ({"recipies": {}}, "recipies: unknown key. Did you mean 'recipes'?"),
        ({"tracking": {"url": "x"}}, "tracking.url: unknown key. Did you mean 'tracking.uri'?"),
    ],
)
def test_evaluations_that_cannot_be(given: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as error:
        validated(EvaluationSettings, GIVEN | given)
    assert message in str(error.value)


def test_own_tasks() -> None:
    given = {"mood-s": {"folder": "m", "recipe": {"epochs": 2}, "languages": {"german": "de", "old": None}}}
    found = validated(EvaluationSettings, GIVEN | {"own_tasks": given}).own_tasks["mood-s"]
    assert (found.folder, found.metric, found.text, found.pair, found.label) == ("m", "accuracy", "text", None, "label")
    assert found.recipe == Recipe(epochs=2)


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ({"moods": {}}, "own_tasks.moods.folder: this key is required"),
        ({"moods": {"foldr": "m"}}, "own_tasks.moods.foldr: unknown key. Did you mean 'own_tasks.moods.folder'?"),
        (
            {"moods": {"folder": "m", "metric": "f1"}},
            "own_tasks.moods.metric: input should be 'accuracy' or",
        ),
        (
            {"moods": {"folder": "m", "recipe": {"epoch": 2}}},
            "own_tasks.moods.recipe.epoch: unknown key. Did you mean 'own_tasks.moods.recipe.epochs'?",
        ),
        ({"moods": {"folder": "m", "recipe": {"epochs": 0}}}, "own_tasks.moods.recipe.epochs: input should be greater"),
        ({"moods": {"folder": "m", "train": "train.tsv"}}, "own_tasks.moods: train 'train.tsv': the name of a file"),
        ({"moods": {"folder": "m", "pair": "text"}}, "own_tasks.moods: text, pair and label must be columns of their"),
        ({"a b": {"folder": "m"}}, "own_tasks.a b: a name has letters, digits, - and _, and begins with a letter"),
        ({"a.b": {"folder": "m"}}, "own_tasks.a.b: a name has letters"),
        ({"recipe": {"folder": "m"}}, "own_tasks.recipe: this is the name of a key"),
        ({"moods": "m"}, "own_tasks.moods: input should be a valid dictionary"),
    ],
)
def test_own_tasks_that_cannot_be(own: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as error:
        validated(EvaluationSettings, GIVEN | {"own_tasks": own})
    assert message in str(error.value)


def test_what_is_required() -> None:
    with pytest.raises(UserError) as error:
        validated(EvaluationSettings, {})
    assert str(error.value).splitlines() == [f"{key}: this key is required." for key in GIVEN]
