"""Links as arrays and as Arrow columns."""

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.texts import Pair, as_lists, links_of
from weam_ray.align.links import Alignments, Links, best_links
from weam_ray.corpus.tables import ALIGNED

positions = st.integers(0, 32_766)
pair_links = st.lists(st.tuples(positions, positions), max_size=6)
all_links = st.lists(pair_links, max_size=6)


class TestArrow:
    @settings(deadline=None)
    @given(all_links)
    def test_round_trip(self, pairs: list[Pair]) -> None:
        column = links_of(pairs).to_arrow()
        assert column.type == ALIGNED.field("forward_links").type
        assert column.to_pylist() == [[value for link in pair for value in link] for pair in pairs]
        assert as_lists(Links.from_arrow(pa.chunked_array([column]))) == pairs

    @settings(deadline=None)
    @given(all_links, st.data())
    def test_slices_and_chunks(self, pairs: list[Pair], data: st.DataObject) -> None:
        """A table that was cut or read in parts gives the same links."""
        column = links_of(pairs).to_arrow()
        cut = data.draw(st.integers(0, len(pairs)))
        assert as_lists(Links.from_arrow(pa.chunked_array([column[:cut], column[cut:]]))) == pairs
        assert as_lists(Links.from_arrow(column[cut:])) == pairs[cut:]

    def test_one_memory_layout(self) -> None:
        """Whatever the arrays were, kernels see contiguous, writable ones."""
        column = links_of([[(1, 2), (3, 4)]]).to_arrow()
        turned = links_of([[(1, 2), (3, 4)]]).links[:, ::-1]
        for links in (Links.from_arrow(column), Links(turned, np.array([0, 2]))):
            for array in (links.links, links.offsets):
                assert array.flags.c_contiguous
                assert array.flags.writeable


class TestChoice:
    @settings(deadline=None)
    @given(all_links.filter(len), st.data())
    def test_take(self, pairs: list[Pair], data: st.DataObject) -> None:
        """Any pairs, in any order, some of them twice."""
        chosen = data.draw(st.lists(st.integers(0, len(pairs) - 1), max_size=10))
        taken = links_of(pairs).take(np.array(chosen, np.int64))
        assert as_lists(taken) == [pairs[number] for number in chosen]
        assert taken.links.dtype == np.int16
        assert taken.offsets.dtype == np.int64

    @settings(deadline=None)
    @given(all_links, st.data())
    def test_spread(self, pairs: list[Pair], data: st.DataObject) -> None:
        """Pairs at their places among others, which have no links; to take them again gives the same."""
        num_pairs = data.draw(st.integers(len(pairs), len(pairs) + 5))
        places = sorted(data.draw(st.permutations(range(num_pairs)))[: len(pairs)])
        links = links_of(pairs)
        spread = links.spread(np.array(places, np.int64), num_pairs)
        expected: list[Pair] = [[] for _ in range(num_pairs)]
        for place, pair in zip(places, pairs, strict=True):
            expected[place] = pair
        assert as_lists(spread) == expected
        assert as_lists(spread.take(np.array(places, np.int64))) == pairs


class TestAlignments:
    def test_best_links(self) -> None:
        """Two pairs of 3 and 2 words; words without a partner have no link."""
        links = best_links(np.array([2, -1, 0, -1, 1], np.int16), np.array([0, 3, 5]))
        assert as_lists(links) == [[(0, 2), (2, 0)], [(1, 1)]]
        assert links.links.dtype == np.int16

    @settings(deadline=None)
    @given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=5), st.data())
    def test_from_best(self, sizes: list[tuple[int, int]], data: st.DataObject) -> None:
        forward, reverse = [], []
        for n, m in sizes:
            forward.append(data.draw(st.lists(st.integers(-1, n - 1), min_size=m, max_size=m)))
            reverse.append(data.draw(st.lists(st.integers(-1, m - 1), min_size=n, max_size=n)))
        expected_forward = [[(i, j) for j, i in enumerate(best) if i >= 0] for best in forward]
        expected_reverse = [[(i, j) for i, j in enumerate(best) if j >= 0] for best in reverse]
        unions = [sorted({*one, *other}) for one, other in zip(expected_forward, expected_reverse, strict=True)]
        union_offsets = np.cumsum([0, *(len(union) for union in unions)])
        posteriors = np.arange(2 * union_offsets[-1], dtype=np.float32).reshape(-1, 2)
        source_offsets = np.cumsum([0, *(n for n, _ in sizes)])
        target_offsets = np.cumsum([0, *(m for _, m in sizes)])
        room = np.full((source_offsets[-1] + target_offsets[-1], 2), np.nan, np.float32)
        for number, union in enumerate(unions):
            begin = source_offsets[number] + target_offsets[number]
            room[begin : begin + len(union)] = posteriors[union_offsets[number] : union_offsets[number + 1]]
        scores = np.arange(2.0 * len(sizes)).reshape(-1, 2)
        alignments = Alignments.from_best(
            source_offsets,
            target_offsets,
            np.array([i for best in forward for i in best], np.int16),
            np.array([j for best in reverse for j in best], np.int16),
            scores,
            room,
            np.diff(union_offsets),
        )
        assert alignments.union_offsets.tolist() == union_offsets.tolist()
        assert as_lists(alignments.forward) == expected_forward
        assert as_lists(alignments.reverse) == expected_reverse
        columns = alignments.columns()
        for name, column in columns.items():
            assert column.type == ALIGNED.field(name).type, name
            assert len(column) == len(sizes)
        assert as_lists(Links.from_arrow(columns["forward_links"])) == expected_forward
        assert as_lists(Links.from_arrow(columns["reverse_links"])) == expected_reverse
        assert [len(row) for row in columns["union_posteriors"].to_pylist()] == [2 * len(union) for union in unions]
        assert columns["union_posteriors"].flatten().to_pylist() == posteriors.ravel().tolist()
        assert columns["forward_score"].to_pylist() == scores[:, 0].tolist()
        assert columns["reverse_score"].to_pylist() == scores[:, 1].tolist()
