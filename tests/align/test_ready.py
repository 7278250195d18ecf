"""Links that come ready: the aligner `pharaoh` on Ray, and links that are not one-to-one on their way to subwords."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from tests.support.align_job import LANGUAGES, TEXT, aligned, directions, links_lines, pipes, run
from tests.support.tables import aligned_table, unflat
from tests.support.texts import FIXTURES, Pair, as_lists, links_of, read_lines, reference_links
from weam_ray.align.from_file import check_lines, check_links
from weam_ray.align.ready import certain, contains
from weam_ray.corpus.held_out import rank_hash
from weam_ray.encode.stage import encode_table
from weam_ray.errors import UserError
from weam_ray.settings.data import EncodeSection
from weam_ray.settings.training import SeedSection

GIVEN = FIXTURES / "verses-en-de.grow-diag-final-and.gz"
PHARAOH = ("--aligner", "pharaoh", "--links")


class TestCertain:
    def test_posteriors(self) -> None:
        """Of each link of the union in (i, j) order: 1 where the direction has it; no scores."""
        forward, reverse = links_of([[(1, 0), (0, 2)], [], [(2, 2)]]), links_of([[(0, 2), (0, 1)], [(5, 0)], []])
        found = certain(forward, reverse)
        assert found.union_posteriors.tolist() == [[0, 1], [1, 1], [1, 0], [0, 1], [1, 0]]
        assert found.union_posteriors.dtype == np.float32
        assert found.union_offsets.tolist() == [0, 3, 4, 5]
        assert np.isnan([found.forward_scores, found.reverse_scores]).all()
        assert found.forward_scores.shape == (3,)

    def test_contains(self) -> None:
        """A link of another pair is another link."""
        asked = links_of([[(0, 1), (2, 1)], [(0, 1)], [(32_767, 32_767), (1, 0)]])
        found = contains(links_of([[(2, 1)], [(2, 1)], [(32_767, 32_767), (0, 1)]]), asked)
        assert_array_equal(found, [False, True, False, True, False])


class TestChecks:
    def test_lines(self) -> None:
        check_lines(Path("given"), links_of([[(0, 0)], []]), 2)
        for num_rows in (1, 3):
            message = f"given has 2 lines of links, and its source has {num_rows} pairs; there must be a line for every"
            with pytest.raises(UserError, match=message):
                check_lines(Path("given"), links_of([[(0, 0)], [(1, 1)]]), num_rows)

    def test_blank_lines_at_the_end(self) -> None:
        check_lines(Path("given"), links_of([[(0, 0)], [], [], []]), 2)
        with pytest.raises(UserError, match="given has 4 lines"):
            check_lines(Path("given"), links_of([[(0, 0)], [], [], [(0, 0)]]), 2)

    @pytest.mark.parametrize(("sources", "targets"), [([9, 9, 2], [9, 9, 9]), ([9, 9, 9], [9, 9, 1])])
    def test_links_beyond_the_words(self, sources: list[int], targets: list[int]) -> None:
        """Pairs without links before and after; the line is that of the file, which has the rejected rows too."""
        links, rows = links_of([[(8, 8)], [], [(1, 0), (2, 1)]]), np.array([0, 4, 6])
        check_links(Path("given"), links, rows, np.array([9, 9, 3]), np.array([9, 9, 2]))
        message = f"given, line 7: the link 2-1 is beyond the pair's {sources[2]} and {targets[2]} words"
        with pytest.raises(UserError, match=message):
            check_links(Path("given"), links, rows, np.array(sources), np.array(targets))


class TestEncode:
    @pytest.mark.parametrize("symmetrization", ["intersect", "union"])
    def test_at_most_one_link_a_token(self, wordpiece: Any, symmetrization: str) -> None:
        """Given links that are not one-to-one are the same in both directions, so `intersect` keeps them all."""
        pairs = [("the old house", "das alte haus"), ("it is raining", "dog"), ("cat", "mat")]
        given: list[Pair] = [[(0, 0), (0, 1), (1, 1), (2, 1), (2, 2)], [(0, 0), (1, 0), (2, 0)], []]
        alignments = certain(links_of(given), links_of(given))
        posteriors = [
            [(float(a), float(b)) for a, b in alignments.union_posteriors[begin:end]]
            for begin, end in zip(alignments.union_offsets[:-1], alignments.union_offsets[1:], strict=True)
        ]
        settings = EncodeSection.model_validate({"symmetrization": symmetrization})
        encoded = encode_table(aligned_table(pairs, given, None, posteriors), wordpiece, settings)
        links = [unflat(row) for row in encoded["token_links"].to_pylist()]
        for row in links:
            for side in range(2):
                assert all(count == 1 for count in Counter(link[side] for link in row).values())
        assert len(links[0]) >= 3
        assert len(links[1]) >= 1
        assert links[2] == []


@pytest.mark.ray
class TestPharaoh:
    def test_the_links_come_back(self, tmp_path: Path, ray_session: None) -> None:
        """With either symmetrisation that keeps what both directions have, in (i, j) order; a blank row between."""
        texts, given = read_lines(TEXT), read_lines(GIVEN)
        texts.insert(100, "no separator")
        given.insert(100, "0-0 7-7")  # of a rejected line: not asked for
        given[5] = " ".join(reversed(given[5].split())) + " ||| -1.5"
        given[6] = ""
        (tmp_path / "given").write_text("".join(line + "\n" for line in given), encoding="utf-8")
        out = tmp_path / "out"
        text = pipes(tmp_path / "text", *texts)
        arguments = (*PHARAOH, tmp_path / "given", "--symmetrization", "union", "corpus.rows_per_shard=64")
        result = run(tmp_path / "home", out, *text, *arguments)
        expected = as_lists(reference_links("grow-diag-final-and"))
        expected[6] = []
        expected.insert(100, [])
        lines = [" ".join(f"{i}-{j}" for i, j in sorted(pair)) for pair in expected]
        assert links_lines(out) == lines
        assert (result["aligner"], result["pairs"], result["rejected"]) == ("pharaoh", 300, {"blank": 1})
        assert result["tension"] is None
        assert result["iterations"] == {}
        table = aligned(out)
        forward, reverse = directions(table)
        assert as_lists(forward) == as_lists(reverse)
        assert set(table["union_posteriors"].combine_chunks().flatten().to_pylist()) == {1.0}
        assert np.isnan(table["forward_score"].to_numpy()).all()

    @pytest.mark.parametrize(
        ("given", "message"),
        [
            ("0-0\n", r"given has 1 lines of links, and its source has 2 pairs"),
            ("0-0\n1-1\n0-0\n", r"given has 3 lines of links, and its source has 2 pairs"),
            ("0-0\n1-1 1-2\n", r"given, line 2: the link 1-2 is beyond the pair's 2 and 2 words \(counted from 0\)"),
            ("0-0\n1-1 1p2\n", r"given, line 2: "),
            (None, r"corpus\.sources\.0\.links: there is no file '.*given'"),
        ],
    )
    def test_refused(self, tmp_path: Path, ray_session: None, given: str | None, message: str) -> None:
        if given is not None:
            (tmp_path / "given").write_text(given, encoding="utf-8")
        text = pipes(tmp_path / "text", "house ||| haus", "the dog ||| der hund")
        with pytest.raises(UserError, match=message):
            run(tmp_path / "home", tmp_path / "out", *text, *PHARAOH, tmp_path / "given")

    def test_no_file_named(self, tmp_path: Path) -> None:
        arguments = ("--input", TEXT, "--format", "pipes", *LANGUAGES, "--aligner", "pharaoh")
        with pytest.raises(UserError, match=r"corpus\.sources\.0\.links is missing; name a file with a line of links"):
            run(tmp_path / "home", tmp_path / "out", *arguments)

    def test_a_source_whose_rows_are_all_held_out(self, tmp_path: Path, ray_session: None) -> None:
        """Its links are read and written like those of any other."""
        texts, given = read_lines(TEXT)[:100], read_lines(GIVEN)[:100]
        first = min(range(100), key=lambda number: rank_hash(SeedSection().data, texts[number].split(" ||| ")[0]))
        sources = []
        for name, rows in (("large", [row for row in range(100) if row != first]), ("small", [first])):
            for kind, lines in (("text", texts), ("links", given)):
                chosen = "".join(lines[row] + "\n" for row in rows)
                (tmp_path / f"{name}.{kind}").write_text(chosen, encoding="utf-8")
            paths = f"path: {tmp_path / name}.text, links: {tmp_path / name}.links"
            sources.append(f"{{format: pipes, source_lang: en, target_lang: de, {paths}}}")
        config = f"corpus: {{sources: [{', '.join(sources)}], segmentation: whitespace, held_out: 5}}\n"
        (tmp_path / "two.yaml").write_text(config, encoding="utf-8")
        arguments = ("--config", tmp_path / "two.yaml", "--aligner", "pharaoh", "--symmetrization", "union")
        run(tmp_path / "home", tmp_path / "out", *arguments)
        assert aligned(tmp_path / "out", "held_out-001-*").num_rows == 1
        assert not list((tmp_path / "out" / "aligned").glob("train-001-*"))
        (expected,) = (
            pair for row, pair in enumerate(as_lists(reference_links("grow-diag-final-and"))) if row == first
        )
        assert links_lines(tmp_path / "out" / "en-de-2") == [" ".join(f"{i}-{j}" for i, j in sorted(expected))]
