"""Fitting and decoding: against a second implementation, the figures of the C++ program, and changes of the input."""

import json
import math
import os
import random
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from numpy.testing import assert_array_equal

from tests.align.reference import Reference
from tests.align.texts import Pairs, read_lines, read_pairs, sides, verses
from weam_ray.align import kernels
from weam_ray.align.alignments import Alignments, Links
from weam_ray.align.fast_align import FastAlign, to_ids
from weam_ray.align.pharaoh import parse_pharaoh
from weam_ray.config import AlignSection

DATA_ROOT = "WEAM_RAY_DATA_ROOT"


def swapped(pairs: Pairs) -> Pairs:
    return [(target, source) for source, target in pairs]


def fit(pairs: Pairs, **settings: object) -> FastAlign:
    return FastAlign.fit(pairs, AlignSection(**settings))


def align(model: FastAlign, pairs: Pairs) -> Alignments:
    return model.align(*sides(pairs))


def all_links(links: Links) -> set[tuple[int, int, int]]:
    return {(pair, i, j) for pair in range(len(links.offsets) - 1) for i, j in links.of(pair)}


def share_differing(links: Links, expected: set[tuple[int, int, int]]) -> float:
    return len(all_links(links) ^ expected) / len(expected)


def assert_same_alignments(actual: Alignments, expected: Alignments) -> None:
    """Bit by bit."""
    for name in ("forward", "reverse"):
        assert_array_equal(getattr(actual, name).links, getattr(expected, name).links)
        assert_array_equal(getattr(actual, name).offsets, getattr(expected, name).offsets)
    for name in ("union_posteriors", "union_offsets", "forward_scores", "reverse_scores"):
        assert_array_equal(getattr(actual, name), getattr(expected, name))


def assert_same_tables(actual: FastAlign, expected: FastAlign) -> None:
    """Words, t(f|e) and tensions, bit by bit."""
    assert (actual.source_words, actual.target_words) == (expected.source_words, expected.target_words)
    for name in ("forward", "reverse"):
        one, other = getattr(actual, name), getattr(expected, name)
        for array in ("row_offsets", "columns", "table"):
            assert_array_equal(getattr(one, array), getattr(other, array))
        assert one.tension == other.tension


def assert_same_parameters(actual: FastAlign, expected: FastAlign) -> None:
    """All of the model, bit by bit."""
    assert_same_tables(actual, expected)
    assert actual.forward.length_ratio == expected.forward.length_ratio
    assert actual.reverse.length_ratio == expected.reverse.length_ratio


@pytest.fixture(scope="module")
def text() -> Pairs:
    return verses(150)


@pytest.fixture(scope="module")
def model(text: Pairs) -> FastAlign:
    return fit(text)


@pytest.fixture(scope="module")
def references(text: Pairs) -> dict[str, Reference]:
    return {"forward": Reference(text), "reverse": Reference(swapped(text))}


