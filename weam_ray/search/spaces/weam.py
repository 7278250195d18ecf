"""The three settings that WEAM stands and falls with."""

from weam_ray.search.space import LogUniform, Space, Uniform


def space() -> Space:
    return Space.of(
        {
            "objective.mask_probability": Uniform(low=0.1, high=0.5),
            "objective.lambda": LogUniform(low=0.1, high=10.0),
            "optimizer.learning_rate": LogUniform(low=2e-5, high=5e-3),
        }
    )
