"""The page of all keys, and the help of the commands."""

from pathlib import Path

import pytest

from weam_ray.settings.base import Role, Section
from weam_ray.settings.config import Config
from weam_ray.settings.evaluation import EvaluationSettings, OwnTask, Recipe
from weam_ray.settings.keys import keys
from weam_ray.settings.page import OF_STUDIES, REGENERATE, help_text, page
from weam_ray.settings.sources import SOURCE_KINDS
from weam_ray.settings.study import StudySettings

FILE = Path(__file__).resolve().parents[2] / "docs" / "configuration.md"


def test_the_page_is_that_of_the_settings() -> None:
    assert FILE.read_text(encoding="utf-8") == page(), f"run: {REGENERATE}"


def test_the_page_has_every_key_and_role() -> None:
    rows = page().splitlines()
    every = [*keys(Config), *keys(EvaluationSettings), *keys(Recipe, "recipe."), *keys(StudySettings)]
    every += [key for kind in OF_STUDIES.values() for key in keys(kind)]
    every += [key for key in keys(OwnTask, "own_tasks.NAME.") if ".recipe." not in key.name]
    every += [key for kind in SOURCE_KINDS for key in keys(kind)]
    for key in every:
        assert any(row.startswith(f"| `{key.name}` | {key.sentence} | {key.type}") for row in rows), key.name
    for role in Role:
        assert f"| {role.name.lower()} | {role.value} |" in rows


@pytest.mark.parametrize(
    ("root", "more"),
    [
        (Config, [key.name for kind in SOURCE_KINDS for key in keys(kind)]),
        (EvaluationSettings, [key.name for key in keys(Recipe, "recipe.")]),
        (StudySettings, [key.name for kind in OF_STUDIES.values() for key in keys(kind)]),
    ],
)
def test_help_has_every_key_in_80_columns(root: type[Section], more: list[str]) -> None:
    lines = help_text(root, 78).splitlines()
    assert max(map(len, lines)) <= 78
    for name in [*(key.name for key in keys(root)), *more]:
        assert any(line.startswith(f"  {name} (") for line in lines), name
