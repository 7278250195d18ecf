"""Evaluations that cannot be compared: every refusal is a sentence."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.evaluations import FIRST, SECOND, changed, folder_of, of_two, refusal


@pytest.fixture
def both(tmp_path: Path) -> tuple[Path, Path]:
    return folder_of(tmp_path / "mbert", FIRST), folder_of(tmp_path / "weam", SECOND)


class TestRefusals:
    def test_one_folder(self, both: tuple[Path, Path]) -> None:
        assert refusal(both[0]) == "A comparison takes two folders of evaluations or more, not 1."

    @pytest.mark.parametrize("name", ["evaluation.json", "result.json"])
    def test_an_unfinished_folder(self, both: tuple[Path, Path], name: str) -> None:
        (both[1] / name).unlink()
        assert refusal(*both) == f"{str(both[1])!r} is no folder of a finished evaluation: it has no {name}."

    @pytest.mark.parametrize(("key", "name"), [("seeds", "evaluation.json"), ("tasks", "evaluation.json")])
    def test_a_key_that_is_missing(self, both: tuple[Path, Path], key: str, name: str) -> None:
        changed(both[0], name, key, value=None)
        assert refusal(*both) == f"{both[0] / name} lacks {key!r}; evaluate again."

    def test_files_of_another_kind(self, both: tuple[Path, Path]) -> None:
        (both[0] / "result.json").write_text("[]")
        assert refusal(*both) == f"{both[0]}: evaluation.json and result.json must hold JSON objects; evaluate again."
        (both[0] / "result.json").write_text("{")
        assert "not valid JSON" in refusal(*both)

    def test_seeds_and_models_that_do_not_fit(self, both: tuple[Path, Path]) -> None:
        file = both[0] / "evaluation.json"
        changed(both[0], "evaluation.json", "seeds", value=[1, 2, 3, 4, 1])
        assert refusal(*both) == f"{file}: seed 1 is there twice; a seed counts once."
        changed(both[0], "evaluation.json", "models", value=["a", "b"])
        assert refusal(*both) == f"{file}: models and pretraining_seeds must have one entry a model each."
        changed(both[0], "evaluation.json", "pretraining_seeds", value=[1, 2])
        assert refusal(*both) == f"{file}: 2 models for 5 seeds, not one or as many."

    def test_no_task_and_no_language_in_common(self, tmp_path: Path) -> None:
        first = folder_of(tmp_path / "a", {"t": {"de": [50] * 5}})
        second, third = (
            folder_of(tmp_path / "b", {"u": {"de": [50] * 5}}),
            folder_of(tmp_path / "c", {"t": {"fr": [50] * 5}}),
        )
        assert refusal(first, second) == f"There is no task to compare: {first} has t and {second} has u."
        assert refusal(first, third) == f"There is no language of t to compare: {first} has de and {third} has fr."

    @pytest.mark.parametrize(
        ("key", "value", "said"),
        [
            ("data", "beef", 'fingerprint of the test data: "beef" there, "f00d" here'),
            ("metric", "f1", 'metric: "f1" there, "accuracy" here'),
            ("trained", False, "fine-tuned: false there, true here"),
        ],
    )
    def test_a_task_that_was_measured_otherwise(self, both: tuple[Path, Path], key: str, value: Any, said: str) -> None:
        changed(both[1], "evaluation.json", "tasks", "xnli", key, value=value)
        assert refusal(*both) == f"{both[1]} cannot be compared with {both[0]}: xnli, {said}; evaluate both alike."

    @pytest.mark.parametrize(
        ("key", "value", "said"),
        [
            ("data", "beef", 'fingerprint of the test data: "beef" there, "f00d" here'),
            ("metric", "f1", 'metric: "f1" there, "accuracy" here'),
        ],
    )
    def test_a_language_that_was_measured_otherwise(
        self, both: tuple[Path, Path], key: str, value: str, said: str
    ) -> None:
        changed(both[1], "result.json", "xnli", "de", key, value=value)
        assert refusal(*both) == f"{both[1]} cannot be compared with {both[0]}: xnli, de, {said}; evaluate both alike."

    def test_models_that_were_measured_on_data_of_their_own(self, both: tuple[Path, Path]) -> None:
        """All fingerprints of a system are kept, and all are compared."""
        for folder in both:
            changed(folder, "result.json", "xnli", "de", "data", value=["f00d", "beef"])
        assert of_two(*both).tasks[0].languages.rows[1].language == "de"
        for other in (["f00d", "bad"], ["f00d"], "f00d"):
            changed(both[1], "result.json", "xnli", "de", "data", value=other)
            assert "xnli, de, fingerprint of the test data" in refusal(*both)

    def test_another_number_of_examples(self, both: tuple[Path, Path], tmp_path: Path) -> None:
        small = folder_of(tmp_path / "small", FIRST, size=100)
        expected = f"{small} cannot be compared with {both[0]}: xnli, en, test examples: 100 there, 200 here;"
        assert refusal(both[0], small) == f"{expected} evaluate both alike."

    def test_examples_that_differ_by_seed(self, both: tuple[Path, Path]) -> None:
        table = pa.table({"numerator": np.ones(3), "denominator": np.ones(3)})
        pq.write_table(table, both[1] / "examples" / "xnli" / "2" / "de.parquet")
        expected = f"{both[1]}: xnli, de has not as many examples for each seed: 200 for 1, 3 for 2, 200 for 3"
        assert refusal(*both).startswith(expected)

    def test_examples_of_another_score(self, both: tuple[Path, Path]) -> None:
        changed(both[1], "result.json", "xnli", "de", "per_seed", value=[70, 71.5, 69.5, 72, 72])
        assert refusal(*both) == (
            f"{both[1]}: the examples of xnli, de, 2 make 71.00, and result.json has 70.00, 71.50, 69.50, 72.00, "
            "72.00: the folder was changed; evaluate again."
        )

    def test_examples_that_are_missing_or_damaged(self, both: tuple[Path, Path]) -> None:
        file = both[0] / "examples" / "xnli" / "3" / "sw.parquet"
        file.unlink()
        assert refusal(*both) == f"{both[0]}: xnli, sw has no {str(file)!r}; evaluate again."
        file.write_bytes(b"no table")
        assert refusal(*both).startswith(f"{file}: no table of numerator and denominator: ")
        for columns in ({"numerator": [1.0]}, {"numerator": ["a"], "denominator": ["b"]}):
            pq.write_table(pa.table(columns), file)
            assert refusal(*both).startswith(f"{file}: no table of numerator and denominator: ")
        pq.write_table(pa.table({"numerator": [1.0, None], "denominator": [1.0, 1.0]}), file)
        assert refusal(*both) == f"{file} has a value that is no number; evaluate again."
        pq.write_table(pa.table({"numerator": pa.array([], "f8"), "denominator": pa.array([], "f8")}), file)
        assert refusal(*both) == f"{file} has no rows; evaluate again."
