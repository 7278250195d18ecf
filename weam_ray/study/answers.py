"""The claims of a study, answered: confirmed, refuted or undecided."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from weam_ray.evaluate.statistics import LEVEL, holm
from weam_ray.settings.study import NONE, Arm, Claim, Contrast, StudySettings, arms_of, spread_over
from weam_ray.study.contrasts import Finding, correlated, differences, equivalent, greater, languages_of
from weam_ray.study.table import Scores

CONFIRMED, REFUTED, UNDECIDED = "confirmed", "refuted", "undecided"


@dataclass(frozen=True)
class Answer:
    """A claim with what was found of it; `p` is adjusted over all claims of the study (Holm)."""

    claim: Claim
    finding: Finding
    p: float | None
    verdict: str
    systems: tuple[str, ...]
    tasks: tuple[str, ...]
    languages: tuple[str, ...]
    arms: tuple[str, ...]

    def tree(self) -> dict[str, Any]:
        """The answer as answers.json has it."""
        found = self.finding
        return {
            "name": self.claim.name,
            "statement": self.claim.statement,
            "relation": self.claim.relation,
            "margin": self.claim.margin,
            "verdict": self.verdict,
            "effect": found.effect,
            "interval": None if found.interval is None else list(found.interval),
            "n": found.num_units,
            "units": found.units,
            "p": self.p,
            "unadjusted_p": found.p,
            "detectable_effect": found.detectable,
            "note": found.note,
            "arms": list(self.arms),
            "systems": list(self.systems),
            "tasks": list(self.tasks),
            "languages": list(self.languages),
        }

    def sentence(self) -> str:
        """The verdict with its figures, to be read after the statement."""
        found = self.finding
        figures = f"r = {found.effect:.2f}" if self.claim.relation == "correlated" else f"{found.effect:+.2f} points"
        if found.interval is not None:
            figures += f" ({found.interval[0]:.2f} to {found.interval[1]:.2f})"
        parts = [f"{self.verdict}: {figures}, n = {found.num_units} {found.units}"]
        if self.p is not None:
            parts.append(f"p = {self.p:.3g}")
        if found.detectable is not None:
            parts.append(f"an effect of {found.detectable:.2f} would have been found 4 times in 5")
        if found.note:
            parts.append(found.note)
        return "; ".join(parts) + "."


def answers(settings: StudySettings, scores: Scores) -> list[Answer]:
    """Answer all claims of a study; their tests are one family.

    Raises:
        UserError: the study has no score for an arm of a claim.
    """
    found = [answer(claim, settings, scores) for claim in settings.claims]
    tested = [own.finding.p for own in found if own.finding.p is not None]
    adjusted = iter(holm(tested) if tested else [])
    judged = []
    for own in found:
        p = None if own.finding.p is None else next(adjusted)
        judged.append(replace(own, p=p, verdict=verdict(own.finding, p)))
    return judged


def verdict(finding: Finding, p: float | None) -> str:
    """What a finding says of its claim."""
    if p is None or p >= LEVEL:
        return UNDECIDED
    return CONFIRMED if finding.supports else REFUTED


def answer(claim: Claim, settings: StudySettings, scores: Scores) -> Answer:
    """Look for what is claimed in the scores; p is not adjusted yet."""
    default = Arm(intermediate=next_intermediate(settings), setting=settings.settings[0])
    if claim.relation == "correlated":
        assert claim.x is not None
        assert claim.y is not None
        axes = [spread_over(spread_over(axis, claim.on), default) for axis in (claim.x, claim.y)]
        systems = claim.systems or list(dict.fromkeys(place[0] for place in scores.places))
        x, y = points(axes, systems, settings, scores)
        finding = correlated(x, y)
        arms = [arm for axis in axes for _, arm in arms_of(axis)]
    else:
        contrast = spread_over(claim.contrast(), default)
        test = greater if claim.relation == "greater" else equivalent
        finding = test(differences(contrast, scores, settings.groups), claim.margin)
        arms = [arm for _, arm in arms_of(contrast)]
        systems = [str(arm.system) for arm in arms]
    tasks = dict.fromkeys(task for arm in arms for task in (arm.tasks or scores.tasks(arm.setting)))
    languages = dict.fromkeys(
        code for arm in arms for task in tasks for code in languages_of(arm, task, scores, settings.groups)
    )
    said = tuple(dict.fromkeys(map(described, arms)))
    return Answer(claim, finding, None, UNDECIDED, tuple(dict.fromkeys(systems)), tuple(tasks), tuple(languages), said)


def next_intermediate(settings: StudySettings) -> str:
    """The intermediate training of an arm that names none."""
    return NONE if NONE in settings.intermediate else next(iter(settings.intermediate))


def described(arm: Arm) -> str:
    """An arm in words."""
    parts = [str(arm.system)] if arm.system is not None else []
    parts += [f"after {arm.intermediate}"] if arm.intermediate != NONE else []
    parts.append(str(arm.setting))
    parts += [f"on {', '.join(arm.tasks)}"] if arm.tasks else []
    parts += [f"in {', '.join(arm.languages)}"] if arm.languages else []
    return ", ".join(parts)


def points(
    axes: Sequence[Contrast], systems: Sequence[str], settings: StudySettings, scores: Scores
) -> tuple[list[float], list[float]]:
    """Both axes at each system and each language that both have, the mean over units."""
    x: list[float] = []
    y: list[float] = []
    for system in systems:
        for code in languages_of_both(axes, settings.groups, scores):
            own = Arm(system=system, languages=[code])
            here = [spread_over(emptied(axis), own) for axis in axes]
            values = [float(np.mean(differences(axis, scores, settings.groups).values)) for axis in here]
            x.append(values[0])
            y.append(values[1])
    return x, y


def emptied(contrast: Contrast) -> Contrast:
    """A contrast without the languages of its arms, which a point names."""
    beyond = None if contrast.beyond is None else emptied(contrast.beyond)
    sides = {
        side: arm.model_copy(update={"languages": []})
        for side, arm in (("better", contrast.better), ("than", contrast.than))
    }
    return Contrast(**sides, beyond=beyond)


def languages_of_both(axes: Sequence[Contrast], groups: Mapping[str, Sequence[str]], scores: Scores) -> list[str]:
    """The languages that all arms of both axes have of all their tasks, in the order of the first."""
    found: list[list[str]] = []
    for axis in axes:
        for _, arm in arms_of(axis):
            for task in arm.tasks or scores.tasks(arm.setting):
                named = languages_of(arm, task, scores, groups)
                found.append([code for code in named if code in scores.languages(task)])
    return [code for code in found[0] if all(code in own for own in found)]


def answer_trees(found: Sequence[Answer]) -> list[dict[str, Any]]:
    """All answers, as answers.json has them."""
    return [own.tree() for own in found]
