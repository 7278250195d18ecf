"""The table of all tasks: each is whole, is found by its name, and says what is missing."""

from pathlib import Path

import pytest

from tests.support.writing import rows_of, write
from weam_ray.errors import UserError
from weam_ray.evaluate.kinds import KINDS
from weam_ray.evaluate.languages import language
from weam_ray.evaluate.tasks import TASKS, intermediate_of, task_of

QUOTED = '"Yes," he said'  # not as csv writes a cell that begins with a quote
DE = language("de")


class TestTable:
    def test_every_task_is_whole(self) -> None:
        for name, task in TASKS.items():
            assert task.name == name
            assert task.kind in KINDS
            assert task.reference.startswith("https://")
            assert task.licence
            assert task.revision
            assert len({layout.name for layout in task.layouts}) == len(task.layouts)
            assert task.trained == (task.kind != "nearest")
            assert (task.pool is not None) == (task.kind in ("retrieval", "nearest"))

    def test_tasks_by_name(self) -> None:
        assert task_of("udpos") is TASKS["udpos"]
        with pytest.raises(UserError, match="--tasks: 'nli' is no task; the tasks are xnli, pawsx"):
            task_of("nli")
        assert intermediate_of("siqa") is TASKS["siqa"]
        with pytest.raises(UserError, match="--intermediate tatoeba: this task has no training"):
            intermediate_of("tatoeba")

    def test_large_encoders_have_xtreme_s_own_recipes(self) -> None:
        rates = {name: [task.recipe_for(layers).learning_rate for layers in (12, 24)] for name, task in TASKS.items()}
        assert {name for name, (base, large) in rates.items() if base != large} == {"xnli", "xcopa", "siqa", "mewslix"}
        assert (rates["xnli"], rates["xcopa"], rates["mewslix"]) == ([2e-5, 3e-5], [2e-5, 3e-5], [2e-5, 1e-5])
        mewslix = TASKS["mewslix"].recipe_for(24)
        assert (mewslix.batch_size, mewslix.micro_batch_size) == (32, 8)

    @pytest.mark.parametrize("name", TASKS)
    def test_what_is_missing_is_named(self, name: str, tmp_path: Path) -> None:
        for layout in TASKS[name].layouts:
            for split in ("train", "dev", "test"):
                for code in ("en", "de"):
                    with pytest.raises(UserError, match=rf"{name}: no {split} data for {code}: .* is expected \("):
                        TASKS[name].read(layout, tmp_path, split, language(code))

    def test_a_file_without_rows(self, tmp_path: Path) -> None:
        write(tmp_path / "pawsx/test-de.tsv", "\n")
        with pytest.raises(UserError, match=r"pawsx: the test data for de are empty: .*test-de\.tsv"):
            rows_of("pawsx", "xtreme", tmp_path, "test", "de")