@pytest.mark.parametrize("name", ["forward", "reverse"])
class TestAgainstReference:
    def test_tensions(self, model: FastAlign, references: dict[str, Reference], name: str) -> None:
        tensions = [entry.tension for entry in model.reports if entry.direction == name]
        assert tensions == pytest.approx([4.0, *references[name].tensions], abs=1e-6)
        assert getattr(model, name).tension == tensions[-1]

    def test_cross_entropies(self, model: FastAlign, references: dict[str, Reference], name: str) -> None:
        reports = [entry for entry in model.reports if entry.direction == name]
        assert [entry.iteration for entry in reports] == [1, 2, 3, 4]
        assert [entry.cross_entropy for entry in reports] == pytest.approx(references[name].cross_entropies, rel=1e-6)
        assert [entry.perplexity for entry in reports] == [2**entry.cross_entropy for entry in reports]

    def test_table(self, model: FastAlign, references: dict[str, Reference], name: str) -> None:
        """The same support, and the same probabilities to the precision of the fixed-point counts."""
        direction, table = getattr(model, name), references[name].table
        words = model.source_words, model.target_words
        given, made = words if name == "forward" else words[::-1]
        found = {}
        for e, word in enumerate([None, *given]):
            row = slice(direction.row_offsets[e], direction.row_offsets[e + 1])
            assert (np.diff(direction.columns[row]) > 0).all()
            found[word] = {made[f - 1]: t for f, t in zip(direction.columns[row], direction.table[row], strict=True)}
        assert {e: set(row) for e, row in found.items()} == {e: set(row) for e, row in table.items()}
        for e, row in found.items():
            assert list(row.values()) == pytest.approx([table[e][f] for f in row], rel=1e-4, abs=1e-12)

    def test_links(self, model: FastAlign, text: Pairs, references: dict[str, Reference], name: str) -> None:
        reference, links = references[name], getattr(align(model, text), name)
        pairs = text if name == "forward" else swapped(text)
        found = {(k, i, j) for k, pair in enumerate(pairs) for i, j in reference.links(*pair)}
        expected = found if name == "forward" else {(k, i, j) for k, j, i in found}
        assert share_differing(links, expected) <= 1e-4

    def test_scores(self, model: FastAlign, text: Pairs, references: dict[str, Reference], name: str) -> None:
        scores = getattr(align(model, text), f"{name}_scores")
        pairs = text if name == "forward" else swapped(text)
        assert scores == pytest.approx([references[name].score(*pair) for pair in pairs], rel=1e-6)

    def test_unseen_pairs(self, model: FastAlign, references: dict[str, Reference], name: str) -> None:
        """Words and word pairs that training did not see: links and scores of pairs of other verses."""
        unseen = [
            (source, target) for (source, _), (_, target) in zip(verses()[150:180], verses()[200:230], strict=True)
        ]
        alignments = align(model, unseen)
        pairs = unseen if name == "forward" else swapped(unseen)
        found = [references[name].links(*pair) for pair in pairs]
        expected = found if name == "forward" else [[(i, j) for j, i in links] for links in found]
        assert [getattr(alignments, name).of(k) for k in range(len(unseen))] == expected
        scores = getattr(alignments, f"{name}_scores")
        assert scores == pytest.approx([references[name].score(*pair) for pair in pairs], rel=1e-6)


@pytest.mark.parametrize(
    "settings",
    [
        {"iterations": 1},
        {"iterations": 3, "alpha": 0.1},
        {"null_probability": 0.4, "tension": 1.0},
    ],
    ids=str,
)
def test_settings_reach_the_model(text: Pairs, settings: dict[str, float]) -> None:
    model, reference = fit(text[:60], **settings), Reference(text[:60], **settings)
    assert model.forward.tension == pytest.approx(reference.tension, abs=1e-6)
    expected = {(k, i, j) for k, pair in enumerate(text[:60]) for i, j in reference.links(*pair)}
    assert all_links(align(model, text[:60]).forward) == expected


def test_tension_stays_when_it_is_not_optimized(text: Pairs) -> None:
    model = fit(text[:40], optimize_tension=False, tension=6.5)
    assert (model.forward.tension, model.reverse.tension) == (6.5, 6.5)


def test_reports_are_passed_on_as_they_come(text: Pairs) -> None:
    seen = []
    model = FastAlign.fit(text[:20], AlignSection(), seen.append)
    assert seen == model.reports
    assert [(entry.direction, entry.iteration) for entry in seen] == [
        (name, iteration) for name in ("forward", "reverse") for iteration in range(1, 5)
    ]
    assert all(0 < entry.null_share < 1 for entry in seen)


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
    model = fit(pairs)
    alignments = align(model, pairs)
    for name, short in (("forward", "fwd"), ("reverse", "rev")):
        direction, expected = getattr(model, name), printed[short]
        reports = [entry for entry in model.reports if entry.direction == name]
        assert [entry.tension for entry in reports[1:]] == pytest.approx(expected["tension"], rel=1e-5)
        assert direction.length_ratio == pytest.approx(float(expected["length_ratio"][0]), rel=1e-5)
        given, made = (0, 1) if name == "forward" else (1, 0)
        lengths = [(len(pair[given]), len(pair[made])) for pair in pairs]
        poisson = sum(log_poisson(m, 0.05 + n * direction.length_ratio) for n, m in lengths)
        likelihood = getattr(alignments, f"{name}_scores").sum() - poisson
        last = -likelihood / math.log(2) / sum(m for _, m in lengths)
        entropies = [*(entry.cross_entropy for entry in reports), last]
        assert entropies == pytest.approx(expected["cross_entropy"], rel=1e-5)
        links = parse_pharaoh(read_lines(folder / f"{corpus}.{short}.gz"))
        assert share_differing(getattr(alignments, name), all_links(links)) <= 1e-4


