"""How well the languages of an encoder are aligned, by layer, each sentence encoded alone; nothing is trained.

On held-out pairs of a run: sentence retrieval, contextual word retrieval, and how states lie. On gold sets: the error
rate of links that are read from the states themselves. Retrieval of words is scored against links of an aligner, which
favours models that were trained on such links; gold links favour none.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from weam_ray.align.alignments import Links
from weam_ray.align.symmetrize import symmetrize
from weam_ray.config import fingerprint
from weam_ray.corpus.readers.base import read_lines
from weam_ray.corpus.words import segment
from weam_ray.encode.stage import flat_spans
from weam_ray.encoder import num_positions
from weam_ray.errors import UserError
from weam_ray.evaluate.alignment_error import MAX_NUMBER, Gold, check_words, read_gold, score
from weam_ray.evaluate.geometry import layer_geometry
from weam_ray.evaluate.layers import (
    WordTexts,
    check_layer,
    default_layer,
    layer_sentence_vectors,
    linked_states,
    word_states,
)
from weam_ray.evaluate.nearest import normalized
from weam_ray.evaluate.official import Parts
from weam_ray.evaluate.retrieval import centred, nearest_is_own, precision_at_1
from weam_ray.evaluate.state_alignment import Method, state_links
from weam_ray.evaluate.word_retrieval import Similarity, layer_word_retrieval
from weam_ray.storage import Stage

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
GOLD_LANGUAGES = {"enfr": "en-fr", "roen": "ro-en", "grcen": "grc-en"}


@dataclass(frozen=True)
class HeldOutPairs:
    """Pairs of two languages with their words and one-to-one links; spans flat, offsets in spans."""

    languages: tuple[str, str]
    texts: tuple[list[str], list[str]]
    spans: tuple[NDArray[np.int32], NDArray[np.int32]]
    word_offsets: tuple[NDArray[np.int64], NDArray[np.int64]]
    links: Links

    @classmethod
    def of(cls, table: pa.Table) -> "HeldOutPairs":
        """Of rows of the aligned table; the links are the intersection of both directions."""
        spans, offsets = zip(*(flat_spans(table[f"{side}_words"]) for side in ("source", "target")), strict=True)
        forward, reverse = (Links.from_arrow(table[f"{name}_links"]) for name in ("forward", "reverse"))
        return cls(
            (table["source_lang"][0].as_py(), table["target_lang"][0].as_py()),
            (table["source"].to_pylist(), table["target"].to_pylist()),
            spans,
            offsets,
            symmetrize(forward, reverse, "intersect"),
        )

    @property
    def fingerprint(self) -> str:
        return fingerprint([self.languages, self.texts, self.links.links.tolist()])

    @property
    def name(self) -> str:
        """`de`, of a pair with English; else `fr-de`."""
        others = [language for language in self.languages if language != "en"]
        return others[0] if len(others) == 1 else "-".join(self.languages)


def held_out_pairs(align: Stage) -> list[HeldOutPairs]:
    """The held-out pairs of a run, by language pair, those of unpaired text left out."""
    by_pair: dict[str, list[pa.Table]] = {}
    for file in align.files("held_out"):
        table = align.read_parquet(file)
        if table.num_rows and table["target_lang"][0].as_py():
            by_pair.setdefault(file.info["language_pair"], []).append(table)
    return [HeldOutPairs.of(pa.concat_tables(tables)) for tables in by_pair.values()]


@dataclass(frozen=True)
class GoldSet:
    """Pairs of sentences in words that spaces part, with links that people made."""

    name: str
    texts: tuple[list[str], list[str]]
    gold: Gold

    @property
    def fingerprint(self) -> str:
        return fingerprint([self.texts, self.gold.sure.links.tolist(), self.gold.possible.links.tolist()])


def gold_sets(root: Path | None) -> list[GoldSet]:
    """The sets `gold/NAME.src-tgt` and `gold/NAME.gold` under a data root.

    Links count from 0 where any of them has a 0, else from 1.

    Raises:
        UserError: a set that is not in its form, or whose links are beyond its words.
    """
    found = []
    for file in sorted((root / "gold").glob("*.src-tgt")) if root else ():
        links = file.with_suffix(".gold")
        lines = [line for block in read_lines(file) for line in block["text"].to_pylist()]
        while lines and not lines[-1].strip():
            lines.pop()
        sides = [line.split("|||") for line in lines]
        wrong = next((number for number, parts in enumerate(sides, 1) if len(parts) != 2), None)
        if wrong is not None:
            raise UserError(f"{file}, line {wrong}: `source ||| target` is expected.")
        gold = read_gold(links, one_based=False)
        if int(gold.possible.links.min()) > 0:
            gold = read_gold(links, one_based=True)
        texts = ([parts[0].strip() for parts in sides], [parts[1].strip() for parts in sides])
        if not len(gold) - gold.num_blank_at_end <= len(sides) <= len(gold):
            raise UserError(f"{links} has {len(gold)} lines, and {file.name} {len(sides)}.")
        gold = gold.first(len(sides))
        lengths = [[len(text.split()) for text in side] for side in texts]
        for number, own in enumerate(zip(*lengths, strict=True), 1):
            if max(own) > MAX_NUMBER:
                raise UserError(
                    f"{file}, line {number}: {max(own)} words on a side; links number {MAX_NUMBER} at most."
                )
        check_words(gold, *lengths)
        found.append(GoldSet(GOLD_LANGUAGES.get(file.stem, file.stem), texts, gold))
    return found


def held_out_of(run: Path) -> list[HeldOutPairs]:
    """The held-out pairs of a run folder, from the stages of its home.

    Raises:
        UserError: no run of ours, or its stages are gone.
    """
    from weam_ray.config import load_config
    from weam_ray.pipeline import StagePlan
    from weam_ray.runs import Home

    file = run / "config.yaml"
    if not file.is_file():
        raise UserError(f"held_out={run}: there is no config.yaml, so this is no folder of a run.")
    config = load_config(str(file))
    home = Home.of(config, run.parent.parent)
    stage = home.store.find(StagePlan.of_alignment(config, home.source_hashes()).specs["align"])
    if stage is None:
        raise UserError(f"held_out={run}: the aligned pairs of this run are not under {home.stages.path} any more.")
    return held_out_pairs(stage)


@dataclass(frozen=True)
class Measures:
    """Figures by task, language and layer; for one `layer` what the main one is made of, by test example; and the
    cosines, (source words, target words), between the words of one pair of each language.
    """

    layer: int
    layers: dict[str, dict[str, list[dict[str, float]]]]
    parts: dict[str, dict[str, Parts]]
    cosines: dict[str, tuple[list[str], list[str], NDArray[np.float32]]]

    @classmethod
    def joined(cls, some: Sequence["Measures"]) -> "Measures":
        """Those of one encoder on several languages."""
        layers: dict[str, dict[str, list[dict[str, float]]]] = {}
        parts: dict[str, dict[str, Parts]] = {}
        for own in some:
            for task in own.layers:
                layers.setdefault(task, {}).update(own.layers[task])
                parts.setdefault(task, {}).update(own.parts[task])
        cosines = {name: found for own in some for name, found in own.cosines.items()}
        return cls(some[0].layer, layers, parts, cosines)


def measure(
    model: Any, tokenizer: Any, pairs: Sequence[HeldOutPairs], sets: Sequence[GoldSet], layer: int | None
) -> Measures:
    """All alignment metrics of an encoder.

    Args:
        layer: whose figures stand in the result; by default two thirds of the way up, as for Tatoeba.
    """
    chosen = layer if layer is not None else default_layer(model.config)
    check_layer(model, chosen)
    chosen %= model.config.num_hidden_layers + 1  # -1 is the last
    max_length = min(MAX_LENGTH, num_positions(model) or MAX_LENGTH)
    layers: dict[str, dict[str, list[dict[str, float]]]] = {}
    parts: dict[str, dict[str, Parts]] = {}
    cosines = {}

    def keep(task: str, name: str, figures: list[dict[str, float]], own: Parts) -> None:
        layers.setdefault(task, {})[name] = figures
        parts.setdefault(task, {})[name] = own

    for pair in pairs:
        texts = tuple(
            WordTexts.of(tokenizer, *given) for given in zip(pair.texts, pair.spans, pair.word_offsets, strict=True)
        )
        keep(SENTENCES, pair.name, *sentence_retrieval(model, tokenizer, texts, chosen, max_length))
        keep(WORDS, pair.name, *words(model, tokenizer, texts, pair.links, chosen, max_length))
        cosines[pair.name] = word_cosines(model, tokenizer, pair, chosen, max_length)
    for own in sets:
        keep(GOLD, own.name, *gold_alignment(model, tokenizer, own, chosen, max_length))
    return Measures(chosen, layers, parts, cosines)


def sentence_retrieval(
    model: Any, tokenizer: Any, texts: tuple[WordTexts, ...], layer: int, max_length: int
) -> tuple[list[dict[str, float]], Parts]:
    """P@1 both ways, in percent, each language's mean removed or not; the parts are the mean of both centred ways."""
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
) -> tuple[list[dict[str, float]], Parts]:
    """P@1 of linked words both ways, in percent, by cosine and CSLS, centred or not, and how states lie."""
    linked = linked_states(model, tokenizer, texts[0], texts[1], links, max_length, BATCH_SIZE)
    figures = layer_geometry(linked)
    main = None
    forms: tuple[tuple[str, bool, Similarity], ...] = (
        ("centred", True, "cosine"),
        ("as_is", False, "cosine"),
        ("csls", False, "csls"),
    )
    for name, centre, similarity in forms:
        found = layer_word_retrieval(linked, similarity, centre, drop_identical=True)
        for own, retrieval in zip(figures, found, strict=True):
            own |= {f"{name}_{way}": 100 * value for way, value in retrieval.rates.items() if way != "mean"}
        main = main or found[layer]
    assert main is not None
    hits = (main.forward.astype(np.float64) + main.backward) / 2
    return figures, Parts(hits, np.ones(len(hits)))


def gold_alignment(
    model: Any, tokenizer: Any, own: GoldSet, layer: int, max_length: int
) -> tuple[list[dict[str, float]], Parts]:
    """Precision, recall and error rate of links read from the states, in percent: by softmax, whose threshold means
    less the shorter the states are, and by mutual nearest subwords, `argmax`, which no length changes.

    The parts are those of the AER by softmax: |A| + |S| - |A∩S| - |A∩P| by |A| + |S|, of each pair.
    """
    texts = [word_texts(tokenizer, side) for side in own.texts]
    figures: list[dict[str, float]] = [{} for _ in range(model.config.num_hidden_layers + 1)]
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
    return figures, Parts(wrong, size)


def word_cosines(
    model: Any, tokenizer: Any, pair: HeldOutPairs, layer: int, max_length: int
) -> tuple[list[str], list[str], NDArray[np.float32]]:
    """The words of the first pair that is short enough to be drawn, and the cosines between their states."""
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
    """Texts whose words are what stands between spaces."""
    found = segment(pa.array(texts), "whitespace")
    return WordTexts.of(tokenizer, texts, found.spans, found.offsets)
