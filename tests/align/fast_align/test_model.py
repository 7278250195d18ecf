"""Fitted models: against a second implementation and the C++ program; ties, unseen words, posteriors."""

import json
import math
import os
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from tests.support.reference import Reference
from tests.support.texts import (
    Pairs,
    align,
    all_links,
    assert_same_alignments,
    fit,
    read_pairs,
    share_differing,
    swapped,
    verses,
)
from weam_ray.align.fast_align import model as model_module
from weam_ray.align.fast_align.model import Model
from weam_ray.align.fast_align.prior import MOST_WORDS, Priors, fill_prior
from weam_ray.align.pharaoh import read_pharaoh
from weam_ray.align.symmetrize import METHODS, symmetrize

DATA_ROOT = "WEAM_RAY_DATA_ROOT"
NAMES = ("forward", "reverse")

Table = dict[str | None, dict[str, float]]


def tables(model: Model) -> tuple[Table, Table]:
    """t(f|e) and t(e|f) by words; None is the null word."""
    source, target = model.lexicon.source.to_pylist(), model.lexicon.target.to_pylist()
    forward: Table = {None: dict(zip(target, model.lexicon.forward_null.tolist(), strict=True))}
    reverse: Table = {None: dict(zip(source, model.lexicon.reverse_null.tolist(), strict=True))}
    for part in model.parts:
        for row in range(len(part.row_offsets) - 1):
            e = source[part.first_row + row]
            for pair in range(part.row_offsets[row], part.row_offsets[row + 1]):
                f = target[part.columns[pair]]
                forward.setdefault(e, {})[f] = float(part.table[pair, 0])
                reverse.setdefault(f, {})[e] = float(part.table[pair, 1])
    return forward, reverse


@pytest.fixture(scope="module")
def references(text: Pairs) -> tuple[Reference, Reference]:
    return Reference(text), Reference(swapped(text))


@pytest.mark.parametrize("direction", [0, 1], ids=NAMES)
class TestAgainstReference:
    def test_tensions(self, model: Model, references: tuple[Reference, Reference], direction: int) -> None:
        parameters = model.lexicon.parameters
        tensions = [entry.tension for entry in parameters.reports if entry.direction == NAMES[direction]]
        assert tensions == pytest.approx([4.0, *references[direction].tensions], abs=1e-6)
        assert parameters.tensions[direction] == tensions[-1]

    def test_cross_entropies(self, model: Model, references: tuple[Reference, Reference], direction: int) -> None:
        reports = [entry for entry in model.lexicon.parameters.reports if entry.direction == NAMES[direction]]
        expected = references[direction].cross_entropies
        assert [entry.iteration for entry in reports] == [1, 2, 3, 4]
        assert [entry.cross_entropy for entry in reports] == pytest.approx(expected, rel=1e-6)
        assert [entry.perplexity for entry in reports] == [2**entry.cross_entropy for entry in reports]

    def test_null_share(self, model: Model, text: Pairs, direction: int) -> None:
        """Two iterations of the second implementation, whose second pass counts with the first table."""
        pairs = text if direction == 0 else swapped(text)
        reference = Reference(pairs, iterations=2)
        counts, _ = reference.expectation()
        expected = math.fsum(counts[None].values()) / reference.num_tokens
        (entry,) = (
            entry
            for entry in model.lexicon.parameters.reports
            if entry.direction == NAMES[direction] and entry.iteration == 2
        )
        assert entry.null_share == pytest.approx(expected, rel=1e-6)

    def test_length_ratio(self, model: Model, references: tuple[Reference, Reference], direction: int) -> None:
        expected = references[direction].length_ratio
        assert model.lexicon.parameters.length_ratios[direction] == pytest.approx(expected, rel=1e-12)

    def test_table(self, model: Model, references: tuple[Reference, Reference], direction: int) -> None:
        """The same support, and the same probabilities to the precision of the fixed-point counts."""
        found, table = tables(model)[direction], references[direction].table
        assert {e: set(row) for e, row in found.items()} == {e: set(row) for e, row in table.items()}
        for e, row in found.items():
            assert list(row.values()) == pytest.approx([table[e][f] for f in row], rel=1e-4, abs=1e-12)

    def test_links(self, model: Model, text: Pairs, references: tuple[Reference, Reference], direction: int) -> None:
        reference, links = references[direction], getattr(align(model, text), NAMES[direction])
        pairs = text if direction == 0 else swapped(text)
        found = {(k, i, j) for k, pair in enumerate(pairs) for i, j in reference.links(*pair)}
        expected = found if direction == 0 else {(k, i, j) for k, j, i in found}
        assert share_differing(links, expected) <= 1e-4

    def test_scores(self, model: Model, text: Pairs, references: tuple[Reference, Reference], direction: int) -> None:
        scores = getattr(align(model, text), f"{NAMES[direction]}_scores")
        pairs = text if direction == 0 else swapped(text)
        assert scores == pytest.approx([references[direction].score(*pair) for pair in pairs], rel=1e-6)

    def test_unseen_pairs(self, model: Model, references: tuple[Reference, Reference], direction: int) -> None:
        """Words and word pairs that training did not see: links and scores of pairs of other verses."""
        unseen = [
            (source, target) for (source, _), (_, target) in zip(verses()[150:180], verses()[200:230], strict=True)
        ]
        alignments = align(model, unseen)
        pairs = unseen if direction == 0 else swapped(unseen)
        found = [references[direction].links(*pair) for pair in pairs]
        expected = found if direction == 0 else [[(i, j) for j, i in links] for links in found]
        assert [getattr(alignments, NAMES[direction]).of(k) for k in range(len(unseen))] == expected
        scores = getattr(alignments, f"{NAMES[direction]}_scores")
        assert scores == pytest.approx([references[direction].score(*pair) for pair in pairs], rel=1e-6)


