"""What is said of the best of a search."""

from typing import Any

import pytest

from weam_ray.search.verdict import tags_of, verdict

TESTED = {"value": 0.41, "interval": [0.38, 0.4441], "level": 0.95, "part": "test"}
FOUND: dict[str, Any] = {"best_value": 0.5, "on_test": TESTED}
AGAIN = [{"value": 0.4, "interval": [0.37, 0.43]}, {"value": 0.3, "interval": None}]


def test_it_is_the_best_of_so_many_and_has_an_interval_on_other_text() -> None:
    first, second = verdict(FOUND, 8)
    assert first == ("The best of 8 trials has 0.5, on the data that it was chosen by; with other seeds expect less.")
    assert second == (
        "On held-out pairs that nothing was chosen by it has 0.41 (95 % interval over sentences: 0.38 to 0.4441)."
    )
    assert tags_of(FOUND) == {"test_value": "0.410000", "test_interval_95": "0.380000 to 0.444100"}


def test_of_too_few_pairs_there_is_no_interval() -> None:
    found = {**FOUND, "on_test": {**TESTED, "interval": None}}
    assert verdict(found, 2)[1] == "On held-out pairs that nothing was chosen by it has 0.41."
    assert tags_of(found) == {"test_value": "0.410000"}


def test_other_seeds() -> None:
    found = {**FOUND, "retrained": AGAIN}
    assert verdict(found, 8)[2] == (
        "Trained again with 2 other seeds, it has on these 0.4 (0.37 to 0.43), 0.3; the mean is 0.35."
    )
    assert tags_of(found)["test_retrained"] == "0.400000, 0.300000"
    earlier = [{"value": own["value"]} for own in AGAIN]  # as an earlier version left them
    assert "on these 0.4, 0.3;" in verdict({**FOUND, "retrained": earlier}, 8)[2]


def test_a_search_by_a_task_has_an_interval_on_what_it_was_chosen_by() -> None:
    found = {"best_value": 0.5, "on_development": {**TESTED, "part": "dev"}, "retrained": AGAIN}
    first, second, third = verdict(found, 8)
    assert first.startswith("The best of 8 trials has 0.5, on the data that it was chosen by")
    assert second == (
        "On the task's development data, which it was chosen by, it has 0.41 (95 % interval over examples: 0.38 to "
        "0.4441)."
    )
    assert third.startswith("Trained again with 2 other seeds, it has on these")
    assert tags_of(found) == {
        "development_value": "0.410000",
        "development_interval_95": "0.380000 to 0.444100",
        "development_retrained": "0.400000, 0.300000",
    }


@pytest.mark.parametrize("done", [1, 40])
def test_a_search_of_an_earlier_version_was_measured_on_nothing_more(done: int) -> None:
    (line,) = verdict({"best_value": 0.5}, done)
    assert line.startswith(f"The best of {done} trials has 0.5, on the data that it was chosen by")
    assert tags_of({"best_value": 0.5}) == {}
