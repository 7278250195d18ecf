"""How well the languages of an encoder are aligned, by layer, each sentence encoded alone; nothing is trained.

On held-out pairs of a run: sentence retrieval, contextual word retrieval, and how states lie. On gold sets: the error
rate of links that are read from the states themselves. Retrieval of words is scored against links of an aligner, which
favours models that were trained on such links; gold links favour none.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from weam_ray.align.gold import score
from weam_ray.align.links import Links
from weam_ray.corpus.words import segment
from weam_ray.measure.geometry import layer_geometry
from weam_ray.measure.nearest import normalized
from weam_ray.measure.pairs import GoldSet, HeldOutPairs
from weam_ray.measure.ratio import Parts
from weam_ray.measure.sentence_retrieval import centred, nearest_is_own, precision_at_1
from weam_ray.measure.state_links import Method, state_links
from weam_ray.measure.states import (
    WordTexts,
    check_layer,
    default_layer,
    layer_sentence_vectors,
    linked_states,
    word_states,
)
from weam_ray.measure.word_retrieval import Similarity, layer_word_retrieval
from weam_ray.model.families import num_positions

SENTENCES, WORDS, GOLD = "sentence_retrieval", "word_retrieval", "gold_alignment"
METRICS = {SENTENCES: "accuracy", WORDS: "accuracy", GOLD: "aer"}
TOLD = {
    WORDS: ("Scored against FastAlign's links, it favours models that were trained on such links.",),
    GOLD: (
        "Scored against links that people made, it favours no model.",
        "Links by softmax of the states' products both ways, threshold 0.001; `argmax`: mutual nearest subwords.",
    ),
}
MAX_LENGTH, BATCH_SIZE = 256, 32
DRAWN_WORDS = 14  # of a sentence, at most

Layers = list[dict[str, float]]  # the figures of each layer
Counts = dict[str, int]


@dataclass(frozen=True)
class Measures:
    """All that was measured of an encoder on some languages.

    Args:
        layer: the layer whose figures stand in the result.
        layers: the figures by task, language and layer.
        parts: what the main figure of `layer` is made of, by task, language and test example.
        counts: by task and language, how many links or words were left out of the figures, and of how many.
        cosines: by language the words of one held-out pair and the cosines, (source words, target words), between them.
    """

    layer: int
    layers: dict[str, dict[str, Layers]]
    parts: dict[str, dict[str, Parts]]
    counts: dict[str, dict[str, Counts]]
    cosines: dict[str, tuple[list[str], list[str], NDArray[np.float32]]]

    @classmethod
    def joined(cls, some: Sequence["Measures"]) -> "Measures":
        """Join what was measured of one encoder on several languages."""
        result = cls(some[0].layer, {}, {}, {}, {})
        for own in some:
            for task in own.layers:
                result.layers.setdefault(task, {}).update(own.layers[task])
                result.parts.setdefault(task, {}).update(own.parts[task])
            for task in own.counts:
                result.counts.setdefault(task, {}).update(own.counts[task])
            result.cosines.update(own.cosines)
        return result


def measure(
    model: Any, tokenizer: Any, pairs: Sequence[HeldOutPairs], sets: Sequence[GoldSet], layer: int | None
) -> Measures:
    """Compute all alignment metrics of an encoder.

    Args:
        layer: the layer whose figures stand in the result; by default two thirds of the way up, as for Tatoeba.

    Raises:
        UserError: the encoder has no such layer.
    """
    chosen = layer if layer is not None else default_layer(model.config)
    check_layer(model, chosen)
    chosen %= model.config.num_hidden_layers + 1  # -1 is the last
    max_length = min(MAX_LENGTH, num_positions(model) or MAX_LENGTH)
    result = Measures(chosen, {}, {}, {}, {})

    def keep(task: str, name: str, figures: Layers, parts: Parts, counts: Counts | None = None) -> None:
        result.layers.setdefault(task, {})[name] = figures
        result.parts.setdefault(task, {})[name] = parts
        if counts is not None:
            result.counts.setdefault(task, {})[name] = counts

    for pair in pairs:
        texts = tuple(
            WordTexts.of(tokenizer, *given) for given in zip(pair.texts, pair.spans, pair.word_offsets, strict=True)
        )
        keep(SENTENCES, pair.name, *sentence_retrieval(model, tokenizer, texts, chosen, max_length))
        keep(WORDS, pair.name, *words(model, tokenizer, texts, pair.links, chosen, max_length))
        result.cosines[pair.name] = word_cosines(model, tokenizer, pair, chosen, max_length)
    for own in sets:
        keep(GOLD, own.name, *gold_alignment(model, tokenizer, own, chosen, max_length))
    return result


def sentence_retrieval(
    model: Any, tokenizer: Any, texts: tuple[WordTexts, ...], layer: int, max_length: int
) -> tuple[Layers, Parts]:
    """Measure P@1 of translations both ways, in percent, with each language's mean removed (`centred`) and `as_is`.

    The parts are, for each pair, the mean of both centred ways.
    """
    sides = [layer_sentence_vectors(model, tokenizer, side.sentences(), max_length, BATCH_SIZE) for side in texts]
    figures = []
    for source, target in zip(*sides, strict=True):
        own: dict[str, float] = {}
        for name, (left, right) in {
            "centred": (centred(source), centred(target)),
            "as_is": (source, target),
        }.items():
            own[f"{name}_forward"] = 100 * precision_at_1(left, right)
            own[f"{name}_backward"] = 100 * precision_at_1(right, left)
        figures.append(own)
    left, right = (centred(side[layer]) for side in sides)
    hits = (nearest_is_own(left, right) + nearest_is_own(right, left).astype(float)) / 2
    return figures, Parts(hits.astype(np.float64), np.ones(len(hits)))


def words(
    model: Any, tokenizer: Any, texts: tuple[WordTexts, ...], links: Links, layer: int, max_length: int
) -> tuple[Layers, Parts, Counts]:
    """Measure P@1 of linked words both ways, in percent, by cosine (`centred`, `as_is`) and CSLS, and how states lie.

    The parts are, for each link, the mean of both centred ways. Links of which a word has no state are left out; links
    of two words with the same text are no queries, and stay candidates.
    """
    linked = linked_states(model, tokenizer, texts[0], texts[1], links, max_length, BATCH_SIZE)
    figures = layer_geometry(linked)
    main = None
    forms: tuple[tuple[str, bool, Similarity], ...] = (
        ("centred", True, "cosine"),
        ("as_is", False, "cosine"),
        ("csls", False, "csls"),
    )
    for name, centre, similarity in forms:
        found = layer_word_retrieval(linked, similarity, centre)
        for own, retrieval in zip(figures, found, strict=True):
            own |= {f"{name}_{way}": 100 * value for way, value in retrieval.rates.items() if way != "mean"}
        main = main or found[layer]
    assert main is not None
    hits = (main.forward.astype(np.float64) + main.backward) / 2
    counts = {
        "links": len(linked.pairs) + linked.num_lost,
        "links_without_state": linked.num_lost,
        "links_of_identical_words": main.num_identical,
    }
    return figures, Parts(hits, np.ones(len(hits))), counts


def gold_alignment(
    model: Any, tokenizer: Any, own: GoldSet, layer: int, max_length: int
) -> tuple[Layers, Parts, Counts]:
    """Measure precision, recall and error rate of links read from the states, in percent.

    Links are read by softmax, whose threshold means less the shorter the states are, and by mutual nearest subwords,
    `argmax`, which no length changes.

    The parts are those of the AER by softmax: |A| + |S| - |A∩S| - |A∩P| by |A| + |S|, of each pair.
    """
    texts = [word_texts(tokenizer, side) for side in own.texts]
    figures: Layers = [{} for _ in range(model.config.num_hidden_layers + 1)]
    methods: tuple[tuple[Method, str], ...] = (("argmax", "argmax_"), ("softmax", ""))
    for method, prefix in methods:
        found = state_links(model, tokenizer, texts[0], texts[1], max_length, BATCH_SIZE, method=method)
        for layer_figures, links in zip(figures, found.links, strict=True):
            scores = vars(score(links, own.gold))
            layer_figures |= {f"{prefix}{key}": scores[key] for key in ("aer", "precision", "recall")}
    wrong, size = np.zeros(len(own.gold)), np.zeros(len(own.gold))
    for number in range(len(own.gold)):
        ours = set(found.links[layer].of(number))
        sure, possible = map(set, own.gold.of(number))
        size[number] = len(ours) + len(sure)
        wrong[number] = size[number] - len(ours & sure) - len(ours & possible)
    counts = {
        "source_words": int(texts[0].word_offsets[-1]),
        "target_words": int(texts[1].word_offsets[-1]),
        "source_words_cut": found.num_cut[0],
        "target_words_cut": found.num_cut[1],
    }
    return figures, Parts(wrong, size), counts


def left_out(task: str, counts: dict[str, Counts]) -> list[str]:
    """Say what a task's figures leave out, in a sentence for each language of which something is left out."""
    notes = []
    for name, own in counts.items():
        if task == WORDS and (own["links_without_state"] or own["links_of_identical_words"]):
            notes.append(
                f"{name}: of {own['links']:,} links, {own['links_without_state']:,} are left out, because a word was "
                f"cut off or has no subword, and {own['links_of_identical_words']:,} are no queries, because both "
                "words are the same text."
            )
        if task == GOLD and (own["source_words_cut"] or own["target_words_cut"]):
            notes.append(
                f"{name}: {own['source_words_cut']:,} of {own['source_words']:,} source words and "
                f"{own['target_words_cut']:,} of {own['target_words']:,} target words lost subwords, because their "
                "sentences are too long for the encoder."
            )
    return notes


