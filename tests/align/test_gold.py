"""Alignment error rate: hand-computed cases, reading of gold files, which lines they are about, invariants."""

import gzip
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from weam_ray.align.gold import (
    MAX_NUMBER,
    Gold,
    check_words,
    gold_rows,
    place_gold,
    read_gold,
    score,
    score_all,
)
from weam_ray.align.links import Links
from weam_ray.align.pharaoh import parse_pharaoh
from weam_ray.align.symmetrize import METHODS
from weam_ray.errors import UserError

Sets = list[set[tuple[int, int]]]

SIZE = 4
PAIRS = 3
FORWARD: Sets = [{(0, 0), (1, 1), (1, 2)}]
REVERSE: Sets = [{(0, 0), (1, 1), (3, 3)}]
pair_links = st.sets(st.tuples(st.integers(0, SIZE - 1), st.integers(0, SIZE - 1)), max_size=8)
corpus_links = st.lists(pair_links, min_size=PAIRS, max_size=PAIRS)


def links_of(pairs: Sets) -> Links:
    return parse_pharaoh(" ".join(f"{i}-{j}" for i, j in sorted(pair)) for pair in pairs)


def gold_of(sure: Sets, possible: Sets) -> Gold:
    return Gold(links_of(sure), links_of([s | p for s, p in zip(sure, possible, strict=True)]))


def gold_with(num_lines: int, num_open: int = 0) -> Gold:
    """Gold of some lines, of which the last have no links."""
    return gold_of([{(0, 0)}] * (num_lines - num_open) + [set()] * num_open, [set()] * num_lines)


