"""The settings of a study: what is checked, claims for each of several values, and the way to YAML and back."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.studies import claim, settings_tree
from weam_ray.errors import UserError
from weam_ray.settings.parsing import validated, written_yaml
from weam_ray.settings.study import STUDIES, StudySettings, load_study


def settings(**more: Any) -> StudySettings:
    return validated(StudySettings, settings_tree(**more))


@pytest.mark.parametrize("name", sorted(path.stem for path in STUDIES.glob("*.yaml")))
def test_shipped_studies_can_be_read_and_written(name: str, tmp_path: Path) -> None:
    study = load_study(name, [f"data_root={tmp_path}"])
    assert study.name == name
    file = tmp_path / "study.yaml"
    file.write_text(study.to_yaml(), encoding="utf-8")
    assert load_study(str(file)) == study


def test_a_claim_for_each_of_several_values() -> None:
    template = claim(
        better="{system}", than="plain", name="{system}-{task}", statement="{system} is better on {task}.",
        for_each={"system": ["tlm", "weam"], "task": ["sentence_retrieval", "word_retrieval"]},
        on={"tasks": ["{task}"]},
    )  # fmt: skip
    found = settings(claims=[template]).claims
    assert [own.name for own in found] == [
        f"{system}-{task}" for system in ("tlm", "weam") for task in ("sentence_retrieval", "word_retrieval")
    ]
    assert found[1].statement == "tlm is better on word_retrieval."
    assert found[1].contrast().better.tasks == ["word_retrieval"]


def test_an_arm_has_its_own_before_what_both_have() -> None:
    own = claim({"system": "weam", "setting": "zero-shot"}, on={"setting": "translate-train", "languages": ["de"]})
    contrast = settings(claims=[own]).claims[0].contrast()
    assert (contrast.better.setting, contrast.than.setting) == ("zero-shot", "translate-train")
    assert contrast.better.languages == contrast.than.languages == ["de"]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"claims": [claim(), claim()]}, "claims: 'claimed' is there twice"),
        ({"claims": [{"name": "x", "statement": "y"}]}, "a claim that is greater needs 'better'"),
        ({"claims": [claim(relation="equivalent")]}, "needs a margin above 0"),
        ({"claims": [claim(relation="correlated")]}, "needs 'x'|has no 'better'"),
        ({"claims": [claim(x={"better": {}, "than": {}})]}, "a claim that is greater has no 'x'"),
        ({"claims": [claim(for_each=["weam"])]}, "claims.for_each: a mapping of names to lists"),
        ({"intermediate": {"none": ["clinc"]}}, "intermediate.none: this name is for no intermediate training"),
        ({"groups": {"all": ["de"]}}, "groups.all: this name is for all languages"),
        ({"systems": {}}, "systems"),
        ({"low_resource": {"pair": "en-tl", "shares": [2.0], "systems": ["weam"]}}, "2.0 is no share"),
        (
            {"low_resource": {"pair": "en-tl", "shares": [0.1], "systems": ["plain"]}},
            "'plain' is no system that is trained",
        ),
        ({"settings": ["few-shot"]}, "settings"),
        ({"sytems": {}}, "sytems: unknown key. Did you mean 'systems'"),
    ],
)
def test_mistakes(more: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        settings(**more)


def test_no_such_study() -> None:
    with pytest.raises(UserError, match=r"--study lab2: neither a file nor one of the shipped studies \(amounts"):
        load_study("lab2")


def test_overrides(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(written_yaml(settings_tree()), encoding="utf-8")
    study = load_study(str(file), ["pretraining_seeds=5", "systems.mlm={objective.name: mlm}"])
    assert (study.name, study.pretraining_seeds, study.systems["mlm"]) == ("mine", 5, {"objective.name": "mlm"})
