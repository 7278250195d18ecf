"""The search job as a whole, on a small corpus: Tune over Train, early stopping, MLflow, the registered model."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq
import pytest
from mlflow import MlflowClient

from tests.support.main_job import write_moses
from tests.support.processes import wait_until
from tests.support.searches import TWO_RATES, search_config
from weam_ray.errors import UserError
from weam_ray.jobs.tune import SearchJob
from weam_ray.search.ledger import Ledger
from weam_ray.settings.config import load_config

BEST = (
    "The best of 1 trials has {:.4g}, on the data that it was chosen by; with other seeds expect less. On held-out "
    "pairs that nothing was chosen by it has {:.4g} (95 % interval over sentences: {:.4g} to {:.4g})."
)


def actors() -> Iterator[tuple[int, str]]:
    """The processes of Ray that this one has started, and the class or the task that each is at."""
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):  # it has ended
            title = re.match(r"ray::(\w+)", " ".join(process.cmdline()))
            if title:
                yield process.pid, title[1]


@contextmanager
def actors_of_trials() -> Iterator[dict[str, dict[int, set[str]]]]:
    """What begins in Ray's processes in the block, by class or task: by process, its libraries of torch."""
    earlier = set(actors())  # of other tests, that still end
    found: dict[str, dict[int, set[str]]] = {}
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(0.3):
            for pid, kind in set(actors()) - earlier:
                with suppress(OSError):  # it has ended
                    maps = Path(f"/proc/{pid}/maps").read_text(encoding="utf-8")  # psutil's way is slow
                    found.setdefault(kind, {}).setdefault(pid, set()).update(re.findall(r"libtorch\w*", maps))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    yield found
    stop.set()
    thread.join()


