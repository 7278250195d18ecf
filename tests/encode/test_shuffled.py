"""Links by chance: as many of each pair, one to one, and the same whatever else is in the table."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.support.texts import as_lists, links_of
from weam_ray.align.links import Links
from weam_ray.encode.shuffled import shuffled


@st.composite
def one_to_one(draw: st.DrawFn) -> list[tuple[int, int]]:
    size = draw(st.integers(0, 12))
    targets = draw(st.permutations(range(size)))
    return list(zip(range(size), targets, strict=True))


@given(st.lists(one_to_one(), min_size=1, max_size=6))
def test_the_same_words_are_linked_one_to_one(pairs: list[list[tuple[int, int]]]) -> None:
    links = links_of(pairs)
    found = shuffled(links, [f"0:{number}" for number in range(len(pairs))])
    assert np.array_equal(found.offsets, links.offsets)
    for own, other in zip(as_lists(found), pairs, strict=True):
        for side in (0, 1):
            assert sorted(link[side] for link in own) == sorted(link[side] for link in other)
        assert len(other) < 2 or not {*own} & {*other}  # none stays where it may go


def test_a_pair_s_links_follow_from_its_name_alone() -> None:
    pairs = [[(k, k) for k in range(10)] for _ in range(3)]
    whole = as_lists(shuffled(links_of(pairs), ["a", "b", "c"]))
    assert as_lists(shuffled(links_of(pairs[1:2]), ["b"])) == whole[1:2]
    assert len({tuple(own) for own in whole}) == 3
    assert [(k, k) for k in range(10)] not in whole


def test_the_links_that_were_given_stay_as_they_are() -> None:
    links = links_of([[(k, k) for k in range(10)]])
    before = links.links.copy()
    assert isinstance(shuffled(links, ["a"]), Links)
    assert np.array_equal(links.links, before)
