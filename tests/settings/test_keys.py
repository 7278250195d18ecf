"""Keys: what is said of each where it is declared, and what follows from it elsewhere."""

import importlib
import pkgutil
from collections.abc import Iterator

import pytest

import weam_ray.settings
from weam_ray.errors import UserError
from weam_ray.search.space import Choice, Space
from weam_ray.settings.base import Role, Section, section_of
from weam_ray.settings.config import Config, load_config
from weam_ray.settings.data import AlignSection
from weam_ray.settings.evaluation import EvaluationSettings
from weam_ray.settings.keys import Key, in_words, keys, keys_only_for, keys_with, why_not_searched


def all_sections(kind: type[Section] = Section) -> Iterator[type[Section]]:
    """Every section that the modules of settings declare."""
    for own in kind.__subclasses__():
        if own.__module__.startswith("weam_ray.settings."):
            yield own
        yield from all_sections(own)


for module in pkgutil.iter_modules(weam_ray.settings.__path__, "weam_ray.settings."):
    if module.name != "weam_ray.settings.page":
        importlib.import_module(module.name)
EVERY_KEY = [
    (section, name, field)
    for section in dict.fromkeys(all_sections())
    for name, field in section.model_fields.items()
    if section_of(field) is None
]


def test_sections_are_found() -> None:
    assert len(EVERY_KEY) > 100


def test_every_key_has_a_role_and_a_sentence() -> None:
    lacking = [
        f"{section.__name__}.{name}"
        for section, name, field in EVERY_KEY
        if not any(isinstance(mark, Role) for mark in field.metadata)
        or not (field.description or "").endswith(".")
        or not (field.description or "")[0].isupper()
    ]
    assert not lacking, "say what these keys count for (Annotated[..., Role.X]), and describe them in a sentence"


def test_result_and_not_result_exclude_each_other() -> None:
    without = {Role.MACHINE, Role.PLACE, Role.SERVICE, Role.LABEL, Role.EXTRA, Role.SPEED, Role.SEARCH, Role.SESSION}
    for section, name, field in EVERY_KEY:
        roles = {mark for mark in field.metadata if isinstance(mark, Role)}
        kinds = roles & (without | {Role.RESULT, Role.CONTENT})
        assert len(kinds) == 1, f"{section.__name__}.{name}"


def test_lists_of_keys_follow_from_roles() -> None:
    assert set(keys_with(Config, Role.WORKERS)) == {
        f"training.{key}"
        for key in ("num_workers", "micro_batch_size", "threads_per_worker", "zero_stage", "precision")
    }
    assert keys_with(Config, Role.SESSION) == [
        f"search.{key}" for key in ("space", "num_trials", "max_concurrent", "vary_budget", "keep_models", "retrain")
    ]
    assert keys_only_for(AlignSection, "eflomal") == ["lowercase"]
    assert keys_only_for(AlignSection, "fast_align") == [
        "lowercase", "iterations", "tension", "optimize_tension", "tension_gradient", "null_probability",
        "alpha",
    ]  # fmt: skip


def test_only_some_roles_of_a_tree() -> None:
    config = load_config("bundled")
    assert config.only(Role.MODEL) == {
        "corpus": {"segmentation": "words"},
        "align": {"aligner": "fast_align", "lowercase": True},
    }
    assert config.only(Role.RESULT)["objective"]["lambda"] == 1.0
    assert config.only() == {}


def test_younger_keys_count_where_they_are_set() -> None:
    """Fingerprints from before there was such a key stay as they are."""
    given = {"system": "s", "models": ["m"], "tasks": ["xnli"], "output": "o"}
    on_cpu, on_gpu = EvaluationSettings(**given), EvaluationSettings(**given, use_gpu=True)
    assert on_cpu.only(Role.DEVICE) == {"threads": 1, "use_gpu": False}
    assert on_cpu.counted(Role.DEVICE) == {"threads": 1}
    assert on_gpu.counted(Role.DEVICE) == {"threads": 1, "use_gpu": True}


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        ("training.max_steps", "it is the budget that trials are compared at"),
        ("encoder.name", "losses of other words cannot be compared"),
        ("tracking.uri", "all trials are tracked in one store"),
        ("align.memory_limit", "it changes no result"),
        ("align_job.scores", "it changes no result"),
        ("align.tension", None),
        ("align.model", None),
        ("objective.lambda", None),
        ("objective.lamda", None),
        ("objective.lambda.more", None),
    ],
)
def test_what_a_search_may_not_vary(key: str, reason: str | None) -> None:
    assert why_not_searched(Config, key) == reason
    if reason is not None:
        with pytest.raises(UserError, match=f"s.py: {key} cannot be searched: {reason}"):
            Space.of({key: Choice(values=[1])}).check(load_config("bundled"), "s.py")


def key_of(name: str) -> Key:
    return next(key for key in keys(Config) if key.name == name)


@pytest.mark.parametrize(
    ("name", "kind", "default"),
    [
        ("corpus.sources", "list of sources", "required"),
        ("corpus.max_words", "whole number, from 1 to 32,000", "200"),
        ("encoder.name", "text", "scratch"),
        ("encoder.dropout", "number, 0 or more and below 1, or null", "null"),
        ("objective.lambda", "number, or points [[step, value], ...]", "1.0"),
        ("objective.mixture", "mapping of names to numbers, or null", "null"),
        ("optimizer.betas", "list of numbers, 0 or more and below 1", "[0.9, 0.999]"),
        ("training.micro_batch_size", "whole number, 1 or more", "null: batch_size / num_workers"),
        ("training.zero_stage", "0, 1, 2 or 3", "0"),
        ("seeds.data", "whole number, 0 or more and below 2^63", "1"),
        ("output.dir", "path, or null", "null"),
    ],
)
def test_types_and_defaults_in_words(name: str, kind: str, default: str) -> None:
    key = key_of(name)
    assert (key.type, key.default) == (kind, default)


def test_words_of_a_type_that_has_none() -> None:
    assert in_words(dict[str, object], []) == "mapping of names to values"