@pytest.mark.parametrize(
    "settings",
    [
        {"iterations": 1},
        {"iterations": 2},
        {"iterations": 3, "alpha": 0.1},
        {"null_probability": 0.4, "tension": 1.0},
    ],
    ids=str,
)
def test_settings_reach_the_model(text: Pairs, settings: dict[str, float]) -> None:
    model = fit(text[:60], num_shards=2, **settings)
    alignments = align(model, text[:60])
    for direction, pairs in enumerate((text[:60], swapped(text[:60]))):
        reference = Reference(pairs, **settings)
        assert model.lexicon.parameters.tensions[direction] == pytest.approx(reference.tension, abs=1e-6)
        found = {(k, i, j) for k, pair in enumerate(pairs) for i, j in reference.links(*pair)}
        expected = found if direction == 0 else {(k, i, j) for k, j, i in found}
        assert all_links(getattr(alignments, NAMES[direction])) == expected


def test_exact_tensions(text: Pairs) -> None:
    """Those of the second implementation, whose gradient is the mean of the feature under the prior."""
    model = fit(text[:60], num_shards=2, tension_gradient="exact")
    published = fit(text[:60], num_shards=2)
    for direction, pairs in enumerate((text[:60], swapped(text[:60]))):
        reference = Reference(pairs, exact=True)
        found = model.lexicon.parameters.tensions[direction]
        assert found == pytest.approx(reference.tension, abs=1e-6)
        assert found != pytest.approx(published.lexicon.parameters.tensions[direction], abs=0.01)
        cross_entropies = [
            entry.cross_entropy for entry in model.lexicon.parameters.reports if entry.direction == NAMES[direction]
        ]
        assert cross_entropies == pytest.approx(reference.cross_entropies, rel=1e-5)


def test_one_iteration_is_the_prior_alone(text: Pairs) -> None:
    """Equally many words follow the diagonal, whatever they are."""
    model = fit(text[:10], iterations=1)
    assert {value for table in tables(model) for row in table.values() for value in row.values()} == {1e-9}
    source = text[0][0][:5]
    assert align(model, [(source, text[0][1][:5])]).forward.of(0) == [(k, k) for k in range(5)]


def test_one_word_pairs(text: Pairs) -> None:
    """Pairs of one word are text like any other: the same links as the reference's for them and for all the rest."""
    mixed = [*text[:50], (["god"], ["gott"]), (["amen"], ["amen"]), *text[50:80], (["earth"], ["erde"])]
    model, reference = fit(mixed), Reference(mixed)
    alignments = align(model, mixed)
    assert all_links(alignments.forward) == {
        (k, i, j) for k, pair in enumerate(mixed) for i, j in reference.links(*pair)
    }
    assert alignments.forward.of(51) == alignments.reverse.of(51) == [(0, 0)]
    assert np.isfinite(alignments.forward_scores).all()