def gold_file(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "links.gold"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


class TestReading:
    def test_sure_and_possible_links(self, tmp_path: Path) -> None:
        gold = read_gold(gold_file(tmp_path, "1-0 0p1 0-0\n\n2p2\t2-2 1p1\r\n"), one_based=False)
        assert len(gold) == 3
        assert gold.of(0) == ([(0, 0), (1, 0)], [(0, 0), (0, 1), (1, 0)])
        assert gold.of(1) == ([], [])
        assert gold.of(2) == ([(2, 2)], [(1, 1), (2, 2)])

    def test_counted_from_one(self, tmp_path: Path) -> None:
        gold = read_gold(gold_file(tmp_path, f"1-2\n{MAX_NUMBER}p1"), one_based=True)
        assert gold.of(0) == ([(0, 1)], [(0, 1)])
        assert gold.of(1) == ([], [(MAX_NUMBER - 1, 0)])

    def test_a_link_given_twice_is_one(self, tmp_path: Path) -> None:
        gold = read_gold(gold_file(tmp_path, "0-0 0-0 0p0 1p1 1p1\n"), one_based=False)
        assert gold.of(0) == ([(0, 0)], [(0, 0), (1, 1)])

    def test_gzip_and_blank_lines_at_the_ends(self, tmp_path: Path) -> None:
        path = tmp_path / "links.gold.gz"
        path.write_bytes(gzip.compress(b"\n0-0\n\n"))
        gold = read_gold(path, one_based=False)
        assert [gold.of(k) for k in range(len(gold))] == [([], []), ([(0, 0)], [(0, 0)]), ([], [])]

    @pytest.mark.parametrize("token", ["3", "3:4", "3-", "-3-4", "3-4-5", "3P4", "a-b", "٣-٤", "3-4/1", "1.0-2"])
    def test_no_link(self, tmp_path: Path, token: str) -> None:
        path = gold_file(tmp_path, f"0-0\n1-1 {token}\n")
        with pytest.raises(UserError) as error:
            read_gold(path, one_based=False)
        assert str(error.value) == (
            f"{path}, line 2: {token!r} is no link; a sure link is written i-j, a possible one ipj, as 3-4 or 3p4."
        )

    @pytest.mark.parametrize("token", ["0-1", "1p0"])
    def test_word_zero_in_a_file_counted_from_one(self, tmp_path: Path, token: str) -> None:
        path = gold_file(tmp_path, f"1-1\n\n{token}\n")
        with pytest.raises(UserError) as error:
            read_gold(path, one_based=True)
        assert str(error.value) == (
            f"{path}, line 3: {token!r} has a word 0, but --gold-one-based says that words are counted from 1."
        )
        assert len(read_gold(path, one_based=False)) == 3

    @pytest.mark.parametrize("number", [MAX_NUMBER + 1, 2**16, 10**17])
    def test_number_too_great(self, tmp_path: Path, number: int) -> None:
        path = gold_file(tmp_path, f"1p{number}\n")
        with pytest.raises(UserError) as error:
            read_gold(path, one_based=False)
        assert str(error.value) == (
            f"{path}, line 1: '1p{number}' has a word beyond 32766, the greatest number of a word."
        )

    def test_empty_file(self, tmp_path: Path) -> None:
        path = gold_file(tmp_path, "")
        with pytest.raises(UserError) as error:
            read_gold(path, one_based=False)
        assert str(error.value) == f"{path} is empty; a gold file has a line for each sentence pair."

    def test_file_of_blank_lines(self, tmp_path: Path) -> None:
        path = gold_file(tmp_path, "\n \n")
        with pytest.raises(UserError) as error:
            read_gold(path, one_based=False)
        assert str(error.value) == (
            f"{path} has 2 lines and no link; gold links are written i-j or ipj, as 3-4 or 3p4."
        )

    def test_no_file(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match=r"--gold: there is no file '.*nowhere'\."):
            read_gold(tmp_path / "nowhere", one_based=False)

    def test_not_utf8(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match=r"line 2: byte 5 of the line, 0xff, is not UTF-8"):
            read_gold(gold_file(tmp_path, b"0-0\n1-1 \xff\n"), one_based=False)


class TestRows:
    @pytest.mark.parametrize(
        ("num_gold", "num_rows", "lines", "expected"),
        [
            (10, 10, None, range(10)),
            (3, 10, None, range(7, 10)),
            (3, 10, "-3:", range(7, 10)),
            (3, 10, "0:3", range(3)),
            (3, 10, ":3", range(3)),
            (10, 10, ":", range(10)),
            (2, 10, "8:", range(8, 10)),
            (2, 10, "8:100", range(8, 10)),
            (4, 10, "2:-4", range(2, 6)),
            (2, 10, "-4:-2", range(6, 8)),
            (10, 10, "-100:", range(10)),
        ],
    )
    def test_rows(self, num_gold: int, num_rows: int, lines: str | None, expected: range) -> None:
        assert gold_rows(gold_with(num_gold), num_rows, 0, lines) == [expected]

    @given(st.integers(1, 12), st.integers(-15, 15) | st.none(), st.integers(-15, 15) | st.none())
    def test_as_a_slice_of_the_lines(self, num_rows: int, start: int | None, end: int | None) -> None:
        text = f"{'' if start is None else start}:{'' if end is None else end}"
        expected = list(range(num_rows))[start:end]
        assume(expected)
        (found,) = gold_rows(gold_with(len(expected)), num_rows, 0, text)
        assert list(found) == expected

    def test_more_gold_than_input(self) -> None:
        with pytest.raises(UserError) as error:
            gold_rows(gold_with(11), 10, 0, None)
        assert str(error.value) == (
            "--gold has 11 lines and the input 10: "
            "gold has one line per input line, or fewer, which then are the last lines."
        )

    @pytest.mark.parametrize(("lines", "count"), [("0:4", 4), ("-2:", 2), ("5:2", 0), ("20:", 0), (":", 10)])
    def test_another_number_of_lines(self, lines: str, count: int) -> None:
        with pytest.raises(UserError) as error:
            gold_rows(gold_with(3), 10, 0, lines)
        assert str(error.value) == (
            f"--gold-lines {lines} names {count} of the 10 input lines, but --gold has 3 lines: "
            "the range must have as many lines as the gold."
        )

    @pytest.mark.parametrize("lines", ["", "3", "a:b", "0:9:3", "0-3", "1:-", " 0:3", "+1:4", "1.0:4", "٠:٣"])
    def test_no_range(self, lines: str) -> None:
        with pytest.raises(UserError) as error:
            gold_rows(gold_with(3), 10, 0, lines)
        assert str(error.value) == (
            f"--gold-lines {lines!r} is no range START:END of input lines; right would be 0:100, 31102: or -447:."
        )

    @pytest.mark.parametrize(
        ("num_gold", "num_open", "num_rows", "num_blank", "expected"),
        [
            (10, 1, 10, 0, [(0, 10)]),  # as many lines: the last pair has no links
            (10, 1, 10, 1, [(0, 10)]),
            (10, 3, 10, 1, [(0, 10)]),
            (11, 1, 10, 0, [(0, 10)]),  # more lines than the input
            (13, 3, 10, 0, [(0, 10)]),
            (10, 0, 11, 1, [(0, 10)]),  # a blank line after the text
            (5, 0, 11, 1, [(5, 10)]),
            (5, 0, 13, 3, [(5, 10)]),
            (5, 1, 13, 3, [(6, 11)]),
            (6, 1, 11, 1, [(5, 11)]),  # after both
            (6, 1, 10, 0, [(5, 10), (4, 10)]),  # open
            (7, 2, 11, 1, [(5, 11), (4, 11)]),
            (10, 1, 11, 1, [(0, 10), (1, 11)]),
        ],
    )
    def test_blank_lines_at_the_end(
        self, num_gold: int, num_open: int, num_rows: int, num_blank: int, expected: list[tuple[int, int]]
    ) -> None:
        found = gold_rows(gold_with(num_gold, num_open), num_rows, num_blank, None)
        assert [(rows.start, rows.stop) for rows in found] == expected

    @pytest.mark.parametrize("lines", ["2:7", "2:6", "2:5"])
    def test_a_range_says_what_blank_lines_are(self, lines: str) -> None:
        (rows,) = gold_rows(gold_with(5, 2), 10, 0, lines)
        assert f"{rows.start}:{rows.stop}" == lines
        for other in ("2:8", "2:4"):
            with pytest.raises(UserError, match="as many lines as the gold"):
                gold_rows(gold_with(5, 2), 10, 0, other)

    def test_too_many_lines_but_for_blank_ones(self) -> None:
        with pytest.raises(UserError, match="--gold has 12 lines and the input 10"):
            gold_rows(gold_with(12, 1), 10, 0, None)

    @given(st.integers(1, 6), st.integers(0, 3), st.integers(0, 5), st.integers(0, 3))
    def test_some_range_is_the_one_meant(self, num_linked: int, num_open: int, before: int, num_blank: int) -> None:
        """With any blank lines after both files, the rows up to the last that is not blank are among those found."""
        gold = gold_with(num_linked + num_open, num_open)
        num_rows = before + num_linked + num_blank
        found = gold_rows(gold, num_rows, num_blank, None)
        assert all(num_linked <= len(rows) <= len(gold) and rows.stop <= num_rows for rows in found)
        assert len(gold) == num_rows or before in [rows.start for rows in found]


class TestPlace:
    """Gold of three lines, the last of them blank, of an input of five rows: of rows 2 to 4, or of 3 and 4."""

    GOLD = gold_of([{(1, 0)}, {(2, 2)}, set()], [set()] * 3)
    FOUND = (range(3, 5), range(2, 5))

    def place(self, *num_words: int) -> tuple[Gold, range]:
        counts = np.array(num_words)
        return place_gold(self.GOLD, list(self.FOUND), lambda rows: (counts[rows], counts[rows]))

    def test_the_words_say_what_a_blank_line_is(self) -> None:
        gold, rows = self.place(9, 9, 9, 2, 3)
        assert (len(gold), rows) == (2, range(3, 5))
        assert [gold.of(pair) for pair in range(2)] == [self.GOLD.of(pair) for pair in range(2)]
        gold, rows = self.place(9, 9, 2, 3, 1)
        assert (len(gold), rows) == (3, range(2, 5))

    def test_where_either_fits_blank_lines_are_no_pairs(self) -> None:
        gold, rows = self.place(9, 9, 9, 9, 9)
        assert (len(gold), rows) == (2, range(3, 5))

    def test_neither_fits(self) -> None:
        with pytest.raises(UserError, match=r"line 1: link 1-0, .* is beyond its pair of 1 source and 1 target words"):
            self.place(1, 1, 1, 1, 1)


class TestScore:
    def test_sure_and_possible(self) -> None:
        """|A| = 5, |S| = 3, |P| = 5; (0, 0) is sure, (1, 1) and (0, 2) only possible, two links are wrong."""
        gold = gold_of([{(0, 0), (2, 2)}, {(3, 1)}], [{(1, 1)}, {(0, 2)}])
        scores = score(links_of([{(0, 0), (1, 1), (2, 1)}, {(0, 2), (1, 3)}]), gold)
        assert scores.precision == pytest.approx(100 * 3 / 5)
        assert scores.recall == pytest.approx(100 * 1 / 3)
        assert scores.aer == pytest.approx(100 * (1 - (1 + 3) / (5 + 3)))
        assert (scores.num_links, scores.num_sure, scores.num_possible) == (5, 3, 5)

    def test_links_count_in_their_own_pair(self) -> None:
        gold = gold_of([{(0, 0)}, {(1, 1)}], [set(), set()])
        assert score(links_of([{(1, 1)}, {(0, 0)}]), gold).aer == 100

    def test_direction_counts(self) -> None:
        assert score(links_of([{(1, 0)}]), gold_of([{(0, 1)}], [set()])).aer == 100

    def test_over_all_pairs_together(self) -> None:
        """One link right of one, and none of three: 1/4, not the mean of 1 and 0."""
        gold = gold_of([{(0, 0)}, {(0, 1)}], [set(), set()])
        assert score(links_of([{(0, 0)}, {(1, 0), (2, 0), (3, 0)}]), gold).precision == 25

    def test_great_indices_stay_apart(self) -> None:
        gold = gold_of([{(0, 32767)}, {(32767, 0)}, set()], [set(), set(), set()])
        assert score(links_of([{(1, 0)}, {(32766, 32767)}, {(0, 0)}]), gold).aer == 100
        assert score(gold.sure, gold).aer == 0

    def test_no_links_of_ours(self) -> None:
        scores = score(links_of([set()]), gold_of([{(0, 0)}], [{(0, 1)}]))
        assert (scores.precision, scores.recall, scores.aer) == (100, 0, 100)

    def test_no_sure_links(self) -> None:
        scores = score(links_of([{(0, 0), (1, 1), (2, 2), (3, 3)}]), gold_of([set()], [{(0, 0)}]))
        assert (scores.precision, scores.recall, scores.aer) == (25, 100, 75)

    def test_nothing_at_all(self) -> None:
        scores = score(links_of([set()]), gold_of([set()], [{(0, 0)}]))
        assert (scores.precision, scores.recall, scores.aer) == (100, 100, 0)

    def test_another_number_of_pairs(self) -> None:
        with pytest.raises(ValueError, match="links of 2 pairs, gold of 1"):
            score(links_of([set(), set()]), gold_of([set()], [set()]))

    @given(corpus_links, corpus_links)
    def test_gold_against_itself(self, sure: Sets, possible: Sets) -> None:
        gold = gold_of(sure, possible)
        scores = score(gold.sure, gold)
        assert (scores.precision, scores.recall, scores.aer) == (100, 100, 0)

    @given(corpus_links, corpus_links, corpus_links)
    def test_the_definition(self, ours: Sets, sure: Sets, possible: Sets) -> None:
        scores = score(links_of(ours), gold_of(sure, possible))
        num_links, num_sure = sum(map(len, ours)), sum(map(len, sure))
        in_sure = sum(len(a & s) for a, s in zip(ours, sure, strict=True))
        in_possible = sum(len(a & (s | p)) for a, s, p in zip(ours, sure, possible, strict=True))
        if num_links:
            assert scores.precision == pytest.approx(100 * in_possible / num_links)
        if num_sure:
            assert scores.recall == pytest.approx(100 * in_sure / num_sure)
        if num_links + num_sure:
            assert scores.aer == pytest.approx(100 * (1 - (in_sure + in_possible) / (num_links + num_sure)), abs=1e-9)
        assert all(0 <= share <= 100 for share in (scores.precision, scores.recall, scores.aer))

    @given(corpus_links, corpus_links, corpus_links)
    def test_possible_links_never_change_recall(self, ours: Sets, sure: Sets, possible: Sets) -> None:
        """Links that are only possible, added to ours: the same recall, and never a worse error rate."""
        gold = gold_of(sure, possible)
        added = [a | (p - s) for a, s, p in zip(ours, sure, possible, strict=True)]
        before, after = score(links_of(ours), gold), score(links_of(added), gold)
        assert after.recall == before.recall
        assert after.aer <= before.aer + 1e-9

    @given(corpus_links, corpus_links, corpus_links, st.randoms(use_true_random=False))
    def test_order_and_repetition_change_nothing(self, ours: Sets, sure: Sets, possible: Sets, random: Random) -> None:
        gold = gold_of(sure, possible)
        lines = []
        for pair in ours:
            links = sorted(pair) * 2
            random.shuffle(links)
            lines.append(" ".join(f"{i}-{j}" for i, j in links))
        assert score(parse_pharaoh(lines), gold) == score(links_of(ours), gold)


class TestScoreAll:
    def test_directions_and_methods(self) -> None:
        """The intersection is (0, 0) (1, 1); growing adds (1, 2), and only the union and the final steps (3, 3)."""
        gold = gold_of([{(0, 0), (1, 1), (1, 2)}], [set()])
        scores = score_all(links_of(FORWARD), links_of(REVERSE), gold)
        assert list(scores) == ["forward", "reverse", *METHODS]
        assert {name: each.num_links for name, each in scores.items()} == {
            "forward": 3,
            "reverse": 3,
            "intersect": 2,
            "union": 4,
            "grow-diag": 3,
            "grow-diag-final": 4,
            "grow-diag-final-and": 4,
        }
        assert scores["forward"].aer == 0
        assert scores["reverse"].aer == pytest.approx(100 / 3)
        assert scores["intersect"].aer == pytest.approx(100 * (1 - 4 / 5))
        assert scores["union"].aer == pytest.approx(100 * (1 - 6 / 7))
        assert scores["grow-diag"].aer == 0


class TestCheckWords:
    def test_counted_from_zero(self, tmp_path: Path) -> None:
        path = gold_file(tmp_path, "0-0\n\n1-1 2p3 2-4\n")
        gold = read_gold(path, one_based=False)
        check_words(gold, [1, 0, 3], [1, 0, 5])
        with pytest.raises(UserError) as error:
            check_words(gold, [1, 0, 3], [1, 0, 3])
        assert str(error.value) == (
            f"{path}, line 3: link 2p3, with words counted from 0, is beyond its pair of 3 source and 3 target words; "
            "2 of 4 gold links are. "
            "Does the gold count words from 1 (--gold-one-based), or is it about other lines (--gold-lines)?"
        )

    def test_counted_from_one(self, tmp_path: Path) -> None:
        path = gold_file(tmp_path, "1-1\n4-2\n")
        gold = read_gold(path, one_based=True)
        check_words(gold, [1, 4], [1, 2])
        with pytest.raises(UserError) as error:
            check_words(gold, [1, 3], [1, 2])
        assert str(error.value) == (
            f"{path}, line 2: link 4-2, with words counted from 1, is beyond its pair of 3 source and 2 target words; "
            "1 of 2 gold links are. "
            "Is the gold about other lines (--gold-lines), or are the words of the input cut otherwise?"
        )

    def test_another_number_of_pairs(self) -> None:
        with pytest.raises(ValueError, match="word counts of 2 pairs, gold of 1"):
            check_words(gold_of([set()], [set()]), [1, 1], [1, 1])

    @settings(max_examples=50)
    @given(corpus_links, st.integers(0, SIZE), st.integers(0, SIZE))
    def test_as_the_loop_says(self, sure: Sets, source: int, target: int) -> None:
        gold = gold_of(sure, [set()] * PAIRS)
        beyond = any(i >= source or j >= target for pair in sure for i, j in pair)
        if beyond:
            with pytest.raises(UserError, match="is beyond its pair"):
                check_words(gold, [source] * PAIRS, [target] * PAIRS)
        else:
            check_words(gold, [source] * PAIRS, [target] * PAIRS)
