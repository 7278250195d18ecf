"""The learning rate as a function of the step."""

from weam_ray.settings.training import OptimizerSection


def learning_rate(settings: OptimizerSection, step: float, max_steps: int) -> float:
    """The rate of a step counted from 1: linear warm-up, then linear decay to zero after the last step, or constant.

    A training that ends by another limit than steps has places between them.
    """
    warmup = round(settings.warmup_share * max_steps)
    if step <= warmup:
        return settings.learning_rate * step / warmup
    if settings.schedule == "constant":
        return settings.learning_rate
    return settings.learning_rate * (max_steps - step + 1) / (max_steps - warmup)
