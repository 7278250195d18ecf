"""What is said of an evaluation beside its figures."""

from types import SimpleNamespace
from typing import Any

from weam_ray.evaluate.results import about_evaluation
from weam_ray.measure.by_layer import GOLD, SENTENCES, WORDS

SETTINGS = {"system": "s", "models": ["m"], "seeds": [1], "setting": "zero-shot", "data_root": None, "threads": 1}
PLAN: Any = SimpleNamespace(
    identity="i", tasks=[], chain=[], notes=[], pretraining_seeds={"m": 1}, settings=SimpleNamespace(**SETTINGS)
)
RECORD = {
    "task": "alignment",
    "number": 1,
    "model": "m",
    "layer": 1,
    "layers": {SENTENCES: {"de": []}, WORDS: {"de": []}},
}
COUNTS = {WORDS: {"de": {"links": 90, "links_without_state": 2, "links_of_identical_words": 7}}}


def test_links_that_are_left_out() -> None:
    """Of the task that leaves them out, as counts and as a sentence."""
    tasks = about_evaluation(PLAN, [], [RECORD | {"counts": COUNTS}])["tasks"]
    assert tasks[WORDS]["counts"] == COUNTS[WORDS]
    assert tasks[WORDS]["notes"][-1].startswith("de: of 90 links, 2 are left out")
    assert (tasks[SENTENCES]["counts"], tasks[SENTENCES]["notes"]) == ({}, ["The figures are those of layer 1."])
    assert GOLD not in tasks


def test_records_of_an_earlier_version() -> None:
    """They have no counts, and are as good for the figures."""
    tasks = about_evaluation(PLAN, [], [RECORD])["tasks"]
    assert tasks[WORDS]["counts"] == {}
    assert all("left out" not in note for note in tasks[WORDS]["notes"])
