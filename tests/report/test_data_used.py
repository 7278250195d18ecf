"""The table of the data of an evaluation."""

from typing import Any

from weam_ray.report.data_used import data_lines, data_table

OWN: dict[str, Any] = {
    "task": "moods",
    "used": "task",
    "form": "a folder for each language",
    "reference": "https://example.org",
    "licence": "CC0",
    "revision": "",
    "examples": {"train-en": 3411, "dev-en": 420, "test-en": 710, "test-de": 709},
    "max_train": None,
}


def test_a_row_says_what_the_data_are_and_where_they_come_from() -> None:
    words = OWN | {"used": "intermediate", "examples": {"train-en": 15000, "dev-en": 3000}, "max_train": 3000}
    columns, rows = data_table([words, OWN])
    assert columns == ["task", "used as", "form", "examples", "reference", "licence", "revision"]
    assert rows[0][1:4] == [
        "intermediate",
        "a folder for each language",
        "train 15,000 (each seed draws 3,000); dev 3,000",
    ]
    assert rows[1][3:] == [
        "train 3,411; dev 420; test 709 to 710 in each of 2 languages",
        "https://example.org",
        "CC0",
        "not stated",
    ]


def test_the_same_in_sentences() -> None:
    words = OWN | {"used": "intermediate", "examples": {"train-en": 200}, "max_train": 30}
    assert data_lines([words]) == [
        "Data of moods (intermediate): train 200 (each seed draws 30); licence CC0; revision not stated; reference "
        "https://example.org."
    ]
