"""The geometry of word states: how much nearer linked words are than others, and whether they fill all directions."""

import numpy as np
from numpy.typing import NDArray

from weam_ray.measure.nearest import normalized
from weam_ray.measure.states import LinkedStates


def others(count: int, seed: int) -> NDArray[np.int64]:
    """Draw for each of `count` rows another one, uniformly, (count,); the same for the same seed."""
    assert count > 1
    draws = np.random.default_rng(seed).integers(1, count, count)
    return (np.arange(count) + draws) % count


def mean_cosine(left: NDArray[np.float32], right: NDArray[np.float32]) -> float:
    """Compute the mean cosine of the same rows of two (N, d) arrays."""
    return float(np.einsum("nd,nd->n", normalized(left), normalized(right)).mean(dtype=np.float64))


def margin(source: NDArray[np.float32], target: NDArray[np.float32], seed: int = 0) -> dict[str, float]:
    """Compare the cosines of linked words, row r of both (L, d) arrays, with those of words that are not linked.

    Returns:
        `linked`, the mean cosine of linked words; `random`, that of each source word with the target word of another
        link; and `margin`, their difference. NaN with fewer than two links.
    """
    if len(source) < 2:
        return dict.fromkeys(("linked", "random", "margin"), float("nan"))
    linked, random = mean_cosine(source, target), mean_cosine(source, target[others(len(target), seed)])
    return {"linked": linked, "random": random, "margin": linked - random}


def anisotropy(states: NDArray[np.float32], seed: int = 0) -> float:
    """Compute the mean cosine of N random pairs of different words of one language, whose states are (N, d).

    0 where directions are uniform, 1 where all are one (Ethayarajh 2019, How Contextual are Contextualized Word
    Representations?, EMNLP; sections 3.4 and 4.1). NaN with fewer than two words.
    """
    return mean_cosine(states, states[others(len(states), seed)]) if len(states) > 1 else float("nan")


def partition_isotropy(states: NDArray[np.float32], unit: bool = False) -> float:
    """Compute min Z(c) / max Z(c), Z(c) = sum over words v of exp(c . v): 1 if all directions are alike, down to 0.

    Mu & Viswanath 2018 (All-but-the-Top, ICLR; section 2): the extremes over all |c| = 1 are approximated by those
    over the eigenvectors of V^T V, V being the (N, d) states, not centred. An eigenvector has no sign of its own, so
    each is taken with both. Z grows with the length of the states, so layers of other lengths do not compare; with
    `unit` each state is first divided by its length, and the ratio is at least exp(-2). NaN without words.
    """
    if not len(states):
        return float("nan")
    vectors = (normalized(states) if unit else states).astype(np.float64)
    _, directions = np.linalg.eigh(vectors.T @ vectors)
    products = vectors @ directions
    logarithms = np.concatenate([np.logaddexp.reduce(sign * products, axis=0) for sign in (1, -1)])
    return float(np.exp(logarithms.min() - logarithms.max()))


def layer_geometry(linked: LinkedStates, seed: int = 0) -> list[dict[str, float]]:
    """Measure the geometry of linked words at each layer, all layers on the same sample.

    Returns:
        for each layer the figures of `margin`; and for each language, as `source_...` and `target_...`, `anisotropy`,
        `partition_isotropy` and, of states of length 1, `partition_isotropy_unit`.
    """
    result = []
    for source, target in zip(linked.source, linked.target, strict=True):
        figures = margin(source, target, seed)
        for name, states in (("source", source), ("target", target)):
            figures[f"{name}_anisotropy"] = anisotropy(states, seed)
            figures[f"{name}_partition_isotropy"] = partition_isotropy(states)
            figures[f"{name}_partition_isotropy_unit"] = partition_isotropy(states, unit=True)
        result.append(figures)
    return result
