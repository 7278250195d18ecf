"""What differs between two evaluations beside the encoder."""

import copy
from typing import Any

import pytest

from weam_ray.evaluate.unlike import unlike

ABOUT: dict[str, Any] = {
    "setting": "zero-shot",
    "intermediate": [],
    "threads": 1,
    "use_gpu": False,
    "pretraining": [{"training.max_steps": 450, "optimizer.learning_rate": 1e-4}],
    "tasks": {
        "xnli": {
            "trained": True,
            "recipe": {"epochs": 5, "learning_rate": 2e-5, "max_length": 128},
            "training_data": {"train-en": "f00"},
            "development_data": {"dev-en": "f01"},
            "labels": ["a", "b"],
            "chain": [],
        },
        "words": {"trained": False, "layer": 8, "chain": []},
    },
}


KEYED = {"layer": 8, "max_length": 512}


def changed(*keys: str, value: Any) -> dict[str, Any]:
    found = copy.deepcopy(ABOUT)
    inner: Any = found
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    return found


@pytest.mark.parametrize("task", ["xnli", "words"])
def test_nothing(task: str) -> None:
    assert unlike(ABOUT, copy.deepcopy(ABOUT), task) == []


@pytest.mark.parametrize(
    ("keys", "value", "said"),
    [
        (("tasks", "xnli", "recipe", "epochs"), 1, "recipe.epochs: 5 and 1"),
        (("tasks", "xnli", "recipe", "max_length"), 64, "recipe.max_length: 128 and 64"),
        (("tasks", "xnli", "training_data"), {"train-en": "bad"}, 'training data: {"train-en": "f00"} and'),
        (("tasks", "xnli", "development_data"), {}, 'development data: {"dev-en": "f01"} and {}'),
        (("tasks", "xnli", "labels"), ["a"], 'labels: ["a", "b"] and ["a"]'),
        (("setting",), "translate-train", 'setting: "zero-shot" and "translate-train"'),
        (("intermediate",), ["siqa"], 'intermediate: [] and ["siqa"]'),
        (("tasks", "xnli", "chain"), [["siqa"]], 'intermediate training: [] and [["siqa"]]'),
        (("threads",), 2, "threads: 1 and 2"),
        (("use_gpu",), True, "GPU: false and true"),
        (
            ("pretraining",),
            [{"training.max_steps": 900, "optimizer.learning_rate": 1e-4}],
            "pre-training.training.max_steps: 450 and 900",
        ),
    ],
)
def test_what_fine_tuning_or_pre_training_had_otherwise(keys: tuple[str, ...], value: Any, said: str) -> None:
    (found,) = unlike(ABOUT, changed(*keys, value=value), "xnli")
    assert found.startswith(said)


def test_all_models_of_a_system_are_compared() -> None:
    """One that is not as the others are is told, in the other system or in both alike."""
    rate = 1e-4
    models = [{"training.max_steps": steps, "optimizer.learning_rate": rate} for steps in (450, 450, 900)]
    mixed = changed("pretraining", value=models)
    assert unlike(ABOUT, mixed, "xnli") == ["pre-training.training.max_steps: 450 and 450 or 900"]
    assert unlike(mixed, ABOUT, "xnli") == ["pre-training.training.max_steps: 450 or 900 and 450"]
    assert unlike(mixed, mixed, "xnli") == ["pre-training.training.max_steps: 450 or 900 and 450 or 900"]
    younger = changed("pretraining", value=[ABOUT["pretraining"][0], {**ABOUT["pretraining"][0], "encode.links": "s"}])
    assert unlike(ABOUT, younger, "xnli") == ['pre-training.encode.links: null and null or "s"']
    assert unlike(ABOUT, changed("pretraining", value=ABOUT["pretraining"] * 3), "xnli") == []


def test_the_layer_in_use_counts_and_not_its_key() -> None:
    """Of Tatoeba: with no key it follows from the encoder."""
    own = {"trained": False, "layer": 8, "recipe": {"layer": None, "max_length": 512}, "chain": []}
    both = [changed("tasks", "tatoeba", value={**own, **other}) for other in ({}, {"layer": 14}, {"recipe": KEYED})]
    assert unlike(both[0], both[1], "tatoeba") == ["layer: 8 and 14"]
    assert unlike(both[0], both[2], "tatoeba") == []
    assert unlike(both[1], both[2], "tatoeba") == ["layer: 14 and 8"]


def test_a_layer_counts_and_threads_do_not_where_nothing_is_trained() -> None:
    assert unlike(ABOUT, changed("tasks", "words", "layer", value=12), "words") == ["layer: 8 and 12"]
    assert unlike(ABOUT, changed("threads", value=2), "words") == []
    assert unlike(ABOUT, changed("use_gpu", value=True), "words") == ["GPU: false and true"]


def test_an_encoder_of_no_run_has_no_pre_training_to_compare() -> None:
    assert unlike(ABOUT, changed("pretraining", value=[None]), "xnli") == []


def of_models(*pretraining: Any, of_runs: bool = True, encoders: tuple[str, ...] = ("e",)) -> dict[str, Any]:
    names = [f"model-{number}" for number in range(len(pretraining))]
    more = {"models": names, "of_runs": [of_runs] * len(names), "encoders": [*encoders] * len(names)}
    return {**copy.deepcopy(ABOUT), "pretraining": [*pretraining], **more}


def trained_on(text: Any = "t", base: Any = "e", **objective: Any) -> dict[str, Any]:
    return {"training text": text, "base encoder": base, **{f"objective.{key}": own for key, own in objective.items()}}


@pytest.mark.parametrize(
    ("ours", "theirs", "said"),
    [
        (trained_on("t"), trained_on("u"), ['pre-training.training text: "t" and "u"']),
        (trained_on(), trained_on(base="f"), ['pre-training.base encoder: "e" and "f"']),
        (trained_on(masking="subword"), trained_on(masking="aligned"),
         ['pre-training.objective.masking: "subword" and "aligned"']),
        (trained_on(masking="subword"), trained_on(), []),  # which the other objective does not have
        (trained_on(None, None), trained_on(), []),  # of a run of an earlier version
        (None, trained_on(), ["pre-training: not known of model-0 and known"]),
    ],
)  # fmt: skip
def test_text_base_and_masking(ours: Any, theirs: Any, said: list[str]) -> None:
    assert unlike(of_models(ours), of_models(theirs), "xnli") == said


def test_a_fixed_encoder_that_is_not_the_base() -> None:
    fixed = of_models(None, of_runs=False, encoders=("other",))
    assert unlike(fixed, of_models(trained_on()), "xnli") == ["encoder: other and trained from e"]
    assert unlike(of_models(trained_on()), fixed, "xnli") == ["encoder: trained from e and other"]
    assert unlike(of_models(None, of_runs=False), of_models(trained_on()), "xnli") == []
    assert unlike(fixed, of_models(trained_on(base=None)), "xnli") == []


def test_what_an_earlier_version_did_not_say_is_left_out() -> None:
    earlier = {"setting": "zero-shot", "intermediate": [], "tasks": {"xnli": {"trained": True}}}
    assert unlike(ABOUT, earlier, "xnli") == []
