"""Claims and their verdicts, on scores of which the truth is known."""

from typing import Any

import numpy as np
import pytest
from scipy.stats import ttest_rel

from tests.support.studies import claim, given, scores, settings_tree, trained
from weam_ray.settings.parsing import validated
from weam_ray.settings.study import StudySettings
from weam_ray.study.answers import CONFIRMED, REFUTED, UNDECIDED, Answer, answers


def settings(*claims: dict[str, Any], **more: Any) -> StudySettings:
    return validated(StudySettings, settings_tree(claims=list(claims), **more))


def verdicts(found: list[Answer]) -> list[str]:
    return [own.verdict for own in found]


WEAM, TLM = [60.0, 63.0, 61.0, 62.5, 64.0], [50.0, 51.0, 52.5, 50.5, 53.0]


class TestVerdicts:
    def test_better_by_construction(self) -> None:
        found = answers(settings(claim()), scores(trained("weam", WEAM), trained("tlm", TLM)))
        assert verdicts(found) == [CONFIRMED]
        assert found[0].finding.effect == pytest.approx(np.mean(WEAM) - np.mean(TLM))
        assert found[0].p == pytest.approx(ttest_rel(WEAM, TLM).pvalue)

    def test_worse_by_construction(self) -> None:
        assert verdicts(answers(settings(claim()), scores(trained("weam", TLM), trained("tlm", WEAM)))) == [REFUTED]

    def test_a_copy_of_another_system(self) -> None:
        rows = trained("tlm", TLM)
        copy = [{**own, "system": "weam"} for own in rows]
        both = [claim(), claim(name="same", relation="equivalent", margin=1.0)]
        found = answers(settings(*both), scores(copy, rows))
        assert verdicts(found) == [REFUTED, CONFIRMED]
        assert "both are the same encoders" in found[0].sentence()

    def test_noise_is_undecided(self) -> None:
        noise = [[50.0, 55.0, 45.0, 52.0, 48.0], [51.0, 49.0, 53.0, 47.0, 52.0]]
        found = answers(settings(claim()), scores(trained("weam", noise[0]), trained("tlm", noise[1])))
        assert verdicts(found) == [UNDECIDED]

    def test_a_failed_difference_is_no_equivalence(self) -> None:
        noise = [[50.0, 55.0, 45.0, 52.0, 48.0], [51.0, 49.0, 53.0, 47.0, 52.0]]
        same = claim(relation="equivalent", margin=2.0)
        found = answers(settings(same), scores(trained("weam", noise[0]), trained("tlm", noise[1])))
        assert verdicts(found) == [UNDECIDED]

    def test_one_seed_decides_nothing(self) -> None:
        found = answers(settings(claim()), scores(trained("weam", [90.0]), trained("tlm", [10.0])))
        assert (verdicts(found), found[0].p) == ([UNDECIDED], None)

    def test_a_method_against_a_given_encoder(self) -> None:
        own = scores(trained("weam", WEAM), given("plain", [40.0, 42.0, 41.0, 40.0, 39.0]))
        assert verdicts(answers(settings(claim(than="plain")), own)) == [CONFIRMED]

    def test_a_difference_that_is_smaller_than_claimed(self) -> None:
        own = scores(trained("weam", WEAM), trained("tlm", TLM))
        assert verdicts(answers(settings(claim(margin=30.0)), own)) == [REFUTED]


def test_claims_are_one_family() -> None:
    close = [51.0, 50.5, 54.0, 50.0, 55.0]
    names = [claim(name=f"claim-{k}") for k in range(8)]
    rows = scores(trained("weam", close), trained("tlm", TLM))
    alone, together = answers(settings(names[0]), rows), answers(settings(*names), rows)
    assert alone[0].p is not None
    assert [own.p for own in together] == pytest.approx([min(1.0, 8 * alone[0].p)] * 8)


def test_what_an_arm_leaves_open_is_the_first_of_the_study() -> None:
    rows = scores(
        trained("weam", WEAM), trained("tlm", TLM),
        trained("weam", TLM, intermediate="clinc"), trained("tlm", WEAM, intermediate="clinc"),
    )  # fmt: skip
    two = {"none": [], "clinc": ["clinc"]}
    after = claim(name="after", on={"intermediate": "clinc"})
    assert verdicts(answers(settings(claim(), after, intermediate=two), rows)) == [CONFIRMED, REFUTED]


class TestCorrelation:
    def axes(self, **more: Any) -> dict[str, Any]:
        gain = [
            {"better": {"tasks": [task]}, "than": {"system": "plain", "tasks": [task]}}
            for task in ("sentence_retrieval", "sib200")
        ]
        return {
            "name": "explains",
            "statement": "It does.",
            "relation": "correlated",
            "x": gain[0],
            "y": gain[1],
            **more,
        }

    def rows(self, sign: float) -> list[dict[str, Any]]:
        found = []
        for k, language in enumerate(("de", "fr", "ru", "tl")):
            for system, step in (("weam", 2.0), ("tlm", 1.0)):
                retrieval = [20.0 + step * k] * 2
                found += trained(system, retrieval, task="sentence_retrieval", language=language)
                found += trained(system, [50.0 + sign * step * k + 0.01 * k**2] * 2, language=language)
            found += given("plain", [20.0, 20.0], task="sentence_retrieval", language=language)
            found += given("plain", [50.0, 50.0], language=language)
        return found

    @pytest.mark.parametrize(("sign", "verdict"), [(1.0, CONFIRMED), (-1.0, REFUTED)])
    def test_a_gain_that_follows_another(self, sign: float, verdict: str) -> None:
        (found,) = answers(settings(self.axes(systems=["weam", "tlm"])), scores(self.rows(sign)))
        assert found.verdict == verdict
        assert found.finding.num_units == 8
        assert found.finding.effect == pytest.approx(sign, abs=0.01)


def test_as_answers_json_has_them() -> None:
    (found,) = answers(settings(claim()), scores(trained("weam", WEAM), trained("tlm", TLM)))
    tree = found.tree()
    assert {"name", "statement", "verdict", "effect", "interval", "n", "p", "systems", "tasks", "languages"} <= set(
        tree
    )
    assert (tree["systems"], tree["tasks"], tree["languages"], tree["n"]) == (["weam", "tlm"], ["sib200"], ["de"], 5)
