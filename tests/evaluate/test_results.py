"""What is said of an evaluation beside its figures."""

from types import SimpleNamespace
from typing import Any

from weam_ray.evaluate import results
from weam_ray.evaluate.results import about_evaluation
from weam_ray.evaluate.seen import Seen
from weam_ray.measure.by_layer import GOLD, SENTENCES, WORDS
from weam_ray.overlap.found import SCHEMA, Asked, Overlap

SETTINGS = {
    "system": "s",
    "models": ["m"],
    "seeds": [1],
    "setting": "zero-shot",
    "data_root": None,
    "threads": 1,
    "use_gpu": False,
}
PLAN: Any = SimpleNamespace(
    identity="i",
    tasks=[],
    chain=[],
    chain_settings=list,
    notes=[],
    pretraining_seeds={"m": 1},
    pretraining={"m": None},
    weights={"m": "f00d"},
    of_runs={"m": True},
    models={"m": "e"},
    settings=SimpleNamespace(**SETTINGS),
)
RECORD = {
    "task": "alignment",
    "number": 1,
    "model": "m",
    "layer": 1,
    "layers": {SENTENCES: {"de": []}, WORDS: {"de": []}},
}
NOTHING = Seen(Overlap(Asked({}), SCHEMA.empty_table()), [])
COUNTS = {WORDS: {"de": {"links": 90, "links_without_state": 2, "links_of_identical_words": 7}}}


def test_links_that_are_left_out() -> None:
    """Of the task that leaves them out, as counts and as a sentence."""
    tasks = about_evaluation(PLAN, [], [RECORD | {"counts": COUNTS}], NOTHING, {})["tasks"]
    assert tasks[WORDS]["counts"] == COUNTS[WORDS]
    assert tasks[WORDS]["notes"][-1].startswith("de: of 90 links, 2 are left out")
    assert (tasks[SENTENCES]["counts"], tasks[SENTENCES]["notes"]) == ({}, ["The figures are those of layer 1."])
    assert GOLD not in tasks


def test_records_of_an_earlier_version() -> None:
    """They have no counts, and are as good for the figures."""
    tasks = about_evaluation(PLAN, [], [RECORD], NOTHING, {})["tasks"]
    assert tasks[WORDS]["counts"] == {}
    assert all("left out" not in note for note in tasks[WORDS]["notes"])


def test_the_data_of_every_model_are_kept() -> None:
    """One fingerprint where all were measured on the same pairs, else one for each model."""
    part = {"task": SENTENCES, "scores": {"de": {"accuracy": 1.0}, "ru": {"accuracy": 2.0}}}
    records = [
        RECORD | {"number": number, "parts": [part], "data": {SENTENCES: {"de": "same", "ru": f"pairs {number}"}}}
        for number in (1, 2)
    ]
    metrics, tests = results.tested(PLAN, records)
    assert (metrics[SENTENCES], tests[SENTENCES]) == ("accuracy", {"de": "same", "ru": ["pairs 1", "pairs 2"]})
