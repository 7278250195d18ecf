"""The corpus stage on Ray: rows kept to account, the same output whatever the cluster, mistakes as sentences."""

import hashlib
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.support.forms import FORMS
from tests.support.main_job import tiny_overrides
from weam_ray.corpus.blocks import BLOCK_ROWS
from weam_ray.corpus.shards import PARTS
from weam_ray.corpus.stage import CorpusStage
from weam_ray.corpus.tables import PAIRS, REJECTED
from weam_ray.errors import UserError
from weam_ray.settings.config import Config, load_config
from weam_ray.store.files import SourceHashes
from weam_ray.store.folder import Folder
from weam_ray.store.stages import Committed, Stage, StageStore

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_session")]

# Of every file of the default configuration's corpus stage, at this version of the stage. When a change of the code
# changes it, raise CorpusStage.version, so that stages of the old code are not reused, and pin the new one.
PINNED = (2, "d840381ce92fc7240536af27c8bbff628d70ebfc37ba6e1cd2c478fb7f79f78c")


def build(config: Config, home: Path) -> Stage:
    stage = corpus_of(config, home)
    return Committed(StageStore(Folder.at(home / "stages")), config.cluster.data_cpus).build(stage)


def corpus_of(config: Config, home: Path) -> CorpusStage:
    return CorpusStage.of(config.corpus, SourceHashes(home / "sources.json"))


def with_corpus(config: Config, **changes: Any) -> Config:
    tree = config.tree()
    tree["corpus"] |= changes
    return Config.model_validate(tree)


def rows(stage: Stage, part: str) -> list[dict[str, Any]]:
    return [row for file in stage.files(part) for row in stage.read_parquet(file).to_pylist()]


def checksums(stage: Stage) -> list[tuple[str, str, str]]:
    return [(file.part, file.label, file.sha256) for part in PARTS for file in stage.files(part)]


def content_checksums(stage: Stage) -> list[tuple[str, str, str]]:
    """As `checksums`, of the rows as JSON: the bytes of a Parquet file depend on the release of pyarrow."""
    found = []
    for part in PARTS:
        for file in stage.files(part):
            digest = hashlib.sha256()
            for row in stage.read_parquet(file).to_pylist():
                digest.update(json.dumps(row, ensure_ascii=False, sort_keys=True).encode() + b"\n")
            found.append((part, file.label, digest.hexdigest()))
    return found


def test_every_row_is_accounted_for(tiny_config: Config, moses_files: tuple[Path, Path], tmp_path: Path) -> None:
    source, target = moses_files
    with source.open("a", encoding="utf-8") as left, target.open("a", encoding="utf-8") as right:
        left.write("\nsame\n" + "word " * 30 + "\n\n")
        right.write("leer\nsame\nkurz\n\n")
    stage = build(with_corpus(tiny_config, max_words=20, held_out=10), tmp_path)
    train, held_out, rejected = (rows(stage, part) for part in PARTS)
    assert stage.counts.rows_in == 124 == len(train) + len(held_out) + len(rejected)
    assert stage.counts.rows_out == len(train) + len(held_out)
    assert len(held_out) == 10
    reasons = Counter(row["reason"] for row in rejected)
    assert stage.counts.rejected == reasons
    assert (reasons["blank"], reasons["identical"], reasons["too_long"]) == (2, 1, 1)
    lines = list(zip(*(file.read_text(encoding="utf-8").split("\n")[:-1] for file in moses_files), strict=True))
    seen = {row["pair_id"]: (row["source"], row["target"]) for row in train + held_out + rejected}
    assert seen == {f"0:{number}": pair for number, pair in enumerate(lines, start=1)}
    assert {(row["source_lang"], row["target_lang"]) for row in train + held_out + rejected} == {("en", "xx")}


def test_shards(tiny_config: Config, tmp_path: Path) -> None:
    stage = build(with_corpus(tiny_config, held_out=10, rows_per_shard=40), tmp_path)
    sizes = [file.rows for file in stage.files("train")]
    assert sizes[:-1] == [40] * (len(sizes) - 1)
    assert 0 < sizes[-1] <= 40
    assert sum(sizes) == len(rows(stage, "train"))
    assert [file.label for file in stage.files("train")] == [f"000-{number:05d}" for number in range(len(sizes))]
    assert {file.info["language_pair"] for part in PARTS for file in stage.files(part)} == {"en-xx"}
    for part in PARTS:
        for file in stage.files(part):
            assert stage.read_parquet(file).schema.equals(REJECTED if part == "rejected" else PAIRS)
    numbers = [int(row["pair_id"].split(":")[1]) for row in rows(stage, "train")]
    assert numbers == sorted(numbers)
    assert [row["row"] + 1 for row in rows(stage, "train")] == numbers
    ranges = [(file.info["first_row"], file.info["end_row"]) for file in stage.files("train")]
    assert (ranges[0][0], ranges[-1][1]) == (0, 120)
    assert [first for first, _ in ranges[1:]] == [end for _, end in ranges[:-1]]


