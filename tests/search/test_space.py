"""Spaces: domains, what the configuration takes, grids, files."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from weam_ray.errors import UserError
from weam_ray.search.space import SHIPPED, Choice, LogUniform, Space, Uniform, Whole, load_space, space_file
from weam_ray.settings.config import load_config
from weam_ray.settings.search import SearchSection

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", sorted(path.stem for path in SHIPPED.glob("[!_]*.py")))
def test_shipped_spaces_fit_the_shipped_configurations(name: str) -> None:
    file = space_file(name, CHECKOUT)
    load_space(file).check(load_config("bundled"), str(file))
    assert name in (SearchSection.model_fields["space"].description or "")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Uniform(low=0.5, high=0.1), "low 0.5 must be below high 0.1"),
        (lambda: LogUniform(low=0.0, high=0.1), "low 0 must be above 0"),
        (lambda: Whole(low=4, high=4), "low 4 must be below high 4"),
        (lambda: Choice(values=[1, 1]), "a value stands twice"),
        (lambda: Choice(values=[]), "at least 1"),
    ],
)
def test_domains_that_make_no_sense(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        make()


@pytest.mark.parametrize(
    ("key", "domain", "message"),
    [
        ("objective.lamda", Uniform(low=0, high=1), r"s\.py: objective\.lamda = 0\.0: .*unknown key.*lambda"),
        ("objective.mask_probability", Uniform(low=0.1, high=1.5), r"mask_probability = 1\.5: .*between 0 and 1"),
        ("training.checkpoint_steps", Choice(values=["many"]), r"checkpoint_steps = \"many\": .*valid integer"),
        ("training.max_steps", Whole(low=1, high=9), "cannot be searched: it is the budget"),
        ("training.max_tokens", Whole(low=1, high=9), "cannot be searched: it is the budget"),
        (
            "training.batch_size",
            Choice(values=[8]),
            r"cannot be searched: .* search\.vary_budget=true allows",
        ),
        ("seeds.model", Whole(low=1, high=9), r"search\.num_seeds"),
        ("corpus.held_out", Whole(low=1, high=9), "the held-out pairs must be the same"),
        ("objective.anchor_weight", Uniform(low=0, high=1), r"changes nothing for objective\.name=weam"),
    ],
)
def test_keys_and_values_that_are_refused(key: str, domain: Uniform, message: str) -> None:
    with pytest.raises(UserError, match=message):
        Space.of({key: domain}).check(load_config("bundled"), "s.py")


MIXTURE = ("objective.name=mixture", "objective.mixture={mlm: 1.0, weam: 1.0}")


@pytest.mark.parametrize(
    ("overrides", "key", "domain", "message"),
    [
        ((), "training.batch_size", Choice(values=[64]), "a step has other numbers of tokens"),
        ((), "encoder.scratch.num_layers", Whole(low=1, high=2), "an encoder of another size"),
        (
            (),
            "objective.name",
            Choice(values=["weam", "mlm"]),
            r'"mlm" trains by mlm, the configuration by weam: a step',
        ),
        (MIXTURE, "objective.mixture.weam", Uniform(low=0, high=1), r"= 0\.0 trains by mlm, the .* by mlm and weam"),
        (MIXTURE, "objective.mixture.tlm", Choice(values=[1.0]), "trains by mlm and tlm and weam, the"),
    ],
)
def test_a_budget_that_varies_is_asked_for(overrides: tuple[str, ...], key: str, domain: Choice, message: str) -> None:
    """Whatever makes a step of one trial cost other than that of another, since all have as many."""
    space = Space.of({key: domain})
    with pytest.raises(UserError, match=rf"{message}.* unequal budgets; search\.vary_budget=true allows it"):
        space.check(load_config("bundled", [*overrides]), "s.py")
    space.check(load_config("bundled", [*overrides, "search.vary_budget=true"]), "s.py")


def test_what_leaves_the_tokens_of_a_step_as_they_are_is_searched_freely() -> None:
    Space.of({"objective.mixture.weam": Uniform(low=0.1, high=2)}).check(load_config("bundled", [*MIXTURE]), "s.py")
    free = {"objective.mask_probability": Uniform(low=0.1, high=0.5), "objective.lambda": Uniform(low=0, high=2)}
    Space.of(free).check(load_config("bundled"), "s.py")


def test_a_trial_is_the_configuration_with_its_values() -> None:
    config = load_config("bundled")
    space = Space.of({"objective.lambda": LogUniform(low=0.1, high=10), "objective.normalize": Choice(values=[True])})
    trial = space.configured(config, {"objective.lambda": 0.25, "objective.normalize": True})
    assert (trial.objective.lambda_, trial.objective.normalize) == (0.25, True)
    assert trial.model_copy(update={"objective": config.objective}) == config


def test_grid() -> None:
    space = Space.of(
        {
            "a": LogUniform(low=0.01, high=1.0),
            "b": Whole(low=1, high=4, step=2),
            "c": Choice(values=["x", None]),
            "d": Uniform(low=0, high=1, points=2),
        }
    )
    points = list(space.grid())
    assert len(points) == space.grid_size() == 3 * 2 * 2 * 2
    assert points[0] == {"a": 0.01, "b": 1, "c": "x", "d": 0.0}
    assert points[1] == {"a": 0.01, "b": 1, "c": "x", "d": 1.0}
    assert {point["a"] for point in points} == {0.01, 0.1, 1.0}
    assert len({tuple(point.values()) for point in points}) == len(points)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def space():\n    return {}\n", r"space\(\) is expected that returns a Space"),
        ("x = 1\n", r"space\(\) is expected"),
        ("def space():\n    return 1 / 0\n", "ZeroDivisionError: division by zero"),
        ("def space(:\n", "SyntaxError"),
    ],
)
def test_files_that_hold_no_space(text: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "own.py"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=message):
        load_space(file)


def test_a_space_that_is_not_there_names_those_that_are() -> None:
    with pytest.raises(UserError, match=r"--space none: neither .* shipped spaces \(smoke, weam, weam_wide\)"):
        space_file("none", CHECKOUT)


def test_keys_that_move_the_number_of_predictions_are_told() -> None:
    own = Space.of(
        {"objective.mask_probability": Uniform(low=0.1, high=0.3), "objective.lambda": Uniform(low=0, high=1)}
    )
    own.check(load_config("bundled"), "s.py")
    assert own.notes() == [
        "objective.mask_probability is varied: trials predict other numbers of words, at equal steps."
    ]
