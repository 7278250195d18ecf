"""Links in Pharaoh form: what is written is read again, and what is no link is refused with its line."""

import bz2
import gzip
import lzma
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.texts import FIXTURES, Pair, as_lists, links_of
from weam_ray.align.pharaoh import format_pharaoh, format_scored, parse_bytes, parse_pharaoh, read_pharaoh
from weam_ray.errors import UserError

positions = st.integers(0, 32_767)
pair_links = st.lists(st.tuples(positions, positions), max_size=6)
all_links = st.lists(pair_links, max_size=6)
blanks = st.sampled_from([" ", "  ", "\t", " \t"])
suffixes = st.sampled_from(["", " ", "\r", " ||| -12.5", " |||", "||| 0-0", "\t||| x-y \U0001f600 ||| 3-3"])

BAD = [
    "1",
    "1-",
    "-1",
    "-",
    "1-x",
    "a-1",
    "1--2",
    "1:2",
    "1-2-3",
    "1p2",
    "0.5-1",
    "1-0.5",
    "+1-2",
    "1-2,",
    "||",
    "1|||2",
]


class TestRoundTrip:
    @settings(deadline=None)
    @given(all_links)
    def test_written_and_read(self, pairs: list[Pair]) -> None:
        data = format_pharaoh(links_of(pairs))
        assert data.decode() == "".join(" ".join(f"{i}-{j}" for i, j in pair) + "\n" for pair in pairs)
        links = parse_bytes(data)
        assert as_lists(links) == as_lists(parse_pharaoh(data.decode().split("\n")[:-1])) == pairs
        assert links.links.dtype == np.int16

    @settings(deadline=None)
    @given(all_links, st.data())
    def test_blanks_and_suffixes(self, pairs: list[Pair], data: st.DataObject) -> None:
        """Any blanks between links, and anything after `|||`."""
        lines = []
        for pair in pairs:
            line = data.draw(st.sampled_from(["", " ", "\t"]))
            line += "".join(f"{i}-{j}{data.draw(blanks)}" for i, j in pair)
            lines.append(line + data.draw(suffixes))
        assert as_lists(parse_pharaoh(lines)) == pairs

    def test_slices(self) -> None:
        """Links whose first pair does not begin at the first row."""
        links = links_of([[(0, 0)], [(10, 9), (99, 100)], [], [(32_767, 12_345)]])
        assert format_pharaoh(links.take(np.array([1, 2, 3]))) == b"10-9 99-100\n\n32767-12345\n"

    def test_last_line_without_its_end(self) -> None:
        assert as_lists(parse_bytes(b"0-0 1-1\n\n2-2")) == [[(0, 0), (1, 1)], [], [(2, 2)]]
        assert as_lists(parse_bytes(b"0-0\n ||| -1")) == [[(0, 0)], []]
        assert as_lists(parse_bytes(b"\n")) == [[]]
        assert as_lists(parse_bytes(b"")) == as_lists(parse_pharaoh([])) == []

    def test_links_of_the_program(self) -> None:
        lines = gzip.decompress((FIXTURES / "verses-en-de.union.gz").read_bytes())
        assert format_pharaoh(read_pharaoh(FIXTURES / "verses-en-de.union.gz")) == lines


class TestScores:
    def test_scores(self) -> None:
        """A pair without links keeps its score; a pair without a score is blank, whatever it has."""
        links = links_of([[(0, 0), (1, 2)], [], [(3, 3)], []])
        scores = np.array([-12.3456789, -0.5, np.nan, np.nan])
        assert format_scored(links, scores) == b"0-0 1-2 ||| -12.345679\n ||| -0.500000\n\n\n"

    def test_no_pairs(self) -> None:
        assert format_scored(links_of([]), np.zeros(0)) == format_pharaoh(links_of([])) == b""

    @settings(deadline=None)
    @given(all_links, st.randoms(use_true_random=False))
    def test_read_again(self, pairs: list[Pair], generator: random.Random) -> None:
        scores = np.array([generator.choice([np.nan, -1.5, -1e5]) for _ in pairs])
        expected = [[] if np.isnan(score) else pair for pair, score in zip(pairs, scores, strict=True)]
        assert as_lists(parse_bytes(format_scored(links_of(pairs), scores))) == expected