def test_every_form_in_one_corpus(tiny_config: Config, tmp_path: Path) -> None:
    """Read by tasks of the cluster, which know no more of a source than its description; but for the memory of this
    process.
    """
    pairs = [(f"the {number} of many", f"das {number}. von vielen") for number in range(30)]
    sources = []
    for form in (form for form in FORMS if form != "remote"):
        folder = tmp_path / form
        folder.mkdir()
        sources.append(FORMS[form](folder, pairs).tree())
    found = rows(build(with_corpus(tiny_config, sources=sources, held_out=0), tmp_path), "train")
    for number in range(len(sources)):
        own = [row for row in found if row["pair_id"].startswith(f"{number}:")]
        assert [(row["source"], row["target"]) for row in own] == pairs
    assert len(found) == len(pairs) * len(sources)


@pytest.fixture(scope="module")
def bundled(ray_session: None, tmp_path_factory: pytest.TempPathFactory) -> Stage:
    """The corpus stage of the default configuration."""
    return build(load_config("bundled"), tmp_path_factory.mktemp("bundled"))


def test_output_does_not_depend_on_the_cluster(bundled: Stage, tmp_path: Path) -> None:
    other = build(load_config("bundled", ["cluster.data_cpus=0.5"]), tmp_path)
    assert other.folder.path != bundled.folder.path
    assert other.fingerprint == bundled.fingerprint
    assert checksums(other) == checksums(bundled)
    assert (other.counts, other.info) == (bundled.counts, bundled.info)


def test_same_english_verses_are_held_out_in_every_language(bundled: Stage) -> None:
    by_language: dict[str, list[str]] = {}
    for row in rows(bundled, "held_out"):
        by_language.setdefault(row["target_lang"], []).append(row["source"].strip())
    wanted = load_config("bundled").corpus.held_out
    assert sorted(by_language) == ["de", "es", "fr", "ru", "tl"]
    assert all(len(texts) == len(set(texts)) == wanted for texts in by_language.values())
    # A verse falls to the next where its translation repeats one that is held out: for a few, in some languages.
    every = set[str]().union(*by_language.values())
    assert len(every) < 1.02 * wanted
    assert every.isdisjoint(row["source"].strip() for row in rows(bundled, "train"))


def test_output_is_pinned(bundled: Stage) -> None:
    digest = hashlib.sha256(json.dumps(content_checksums(bundled)).encode()).hexdigest()
    assert (CorpusStage.version, digest) == PINNED