def log_poisson(m: int, rate: float) -> float:
    return m * math.log(rate) - math.lgamma(m + 1) - rate


@pytest.mark.slow
@pytest.mark.parametrize("corpus", ["bible-en-de-5k", "bible-en-ar-5k"])
def test_cpp_program_on_5000_pairs(corpus: str) -> None:
    """Links, tensions and cross entropies of both directions are those of the C++ program."""
    root = os.environ.get(DATA_ROOT)
    if not root:
        pytest.skip(f"{DATA_ROOT} is not set: no corpora of 5,000 pairs with the links of the C++ program")
    folder = Path(root) / "fast_align"
    printed = json.loads((folder / "reference.json").read_text())[corpus]
    pairs = read_pairs(folder / f"{corpus}.txt.gz")
    model = fit(pairs, num_shards=3, num_threads=2)
    parameters = model.lexicon.parameters
    alignments = align(model, pairs)
    for direction, (name, short) in enumerate(zip(NAMES, ("fwd", "rev"), strict=True)):
        expected = printed[short]
        reports = [entry for entry in parameters.reports if entry.direction == name]
        assert [entry.tension for entry in reports[1:]] == pytest.approx(expected["tension"], rel=1e-5)
        length_ratio = parameters.length_ratios[direction]
        assert length_ratio == pytest.approx(float(expected["length_ratio"][0]), rel=1e-5)
        lengths = [(len(pair[direction]), len(pair[1 - direction])) for pair in pairs]
        poisson = sum(log_poisson(m, 0.05 + n * length_ratio) for n, m in lengths)
        likelihood = getattr(alignments, f"{name}_scores").sum() - poisson
        last = -likelihood / math.log(2) / sum(m for _, m in lengths)
        entropies = [*(entry.cross_entropy for entry in reports), last]
        assert entropies == pytest.approx(expected["cross_entropy"], rel=1e-5)
        # the program prints six digits
        perplexities = [2**entropy for entropy in entropies]
        assert perplexities == pytest.approx([float(value) for value in expected["perplexity"]], rel=1e-4)
        links = read_pharaoh(folder / f"{corpus}.{short}.gz")
        assert share_differing(getattr(alignments, name), all_links(links)) <= 1e-4
    for method in METHODS:
        links = symmetrize(alignments.forward, alignments.reverse, method)
        assert share_differing(links, all_links(read_pharaoh(folder / f"{corpus}.{method}.gz"))) <= 3e-4, method


class TestTies:
    def test_equal_words_at_equal_distance(self) -> None:
        """Of two equal words at 1/2 and 2/2, the first one gets the word at 3/4."""
        pairs: Pairs = [(["x", "x"], [f"a{k}", f"b{k}", "y", f"c{k}"]) for k in range(30)]
        alignments = align(fit(pairs), pairs)
        assert all((0, 2) in alignments.forward.of(k) for k in range(30))
        alignments = align(fit(swapped(pairs)), swapped(pairs))
        assert all((2, 0) in alignments.reverse.of(k) for k in range(30))

    def test_null_beats_an_equal_word(self, text: Pairs) -> None:
        """One word, one unseen word: the prior is 1 - p0, so at p0 = 1/2 both are equal to the last bit."""
        unseen: Pairs = [(["?x?"], ["?y?"])]
        for null_probability, expected in ((0.5, []), (0.49, [(0, 0)])):
            alignments = align(fit(text[:20], null_probability=null_probability), unseen)
            assert alignments.forward.of(0) == alignments.reverse.of(0) == expected


class TestUnseen:
    def test_words_follow_the_diagonal(self, model: Model) -> None:
        words = [f"?{k}?" for k in range(6)]
        alignments = align(model, [(words, words)])
        assert alignments.forward.of(0) == alignments.reverse.of(0) == [(k, k) for k in range(6)]

    def test_score(self, model: Model) -> None:
        """With null the prior adds up to one, so the probability of each word is 1e-9."""
        alignments = align(model, [(["?a?", "?b?"], ["?c?", "?d?", "?e?"])])
        ratios = model.lexicon.parameters.length_ratios
        forward = log_poisson(3, 0.05 + 2 * ratios[0]) + 3 * math.log(1e-9)
        reverse = log_poisson(2, 0.05 + 3 * ratios[1]) + 2 * math.log(1e-9)
        assert alignments.forward_scores == pytest.approx([forward])
        assert alignments.reverse_scores == pytest.approx([reverse])

    def test_known_words_never_seen_together(self) -> None:
        """a and y are known, (a, y) is not: its probability is 1e-9, that of null is what it learned."""
        model = fit([(["a"], ["x"]), (["b"], ["y"])])
        lexicon = model.lexicon
        null = float(lexicon.forward_null[lexicon.target.to_pylist().index("y")])
        expected = log_poisson(1, 0.05 + lexicon.parameters.length_ratios[0]) + math.log(null * 0.08 + 1e-9 * 0.92)
        assert align(model, [(["a"], ["y"])]).forward_scores == pytest.approx([expected])


