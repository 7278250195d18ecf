"""Sentence retrieval: is the nearest sentence of the other language the translation?"""

import numpy as np
from numpy.typing import NDArray

from weam_ray.measure.nearest import nearest


def nearest_is_own(queries: NDArray[np.float32], candidates: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Say of each row, (N,), whether its nearest candidate by cosine is that of the same row; both are (N, d)."""
    found, _ = nearest(queries, candidates, 1)
    return found[:, 0] == np.arange(len(queries))


def precision_at_1(queries: NDArray[np.float32], candidates: NDArray[np.float32]) -> float:
    """Compute the share of rows whose nearest candidate is their own."""
    return float(nearest_is_own(queries, candidates).mean())


def centred(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Subtract from the vectors of one language their mean."""
    return vectors - vectors.mean(axis=0, keepdims=True)


def retrieval_hits(
    language: NDArray[np.float32], pivot: NDArray[np.float32], pivot_name: str
) -> dict[str, NDArray[np.bool_]]:
    """Whether translations are nearest, (N,): both ways with each language's mean removed, and to the pivot as is."""
    return {
        f"to_{pivot_name}": nearest_is_own(centred(language), centred(pivot)),
        f"from_{pivot_name}": nearest_is_own(centred(pivot), centred(language)),
        f"to_{pivot_name}_uncentred": nearest_is_own(language, pivot),
    }