def test_moved_sources_are_the_same_corpus(
    tiny_config: Config, moses_files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build(tiny_config, tmp_path)
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    source, target = (file.rename(moved / file.name) for file in moses_files)
    capsys.readouterr()
    stage = build(load_config("bundled", tiny_overrides(tmp_path / "home", (source, target))), tmp_path)
    assert f"{stage.folder.path.rsplit('/', 1)[1]}: reused" in capsys.readouterr().out


def test_relative_paths_are_found_by_tasks(
    moses_files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    files = (Path(moses_files[0].name), Path(moses_files[1].name))
    stage = build(load_config("bundled", tiny_overrides(tmp_path / "home", files)), tmp_path)
    assert stage.counts.rows_in == 120


def test_mistake_in_a_task_is_a_sentence_and_leaves_nothing(
    tiny_config: Config, moses_files: tuple[Path, Path], tmp_path: Path
) -> None:
    with moses_files[0].open("ab") as file:
        file.write(b"caf\xe9\n")
    with pytest.raises(UserError) as caught:
        build(tiny_config, tmp_path)
    assert str(caught.value).startswith(f"{moses_files[0]}, line 121: byte 4 of the line, 0xe9, is not UTF-8")
    assert list((tmp_path / "stages").glob("*")) == []


def test_mistake_in_a_later_block_leaves_nothing(
    tiny_config: Config, moses_files: tuple[Path, Path], tmp_path: Path
) -> None:
    """Blocks before it are filtered, and noted as done."""
    for file in moses_files:
        file.write_bytes(file.read_bytes() * (3 * BLOCK_ROWS // 120))
    with moses_files[0].open("ab") as file:
        file.write(b"caf\xe9\n")
    with pytest.raises(UserError, match=f"line {3 * BLOCK_ROWS // 120 * 120 + 1}"):
        build(tiny_config, tmp_path)
    assert list((tmp_path / "stages").glob("*")) == []


def test_missing_file_is_named_before_anything_runs(
    tiny_config: Config, moses_files: tuple[Path, Path], tmp_path: Path
) -> None:
    os.remove(moses_files[1])
    with pytest.raises(UserError) as caught:
        corpus_of(tiny_config, tmp_path)
    assert str(caught.value) == f"corpus.sources.target: there is no file {str(moses_files[1])!r}."


def test_empty_corpus_names_counts_and_reasons(tiny_config: Config, tmp_path: Path) -> None:
    bad = tmp_path / "bad.tsv"
    bad.write_text("\tleer\nsame\tsame\nsame\tsame\n" + "a " * 20 + "\tb\n", encoding="utf-8")
    good = tiny_config.tree()["corpus"]["sources"][0]
    source = {"format": "tsv", "path": str(bad), "source_lang": "en", "target_lang": "yy"}
    with pytest.raises(UserError) as caught:
        build(with_corpus(tiny_config, sources=[good, source], max_words=9), tmp_path)
    message = str(caught.value)
    assert message.startswith(f"The en-yy corpus is empty after filtering: 4 pairs were read from {bad}; rejected: ")
    assert all(part in message for part in ("1 blank", "2 identical", "1 too_long"))
    assert list((tmp_path / "stages").glob("*")) == []


def test_empty_file_is_an_empty_corpus(tiny_config: Config, tmp_path: Path) -> None:
    empty = tmp_path / "empty.tsv"
    empty.touch()
    source = {"format": "tsv", "path": str(empty), "source_lang": "en", "target_lang": "yy"}
    with pytest.raises(UserError, match=r"en-yy corpus is empty after filtering: 0 pairs .*rejected: none"):
        build(with_corpus(tiny_config, sources=[source]), tmp_path)


def fingerprints(config: Config, tmp_path: Path, *changes: dict[str, Any]) -> list[str]:
    return [corpus_of(with_corpus(config, **change), tmp_path).fingerprint for change in ({}, *changes)]


def test_fingerprint_follows_settings_and_content(
    tiny_config: Config, moses_files: tuple[Path, Path], tmp_path: Path
) -> None:
    found = fingerprints(
        tiny_config,
        tmp_path,
        {"max_words": 9},
        {"held_out": 9},
        {"rows_per_shard": 9},
        {"segmentation": "whitespace"},
        {"keep_identical": True},
        {"held_out_seed": 9},
    )
    assert len(set(found)) == 7
    tree = tiny_config.tree()
    tree["seeds"]["data"] = 9
    tree["cluster"]["data_cpus"] = 0.5
    tree["training"]["num_workers"] = 1
    assert fingerprints(Config.model_validate(tree), tmp_path)[0] == found[0]
    with moses_files[0].open("a", encoding="utf-8") as file:
        file.write("more\n")
    assert fingerprints(tiny_config, tmp_path)[0] not in found


class TestLimits:
    """A share of the training pairs of one language pair."""

    @pytest.fixture(scope="class")
    def home(self, tmp_path_factory: pytest.TempPathFactory) -> Path:
        return tmp_path_factory.mktemp("limits")

    def built(self, home: Path, limits: dict[str, float]) -> Stage:
        return build(with_corpus(load_config("bundled"), limits=limits), home)

    def of_pair(self, stage: Stage, part: str, language: str) -> set[str]:
        return {row["pair_id"] for row in rows(stage, part) if row["target_lang"] == language}

    def test_a_smaller_share_is_part_of_a_larger(self, home: Path) -> None:
        whole, half, tenth = (self.built(home, limits) for limits in ({}, {"en-tl": 0.5}, {"en-tl": 0.1}))
        found = [self.of_pair(stage, "train", "tl") for stage in (tenth, half, whole)]
        assert found[0] < found[1] < found[2]
        assert len(found[1]) / len(found[2]) == pytest.approx(0.5, abs=0.05)
        assert len(found[0]) / len(found[2]) == pytest.approx(0.1, abs=0.03)
        for stage in (half, tenth):
            assert rows(stage, "held_out") == rows(whole, "held_out")
            assert self.of_pair(stage, "train", "de") == self.of_pair(whole, "train", "de")
            assert stage.counts.rows_in == stage.counts.rows_out + sum(stage.counts.rejected.values())
            left_out = found[2] - self.of_pair(stage, "train", "tl")
            assert stage.counts.rejected["limit"] == len(left_out)

    def test_none_at_all_leaves_the_pair_out_and_keeps_its_sentences_from_the_others(self, home: Path) -> None:
        whole, none = self.built(home, {}), self.built(home, {"en-tl": 0.0})
        for part in ("train", "held_out"):
            assert not self.of_pair(none, part, "tl")
            for language in ("de", "es", "fr", "ru"):
                assert self.of_pair(none, part, language) == self.of_pair(whole, part, language)
        assert none.counts.rows_in == none.counts.rows_out + sum(none.counts.rejected.values())

    def test_the_share_of_everything_is_everything(self, home: Path) -> None:
        assert checksums(self.built(home, {"en-tl": 1.0})) == checksums(self.built(home, {}))

    @pytest.mark.parametrize(
        ("limits", "said"),
        [
            ({"en-xx": 0.5}, "corpus: limits: 'en-xx' is no language pair of the sources, which are en-de, en-es"),
            ({"en-tl": 1.5}, "limits.en-tl: 1.5 is no share, from 0 to 1, and no whole number of pairs"),
        ],
    )
    def test_mistakes(self, limits: dict[str, float], said: str) -> None:
        with pytest.raises(UserError, match=said):
            load_config("bundled", [f"corpus.limits={json.dumps(limits)}"])

    def test_nothing_left_is_a_sentence(self, home: Path) -> None:
        limits = dict.fromkeys(("en-de", "en-es", "en-fr", "en-ru", "en-tl"), 0.0)
        with pytest.raises(UserError, match=r"corpus is empty after filtering: .* limit: corpus.limits keeps some"):
            self.built(home, limits)