@pytest.fixture(scope="module")
def searched(ray_session: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A finished search: its place, folder, result, and the actors that it had."""
    place = tmp_path_factory.mktemp("search")
    write_moses(place)
    job = SearchJob.of(search_config(place), place)
    with actors_of_trials() as seen:
        result = job.run()
    return {"place": place, "folder": job.folder, "result": result, "actors": seen}


@pytest.mark.ray
class TestSearch:
    def test_one_trial_completes_and_one_is_stopped(self, searched: dict[str, Any]) -> None:
        ledger = Ledger.read(searched["folder"])
        assert ledger is not None
        first, second = ledger.trials
        assert [first.state, second.state] == ["completed", "pruned"]
        assert [steps for steps, _ in first.reports] == [3, 6, 12]
        assert [steps for steps, _ in second.reports] == [3]
        assert first.reports[0][1] < second.reports[0][1]
        assert searched["result"]["best_values"] == {"optimizer.learning_rate": 0.005}

    def test_the_best_is_measured_on_pairs_that_nothing_was_chosen_by(self, searched: dict[str, Any]) -> None:
        ledger, tested = Ledger.read(searched["folder"]), searched["result"]["on_test"]
        assert ledger is not None
        assert (ledger.part, tested["part"], tested["level"]) == ("dev", "test", 0.95)
        assert tested["interval"][0] < tested["value"] < tested["interval"][1]
        assert tested["value"] != searched["result"]["best_value"]

    def test_it_says_what_the_best_has_seen_of_them(self, searched: dict[str, Any]) -> None:
        """Of those that it was chosen by, and of those that it is reported on."""
        seen = searched["result"]["seen"]
        assert {part: own["en-xx"]["same_words"] for part, own in seen.items()} == {"test": 0, "dev": 0}
        assert sum(own["en-xx"]["examples"] for own in seen.values()) == 20
        assert searched["result"]["notes"] == []

    def test_what_an_earlier_version_began_goes_on_as_it_began(self, searched: dict[str, Any], tmp_path: Path) -> None:
        """On all held-out pairs; of which none are left to measure the best on."""
        state = json.loads((searched["folder"] / "state.json").read_text(encoding="utf-8"))
        del state["part"]
        (tmp_path / "state.json").write_text(json.dumps(state), encoding="utf-8")
        ledger = Ledger.read(tmp_path)
        assert ledger is not None
        assert ledger.part is None
        config = search_config(searched["place"], "search.retrain=1", f"output.dir={tmp_path}")
        with pytest.raises(UserError, match=r"search\.retrain=1: an earlier version began this search"):
            SearchJob.of(config, searched["place"])

    def test_what_it_leaves(self, searched: dict[str, Any]) -> None:
        folder: Path = searched["folder"]
        table = pq.read_table(folder / "trials.parquet").to_pylist()
        assert [(row["trial"], row["state"], row["optimizer.learning_rate"]) for row in table] == [
            (1, "completed", 0.005),
            (2, "pruned", 1e-9),
        ]
        for row in table:
            phases = {
                name: row[f"seconds_{name}"] for name in ("workers", "engine", "steps", "held_out", "checkpoints")
            }
            assert min(phases.values()) > 0, phases
            assert sum(phases.values()) < row["seconds"] + 0.1
        best = load_config(str(folder / "best.yaml"))
        assert (best.optimizer.learning_rate, best.output.dir) == (0.005, None)
        names = {"optimization_history.png", "slice.png", "parallel_coordinate.png", "search.html", "result.json"}
        assert names <= {file.name for file in folder.iterdir()}
        page = (folder / "search.html").read_text(encoding="utf-8")
        assert "plotly" in page.lower()
        assert 'src="http' not in page

    def test_a_stopped_trial_gives_back_workers_and_disk(self, searched: dict[str, Any]) -> None:
        import ray
        from ray.util import placement_group_table

        whole = ray.cluster_resources()["CPU"]
        wait_until(lambda: ray.available_resources().get("CPU", 0) == whole, 30)
        assert {group["state"] for group in placement_group_table().values()} <= {"REMOVED"}
        trials = searched["folder"] / "trials"
        assert not list(trials.glob("*/*/checkpoints"))
        assert [file.parent.parent.parent.name for file in trials.glob("*/*/model/config.json")] == ["0001"]

    def test_the_process_of_a_trial_is_light(self, searched: dict[str, Any]) -> None:
        """It imports no torch; and of Ray Train's processes those do not start that it can do without."""
        seen = searched["actors"]
        assert all(seen["RayTrainWorker"].values())
        trials = seen.get("TrialActor", {}) | seen["ResourceTrainable"]  # by its class or its task
        assert list(trials.values()) == [set()], "one process for one trial after the other, and no torch in it"
        unwanted = {"TrainController", "DatasetManager", "PreemptionWatcher", "PlacementGroupCleaner"}
        assert unwanted & set(seen) == set()

    def test_mlflow(self, searched: dict[str, Any]) -> None:
        client = MlflowClient(f"sqlite:///{searched['place'] / 'home' / 'mlflow.db'}")
        parent = client.get_run(searched["result"]["mlflow_run_id"])
        children = client.search_runs(
            [parent.info.experiment_id],
            f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'",
            order_by=["attributes.start_time"],
        )
        assert (parent.info.status, parent.data.tags["kind"]) == ("FINISHED", "search")
        assert parent.data.params["space.optimizer.learning_rate"] == "0.005 | 1e-09"
        assert [child.info.status for child in children] == ["FINISHED", "KILLED"]
        assert [child.data.tags["state"] for child in children] == ["completed", "pruned"]
        assert [child.data.tags["best"] for child in children] == ["true", "false"]
        assert [child.data.params["optimizer.learning_rate"] for child in children] == ["0.005", "1e-09"]
        for child, last in zip(children, (12, 3), strict=True):
            losses = [entry.step for entry in client.get_metric_history(child.info.run_id, "loss")]
            assert losses == list(range(1, len(losses) + 1))
            assert len(losses) >= last
            held_out = client.get_metric_history(child.info.run_id, "held_out_after/multilingual_loss")
            assert [entry.step for entry in held_out] == [3, 6, 12][: len(held_out)]
            assert held_out[-1].step == last
        files = {file.path for file in client.list_artifacts(parent.info.run_id)}
        assert {"trials.parquet", "best.yaml", "search.html", "slice.png", "optimization_history.png"} <= files
        version = client.get_model_version_by_alias("weam-ray-bundled", "champion")
        assert (version.run_id, version.tags["metric"]) == (children[0].info.run_id, "held_out_loss")
        tested = searched["result"]["on_test"]
        assert version.tags["test_value"] == f"{tested['value']:.6f}"
        for said in (version.description, parent.data.tags["mlflow.note.content"]):
            assert said.endswith(BEST.format(searched["result"]["best_value"], tested["value"], *tested["interval"]))

    def test_the_same_command_again_says_what_is_there(
        self, searched: dict[str, Any], capsys: pytest.CaptureFixture[str]
    ) -> None:
        job = SearchJob.of(search_config(searched["place"]), searched["place"])
        assert job.run() == searched["result"]
        said = capsys.readouterr().out
        assert "This search is finished" in said
        tested = searched["result"]["on_test"]
        best = BEST.format(searched["result"]["best_value"], tested["value"], *tested["interval"])
        assert best in " ".join(said.split())
        assert f"/runs/{searched['result']['mlflow_run_id']}" in said.splitlines()[-1]

    def test_a_trial_that_was_to_be_stopped_when_the_session_was_killed(self, searched: dict[str, Any]) -> None:
        """It is not trained on: it was reported, but not ended. MLflow had not been told that another had ended."""
        ledger = Ledger.read(searched["folder"])
        assert ledger is not None
        ledger.trials[1].state, ledger.finished = "running", False
        ledger.save()
        losses = searched["folder"] / "trials" / "0002" / "seed-1" / "losses.jsonl"
        before = losses.stat().st_mtime_ns
        client = MlflowClient(f"sqlite:///{searched['place'] / 'home' / 'mlflow.db'}")
        client.update_run(ledger.trials[0].mlflow_run_id, status="RUNNING")
        client.set_tag(ledger.trials[0].mlflow_run_id, "state", "running")
        job = SearchJob.of(search_config(searched["place"]), searched["place"])
        assert job.run()["best_trial"] == 1
        ended = Ledger.read(searched["folder"])
        assert ended is not None
        assert [trial.state for trial in ended.trials] == ["completed", "pruned"]
        assert losses.stat().st_mtime_ns == before
        children = [client.get_run(trial.mlflow_run_id) for trial in ended.trials]
        assert [(child.info.status, child.data.tags["state"]) for child in children] == [
            ("FINISHED", "completed"),
            ("KILLED", "pruned"),
        ]
        history = client.get_metric_history(ended.trials[0].mlflow_run_id, "held_out")
        assert [metric.step for metric in history] == [3, 6, 12]

    @pytest.mark.slow
    def test_a_child_that_was_deleted_is_made_again(self, searched: dict[str, Any]) -> None:
        ledger = Ledger.read(searched["folder"])
        assert ledger is not None
        gone = ledger.trials[0].mlflow_run_id or ""
        client = MlflowClient(f"sqlite:///{searched['place'] / 'home' / 'mlflow.db'}")
        client.delete_run(gone)
        ledger.finished = False
        ledger.save()
        job = SearchJob.of(search_config(searched["place"]), searched["place"])
        job.run()
        made = client.get_run(job.ledger.trials[0].mlflow_run_id or "")
        assert made.info.run_id != gone
        assert (made.info.status, made.data.tags["state"], made.data.tags["best"]) == ("FINISHED", "completed", "true")
        assert [metric.step for metric in client.get_metric_history(made.info.run_id, "held_out")] == [3, 6, 12]
        assert client.get_run(job.ledger.mlflow_run_id or "").info.status == "FINISHED"
        assert client.get_model_version_by_alias("weam-ray-bundled", "champion").run_id == made.info.run_id

    @pytest.mark.slow
    def test_the_champion_loads_in_a_fresh_process(self, searched: dict[str, Any]) -> None:
        script = (
            "import mlflow\n"
            f"mlflow.set_tracking_uri('sqlite:///{searched['place'] / 'home' / 'mlflow.db'}')\n"
            f"fill = mlflow.transformers.load_model({searched['result']['champion']!r})\n"
            "print(len(fill('the [MASK] sees the dog')))\n"
        )
        environment = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=False, timeout=300
        )
        assert done.returncode == 0, done.stderr[-2000:]
        assert done.stdout.strip() == "5"

    @pytest.mark.slow
    def test_the_best_is_trained_again_with_other_seeds(
        self, searched: dict[str, Any], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """Of a search that is finished; what has been trained again is not trained once more."""
        place, before = searched["place"], searched["result"]
        result = SearchJob.of(search_config(place, "search.retrain=1"), place).run()
        assert "Trained again with 1 other seeds, it has on these" in " ".join(capsys.readouterr().out.split())
        (own,) = result["retrained"]
        assert own["interval"][0] < own["value"] < own["interval"][1]
        assert own["seeds"]["model"] == 1_003
        assert own["value"] not in (before["on_test"]["value"], before["best_value"])
        assert Path(own["model"], "config.json").is_file()
        assert not list(searched["folder"].glob("retrained/*/*/checkpoints"))
        assert (result["best_value"], result["on_test"]) == (before["best_value"], before["on_test"])
        client = MlflowClient(f"sqlite:///{place / 'home' / 'mlflow.db'}")
        logged = client.get_run(result["mlflow_run_id"]).data.metrics
        assert logged["test/value"] == before["on_test"]["value"]
        assert logged["test/retrained_mean"] == own["value"]
        assert SearchJob.of(search_config(place, "search.retrain=1"), place).run() == result


@pytest.mark.ray
@pytest.mark.slow
def test_failed_trials(ray_session: None, tmp_path: Path) -> None:
    """One fails and the search goes on; where all do, it ends with one sentence."""
    write_moses(tmp_path)
    space = TWO_RATES.replace("1.0e-9", "1.0e30")
    job = SearchJob.of(search_config(tmp_path, "search.early_stopping=false", space=space), tmp_path)
    result = job.run()
    assert result["trials"] == {"completed": 1, "failed": 1}
    (failed,) = [trial for trial in job.ledger.trials if trial.state == "failed"]
    assert "not a finite number" in failed.message
    client = MlflowClient(f"sqlite:///{tmp_path / 'home' / 'mlflow.db'}")
    assert failed.mlflow_run_id is not None
    run = client.get_run(failed.mlflow_run_id)
    assert (run.info.status, run.data.tags["state"]) == ("FAILED", "failed")
    assert "not a finite number" in run.data.tags["message"]

    space = space.replace("0.005", "2.0e30")
    job = SearchJob.of(search_config(tmp_path, "search.early_stopping=false", space=space), tmp_path)
    with pytest.raises(UserError, match=r"All 2 trials of the search failed; trial 1: Step \d+: the loss is"):
        job.run()
    states = json.loads((job.folder / "state.json").read_text(encoding="utf-8"))["trials"]
    assert [trial["state"] for trial in states] == ["failed", "failed"]
    parent = client.get_run(job.ledger.mlflow_run_id or "")
    assert parent.info.status == "FAILED"


@pytest.mark.ray
@pytest.mark.slow
def test_values_that_do_not_go_together(ray_session: None, tmp_path: Path) -> None:
    """Each by itself is allowed: the trial that has both fails by what the configuration says."""
    write_moses(tmp_path)
    space = TWO_RATES.replace(
        '"optimizer.learning_rate": Choice(values=[0.005, 1.0e-9])',
        '"training.batch_size": Choice(values=[8, 12]), "training.micro_batch_size": Choice(values=[8, 4])',
    )
    more = ("search.num_trials=3", "search.early_stopping=false", "search.vary_budget=true", "training.max_steps=4")
    more += ("training.micro_batch_size=4",)
    job = SearchJob.of(search_config(tmp_path, *more, space=space), tmp_path)
    assert job.run()["trials"] == {"completed": 2, "failed": 1}
    (failed,) = [trial for trial in job.ledger.trials if trial.state == "failed"]
    assert failed.values == {"training.batch_size": 12, "training.micro_batch_size": 8}
    assert "batch_size 12 must be a multiple of micro_batch_size" in failed.message
    run = MlflowClient(f"sqlite:///{tmp_path / 'home' / 'mlflow.db'}").get_run(failed.mlflow_run_id or "")
    assert (run.info.status, run.data.params["training.batch_size"]) == ("FAILED", "12")


@pytest.mark.ray
@pytest.mark.slow
def test_a_trial_whose_process_is_killed(ray_session: None, tmp_path: Path) -> None:
    """What it had reserved, all cores, is given back, so that the next trial can train."""
    write_moses(tmp_path)
    earlier = set(actors())
    job = SearchJob.of(search_config(tmp_path, "search.early_stopping=false"), tmp_path)

    def kill_first() -> None:
        phases = job.folder / "trials/0001/seed-1/phases.jsonl"
        wait_until(lambda: phases.is_file() and '"engine"' in phases.read_text(encoding="utf-8"))
        ours = {pid for pid, kind in set(actors()) - earlier if kind in ("TrialActor", "ResourceTrainable")}
        for pid in ours:
            os.kill(pid, signal.SIGKILL)

    killer = threading.Thread(target=kill_first, daemon=True)
    killer.start()
    result = job.run()
    assert result["trials"] == {"completed": 1, "failed": 1}
    assert [trial.state for trial in job.ledger.trials] == ["failed", "completed"]
    assert "died" in job.ledger.trials[0].message
