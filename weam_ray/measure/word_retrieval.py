"""Contextual word retrieval: is the nearest word of the other language the linked one, in its own sentence?

Cao, Kitaev & Klein 2020 (Multilingual Alignment of Contextual Word Representations, ICLR; section 3). Scored against
links of FastAlign, it favours models that were trained on such links: compare it with what needs none.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from weam_ray.measure.nearest import nearest
from weam_ray.measure.sentence_retrieval import centred
from weam_ray.measure.states import LinkedStates

Similarity = Literal["cosine", "csls"]
NEIGHBOURS = 10  # of CSLS, as Cao et al. and Conneau et al. 2018 have it


@dataclass(frozen=True)
class WordRetrieval:
    """Which linked words were found.

    Args:
        queries: (Q,) the rows of the links that were queries.
        forward: (Q,) whether the source word of each found its target word.
        backward: (Q,) whether the target word of each found its source word.
        num_identical: how many further links were no queries, because both words are the same text.
    """

    queries: NDArray[np.int64]
    forward: NDArray[np.bool_]
    backward: NDArray[np.bool_]
    num_identical: int = 0

    @property
    def rates(self) -> dict[str, float]:
        """P@1 both ways and their mean, as shares; NaN without queries."""
        forward, backward = (
            float(hits.mean()) if len(hits) else float("nan") for hits in (self.forward, self.backward)
        )
        return {"forward": forward, "backward": backward, "mean": (forward + backward) / 2}


def word_retrieval(
    source: NDArray[np.float32],
    target: NDArray[np.float32],
    similarity: Similarity = "cosine",
    centre: bool = False,
    identical: NDArray[np.bool_] | None = None,
) -> WordRetrieval:
    """Retrieve linked words by their states at one layer; row r of source and target, (L, d) each, is link r.

    Every linked word of the other language, in whichever sentence, is a candidate, and right is only the linked
    occurrence. CSLS (Conneau et al. 2018, section 2.3) is 2 cos(x, y) - r(x) - r(y), r being the mean cosine of a word
    with its 10 nearest words of the other language. The code that Cao et al. published divides by the norm of the whole
    matrix, not of each word, and counts sentence marks as words; this follows the paper.

    Args:
        centre: take off the mean of each language's states first.
        identical: (L,) links that are no queries; they remain candidates.
    """
    assert source.shape == target.shape
    asked = np.arange(len(source)) if identical is None else np.flatnonzero(~identical)
    dropped = len(source) - len(asked)
    if not len(asked):
        none = np.empty(0, np.bool_)
        return WordRetrieval(asked, none, none, dropped)
    if centre:
        source, target = centred(source), centred(target)
    hubness: list[NDArray[np.float64] | None] = [None, None]
    if similarity == "csls":  # r(x) is the same for all candidates of x
        hubness = [
            nearest(one, other, NEIGHBOURS)[1].mean(axis=1) / 2 for one, other in ((source, target), (target, source))
        ]
    forward, _ = nearest(source[asked], target, 1, penalties=hubness[1])
    backward, _ = nearest(target[asked], source, 1, penalties=hubness[0])
    return WordRetrieval(asked, forward[:, 0] == asked, backward[:, 0] == asked, dropped)


def layer_word_retrieval(
    linked: LinkedStates, similarity: Similarity = "cosine", centre: bool = False
) -> list[WordRetrieval]:
    """Retrieve linked words at each layer, as `word_retrieval` does; identical words are no queries."""
    return [
        word_retrieval(source, target, similarity, centre, linked.identical)
        for source, target in zip(linked.source, linked.target, strict=True)
    ]
