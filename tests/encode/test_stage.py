"""The stages `tokenizer` and `encode` on Ray; of all data stages, what reruns, what stays, and what comes out."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.support.main_job import tiny_overrides, write_moses
from tests.support.tables import unflat
from weam_ray.align.stage import AlignerStage, AlignStage
from weam_ray.corpus.stage import CorpusStage
from weam_ray.corpus.tables import ENCODED
from weam_ray.encode.stage import NO_TOKENS, EncodeStage
from weam_ray.encode.tokenizer_stage import TokenizerStage
from weam_ray.pipeline import Data, StagePlan, run_stages
from weam_ray.settings.config import Config, load_config
from weam_ray.settings.data import CorpusSection
from weam_ray.store.files import SourceHashes
from weam_ray.store.folder import Folder
from weam_ray.store.stages import Committed, Stage, StageStore

pytestmark = pytest.mark.ray

PARTS = ("train", "held_out")
STAGES = ("corpus", "tokenizer", "aligner", "align", "encode", "seen")

# What the stages make of the bundled English and German verses: the versions of the code behind it, and a hash. Where
# a hash changes on purpose, so must a version: homes go on using what the old code made under the old one.
PINNED = {
    "align": {"corpus": 2, "aligner": 2, "align": 2, "rows": "c03553080fa289fa"},
    "encode": {"corpus": 2, "aligner": 2, "align": 2, "encode": 2, "rows": "b3b319355c36c3d4"},
    "tokenizer": {"corpus": 2, "tokenizer": 1, "rows": "a33108189f0503f6"},
}
VERSIONS = {stage.name: stage.version for stage in (CorpusStage, TokenizerStage, AlignerStage, AlignStage, EncodeStage)}


def run(config: Config, home: Path) -> Data:
    plan = StagePlan.of(config, SourceHashes(home / "hashes.json"))
    return run_stages(config, StageStore(Folder.at(home / "stages")), plan)


def stages(data: Data) -> dict[str, Stage]:
    tokenizer = {} if data.tokenizer is None else {"tokenizer": data.tokenizer}
    return {
        "corpus": data.corpus,
        **tokenizer,
        "aligner": data.aligner,
        "align": data.align,
        "encode": data.encoded,
        "seen": data.seen,
    }


def rows(stage: Stage, part: str) -> list[dict[str, Any]]:
    encoded = stage.manifest["stage"] == "encode"
    read = stage.read_arrow if encoded else stage.read_parquet
    return [row for file in stage.files(part) for row in read(file).to_pylist()]


def digest(values: Iterable[Any]) -> str:
    """A hash of values as canonical JSON, a line each, floats rounded to six digits."""

    def rounded(value: Any) -> Any:
        if isinstance(value, float):
            return round(value, 6)
        if isinstance(value, list):
            return [rounded(entry) for entry in value]
        return {key: rounded(entry) for key, entry in value.items()} if isinstance(value, dict) else value

    lines = (json.dumps(rounded(value), sort_keys=True, ensure_ascii=False) for value in values)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def configure(tmp_path_factory: pytest.TempPathFactory, home: Path) -> Callable[..., Config]:
    """The tiny configuration, on text of which one pair gives no tokens, with overrides."""
    files = write_moses(tmp_path_factory.mktemp("text"))
    for file, line in zip(files, ("\ufffd", "da numeru"), strict=True):
        file.write_text(file.read_text(encoding="utf-8") + line + "\n", encoding="utf-8")
    base = [*tiny_overrides(home, files), "corpus.held_out=20"]
    return lambda *overrides: load_config("bundled", [*base, *overrides])


@pytest.fixture(scope="module")
def data(ray_session: None, configure: Callable[..., Config], home: Path) -> Data:
    return run(configure(), home)


class TestEncode:
    def test_counts(self, data: Data) -> None:
        """U+FFFD is a word, but no token: that pair is rejected, and counted."""
        counts = data.encoded.counts
        assert counts.rows_in == data.align.counts.rows_out == 121
        assert counts.rejected == {NO_TOKENS: 1}
        assert counts.rows_out == sum(file.rows for part in PARTS for file in data.encoded.files(part)) == 120

    def test_tables(self, data: Data) -> None:
        tokenizer = data.load_tokenizer()
        for part in PARTS:
            aligned = {row["pair_id"]: row for row in rows(data.align, part)}
            for file in data.encoded.files(part):
                assert data.encoded.read_arrow(file).schema == ENCODED
            for row in rows(data.encoded, part):
                before = aligned[row["pair_id"]]
                for side in ("source", "target"):
                    ids = tokenizer(before[side], add_special_tokens=False)["input_ids"]
                    assert row[f"{side}_ids"] == ids
                    word_ids = row[f"{side}_word_ids"]
                    assert len(word_ids) == len(ids)
                    assert set(word_ids) == set(range(len(before[f"{side}_words"]) // 2))
                assert row["num_tokens"] == len(row["source_ids"]) + len(row["target_ids"])

    def test_links(self, data: Data) -> None:
        """One-to-one, inside the tokens, between words that the intersection links."""
        num_links = 0
        for part in PARTS:
            aligned = {row["pair_id"]: row for row in rows(data.align, part)}
            for row in rows(data.encoded, part):
                before = aligned[row["pair_id"]]
                words = set(unflat(before["forward_links"])) & set(unflat(before["reverse_links"]))
                links = unflat(row["token_links"])
                assert {(row["source_word_ids"][i], row["target_word_ids"][j]) for i, j in links} == words
                assert len({i for i, _ in links}) == len({j for _, j in links}) == len(links)
                num_links += len(links)
        assert num_links > 500

    def test_info(self, data: Data) -> None:
        """Counts of a shard stand in the manifest, so that nobody has to read it for them."""
        for part in PARTS:
            for file in data.encoded.files(part):
                table = data.encoded.read_arrow(file)
                links = sum(len(row) // 2 for row in table["token_links"].to_pylist())
                tokens = sum(table["num_tokens"].to_pylist())
                counts = {language: own[:2] for language, own in file.info["unknown"].items()}
                assert set(counts) == {"en", "xx"}
                assert sum(known for known, _ in counts.values()) >= tokens  # those of rejected pairs too
                found = {key: value for key, value in file.info.items() if key != "unknown"}
                assert found == {"language_pair": "en-xx", "num_tokens": tokens, "num_links": links}
        files = [file for part in PARTS for file in data.encoded.files(part)]
        tokens, links = (sum(file.info[key] for file in files) for key in ("num_tokens", "num_links"))
        assert data.encoded.info == {"num_tokens": tokens, "linked_token_share": round(2 * links / tokens, 4)}

    def test_links_by_chance(self, data: Data, configure: Callable[..., Config], home: Path) -> None:
        """The control: the same tokens, as many links of training rows, others of them; what is measured stays."""
        control = run(configure("encode.links=shuffled"), home)
        assert control.align.fingerprint == data.align.fingerprint
        assert rows(control.encoded, "held_out") == rows(data.encoded, "held_out")
        found, expected = rows(control.encoded, "train"), rows(data.encoded, "train")
        links = "token_links"
        assert [{**row, links: None} for row in found] == [{**row, links: None} for row in expected]
        differing = [row for row, other in zip(found, expected, strict=True) if row[links] != other[links]]
        assert len(differing) > len(found) / 2

    def test_tokenizer(self, data: Data) -> None:
        assert data.tokenizer is not None
        tokenizer = data.load_tokenizer()
        assert data.tokenizer.info == {"vocab_size": len(tokenizer)}
        assert len(tokenizer) <= 200
        assert tokenizer.model_max_length == data.config.encoder.scratch.max_positions == 64


class TestReuse:
    """A stage is reused as it lies there, files and all, unless something it depends on has changed."""

    @pytest.mark.parametrize(
        ("override", "rebuilt"),
        [
            ("encode.symmetrization=grow-diag", {"encode"}),
            ("encode.subword_mapping=first", {"encode"}),
            ("align.tension=5.0", {"aligner", "align", "encode"}),
            ("tokenizer.vocab_size=150", {"tokenizer", "encode"}),
            ("training.max_steps=7", set()),
            ("objective=tlm", set()),
        ],
    )
    def test_what_reruns(
        self, data: Data, configure: Callable[..., Config], home: Path, override: str, rebuilt: set[str]
    ) -> None:
        before, after = stages(data), stages(run(configure(override), home))
        changed = {name for name in STAGES if before[name].manifest != after[name].manifest}
        assert changed == rebuilt
        for name in STAGES:
            assert (before[name].folder.path != after[name].folder.path) == (name in rebuilt)

    def test_what_counts(self, configure: Callable[..., Config], tmp_path: Path) -> None:
        """What goes into the fingerprints, without running anything."""

        def fingerprints(*overrides: str) -> dict[str, str]:
            plan = StagePlan.of(configure(*overrides), SourceHashes(tmp_path / "hashes.json"))
            return {stage.name: stage.fingerprint for stage in plan.stages}

        before = fingerprints()
        for override in (
            "iterations=4",
            "lowercase=false",
            "null_probability=0.1",
            "alpha=0.1",
            "optimize_tension=false",
        ):
            after = fingerprints(f"align.{override}")
            assert {name for name in STAGES if after[name] != before[name]} == {"aligner", "align", "encode"}
        assert fingerprints("cluster.data_cpus=0.5", "seeds.model=9") == before


def test_cpus_of_a_task_change_nothing(
    ray_session: None, data: Data, configure: Callable[..., Config], tmp_path: Path
) -> None:
    """Half a core a task, so more at a time, in an empty home: the same files to the byte."""
    other = run(configure("cluster.data_cpus=0.5"), tmp_path)

    def contents(stage: Stage) -> list[tuple[Any, ...]]:
        return [(entry["part"], entry["label"], entry["sha256"], entry["rows"]) for entry in stage.manifest["files"]]

    for name, stage in stages(data).items():
        assert contents(stages(other)[name]) == contents(stage), name
        assert stages(other)[name].counts == stage.counts


@pytest.fixture(scope="module")
def bundled(ray_session: None, tmp_path_factory: pytest.TempPathFactory) -> Data:
    """English and German verses, encoded with a vocabulary that is made here: all characters, and frequent words."""
    folder = tmp_path_factory.mktemp("bundled")
    fixed_tokenizer().save_pretrained(folder / "encoder")
    (folder / "encoder" / "config.json").write_text('{"model_type": "bert"}', encoding="utf-8")
    overrides = [
        "corpus.sources=[{format: bundled, source_lang: en, target_lang: de}]",
        f"encoder.name={folder / 'encoder'}",
    ]
    return run(load_config("bundled", overrides), folder)


def fixed_tokenizer() -> Any:
    import pyarrow.parquet as pq
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    from weam_ray.corpus.readers.bundled import BUNDLED_FILE

    table = pq.read_table(BUNDLED_FILE, columns=["en", "de"])
    texts = table["en"].to_pylist() + table["de"].to_pylist()
    frequent = Counter(word for text in texts for word in text.split() if word.isalpha())
    characters = sorted({character for text in texts for character in text if not character.isspace()})
    words = sorted(sorted(frequent), key=lambda word: -frequent[word])[:1000]
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    pieces = dict.fromkeys([*special, *characters, *(f"##{character}" for character in characters), *words])
    tokenizer = Tokenizer(models.WordPiece({piece: k for k, piece in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False, strip_accents=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    names = {f"{token.strip('[]').lower()}_token": token for token in special}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names)


class TestPinned:
    def check(self, stage: str, values: Iterable[Any]) -> None:
        versions = {name: VERSIONS[name] for name in PINNED[stage] if name != "rows"}
        assert {**versions, "rows": digest(values)} == PINNED[stage]

    @pytest.mark.parametrize("stage", ["align", "encode"])
    def test_rows(self, bundled: Data, stage: str) -> None:
        self.check(stage, (row for part in PARTS for row in rows(stages(bundled)[stage], part)))

    def test_vocabulary(self, bundled: Data, tmp_path: Path) -> None:
        config = load_config("bundled", ["tokenizer.vocab_size=8000"])
        source = {"format": "bundled", "source_lang": "en", "target_lang": "de"}
        corpus = CorpusStage(CorpusSection.model_validate({"sources": [source]}), [])
        committed = Committed(StageStore(Folder.at(tmp_path)), 1.0)
        committed.stages[corpus.fingerprint] = bundled.corpus
        stage = committed.build(TokenizerStage(config.tokenizer, config.encoder.scratch.max_positions, corpus))
        (file,) = (file for file in stage.files("tokenizer") if file.label == "tokenizer.json")
        self.check("tokenizer", sorted(json.loads(stage.read(file))["model"]["vocab"].items()))
