"""Symmetrisation: exactly the C++ program's, its invariants, and the reduction to one link a word."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.texts import Pair, as_lists, links_of, reference_links
from weam_ray.align.symmetrize import METHODS, one_to_one, symmetrize

SIZE = 7


@st.composite
def directions(draw: st.DrawFn) -> tuple[Pair, Pair]:
    """Links as two directions give them: one for each linked target word, one for each linked source word."""
    best = st.lists(st.integers(-1, SIZE - 1), min_size=SIZE, max_size=SIZE)
    forward = [(i, j) for j, i in enumerate(draw(best)) if i >= 0]
    reverse = [(i, j) for i, j in enumerate(draw(best)) if j >= 0]
    return forward, reverse


def plain(method: str, forward: Pair, reverse: Pair) -> Pair:
    """Symmetrisation as it is described, in sets of links."""
    one, other = set(forward), set(reverse)
    if method == "union":
        return sorted(one | other)
    chosen = one & other

    def used(i: int, j: int) -> tuple[bool, bool]:
        return any(i == row for row, _ in chosen), any(j == column for _, column in chosen)

    def grows(i: int, j: int) -> bool:
        around = {(i + di, j + dj) for di in (-1, 0, 1) for dj in (-1, 0, 1)} - {(i, j)}
        return not all(used(i, j)) and bool(around & chosen)

    if method.startswith("grow-diag"):
        candidates = sorted((one | other) - chosen)
        before = -1
        while before != len(chosen):
            before = len(chosen)
            for link in candidates:
                if link not in chosen and grows(*link):
                    chosen.add(link)
    for links in (one, other):
        for link in sorted(links - chosen):
            if method == "grow-diag-final" and not all(used(*link)):
                chosen.add(link)
            if method == "grow-diag-final-and" and not any(used(*link)):
                chosen.add(link)
    return sorted(chosen)


def run(method: str, forward: Pair, reverse: Pair) -> Pair:
    return symmetrize(links_of([forward]), links_of([reverse]), method).of(0)


class TestAgainstReference:
    @pytest.mark.parametrize("method", METHODS)
    def test_all_links(self, method: str) -> None:
        links = symmetrize(reference_links("fwd"), reference_links("rev"), method)
        expected = reference_links(method)
        assert [links.of(k) for k in range(300)] == [expected.of(k) for k in range(300)]
        assert len(links.offsets) == len(expected.offsets) == 301

    @pytest.mark.parametrize("method", METHODS)
    def test_plain_implementation(self, method: str) -> None:
        """The slow one of this file agrees with the program as well."""
        pairs = zip(as_lists(reference_links("fwd")), as_lists(reference_links("rev")), strict=True)
        assert [plain(method, *pair) for pair in pairs] == as_lists(reference_links(method))

    def test_methods_differ_on_these_verses(self) -> None:
        assert len({reference_links(method).links.tobytes() for method in METHODS}) == len(METHODS)


class TestHandCases:
    def test_growing_sees_what_was_added_before(self) -> None:
        """(1, 1) touches (0, 0); (2, 2) only touches (1, 1), which is added in the same sweep."""
        assert run("grow-diag", [(0, 0), (1, 1)], [(0, 0), (2, 2)]) == [(0, 0), (1, 1), (2, 2)]

    def test_growing_takes_another_sweep(self) -> None:
        """(1, 1) comes before its only neighbour (2, 2) in the order, and joins in the second sweep."""
        assert run("grow-diag", [(3, 3), (1, 1)], [(3, 3), (2, 2)]) == [(1, 1), (2, 2), (3, 3)]

    def test_growing_needs_a_free_word(self) -> None:
        """(0, 1) touches both links of the intersection, but both of its words are linked."""
        both = [(0, 0), (1, 1)]
        assert run("grow-diag", [*both, (0, 1)], both) == both

    def test_final_needs_one_free_word_and_final_and_needs_two(self) -> None:
        """No neighbour of (0, 0): grow-diag leaves (0, 4) and (5, 5) to the final passes."""
        forward, reverse = [(0, 0), (0, 4)], [(0, 0), (5, 5)]
        assert run("grow-diag", forward, reverse) == [(0, 0)]
        assert run("grow-diag-final", forward, reverse) == [(0, 0), (0, 4), (5, 5)]
        assert run("grow-diag-final-and", forward, reverse) == [(0, 0), (5, 5)]

    def test_forward_comes_first(self) -> None:
        """Without an intersection the two directions want word 2 for themselves; the forward link gets it."""
        assert run("grow-diag-final-and", [(2, 2)], [(2, 4)]) == [(2, 2)]
        assert run("grow-diag-final-and", [(2, 4)], [(2, 2)]) == [(2, 4)]

    def test_no_links(self) -> None:
        for method in METHODS:
            assert run(method, [], []) == []
            links = symmetrize(links_of([]), links_of([]), method)
            assert links.offsets.tolist() == [0]

    def test_unknown_method(self) -> None:
        with pytest.raises(ValueError, match="'srctotgt' is none of intersect, union"):
            symmetrize(links_of([[]]), links_of([[]]), "srctotgt")

    def test_other_number_of_pairs(self) -> None:
        with pytest.raises(ValueError, match="2 forward and 1 reverse"):
            symmetrize(links_of([[], []]), links_of([[]]), "union")


cells = st.tuples(st.integers(0, SIZE - 1), st.integers(0, SIZE - 1))
any_links = st.lists(cells, unique=True, max_size=20)


class TestAgainstPlainImplementation:
    @settings(deadline=None, max_examples=200)
    @given(st.one_of(directions(), st.tuples(any_links, any_links)))
    def test_random_links(self, pair: tuple[Pair, Pair]) -> None:
        """Links of two directions, and any links in any order."""
        for method in METHODS:
            assert run(method, *pair) == plain(method, *pair), method

    def test_largest_positions(self) -> None:
        forward, reverse = [(32_766, 0), (2, 5)], [(32_766, 0), (32_765, 1)]
        for method in METHODS:
            assert run(method, forward, reverse) == plain(method, forward, reverse)


class TestInvariants:
    @settings(deadline=None)
    @given(directions())
    def test_each_method_holds_the_one_before(self, pair: tuple[Pair, Pair]) -> None:
        found = {method: set(run(method, *pair)) for method in METHODS}
        assert found["intersect"] == set(pair[0]) & set(pair[1])
        assert found["union"] == set(pair[0]) | set(pair[1])
        for chain in (
            ("intersect", "grow-diag", "grow-diag-final", "union"),
            ("grow-diag", "grow-diag-final-and", "union"),
        ):
            for smaller, larger in itertools.pairwise(chain):
                assert found[smaller] <= found[larger], (smaller, larger)

    @settings(deadline=None)
    @given(directions())
    def test_final_leaves_no_link_of_a_free_word(self, pair: tuple[Pair, Pair]) -> None:
        found = run("grow-diag-final", *pair)
        rows, columns = {i for i, _ in found}, {j for _, j in found}
        assert all(i in rows and j in columns for i, j in run("union", *pair))
        found = run("grow-diag-final-and", *pair)
        rows, columns = {i for i, _ in found}, {j for _, j in found}
        assert all(i in rows or j in columns for i, j in run("union", *pair))

    @settings(deadline=None)
    @given(directions())
    def test_links_are_in_order_and_once(self, pair: tuple[Pair, Pair]) -> None:
        for method in METHODS:
            found = run(method, *pair)
            assert found == sorted(set(found))

    @settings(deadline=None)
    @given(directions())
    def test_exchange_of_directions(self, pair: tuple[Pair, Pair]) -> None:
        """The order of the directions decides in the final passes only."""
        for method in ("intersect", "union", "grow-diag"):
            assert run(method, *pair) == run(method, *pair[::-1])

    @settings(deadline=None)
    @given(st.lists(directions(), max_size=4))
    def test_pairs_know_nothing_of_each_other(self, pairs: list[tuple[Pair, Pair]]) -> None:
        forward, reverse = links_of([pair[0] for pair in pairs]), links_of([pair[1] for pair in pairs])
        for method in METHODS:
            together = symmetrize(forward, reverse, method)
            assert [together.of(k) for k in range(len(pairs))] == [run(method, *pair) for pair in pairs]


def posteriors(values: list[tuple[float, float]]) -> np.ndarray:
    return np.array(values, np.float32).reshape(-1, 2)


class TestOneToOne:
    def test_likeliest_link_first(self) -> None:
        """Products: (0,0) .25, (0,1) .72, (1,0) .06, (1,1) .48. (0,1) wins, takes words 0 and 1, leaves (1,0)."""
        links = links_of([[(0, 0), (0, 1), (1, 0), (1, 1)]])
        values = posteriors([(0.5, 0.5), (0.9, 0.8), (0.2, 0.3), (0.8, 0.6)])
        assert one_to_one(links, links, links_of([[]]), values).of(0) == [(0, 1), (1, 0)]

    def test_product_not_sum(self) -> None:
        """(0,0) has the larger sum, 1.0 + .1; (0,1) the larger product, .5 * .5."""
        links = links_of([[(0, 0), (0, 1)]])
        assert one_to_one(links, links, links_of([[]]), posteriors([(1, 0.1), (0.5, 0.5)])).of(0) == [(0, 1)]

    def test_ties_by_source_then_target(self) -> None:
        links = links_of([[(0, 1), (0, 2), (1, 0), (1, 1)]])
        equal = posteriors([(0.5, 0.5)] * 4)
        assert one_to_one(links, links, links_of([[]]), equal).of(0) == [(0, 1), (1, 0)]

    def test_without_posteriors_the_order_decides(self) -> None:
        links = links_of([[(0, 1), (0, 2), (1, 0), (1, 1)]])
        assert one_to_one(links, links, links_of([[]]), None).of(0) == [(0, 1), (1, 0)]

    def test_posteriors_are_those_of_the_union(self) -> None:
        """Links are fewer than the union, in the second pair: each must find its own posteriors."""
        forward = links_of([[(0, 0)], [(0, 0), (1, 1), (1, 2)]])
        reverse = links_of([[(0, 0)], [(0, 1), (1, 2)]])
        kept = links_of([[(0, 0)], [(0, 1), (1, 1), (1, 2)]])
        # union of the second pair: (0,0) (0,1) (1,1) (1,2)
        values = posteriors([(0.1, 0.1), (0.9, 0.9), (0.2, 0.2), (0.6, 0.6), (0.3, 0.3)])
        result = one_to_one(kept, forward, reverse, values)
        assert (result.of(0), result.of(1)) == ([(0, 0)], [(1, 1)])

    @settings(deadline=None)
    @given(st.lists(directions(), max_size=3), st.sampled_from(METHODS), st.data())
    def test_each_word_once_and_none_left_over(
        self, pairs: list[tuple[Pair, Pair]], method: str, data: st.DataObject
    ) -> None:
        forward, reverse = links_of([pair[0] for pair in pairs]), links_of([pair[1] for pair in pairs])
        links, union = symmetrize(forward, reverse, method), symmetrize(forward, reverse, "union")
        shares = st.floats(0, 1, width=32)
        size = len(union.links)
        values = data.draw(st.lists(st.tuples(shares, shares), min_size=size, max_size=size))
        result = one_to_one(links, forward, reverse, posteriors(values))
        for number in range(len(pairs)):
            before, after = links.of(number), result.of(number)
            assert after == sorted(set(after))
            assert set(after) <= set(before)
            rows, columns = [i for i, _ in after], [j for _, j in after]
            assert len(set(rows)) == len(rows)
            assert len(set(columns)) == len(columns)
            assert all(i in rows or j in columns for i, j in before)
            if method == "intersect":
                assert after == before