def log_poisson(m: int, rate: float) -> float:
    return m * math.log(rate) - math.lgamma(m + 1) - rate


class TestBlankSides:
    def test_blank_sides_leave_the_rest_as_it_is(self, text: Pairs, model: FastAlign) -> None:
        """Even blank pairs whose other side has words that occur nowhere else."""
        expected = align(model, text)
        blank: Pairs = [([], ["und", "gott"]), (["god"], []), ([], []), ([], ["neuland"]), (["newfound"], [])]
        mixed = [blank[0], *text[:70], *blank[1:4], *text[70:], blank[4]]
        fitted = fit(mixed)
        assert (fitted.forward.tension, fitted.reverse.tension) == (model.forward.tension, model.reverse.tension)
        assert_same_alignments(align(fitted, text), expected)

    def test_blank_sides_get_no_links(self, text: Pairs, model: FastAlign) -> None:
        mixed = [([], text[0][1]), text[1], (text[2][0], []), ([], []), text[3]]
        alignments, alone = align(model, mixed), align(model, [text[1], text[3]])
        for number in (0, 2, 3):
            assert alignments.forward.of(number) == alignments.reverse.of(number) == []
            assert alignments.forward_scores[number] == alignments.reverse_scores[number] == 0
        for name in ("forward", "reverse"):
            assert [getattr(alignments, name).of(k) for k in (1, 4)] == [getattr(alone, name).of(k) for k in (0, 1)]
        assert_array_equal(alignments.union_posteriors, alone.union_posteriors)

    def test_no_pair_is_whole(self) -> None:
        with pytest.raises(AssertionError, match="no pair with words on both sides"):
            fit([([], ["a"]), (["b"], [])])

    def test_nothing_to_align(self, model: FastAlign) -> None:
        alignments = align(model, [])
        assert len(alignments.forward.offsets) == 1
        assert len(alignments.union_posteriors) == 0


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


class TestTies:
    def test_equal_words_at_equal_distance(self) -> None:
        """Of two equal words at 1/2 and 2/2, the first one gets the word at 3/4."""
        pairs: Pairs = [(["x", "x"], [f"a{k}", f"b{k}", "y", f"c{k}"]) for k in range(30)]
        alignments = align(fit(pairs), pairs)
        assert all((0, 2) in alignments.forward.of(k) for k in range(30))
        swapped_alignments = align(fit(swapped(pairs)), swapped(pairs))
        assert all((2, 0) in swapped_alignments.reverse.of(k) for k in range(30))

    def test_null_beats_an_equal_word(self, text: Pairs) -> None:
        """One word, one unseen word: the prior is 1 - p0, so at p0 = 1/2 both are equal to the last bit."""
        unseen: Pairs = [(["?x?"], ["?y?"])]
        assert align(fit(text[:20], null_probability=0.5), unseen).forward.of(0) == []
        assert align(fit(text[:20], null_probability=0.49), unseen).forward.of(0) == [(0, 0)]

    def test_unseen_words_follow_the_diagonal(self, model: FastAlign) -> None:
        words = [f"?{k}?" for k in range(6)]
        alignments = align(model, [(words, words)])
        assert alignments.forward.of(0) == alignments.reverse.of(0) == [(k, k) for k in range(6)]


class TestOrder:
    """Expected counts are fixed-point numbers, so their sums know no order."""

    @pytest.mark.parametrize("seed", range(3))
    def test_order_of_pairs_changes_no_bit(self, text: Pairs, model: FastAlign, seed: int) -> None:
        shuffled = random.Random(seed).sample(text, len(text))
        fitted = fit(shuffled)
        assert fitted.reports == model.reports
        assert_same_tables(fitted, model)

    @pytest.mark.parametrize("seed", range(3))
    def test_order_of_pairs_changes_no_score(self, text: Pairs, model: FastAlign, seed: int) -> None:
        """Scores hang on the mean ratio of the lengths as well."""
        fitted = fit(random.Random(seed).sample(text, len(text)))
        assert_same_parameters(fitted, model)
        assert_same_alignments(align(fitted, text), align(model, text))

    def test_pairs_are_decoded_alone(self, text: Pairs, model: FastAlign) -> None:
        together = align(model, text[:30])
        for number in range(30):
            alone = align(model, [text[number]])
            assert alone.forward.of(0) == together.forward.of(number)
            assert alone.reverse.of(0) == together.reverse.of(number)
            assert alone.forward_scores[0] == together.forward_scores[number]

    def test_links_are_in_their_order(self, text: Pairs, model: FastAlign) -> None:
        alignments = align(model, text[:30])
        for number in range(30):
            targets = [j for _, j in alignments.forward.of(number)]
            sources = [i for i, _ in alignments.reverse.of(number)]
            assert targets == sorted(set(targets))
            assert sources == sorted(set(sources))


