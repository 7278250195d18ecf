"""Which pairs are held out, and that no sentence of theirs is trained on."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.pairs import batch, blocks_of, without_ray
from weam_ray.corpus import blocks, shards, stage
from weam_ray.corpus.blocks import hashes
from weam_ray.corpus.filters.always import HELD_OUT_ELSEWHERE, reject_reasons
from weam_ray.corpus.held_out import LARGEST_SHARE, Candidate, choose, lowest_ranks, rank_hash, text_hash
from weam_ray.errors import UserError
from weam_ray.settings.config import Config
from weam_ray.settings.sources import TsvSource
from weam_ray.store.folder import Folder
from weam_ray.store.stages import Attempt, Counts, Stage, StageFile

Lines = Sequence[tuple[str, str]]


def candidates(
    lines: Lines, languages: tuple[str, str], wanted: int, seed: int = 1, max_words: int = 9, step: int = 7
) -> list[Candidate]:
    """The candidates of some lines, looked at so many at a time."""
    found: list[Candidate] = []
    for begin in range(0, len(lines), step):
        rows = batch(lines[begin : begin + step])
        kept = reject_reasons(rows, max_words).is_null().to_numpy(zero_copy_only=False)
        source, target, rank = (column.to_numpy()[kept] for column in hashes(languages, rows, seed))
        found = lowest_ranks(found, wanted, rank, begin + np.flatnonzero(kept), source, target)
    return found


class Split:
    """The corpus stage of a few small sources, each (language pair, lines): the rows of its parts."""

    def __init__(
        self,
        sources: Sequence[tuple[str, Lines]],
        held_out: int = 300,
        seed: int = 1,
        max_words: int = 9,
        block_rows: int = 20_000,
        **corpus: Any,
    ) -> None:
        with TemporaryDirectory() as name, without_ray(), blocks_of(block_rows):
            folder = Path(name)
            entries = []
            for number, (languages, lines) in enumerate(sources):
                source_lang, target_lang = languages.split("-")
                file = folder / f"{number}.tsv"
                file.write_text("".join(f"{left}\t{right}\n" for left, right in lines), encoding="utf-8")
                entries.append(
                    {"format": "tsv", "path": str(file), "source_lang": source_lang, "target_lang": target_lang}
                )
            config = Config.model_validate(
                {
                    "corpus": {
                        "sources": entries,
                        "held_out": held_out,
                        "held_out_seed": seed,
                        "max_words": max_words,
                        "rows_per_shard": 7,
                        **corpus,
                    },
                    "encoder": {"name": "scratch"},
                }
            )
            output = stage.build(config.corpus, Attempt(Folder.at(folder / "stage"), "one"), 1.0)
            self.counts: Counts = output.counts
            self.limits: dict[str, int] = output.info["held_out_limits"]
            manifest = {"files": [vars(file) for file in output.files]}
            self.files: list[StageFile] = output.files
            done = Stage(Folder.at(folder / "stage"), manifest)
            self.parts: dict[str, list[dict[str, Any]]] = {
                part: [row for file in done.files(part) for row in done.read_parquet(file).to_pylist()]
                for part in shards.PARTS
            }

    def texts(self, part: str, language: str, language_pair: str | None = None) -> set[str]:
        """The sentences of a language in a part."""
        return {
            row[side].strip()
            for row in self.parts[part]
            for side in ("source", "target")
            if row[f"{side}_lang"] == language and language_pair in (None, f"{row['source_lang']}-{row['target_lang']}")
        }


def english(number: int) -> str:
    return f"sentence {number} of many"


PARALLEL = {language: [(english(n), f"{language} satz {n}") for n in range(200)] for language in ("de", "fr", "ru")}


def test_candidates_are_the_lowest_ranks() -> None:
    found = candidates(PARALLEL["de"], ("en", "de"), wanted=10)
    ranks = sorted((rank_hash(1, source), row) for row, (source, _) in enumerate(PARALLEL["de"]))
    assert [(candidate.rank, candidate.row) for candidate in found] == ranks[:20]


def test_candidates_are_ranked_by_their_english_side() -> None:
    turned = [(target, source) for source, target in PARALLEL["de"]]
    plain = candidates(PARALLEL["de"], ("en", "de"), 10)
    other = candidates(turned, ("de", "en"), 10)
    assert [(entry.rank, entry.row) for entry in plain] == [(entry.rank, entry.row) for entry in other]
    assert [entry.source_text for entry in plain] == [entry.target_text for entry in other]


def test_candidates_without_english_are_ranked_by_the_source() -> None:
    found = candidates(PARALLEL["de"], ("fr", "de"), 1)
    assert found[0].rank == rank_hash(1, PARALLEL["de"][found[0].row][0])


def test_candidates_pass_the_filter() -> None:
    lines = [("one", "ein"), ("", "leer"), ("same", "same"), ("much too long", "lang")]
    found = candidates(lines, ("en", "de"), wanted=5, max_words=2)
    assert [candidate.row for candidate in found] == [0]


def test_repeated_sentence_is_one_candidate() -> None:
    lines = [("again", f"wieder {number}") for number in range(50)] + [("once", "einmal")]
    found = candidates(lines, ("en", "de"), wanted=5)
    assert sorted(candidate.row for candidate in found) == [0, 50]


def test_first_pair_of_a_sentence_that_passes_the_filter_is_the_candidate() -> None:
    lines = [("again", ""), ("again", "again"), ("again", "wieder"), ("again", "nochmals")]
    found = candidates(lines, ("en", "de"), wanted=5)
    assert [candidate.row for candidate in found] == [2]


def test_seed_changes_the_candidates() -> None:
    first, second = (candidates(PARALLEL["de"], ("en", "de"), 10, seed) for seed in (1, 2))
    assert {entry.row for entry in first} != {entry.row for entry in second}


@given(
    lines=st.lists(st.tuples(st.sampled_from("abcdefghij"), st.sampled_from("klmnopqrst")), max_size=40),
    wanted=st.integers(1, 6),
    seed=st.integers(0, 3),
    step=st.integers(1, 9),
)
def test_candidates_are_the_best_first_occurrences(lines: Lines, wanted: int, seed: int, step: int) -> None:
    found = candidates(lines, ("en", "de"), wanted, seed, step=step)
    first: dict[str, int] = {}
    for row, (source, _) in enumerate(lines):
        first.setdefault(source, row)
    best = sorted((rank_hash(seed, source), row) for source, row in first.items())[: 2 * wanted]
    assert [(candidate.rank, candidate.row) for candidate in found] == best


def test_choose_takes_no_sentence_twice() -> None:
    found = [
        (0, Candidate(rank=1, row=5, source_text=10, target_text=20)),
        (1, Candidate(rank=1, row=3, source_text=10, target_text=21)),  # the same source sentence
        (1, Candidate(rank=2, row=0, source_text=11, target_text=20)),  # the same target sentence
        (0, Candidate(rank=3, row=1, source_text=12, target_text=22)),
        (0, Candidate(rank=4, row=2, source_text=13, target_text=23)),
    ]
    assert [(number, entry.row) for number, entry in choose(reversed(found), wanted=2)] == [(0, 5), (0, 1)]
    assert len(choose(found, wanted=9)) == 3
    assert choose(found, wanted=0) == []


def test_hash_of_a_sentence_is_of_its_language_without_outer_space() -> None:
    assert text_hash("en", " no\n") == text_hash("en", "no")
    assert text_hash("en", "no") != text_hash("es", "no")
    assert text_hash("en", "no") < 2**63  # an Arrow int64


def test_same_english_sentences_in_every_language() -> None:
    split = Split(
        [("en-de", PARALLEL["de"]), ("fr-en", [(b, a) for a, b in PARALLEL["fr"]]), ("en-ru", PARALLEL["ru"])], 25
    )
    held_out = split.texts("held_out", "en", "en-de")
    assert len(held_out) == 25
    assert split.texts("held_out", "en", "fr-en") == split.texts("held_out", "en", "en-ru") == held_out
    assert split.limits == {"en-de": 25, "fr-en": 25, "en-ru": 25}
    assert held_out.isdisjoint(split.texts("train", "en"))


def test_split_is_deterministic_and_follows_the_seed() -> None:
    sources = [("en-de", PARALLEL["de"]), ("en-fr", PARALLEL["fr"])]
    first = Split(sources, 25)
    assert Split(sources, 25).parts == first.parts
    assert Split(sources, 25, seed=2).texts("held_out", "en") != first.texts("held_out", "en")


def test_order_of_sources_changes_no_held_out_sentence() -> None:
    sources = [("en-de", PARALLEL["de"][:120]), ("en-fr", PARALLEL["fr"]), ("en-de", PARALLEL["de"][120:])]
    one, other = Split(sources, 25), Split(sources[::-1], 25)
    for language, language_pair in (("de", "en-de"), ("fr", "en-fr")):
        assert one.texts("held_out", language) == other.texts("held_out", language)
        assert one.texts("held_out", "en", language_pair) == other.texts("held_out", "en", language_pair)
    single = Split([("en-de", PARALLEL["de"])], 25)
    assert one.texts("held_out", "de") == single.texts("held_out", "de")


@pytest.mark.parametrize(("rows", "held_out"), [(200, 40), (9, 1), (5, 1), (4, 0)])
def test_a_fifth_at_most(rows: int, held_out: int, capsys: pytest.CaptureFixture[str]) -> None:
    split = Split([("en-de", PARALLEL["de"][:rows])], 300)
    assert split.limits == {"en-de": held_out}
    assert len(split.parts["held_out"]) == held_out
    assert f"en-de is small; {held_out} pairs are held out instead of 300" in capsys.readouterr().out


def test_the_fifth_is_of_all_sources_of_a_language_pair() -> None:
    split = Split([("en-de", PARALLEL["de"][:4]), ("en-de", PARALLEL["de"][4:10])], 300)
    assert len(split.parts["held_out"]) == 2


def test_no_held_out_pairs_wanted() -> None:
    split = Split([("en-de", PARALLEL["de"])], held_out=0)
    assert split.parts["held_out"] == []
    assert len(split.parts["train"]) == 200
    assert split.limits == {"en-de": 0}


@pytest.mark.parametrize("held_out", [0, 5])
def test_sources_are_read_once(held_out: int) -> None:
    read, opened = blocks.raw_pairs, []

    def counted(source: TsvSource) -> Iterator[pa.RecordBatch]:
        opened.append(source.path)
        return read(source)

    with patch.object(blocks, "raw_pairs", counted):
        Split([("en-de", PARALLEL["de"]), ("en-fr", PARALLEL["fr"])], held_out)
    assert sorted(Counter(opened).values()) == [1, 1]


def test_held_out_sentence_is_kept_from_other_pairs_and_sources() -> None:
    """On either side, in another language pair, another source, or another row of the same."""
    base, strangers = PARALLEL["de"][:50], ["different", "not the same"]
    # A seed by which the one pair to hold out is of the first source.
    seed = next(
        seed
        for seed in range(100)
        if min(rank_hash(seed, text) for text in strangers) > min(rank_hash(seed, text) for text, _ in base)
    )
    (chosen,) = Split([("en-de", base)], 1, seed).parts["held_out"]
    source, target = chosen["source"], chosen["target"]
    split = Split(
        [
            ("en-de", base),
            ("en-de", [(f" {source} ", "anders"), (strangers[0], target)]),
            ("de-fr", [(target, "autre"), ("noch", "encore")]),  # too few to hold one out
            ("fr-en", [("encore autre", source), ("encore", "still")]),
            ("en-de", [(strangers[1], source)]),  # German, whatever it reads like
        ],
        1,
        seed,
    )
    assert split.parts["held_out"] == [chosen]
    reasons = {row["pair_id"]: row["reason"] for row in split.parts["rejected"]}
    assert reasons == dict.fromkeys(["1:1", "1:2", "2:1", "3:1"], HELD_OUT_ELSEWHERE)
    assert split.counts.rejected == {HELD_OUT_ELSEWHERE: 4}
    assert {"2:2", "3:2", "4:1"} <= {row["pair_id"] for row in split.parts["train"]}


SENTENCES = st.sampled_from(
    ["", "a", "b", "c d", "e f g", "h", " a", "i j k l m n", "k", "l", "m", "n", "o", "p", "q", "r"]
)
SOURCES = st.lists(
    st.tuples(
        st.sampled_from(["en-de", "de-en", "en-fr", "fr-de"]), st.lists(st.tuples(SENTENCES, SENTENCES), max_size=30)
    ),
    min_size=1,
    max_size=4,
)


def check_ranges(split: Split, num_rows: list[int]) -> None:
    """The ranges of rows of a source's training files follow one another, hold their rows and cover the source."""
    train = iter(split.parts["train"])
    for number, rows_of_source in enumerate(num_rows):
        end_row = 0
        for file in (file for file in split.files if file.part == "train" and file.label.startswith(f"{number:03d}-")):
            rows = [next(train)["row"] for _ in range(file.rows)]
            assert rows == sorted(rows)
            assert file.info["first_row"] == end_row <= rows[0]
            end_row = file.info["end_row"]
            assert end_row in (rows[-1] + 1, rows_of_source)
        assert end_row in (0, rows_of_source)
    assert next(train, None) is None


