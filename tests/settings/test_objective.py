"""Schedules, and which objectives take part."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from weam_ray.errors import UserError
from weam_ray.objectives.table import OBJECTIVES
from weam_ray.settings.config import load_config
from weam_ray.settings.objective import FORMS, ObjectiveSection, forms, value_at, values

points = st.dictionaries(st.integers(1, 1000), st.floats(0, 5), min_size=1, max_size=5).map(
    lambda found: [(step, found[step]) for step in sorted(found)]
)


class TestSchedule:
    def test_lines_between_points(self) -> None:
        schedule = [(10, 0.0), (20, 1.0), (40, 0.5)]
        found = [value_at(schedule, step) for step in (1, 10, 11, 15, 20, 30, 40, 1000)]
        assert found == pytest.approx([0, 0, 0.1, 0.5, 1, 0.75, 0.5, 0.5])
        assert value_at(0.3, 1) == value_at(0.3, 10**9) == 0.3

    @given(points, st.integers(1, 1200))
    def test_between_the_smallest_and_the_largest(self, schedule: list[tuple[int, float]], step: int) -> None:
        assert min(values(schedule)) <= value_at(schedule, step) <= max(values(schedule))
        for own, value in schedule:
            assert value_at(schedule, own) == value

    @pytest.mark.parametrize(
        ("override", "message"),
        [
            ("objective.lambda=[[5, 1.0], [5, 2.0]]", "must rise from 1 on, but they are"),
            ("objective.lambda=[[0, 1.0]]", "must rise from 1 on, but they are"),
            ("objective.lambda=[[5]]", "a number is expected, or points"),
            ("objective.lambda=[]", "a number is expected, or points"),
            ("objective.lambda=[[1, much]]", "a number is expected, or points"),
            ("objective.lambda=[[1, 0.0], [9, -1.0]]", "must be 0 or more"),
            ("objective.lambda=.nan", "must be 0 or more"),
            ("objective.mask_probability=[[1, 0.1], [9, 1.0]]", "must lie between 0 and 1"),
            ("objective.mask_probability=true", "a number is expected, or points"),
        ],
    )
    def test_mistakes_are_sentences(self, override: str, message: str) -> None:
        with pytest.raises(UserError) as caught:
            load_config("bundled", [override])
        assert str(caught.value).startswith(override.split("=", maxsplit=1)[0])
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_round_trip(self, tmp_path) -> None:
        config = load_config("bundled", ["objective.lambda=[[1, 0], [100, 1.5]]", "objective.mask_probability=0.2"])
        (tmp_path / "config.yaml").write_text(config.to_yaml())
        assert load_config(str(tmp_path / "config.yaml")) == config
        assert config.objective.lambda_ == [(1, 0.0), (100, 1.5)]


class TestMembers:
    def test_one_objective(self) -> None:
        assert ObjectiveSection(name="tlm").members == {"tlm": 1.0}

    def test_mixture(self) -> None:
        """In the order of the table; those of weight 0 take no part."""
        section = ObjectiveSection(name="mixture", mixture={"weam": 1.0, "tlm": 0.0, "mlm": 0.5})
        assert section.members == {"mlm": 0.5, "weam": 1.0}
        assert list(section.members) == ["mlm", "weam"]
        assert forms(section) == ["sentences", "pairs"]

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"name": "mixture"}, "go together"),
            ({"name": "tlm", "mixture": {"tlm": 1.0}}, "go together"),
            ({"name": "mixture", "mixture": {"tml": 1.0}}, "'tml' is none of mlm, tlm, weam, word_aligned"),
            ({"name": "mixture", "mixture": {"mixture": 1.0}}, "'mixture' is none of"),
            ({"name": "mixture", "mixture": {"tlm": -1.0}}, "must be 0 or more, but it is -1.0"),
            ({"name": "mixture", "mixture": {"tlm": 0.0}}, "at least one weight"),
            ({"name": "mixture", "mixture": {}}, "at least one weight"),
        ],
    )
    def test_mistakes(self, settings: dict, message: str) -> None:
        with pytest.raises(ValidationError, match=message):
            ObjectiveSection(**settings)

    def test_anchor_language_must_be_in_the_corpus(self) -> None:
        with pytest.raises(UserError, match="anchor_language 'xx' is in no source; the languages are de, en, es"):
            load_config("bundled", ["objective=word_aligned", "objective.anchor_language=xx"])
        assert load_config("bundled", ["objective=tlm", "objective.anchor_language=xx"]).objective.members

    def test_every_objective_has_a_form(self) -> None:
        assert list(FORMS) == list(OBJECTIVES)

    def test_keys_that_change_nothing_are_not_part_of_the_run(self) -> None:
        def settings(*overrides: str) -> dict:
            return load_config("bundled", overrides).result_settings()

        assert settings("objective=tlm", "objective.lambda=0.5") == settings("objective=tlm")
        assert settings("objective.lambda=0.5") != settings()
        assert settings("objective.anchor_weight=0.5") == settings()
        assert settings("objective=word_aligned", "objective.anchor_weight=0.5") != settings("objective=word_aligned")
        mixed = ["objective.name=mixture", "objective.mixture={mlm: 0.5, weam: 1.0}"]
        assert settings(*mixed)["objective"]["mixture"] == {"mlm": 0.5, "weam": 1.0}
        assert settings(*mixed, "objective.lambda=0.5") != settings(*mixed)