class TestPosteriors:
    def test_rows_with_null_sum_to_one(self, text: Pairs, model: FastAlign) -> None:
        direction, p0 = model.forward, model.null_probability
        for source_text, target_text in text[:25]:
            source, _ = to_ids([source_text], model.source_words)
            target, _ = to_ids([target_text], model.target_words)
            m, n = len(target), len(source)
            posteriors, best = np.empty((m, n)), np.full(m, -1, np.int16)
            table = (direction.row_offsets, direction.columns, direction.table)
            kernels.viterbi(
                source, target, *table, direction.tension, p0, direction.length_ratio, posteriors, best
            )  # fmt: skip
            assert ((posteriors >= 0) & (posteriors <= 1)).all()
            prior = np.empty((m, n))
            kernels.fill_prior(prior, m, n, direction.tension, p0)
            assert prior.sum(axis=1) == pytest.approx(np.full(m, 1 - p0))
            for j in range(m):
                joints = [kernels.probability(*table, source[i], target[j]) * prior[j, i] for i in range(n)]
                null = kernels.probability(*table, 0, target[j]) * p0
                null_posterior = null / (null + sum(joints))
                assert posteriors[j].sum() + null_posterior == pytest.approx(1)
                assert (best[j] >= 0) == (posteriors[j].max() > null_posterior)

    def test_of_the_union(self, text: Pairs, model: FastAlign) -> None:
        """One row for each link of the union; a link of a direction is at least as likely as null would leave it."""
        alignments = align(model, text)
        for number in range(len(text)):
            forward, reverse = alignments.forward.of(number), alignments.reverse.of(number)
            union = sorted({*forward, *reverse})
            rows = slice(alignments.union_offsets[number], alignments.union_offsets[number + 1])
            posteriors = dict(zip(union, alignments.union_posteriors[rows].tolist(), strict=True))
            assert all(0 <= value <= 1 for pair in posteriors.values() for value in pair)
            for column, links, word in ((0, forward, 1), (1, reverse, 0)):
                sums: dict[int, float] = {}
                best = {link[word]: posteriors[link][column] for link in links}
                for link, values in posteriors.items():
                    sums[link[word]] = sums.get(link[word], 0) + values[column]
                    assert values[column] <= best.get(link[word], 1)
                assert max(sums.values()) <= 1 + 1e-5


class TestBytes:
    def test_lossless(self, model: FastAlign, text: Pairs) -> None:
        data = model.to_bytes()
        loaded = FastAlign.from_bytes(data)
        assert_same_parameters(loaded, model)
        assert (loaded.null_probability, loaded.reports) == (model.null_probability, model.reports)
        assert loaded.to_bytes() == data
        assert_same_alignments(align(loaded, text), align(model, text))

    def test_other_format_is_refused(self, model: FastAlign) -> None:
        data = model.to_bytes()
        length = int.from_bytes(data[:8], "little")
        values = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["model"])
        assert values["format_version"] == 1
        other = safetensors.numpy.save(
            safetensors.numpy.load(data), {"model": json.dumps({**values, "format_version": 2})}
        )
        with pytest.raises(ValueError, match="of format 2; 1 is expected"):
            FastAlign.from_bytes(other)

    def test_words_of_any_script(self) -> None:
        pairs: Pairs = [(["हिन्दी", "\u200d", "a"], ["العَرَبِيَّة", "中", "👩‍💻"])] * 3
        model = fit(pairs)
        loaded = FastAlign.from_bytes(model.to_bytes())
        assert (loaded.source_words, loaded.target_words) == (model.source_words, model.target_words)