class TestNoLink:
    @pytest.mark.parametrize("token", [*BAD, "é-1", "0-１"])
    def test_token_and_line(self, token: str) -> None:
        for lines in (["0-0", f"1-1 {token} 2-2"], ["", token], ["5-5 ||| x", f"\t{token} ||| y", "0-0"]):
            with pytest.raises(ValueError, match=r"^line 2: .* is no link of the form i-j$") as caught:
                parse_pharaoh(lines)
            assert repr(token) in str(caught.value)

    @pytest.mark.parametrize("token", ["0-32768", "32768-0", "0-99999999999999999999999", "4294967296-0"])
    def test_position_beyond_the_largest(self, token: str) -> None:
        assert as_lists(parse_pharaoh(["32767-32767"])) == [[(32_767, 32_767)]]
        with pytest.raises(
            ValueError, match=f"line 3: '{token}' is no link of the form i-j: its numbers go up to 32767"
        ):
            parse_pharaoh(["0-0", "1-1", token])

    def test_bytes_that_are_no_text(self) -> None:
        with pytest.raises(ValueError, match="line 1: '�-1' is no link"):
            parse_bytes(b"\xff-1\n")


class TestFiles:
    @pytest.mark.parametrize("name", ["links", "links.gz", "links.fwd.gz"])
    def test_plain_and_gz(self, tmp_path: Path, name: str) -> None:
        data = b"0-0 1-1 ||| -3.5\n\n2-0\n"
        (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        assert as_lists(read_pharaoh(tmp_path / name)) == [[(0, 0), (1, 1)], [], [(2, 0)]]

    @pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, bz2.compress])
    def test_packed_under_any_name(self, tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
        (tmp_path / "links").write_bytes(pack(b"\xef\xbb\xbf0-0\n1-1\n"))
        assert as_lists(read_pharaoh(tmp_path / "links")) == [[(0, 0)], [(1, 1)]]

    @pytest.mark.parametrize(
        ("data", "what"), [(b"PK\x03\x04", "zip archive"), (b"0-0\r1-1\r", "carriage returns alone")]
    )
    def test_what_is_no_lines_of_links(self, tmp_path: Path, data: bytes, what: str) -> None:
        (tmp_path / "links").write_bytes(data)
        with pytest.raises(UserError, match=f"links: .* {what}"):
            read_pharaoh(tmp_path / "links")

    @pytest.mark.parametrize("name", ["links", "links.gz"])
    def test_file_and_line_of_an_error(self, tmp_path: Path, name: str) -> None:
        data = b"0-0\n\n1-1 x-2\n"
        (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        with pytest.raises(UserError, match=rf"/{name}, line 3: 'x-2' is no link of the form i-j\.$"):
            read_pharaoh(tmp_path / name)

    def test_not_gzip(self, tmp_path: Path) -> None:
        for data in (b"0-0\n", gzip.compress(b"0-0 1-1\n" * 50)[:-9]):
            (tmp_path / "links.gz").write_bytes(data)
            with pytest.raises(UserError, match=r"links\.gz: not a whole gzip file"):
                read_pharaoh(tmp_path / "links.gz")


@pytest.mark.parametrize("token", ["\x0b", "\x0c"])
def test_a_token_of_other_white_space(token: str) -> None:
    with pytest.raises(ValueError, match=rf"line 2: '\\x0{ord(token):x}'"):
        parse_pharaoh(["0-0", token, "1-1"])


def test_damaged_gzip_file(tmp_path: Path) -> None:
    damaged = bytearray(gzip.compress(b"0-0 1-1\n" * 100))
    damaged[10] = 0xFF
    file = tmp_path / "links.gz"
    file.write_bytes(damaged)
    with pytest.raises(UserError, match="not a whole gzip file"):
        read_pharaoh(file)
