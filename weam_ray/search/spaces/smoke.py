"""Two values of lambda: whether a search works at all."""

from weam_ray.search.space import Choice, Space


def space() -> Space:
    return Space.of({"objective.lambda": Choice(values=[0.3, 1.0])})
