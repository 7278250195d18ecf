"""A search as tables."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from weam_ray.report.search import print_phases, print_trials, write_table
from weam_ray.search.ledger import COMPLETED, FAILED, PRUNED, Ledger, Trial
from weam_ray.search.space import Choice, Space, Uniform
from weam_ray.train.phases import Phase

THREE = {
    "objective.mask_probability": Uniform(low=0.1, high=0.5),
    "objective.lambda": Uniform(low=0.1, high=10),
    "optimizer.learning_rate": Uniform(low=1e-5, high=1e-2),
}
SIX = {
    **THREE,
    "objective.normalize": Choice(values=[False, True]),
    "align.aligner": Choice(values=["fast_align", "eflomal"]),
    "encode.subword_mapping": Choice(values=["parallel", "first"]),
}
VALUES: list[Any] = [0.25123, 3.5, 0.000123, True, "eflomal", "first"]


def ledger(folder: Path, keys: dict[str, Any]) -> Ledger:
    values = dict(zip(keys, VALUES, strict=False))
    phases = {Phase.WORKERS: 8.04, Phase.ENGINE: 4.0, Phase.STEPS: 20.0}
    return Ledger(
        folder,
        "f",
        trials=[
            Trial(1, values, COMPLETED, [(1000, 0.25)], seconds=35.5, phases=phases),
            Trial(2, values, FAILED, message="no room"),
            Trial(3, values, COMPLETED, [(1000, 0.5)], seconds=33.0, phases=phases),
            Trial(4, values, PRUNED, [(250, 0.1)], seconds=14.0, phases={Phase.WORKERS: 8.0}),
        ],
    )


def rows(said: str, keep: str = "completed pruned failed") -> list[list[str]]:
    return [line.split() for line in said.splitlines() if any(f" {word} " in line for word in keep.split())]


def test_the_best_trial_is_the_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    space = Space.of(THREE)
    print_trials(ledger(tmp_path, THREE), space, "retrieval")
    assert rows(capsys.readouterr().out) == [
        ["3", "completed", "0.5000", "1,000", "33", "0.251", "3.5", "0.000123"],
        ["1", "completed", "0.2500", "1,000", "36", "0.251", "3.5", "0.000123"],
        ["2", "failed", "0", "0", "0.251", "3.5", "0.000123"],
        ["4", "pruned", "0.1000", "250", "14", "0.251", "3.5", "0.000123"],
    ]
    print_trials(ledger(tmp_path, THREE), space, "held_out_loss")
    assert [row[0] for row in rows(capsys.readouterr().out)] == ["1", "3", "2", "4"]


def test_many_keys_share_a_column(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    print_trials(ledger(tmp_path, SIX), Space.of(SIX), "retrieval")
    said = capsys.readouterr().out
    assert max(map(len, said.splitlines())) <= 80
    assert said.count("mask_probability=0.251,") == 4
    assert said.count("subword_mapping=first") == 4


def test_keys_of_two_sections_keep_their_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keys = {"seeds.model": Choice(values=[1, 2]), "seeds.data": Choice(values=[1, 2])}
    print_trials(ledger(tmp_path, keys), Space.of(keys), "retrieval")
    assert {"model", "data"} <= set(capsys.readouterr().out.split())
    keys = {"search.seed": Choice(values=[1, 2]), "other.seed": Choice(values=[1, 2])}
    print_trials(ledger(tmp_path, keys), Space.of(keys), "retrieval")
    assert {"search.seed", "other.seed"} <= set(capsys.readouterr().out.split())


def test_phases_sum_to_the_seconds_of_a_trial(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = ledger(tmp_path, THREE)
    print_phases(own)
    found = {row[0]: [float(cell) for cell in row[2:]] for row in rows(capsys.readouterr().out)}
    assert found["1"] == [20.0, 15.5, 8.0, 4.0, 0.0, 3.5]  # steps, rest, workers, engine, held-out, other
    assert found["4"] == [0.0, 14.0, 8.0, 0.0, 0.0, 6.0]
    assert found["2"] == [0.0] * 6
    table = pq.read_table(write_table(own, Space.of(THREE), tmp_path / "trials.parquet")).to_pylist()
    assert [(row["trial"], row["seconds_workers"], row["seconds_steps"], row["message"]) for row in table] == [
        (1, 8.04, 20.0, ""),
        (2, 0.0, 0.0, "no room"),
        (3, 8.04, 20.0, ""),
        (4, 8.0, 0.0, ""),
    ]
