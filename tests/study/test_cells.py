"""The matrix of a study: tasks by setting and learning rate, nested seeds, and the learning rate that counts."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.studies import row, settings_tree
from weam_ray.errors import UserError
from weam_ray.settings.parsing import validated
from weam_ray.settings.study import StudySettings
from weam_ray.store.home import Home
from weam_ray.study.cells import Matrix, mark_chosen
from weam_ray.study.systems import Configurations, systems_of


def matrix(place: Path, **more: Any) -> Matrix:
    settings = validated(StudySettings, settings_tree(home=str(place), **more))
    return Matrix(settings, Home.of(settings, place), [])


def test_a_grid_of_learning_rates(tmp_path: Path) -> None:
    own = matrix(
        tmp_path,
        evaluation={"tasks": ["sib200", "udpos", "tatoeba", "alignment"]},
        learning_rates={"sib200": [1e-5, 3e-5], "udpos": [3e-5]},
        settings=["zero-shot", "translate-train"],
        tasks_of_settings={"translate-train": ["sib200", "tatoeba"]},
    )
    first = {None: ["tatoeba", "alignment"], 1e-5: ["sib200"], 3e-5: ["sib200", "udpos"]}
    assert own.tasks_by_rate("zero-shot") == first
    assert own.tasks_by_rate("translate-train") == {1e-5: ["sib200"], 3e-5: ["sib200"]}
    settings = own.evaluation("model", [], "zero-shot", 3e-5, ["sib200", "udpos"])
    assert settings.recipes == {"sib200": {"learning_rate": 3e-5}, "udpos": {"learning_rate": 3e-5}}


def test_fine_tuning_seeds_are_nested(tmp_path: Path) -> None:
    own = matrix(tmp_path, pretraining_seeds=3, finetuning_seeds=2)
    assert [own.fine_tuning_seeds(seed) for seed in (1, 2, 3, None)] == [[1, 2], [3, 4], [5, 6], [1, 2, 3, 4, 5, 6]]


def test_the_learning_rate_that_is_best_on_development_data_counts() -> None:
    def tried(system: str, rate: float, development: list[float]) -> list[dict[str, Any]]:
        return [
            row(system, 99 - score, f"{system}-{k}", k, learning_rate=rate, development=score)
            for k, score in enumerate(development)
        ]

    rows = [*tried("weam", 1e-5, [50, 60]), *tried("weam", 3e-5, [56, 56]), *tried("tlm", 1e-5, [50, 50])]
    rows += tried("tlm", 3e-5, [49, 51])
    measured = row("weam", 1.0, "weam-0", 0, task="tatoeba")
    mark_chosen([*rows, measured])
    assert {(own["system"], own["learning_rate"]) for own in rows if own["chosen"]} == {("weam", 3e-5), ("tlm", 1e-5)}
    assert measured["chosen"]


class TestSystems:
    def settings(self, **more: Any) -> StudySettings:
        return validated(StudySettings, settings_tree(**more))

    def test_seeds_and_base(self) -> None:
        settings = self.settings(pretraining={"base": {"objective.name": "mlm"}, "set": {"training.max_steps": 7}})
        configurations = Configurations(settings)
        base = configurations.of_base()
        assert base is not None
        assert (base.objective.name, base.training.max_steps, base.name) == ("mlm", 7, "study-mlm")
        weam = next(own for own in systems_of(settings) if own.name == "weam")
        first, second = (configurations.of(weam, seed, "/base/model") for seed in (1, 2))
        assert (first.encoder.name, first.objective.name, first.training.max_steps) == ("/base/model", "weam", 7)
        assert first.seeds == base.seeds
        for name, value in second.seeds.model_dump().items():
            assert value == getattr(first.seeds, name) + 1000
        assert first.model_copy(update={"seeds": second.seeds}) == second

    def test_shares_of_a_language_pair(self) -> None:
        axis = {"pair": "en-tl", "shares": [0.0, 0.01, 1.0], "systems": ["weam"]}
        settings = self.settings(low_resource=axis)
        added = [own for own in systems_of(settings) if own.share is not None]
        assert [(own.name, own.of, own.share) for own in added] == [
            ("weam@0%", "weam", 0.0),
            ("weam@1%", "weam", 0.01),
            ("weam@100%", "weam", 1.0),
        ]
        config = Configurations(settings).of(added[1], 1, "/base/model")
        assert config.corpus.limits == {"en-tl": 0.01}

    def test_without_a_base_an_encoder_is_named(self) -> None:
        named = {"encoder.name": "bert-base-multilingual-cased"}
        configurations = Configurations(self.settings(pretraining={"set": named}))
        assert configurations.of_base() is None
        assert configurations.encoder(None) == "bert-base-multilingual-cased"

    def test_a_mistake_names_the_system(self) -> None:
        settings = self.settings(systems={"mine": {"objective.name": "xlm"}})
        with pytest.raises(UserError, match=r"systems.mine: objective.name"):
            Configurations(settings).of(systems_of(settings)[0], 1, "/base/model")
