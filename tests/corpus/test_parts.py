"""The parts of what is held out: no sentence in both, the same in every language, and neither of them empty."""

from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weam_ray.corpus.held_out import text_hash
from weam_ray.corpus.parts import held_out_parts
from weam_ray.corpus.tables import PAIRS
from weam_ray.store.folder import Folder
from weam_ray.store.stages import Attempt, Counts, Stage, StageOutput, StageSpec, StageStore

Rows = list[tuple[str, str, str, str]]  # source and target language, source, target
COLUMNS = ("source_lang", "target_lang", "source", "target")


def stage_of(folder: Path, *files: Rows) -> Stage:
    def builder(attempt: Attempt) -> StageOutput:
        written = []
        for number, rows in enumerate(files):
            entries = [
                dict(zip(COLUMNS, row, strict=True)) | {"pair_id": f"{number}:{place}", "row": place}
                for place, row in enumerate(rows)
            ]
            table = pa.Table.from_pylist(entries, schema=PAIRS)
            written.append(attempt.write_parquet("held_out", f"{number:03d}", table, language_pair="any"))
        return StageOutput(written, Counts(1, 1))

    return StageStore(Folder.at(folder)).build(StageSpec("corpus", 1, {}, {}), builder)


def english(count: int, language: str, first: int = 0) -> Rows:
    return [("en", language, f"sentence {k}", f"{language} {k}") for k in range(first, first + count)]


def test_the_same_sentence_in_every_language_and_from_either_side(tmp_path: Path) -> None:
    turned = [("ru", "en", y.replace("de", "ru"), x) for _, _, x, y in english(200, "de")]
    parts = held_out_parts(stage_of(tmp_path, english(200, "de"), turned), seed=1)
    assert all(parts[f"0:{row}"] == parts[f"1:{row}"] for row in range(200))
    assert 70 < sum(part == "test" for name, part in parts.items() if name.startswith("0:")) < 130


def test_a_language_more_changes_nothing_for_the_others(tmp_path: Path) -> None:
    alone = held_out_parts(stage_of(tmp_path / "one", english(100, "de")), seed=1)
    beside = held_out_parts(stage_of(tmp_path / "two", english(100, "de"), english(150, "fr", first=50)), seed=1)
    assert alone.items() <= beside.items()


def test_the_seed_counts(tmp_path: Path) -> None:
    stage = stage_of(tmp_path, english(100, "de"))
    assert held_out_parts(stage, 1) == held_out_parts(stage, 1) != held_out_parts(stage, 2)


def test_text_without_a_translation(tmp_path: Path) -> None:
    parts = held_out_parts(stage_of(tmp_path, [("tl", "", f"text {k}", "") for k in range(100)]), seed=1)
    assert set(parts.values()) == {"dev", "test"}


@pytest.mark.parametrize("seed", range(20))
def test_two_pairs_are_one_of_each(tmp_path: Path, seed: int) -> None:
    parts = held_out_parts(stage_of(tmp_path, english(2, "de"), english(3, "fr", first=10)), seed)
    assert {parts["0:0"], parts["0:1"]} == {"dev", "test"} == {parts[f"1:{row}"] for row in range(3)}


def test_nothing_held_out(tmp_path: Path) -> None:
    assert held_out_parts(stage_of(tmp_path, []), seed=1) == {}


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["de", "fr"]), st.integers(0, 12), st.integers(0, 12)), max_size=30))
def test_no_sentence_is_in_both(tmp_path_factory: pytest.TempPathFactory, drawn: list[tuple[str, int, int]]) -> None:
    """However translations repeat, also in a pair without English."""
    rows: Rows = [("en", language, f"en {one}", f"{language} {two}") for language, one, two in drawn]
    across: Rows = [("de", "fr", f"de {one}", f"fr {two}") for _, one, two in drawn[::3]]
    parts = held_out_parts(stage_of(tmp_path_factory.mktemp("stage"), rows, across), seed=3)
    assert len(parts) == len(rows) + len(across)
    seen: dict[int, set[str]] = {}
    for number, own in enumerate((rows, across)):
        for row, (a, b, x, y) in enumerate(own):
            for name in (text_hash(a, x), text_hash(b, y)):
                seen.setdefault(name, set()).add(parts[f"{number}:{row}"])
    assert all(len(found) == 1 for found in seen.values())