def test_rows_of_training_files_cover_the_source() -> None:
    lines = [("", "leer")] * 3 + [(english(n), f"satz {n}") for n in range(14)] + [("same", "same")] * 2
    split = Split([("en-de", lines), ("en-de", [("", "")] * 4), ("en-de", PARALLEL["de"][20:28])], held_out=0)
    found = [(file.label, file.info["first_row"], file.info["end_row"]) for file in split.files if file.part == "train"]
    assert found == [("000-00000", 0, 10), ("000-00001", 10, 19), ("002-00000", 0, 7), ("002-00001", 7, 8)]
    check_ranges(split, [19, 4, 8])


@settings(max_examples=60, deadline=None)
@given(
    sources=SOURCES,
    held_out=st.integers(0, 6),
    seed=st.integers(0, 5),
    block_rows=st.sampled_from([1, 2, 3, 5, 8, 13, 40]),
)
def test_split_of_any_corpus(sources: list[tuple[str, Lines]], held_out: int, seed: int, block_rows: int) -> None:
    try:
        split = Split(sources, held_out, seed, max_words=4, block_rows=block_rows)
    except UserError as error:
        assert "empty after filtering" in str(error)  # noqa: PT017 (an empty corpus is one of the outcomes)
        return
    rows = {part: len(split.parts[part]) for part in shards.PARTS}
    assert sum(rows.values()) == split.counts.rows_in == sum(len(lines) for _, lines in sources)
    assert rows["train"] + rows["held_out"] == split.counts.rows_out
    assert rows["rejected"] == sum(split.counts.rejected.values())
    assert len({row["pair_id"] for part in split.parts.values() for row in part}) == split.counts.rows_in
    for number, (_, lines) in enumerate(sources):
        own = [row for part in split.parts.values() for row in part if row["pair_id"].startswith(f"{number}:")]
        assert sorted(row["row"] for row in own) == list(range(len(lines)))
        assert all(row["pair_id"] == f"{number}:{row['row'] + 1}" for row in own)
        assert all((row["source"], row["target"]) == tuple(lines[row["row"]]) for row in own)
    check_ranges(split, [len(lines) for _, lines in sources])
    assert split.parts == Split(sources, held_out, seed, max_words=4).parts
    for language in ("en", "de", "fr"):
        assert split.texts("held_out", language).isdisjoint(split.texts("train", language))
    for language_pair, limit in split.limits.items():
        members = [lines for languages, lines in sources if languages == language_pair]
        chosen = [
            row for row in split.parts["held_out"] if f"{row['source_lang']}-{row['target_lang']}" == language_pair
        ]
        assert len(chosen) == limit <= min(held_out, sum(map(len, members)) // LARGEST_SHARE)
        for side in ("source", "target"):
            assert len({row[side].strip() for row in chosen}) == len(chosen)


@settings(max_examples=40, deadline=None)
@given(
    sources=SOURCES,
    limits=st.lists(st.integers(2, 30), min_size=2, max_size=2, unique=True).map(sorted),
    block_rows=st.sampled_from([1, 3, 40]),
)
def test_so_many_pairs_of_a_language_pair(sources: list[tuple[str, Lines]], limits: list[int], block_rows: int) -> None:
    """Fewer are part of more; what is held out, and other language pairs, stay the same."""
    limited = sources[0][0]
    try:
        whole = Split(sources, 4, max_words=4)
    except UserError:
        return  # an empty corpus
    fewer, more = (Split(sources, 4, max_words=4, block_rows=block_rows, limits={limited: limit}) for limit in limits)
    names = [{row["pair_id"] for row in own.parts["train"]} for own in (fewer, more, whole)]
    assert names[0] <= names[1] <= names[2]
    assert fewer.parts["held_out"] == whole.parts["held_out"]
    for own, limit in ((fewer, limits[0]), (more, limits[1])):
        kept = [row for row in own.parts["train"] if f"{row['source_lang']}-{row['target_lang']}" == limited]
        all_of_it = [row for row in whole.parts["train"] if f"{row['source_lang']}-{row['target_lang']}" == limited]
        assert len(kept) == min(limit, len(all_of_it))
        left_out = len(all_of_it) - len(kept)
        assert own.counts.rejected.get("limit", 0) == left_out
        assert own.counts.rows_in == own.counts.rows_out + sum(own.counts.rejected.values())


def test_schema_of_the_parts() -> None:
    split = Split([("en-de", PARALLEL["de"])], 5)
    assert {key for row in split.parts["train"] + split.parts["held_out"] for key in row} == set(shards.PAIRS.names)
    assert shards.REJECTED.names == [*shards.PAIRS.names, "reason"]
    assert shards.PAIRS.names[-1] == "row"
    assert {field.name for field in shards.REJECTED if field.type != pa.string()} == {"row"}