def word_cosines(
    model: Any, tokenizer: Any, pair: HeldOutPairs, layer: int, max_length: int
) -> tuple[list[str], list[str], NDArray[np.float32]]:
    """Return the words of the first pair that is short enough to be drawn, and the cosines between their states."""
    lengths = [np.diff(offsets) for offsets in pair.word_offsets]
    short = np.flatnonzero((np.maximum(*lengths) <= DRAWN_WORDS) & (np.minimum(*lengths) > 1))
    number = int(short[0]) if len(short) else 0
    names, states = [], []
    for texts, spans, offsets in zip(pair.texts, pair.spans, pair.word_offsets, strict=True):
        own = spans.reshape(-1, 2)[offsets[number] : offsets[number + 1]]
        text = WordTexts.of(tokenizer, [texts[number]], own, np.array([0, len(own)]))
        found = word_states(model, tokenizer, text, max_length, BATCH_SIZE, layers=(layer,))
        states.append(normalized(np.nan_to_num(found.states[0])))
        names.append(text.surface(np.arange(len(own))))
    return names[0], names[1], states[0] @ states[1].T


def word_texts(tokenizer: Any, texts: list[str]) -> WordTexts:
    """Tokenize texts whose words are what stands between spaces."""
    found = segment(pa.array(texts), "whitespace")
    return WordTexts.of(tokenizer, texts, found.spans, found.offsets)