class TestDecoding:
    def test_pairs_are_decoded_alone(self, text: Pairs, model: Model) -> None:
        together = align(model, text[:30])
        for number in range(30):
            alone = align(model, [text[number]])
            assert alone.forward.of(0) == together.forward.of(number)
            assert alone.reverse.of(0) == together.reverse.of(number)
            assert alone.forward_scores[0] == together.forward_scores[number]
            assert alone.reverse_scores[0] == together.reverse_scores[number]
            rows = slice(together.union_offsets[number], together.union_offsets[number + 1])
            assert_array_equal(alone.union_posteriors, together.union_posteriors[rows])

    def test_links_are_in_their_order(self, text: Pairs, model: Model) -> None:
        alignments = align(model, text[:30])
        for number in range(30):
            targets = [j for _, j in alignments.forward.of(number)]
            sources = [i for i, _ in alignments.reverse.of(number)]
            assert targets == sorted(set(targets))
            assert sources == sorted(set(sources))

    def test_nothing_to_align(self, model: Model) -> None:
        alignments = align(model, [])
        assert len(alignments.forward.offsets) == len(alignments.reverse.offsets) == 1
        assert len(alignments.union_posteriors) == len(alignments.forward_scores) == 0

    def test_priors_that_do_not_fit(self, text: Pairs, model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
        """Whether a prior is remembered changes nothing."""
        expected = align(model, text)
        monkeypatch.setattr(model_module, "known_priors", lambda *_: Priors.empty(1000))
        assert_same_alignments(align(model, text), expected)

    def test_sentences_longer_than_the_remembered(
        self, text: Pairs, model: Model, references: tuple[Reference, Reference]
    ) -> None:
        """Many verses as one: its prior is never remembered, those of its neighbours are."""
        sources, targets = zip(*text[:12], strict=True)
        verse = list(chain.from_iterable(sources)), list(chain.from_iterable(targets))
        assert min(len(verse[0]), len(verse[1])) > MOST_WORDS
        alignments, alone = align(model, [text[0], verse, text[0]]), align(model, text[:1])
        assert alignments.forward.of(1) == references[0].links(*verse)
        assert alignments.reverse.of(1) == [(i, j) for j, i in references[1].links(verse[1], verse[0])]
        assert alignments.forward.of(0) == alignments.forward.of(2) == alone.forward.of(0)


class TestPosteriors:
    def test_of_the_union(self, text: Pairs, model: Model) -> None:
        """Each is t times prior over its sum with null, whoever computes it: here in numpy, from the table."""
        by_word, parameters = tables(model), model.lexicon.parameters
        p0 = parameters.null_probability
        alignments = align(model, text[:40])
        for number, pair in enumerate(text[:40]):
            n, m = len(pair[0]), len(pair[1])
            prior = np.empty((2, n * m))
            fill_prior(prior[0], prior[1], m, n, parameters.tensions, p0)
            joints = prior.reshape(2, n, m)
            for direction in range(2):
                generated, made_of = pair[1 - direction], pair[direction]
                for a, e in enumerate(made_of):
                    for b, f in enumerate(generated):
                        joints[(direction, a, b) if direction == 0 else (direction, b, a)] *= by_word[direction][e][f]
                null = np.array([by_word[direction][None][f] * p0 for f in generated])
                total = joints[direction].sum(axis=direction) + null
                joints[direction] /= total[None, :] if direction == 0 else total[:, None]
            union = sorted({*alignments.forward.of(number), *alignments.reverse.of(number)})
            rows = slice(alignments.union_offsets[number], alignments.union_offsets[number + 1])
            found = alignments.union_posteriors[rows]
            assert found.dtype == np.float32
            expected = np.array([joints[:, i, j] for i, j in union]).reshape(-1, 2)
            np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-12)
