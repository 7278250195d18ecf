"""WEAM's settings, and those of the links and batches that it learns from."""

from weam_ray.search.space import Choice, LogUniform, Space, Uniform


def space() -> Space:
    return Space.of(
        {
            "objective.mask_probability": Uniform(low=0.1, high=0.5),
            "objective.lambda": LogUniform(low=0.1, high=10.0),
            "objective.normalize": Choice(values=[False, True]),
            "optimizer.learning_rate": LogUniform(low=1e-5, high=5e-3),
            "align.aligner": Choice(values=["fast_align", "eflomal"]),
            "encode.symmetrization": Choice(values=["intersect", "grow-diag", "grow-diag-final-and", "union"]),
            "encode.subword_mapping": Choice(values=["parallel", "first"]),
            "training.sampling_temperature": Choice(values=[1.0, 2.0, 5.0]),
        }
    )
