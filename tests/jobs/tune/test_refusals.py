"""What a search refuses before it starts, or ends with a sentence."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.lab import write_encoder
from tests.support.main_job import write_moses
from tests.support.searches import search_config
from weam_ray.errors import UserError
from weam_ray.jobs.tune import SearchJob
from weam_ray.search.ledger import FAILED, PRUNED, Trial


class TestRefusals:
    """What is refused before anything runs."""

    @pytest.fixture(autouse=True)
    def corpus(self, tmp_path: Path) -> None:
        write_moses(tmp_path)

    @pytest.mark.parametrize(
        ("overrides", "message"),
        [
            (["corpus.held_out=1"], "compares trials on half of the held-out pairs, and there are not two"),
            (["search.num_trials=3"], r"search\.num_trials=3: the grid of .*own_space\.py has 2 points"),
            (["search.space=nowhere"], "--space nowhere: neither a file nor one of"),
            (["search.metric=loss"], r"search\.metric: .*'loss' is none of retrieval, .* and no task:NAME"),
            (["search.metric=task:nli"], "nli"),
            (["training.max_tokens=9"], r"training\.max_tokens: a search compares trials at equal steps"),
            (["search.num_trials=0"], r"search\.num_trials: .*greater than or equal to 1"),
        ],
    )
    def test_settings(self, tmp_path: Path, overrides: list[str], message: str) -> None:
        with pytest.raises(UserError, match=message):
            SearchJob.of(search_config(tmp_path, *overrides), tmp_path)

    def test_a_tokenizer_of_another_encoder(self, tmp_path: Path, wordpiece: Any) -> None:
        encoder = write_encoder(tmp_path / "encoder", wordpiece, num_words=50)
        with pytest.raises(UserError, match=r"encoder: 50 embeddings for a tokenizer of 3\d\d tokens"):
            SearchJob.of(search_config(tmp_path, f"encoder.name={encoder}"), tmp_path)

    def test_a_folder_with_something_else(self, tmp_path: Path) -> None:
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "notes.txt").write_text("mine", encoding="utf-8")
        with pytest.raises(UserError, match="is not empty and holds no search"):
            SearchJob.of(search_config(tmp_path, f"output.dir={tmp_path / 'out'}"), tmp_path)

    def test_a_folder_with_another_search(self, tmp_path: Path) -> None:
        given = f"output.dir={tmp_path / 'out'}"
        SearchJob.of(search_config(tmp_path, given), tmp_path).ledger.save()
        again = SearchJob.of(search_config(tmp_path, given, "search.num_trials=1"), tmp_path)
        assert again.ledger.sessions == 0
        for other in ("search.metric=retrieval", "objective.lambda=0.5", "training.max_steps=13"):
            with pytest.raises(UserError, match="another space, configuration or data"):
                SearchJob.of(search_config(tmp_path, given, other), tmp_path)

    def test_fresh_takes_the_next_folder(self, tmp_path: Path) -> None:
        config = search_config(tmp_path, f"output.dir={tmp_path / 'out'}")
        SearchJob.of(config, tmp_path).ledger.save()
        assert SearchJob.of(config, tmp_path, fresh=True).folder == tmp_path / "out-2"

    @pytest.mark.ray
    def test_workers_that_do_not_fit(self, ray_session: None, tmp_path: Path) -> None:
        job = SearchJob.of(search_config(tmp_path, "training.num_workers=8", "training.threads_per_worker=1"), tmp_path)
        with pytest.raises(UserError, match=r"training\.num_workers=8: 8 workers of 1 CPU each do not fit"):
            job.run()

    def test_no_trial_that_was_completed(self, tmp_path: Path) -> None:
        write_moses(tmp_path)
        job = SearchJob.of(search_config(tmp_path), tmp_path)
        job.folder.mkdir(parents=True)
        pruned = Trial(2, {"optimizer.learning_rate": 1e-9}, PRUNED, [(3, 0.1)])
        failed = Trial(1, {"optimizer.learning_rate": 0.005}, FAILED, [(3, 0.5)], "the disk is full.")
        tracker = SimpleNamespace(parent=SimpleNamespace(log_files=lambda *_: None))
        for trials, message in (
            (
                [failed, pruned],
                "None of 2 trials was completed: 1 failed, .*; trial 1: the disk is full. All",
            ),
            ([pruned], "None of 1 trials was completed: 0 failed, the others were stopped early. All are in .*parquet"),
        ):
            job.ledger.trials = trials
            with pytest.raises(UserError, match=message):
                job.conclude(tracker, None)

    def test_a_preview_writes_nothing(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        job = SearchJob.of(search_config(tmp_path), tmp_path)
        job.preview()
        assert "2 trials of 12 steps, 0 of them done; compared after 3, 6, 12 steps" in capsys.readouterr().out
        assert not job.folder.exists()
