"""Stages `seen` and `overlap` on Ray: what a run trained on is known again, whatever the shards, along a chain."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tests.support.main_job import tiny_overrides, write_moses
from weam_ray.align.model_folder import FORMAT_VERSION, MANIFEST
from weam_ray.corpus.sentences import sentence_names, sentences_of
from weam_ray.overlap.found import NEAR, SAME, SCHEMA, Asked, Overlap, Texts
from weam_ray.overlap.record import EFLOMAL, FILE, FILES, MODEL, Record
from weam_ray.overlap.seen import SeenStage, record_of
from weam_ray.pipeline import StagePlan
from weam_ray.settings.config import Config, load_config
from weam_ray.settings.data import AlignSection
from weam_ray.store.files import SourceHashes
from weam_ray.store.folder import Folder
from weam_ray.store.stages import Committed, Stage, StageStore

pytestmark = pytest.mark.ray


@pytest.fixture(scope="module")
def configure(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Config]:
    base = tmp_path_factory.mktemp("text")
    overrides = tiny_overrides(base / "home", write_moses(base))
    return lambda *others: load_config("bundled", [*overrides, "corpus.held_out=20", *others])


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> StageStore:
    return StageStore(Folder.at(tmp_path_factory.mktemp("stages")))


def seen_of(
    config: Config,
    store: StageStore,
    folder: Path,
    base: str = "scratch",
    origin: str | None = None,
    align: AlignSection | None = None,
) -> tuple[Stage, Stage]:
    """The stages `corpus` and `seen` of a configuration."""
    plan = StagePlan.of(config, SourceHashes(folder / "hashes.json"))
    committed = Committed(store, 1.0)
    corpus = committed.build(plan.corpus)
    stage = SeenStage.of(plan.corpus, base, origin, align or AlignSection(), SourceHashes(folder / "hashes.json"))
    return corpus, committed.build(stage)


def texts_of(corpus: Stage, part: str) -> list[str]:
    tables = [corpus.read_parquet(file) for file in corpus.files(part)]
    return [text for table in tables for side in ("source", "target") for text in table[side].to_pylist()]


@pytest.fixture(scope="module")
def stages(
    ray_session: None, configure: Callable[..., Config], store: StageStore, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Stage, Stage]:
    return seen_of(configure(), store, tmp_path_factory.mktemp("run"))


class TestSeen:
    def test_the_training_part_and_no_other(self, stages: tuple[Stage, Stage]) -> None:
        corpus, seen = stages
        record = record_of(seen)
        assert record.names.tolist() == sentence_names(texts_of(corpus, "train")).tolist()
        assert not record.has(sentence_names(texts_of(corpus, "held_out"))).any()
        assert record.about == {"corpora": (corpus.fingerprint,), "aligners": (), "unknown": ()}
        assert seen.counts.rows_in == seen.counts.rows_out == sum(file.rows for file in corpus.files("train"))

    def test_whatever_the_shards(
        self, stages: tuple[Stage, Stage], configure: Callable[..., Config], store: StageStore, tmp_path: Path
    ) -> None:
        _, other = seen_of(configure("corpus.rows_per_shard=7"), store, tmp_path)
        assert record_of(other).names.tolist() == record_of(stages[1]).names.tolist()

    @pytest.mark.parametrize("by", ["encoder", "continue_from"])
    def test_along_a_chain(
        self, by: str, stages: tuple[Stage, Stage], configure: Callable[..., Config], store: StageStore, tmp_path: Path
    ) -> None:
        """A run on other text that begins from a model knows the text of both, and what the first began from."""
        first = tmp_path / "first"
        first.mkdir()
        base = record_of(stages[1]).joined(Record(sentence_names([]), (), ("aligner's",), ("bert",)))
        (first / FILE).write_bytes(base.to_bytes())
        (tmp_path / "more").mkdir()
        sources = configure().corpus.sources
        text = write_moses(tmp_path / "more", num_pairs=200)
        moved = sources[0].model_copy(update={"source": str(text[0]), "target": str(text[1])})
        config = configure()
        config = config.model_copy(update={"corpus": config.corpus.model_copy(update={"sources": [moved]})})
        begins = {"base": str(first)} if by == "encoder" else {"origin": str(first)}
        corpus, seen = seen_of(config, store, tmp_path, **begins)
        record = record_of(seen)
        assert record.corpora == (corpus.fingerprint, stages[0].fingerprint)
        assert (record.aligners, record.unknown) == (("aligner's",), ("bert",))
        both = sentence_names([*texts_of(corpus, "train"), *texts_of(stages[0], "train")])
        assert record.names.tolist() == both.tolist()

    def test_links_whose_text_is_not_known(self, configure: Callable[..., Config], tmp_path: Path) -> None:
        """Links of files, of eflomal, which has seen the held-out pairs too, and of a model that does not say."""
        hashes = SourceHashes(tmp_path / "hashes.json")
        corpus = StagePlan.of(configure(), hashes).corpus
        model = tmp_path / "model"
        model.mkdir()
        sections = [AlignSection(), AlignSection(aligner="pharaoh"), AlignSection(aligner="eflomal")]
        sections += [AlignSection(model=str(model))] * 2
        found = []
        for number, section in enumerate(sections):
            known = {"corpus": "f00d"} if number == 4 else {}
            manifest = {"format_version": FORMAT_VERSION, "files": [], **known}
            (model / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
            found.append(SeenStage.of(corpus, "scratch", None, section, hashes))
        assert [stage.links for stage in found] == ["", FILES, EFLOMAL, MODEL, ""]
        assert found[4].aligner == "f00d"
        assert len({stage.fingerprint for stage in found}) == 5

    def test_they_are_told(
        self, stages: tuple[Stage, Stage], configure: Callable[..., Config], store: StageStore, tmp_path: Path
    ) -> None:
        _, seen = seen_of(configure(), store, tmp_path, align=AlignSection(aligner="pharaoh"))
        record = record_of(seen)
        assert record.links == (FILES,)
        assert record.names.tolist() == record_of(stages[1]).names.tolist()

    def test_an_encoder_without_a_record(self, configure: Callable[..., Config], tmp_path: Path) -> None:
        hashes = SourceHashes(tmp_path / "hashes.json")
        corpus = StagePlan.of(configure(), hashes).corpus
        (tmp_path / "bert").mkdir()
        begins = [(str(tmp_path / "bert"), None), ("owner/other", str(tmp_path / "bert")), ("scratch", None)]
        unknown = [SeenStage.of(corpus, *names, AlignSection(), hashes).unknown for names in begins]
        assert unknown == [("bert",), ("other", "bert"), ()]


class TestOverlap:
    def asked(self, stages: tuple[Stage, Stage]) -> Asked:
        first, second, *_ = texts_of(stages[0], "train")
        return Asked(
            {
                "a task/en": [
                    [first.upper().replace(" .", "!")],  # the same words
                    [second + " indeed"],  # one word more
                    [" ".join(reversed(second.split()))],  # in another order
                    ["nothing of the kind"],
                    ["", "..."],
                    ["nothing of the kind", first],  # one of its texts
                ],
                "a task/xx": [["da numeru", "nothing"]],
            }
        )

    def test_counts(self, stages: tuple[Stage, Stage], store: StageStore) -> None:
        found = Overlap.find(self.asked(stages), [record_of(stages[1])], [store], 1.0)
        assert found.counts() == {
            "a task/en": {"examples": 6, SAME: 2, NEAR: 2},
            "a task/xx": {"examples": 1, SAME: 0, NEAR: 0},
        }
        assert found.missing == ()
        rows = {row["example"]: row for row in found.table.to_pylist()}
        first, second, *_ = texts_of(stages[0], "train")
        assert [rows[number]["training_text"] for number in (0, 1, 2)] == [first, second, second]
        words = set(second.split()) - {"."}
        assert rows[1]["jaccard"] == pytest.approx(len(words) / (len(words) + 1))
        (sentence,) = found.sentences("examples")
        assert sentence.startswith("examples of which a sentence stands in the training text, word by word, and those")
        assert sentence.endswith(": a task/en 2 and 2 of 6")

    def test_sentences_of_rows(self, ray_session: None, tmp_path: Path) -> None:
        """A sentence of a longer training row is found, and so is a row that is a sentence of a longer text."""
        long = "The old man went home at noon. His dog had waited for him there."
        moved = write_moses(tmp_path, num_pairs=40)
        moved[0].write_text(moved[0].read_text(encoding="utf-8") + f"{long}\nWe all saw the river rise.\n", "utf-8")
        moved[1].write_text(moved[1].read_text(encoding="utf-8") + "wen\nwaru\n", encoding="utf-8")
        config = load_config("bundled", [*tiny_overrides(tmp_path / "home", moved), "corpus.held_out=0"])
        store = StageStore(Folder.at(tmp_path / "stages"))
        _, seen = seen_of(config, store, tmp_path)
        asked = Asked(
            {
                "inside": [["His dog had waited for him there."]],
                "nearly": [["The old man went home at noon today"]],
                "around": [sentences_of("It was late. We all saw the river rise. Then it fell.")],
                "none": [["He went home with his dog."]],
            }
        )
        for stores in ([store], [StageStore(Folder.at(tmp_path / "empty"))]):
            counts = Overlap.find(asked, [record_of(seen)], stores, 1.0).counts()
            assert [counts[label][SAME] for label in asked.examples] == [1, 0, 1, 0]
            assert counts["nearly"][NEAR] == (1 if stores[0] is store else 0)

    def test_texts_that_were_trained_on_afterwards(self, stages: tuple[Stage, Stage], store: StageStore) -> None:
        """With a model's record, or without one."""
        asked = Asked({"a": [["one two three four five six"], ["one two three four five"], ["seven"]]})
        after = ["One two, three four five: six!"]
        for records in ([record_of(stages[1])], []):
            found = Overlap.find(asked, records, [store], 1.0, after)
            assert found.counts() == {"a": {"examples": 3, SAME: 1, NEAR: 1}}
        assert Overlap.find(asked, [record_of(stages[1])], [store], 1.0).counts()["a"][SAME] == 0

    def test_without_the_text_what_is_the_same_is_known(self, stages: tuple[Stage, Stage], tmp_path: Path) -> None:
        empty = StageStore(Folder.at(tmp_path))
        found = Overlap.find(self.asked(stages), [record_of(stages[1])], [empty], 1.0)
        assert found.counts()["a task/en"] == {"examples": 6, SAME: 2, NEAR: 0}
        assert found.missing == (stages[0].fingerprint,)
        assert found.sentences("examples")[-1] == (
            f"Training text that is not at hand (corpus-{stages[0].fingerprint}) was not looked through for what is "
            "nearly the same."
        )

    def test_without_the_text_of_an_aligner_nothing_of_it_is_known(
        self, stages: tuple[Stage, Stage], store: StageStore
    ) -> None:
        record = record_of(stages[1]).joined(Record(sentence_names([]), (), ("f00d",), ("bert",), (FILES,)))
        found = Overlap.find(self.asked(stages), [record], [store], 1.0)
        assert (found.missing, found.missing_aligners) == ((), ("f00d",))
        began, links, aligner = found.notes()
        assert "began from bert" in began
        assert links.startswith("Word links came from files;")
        assert aligner == (
            "The text that the aligner was fitted on is not at hand (corpus-f00d), so what stands there is not counted."
        )

    def test_what_several_have_seen_counts_once(self, stages: tuple[Stage, Stage], store: StageStore) -> None:
        record = record_of(stages[1])
        (text,) = self.asked(stages).examples["a task/en"][3]
        other = Record(sentence_names([text]))
        found = Overlap.find(self.asked(stages), [record, record, other], [store], 1.0)
        assert found.counts()["a task/en"] == {"examples": 6, SAME: 3, NEAR: 2}

    def test_none(self, ray_session: None, store: StageStore) -> None:
        assert Overlap.find(Asked({"a": [["text"]]}), [], [store], 1.0).counts() == {
            "a": {"examples": 1, SAME: 0, NEAR: 0}
        }

    def test_texts_in_the_second_store(self, stages: tuple[Stage, Stage], store: StageStore, tmp_path: Path) -> None:
        found = Texts.of(record_of(stages[1]), [StageStore(Folder.at(tmp_path)), store])
        assert [stage.fingerprint for stage in found.stages] == [stages[0].fingerprint]
        assert found.missing == ()

    def test_held_out_pairs(self, stages: tuple[Stage, Stage], configure: Callable[..., Config]) -> None:
        """Of both parts, by language pair."""
        asked = Asked.of_held_out(stages[0], configure().corpus.held_out_seed)
        assert list(asked.examples) == ["test en-xx", "dev en-xx"]
        own = [{text for example in examples for text in example} for examples in asked.examples.values()]
        assert own[0] | own[1] == set(texts_of(stages[0], "held_out"))
        assert not own[0] & own[1]
        assert all(len(example) == 2 for examples in asked.examples.values() for example in examples)
        first = asked.examples["dev en-xx"][0]
        seen = Overlap(asked, pa.Table.from_pylist([match("dev en-xx", 0, first[0])], schema=SCHEMA))
        assert seen.of_part("dev") == {"en-xx": {"examples": len(asked.examples["dev en-xx"]), SAME: 1, NEAR: 0}}
        assert seen.of_part("test")["en-xx"][SAME] == 0


def match(label: str, example: int, text: str) -> dict[str, Any]:
    """A row of the stage's table, for words that are the same."""
    return {"label": label, "example": example, "text": text, "found": SAME, "jaccard": 1.0, "training_text": text}
