"""Sentence retrieval: is the nearest sentence of the other language the translation?"""

import numpy as np
from numpy.typing import NDArray


def precision_at_1(queries: NDArray[np.float32], candidates: NDArray[np.float32]) -> float:
    """The share of rows whose nearest candidate, by cosine, is the one of the same row; shapes (N, d) and (N, d)."""
    return float(np.mean(np.argmax(normalized(queries) @ normalized(candidates).T, axis=1) == np.arange(len(queries))))


def centred(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Vectors of one language without that language's mean."""
    return vectors - vectors.mean(axis=0, keepdims=True)


def normalized(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def retrieval_scores(language: NDArray[np.float32], pivot: NDArray[np.float32], pivot_name: str) -> dict[str, float]:
    """P@1 both ways as shares, each language's mean removed, and to the pivot as it is; rows are translations."""
    return {
        f"to_{pivot_name}": precision_at_1(centred(language), centred(pivot)),
        f"from_{pivot_name}": precision_at_1(centred(pivot), centred(language)),
        f"to_{pivot_name}_uncentred": precision_at_1(language, pivot),
    }
