"""Stage `overlap`: which of the texts that a model is measured on it has seen, word by word or nearly."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from weam_ray.cluster.tasks import map_items, progress
from weam_ray.corpus.near import NEARLY, NearSentences
from weam_ray.corpus.parts import DEV, TEST, Part, held_out_parts
from weam_ray.corpus.sentences import sentence_name, sentence_names, sentences_of
from weam_ray.corpus.words import bare_words
from weam_ray.overlap.record import Record
from weam_ray.store.files import fingerprint
from weam_ray.store.stages import Attempt, Committed, Counts, Stage, StageDefinition, StageFile, StageOutput, StageStore

SAME, NEAR = "same_words", "near"
FOUND = "found"
ROWS_AT_ONCE = 10_000

SCHEMA = pa.schema(
    [
        ("label", pa.string()),
        ("example", pa.int64()),  # its number among those of the label, from 0
        ("text", pa.string()),
        ("found", pa.string()),  # SAME or NEAR
        ("jaccard", pa.float64()),
        ("training_text", pa.string()),  # null where the text that was trained on is not at hand
    ]
)


@dataclass(frozen=True)
class Asked:
    """Texts of examples by label, such as a task and a language: an example is seen if one of its texts is."""

    examples: Mapping[str, Sequence[Sequence[str]]]

    @classmethod
    def of_held_out(cls, corpus: Stage, seed: int) -> "Asked":
        """The held-out rows, by part and language pair, such as `test en-de`.

        Args:
            seed: `corpus.held_out_seed`.
        """
        parts = held_out_parts(corpus, seed)
        examples: dict[Part, dict[str, list[list[str]]]] = {TEST: {}, DEV: {}}
        for file in corpus.files("held_out"):
            for row in corpus.read_parquet(file, ["pair_id", "source", "target"]).to_pylist():
                part = parts[row["pair_id"]]
                own = examples[part].setdefault(f"{part} {file.info['language_pair']}", [])
                texts = [text for text in (row["source"], row["target"]) if text]
                own.append([sentence for text in texts for sentence in sentences_of(text)])
        return cls(examples[TEST] | examples[DEV])

    @cached_property
    def fingerprint(self) -> str:
        return fingerprint([[label, list(map(list, own))] for label, own in self.examples.items()])


@dataclass(frozen=True)
class Texts:
    """The texts of a record that are at hand, and the fingerprints of the corpora that are not."""

    stages: tuple[Stage, ...]
    missing: tuple[str, ...]

    @classmethod
    def of(cls, record: Record, stores: Sequence[StageStore]) -> "Texts":
        """Look for the corpora of a record in some stores."""
        found: list[Stage] = []
        missing: list[str] = []
        for corpus in dict.fromkeys([*record.corpora, *record.aligners]):
            stage = next(filter(None, (store.named(f"corpus-{corpus}") for store in stores)), None)
            if stage is None:
                missing.append(corpus)
            else:
                found.append(stage)
        return cls(tuple(found), tuple(missing))


@dataclass(frozen=True)
class OverlapStage(StageDefinition):
    """The stage `overlap`: its file has a row for each text of an example that was found, the best match of each.

    Args:
        after: texts that a model was trained on after those of its record, such as those of intermediate tasks.
    """

    name: ClassVar[str] = "overlap"
    version: ClassVar[int] = 2

    record: Record
    asked: Asked
    texts: Texts
    after: tuple[str, ...] = ()

    @property
    def settings(self) -> dict[str, Any]:
        return {"nearly": str(NEARLY)}

    @property
    def inputs(self) -> dict[str, str]:
        texts = ",".join(stage.fingerprint for stage in self.texts.stages)
        after = {"after": fingerprint(self.after)} if self.after else {}
        return {"record": self.record.fingerprint, "asked": self.asked.fingerprint, "texts": texts, **after}

    def build(self, attempt: Attempt, committed: Committed, num_cpus: float) -> StageOutput:
        """Look for the texts among names, and among the sentences of all training shards at hand, a task a shard."""
        places = [
            (label, number, text)
            for label, examples in self.asked.examples.items()
            for number, example in enumerate(examples)
            for text in dict.fromkeys(example)
        ]
        words = {text: bare_words(text) for _, _, text in places}
        texts = [text for text, own in words.items() if own]
        names = np.array([sentence_name(words[text]) for text in texts], np.int64)
        best = {texts[k]: Match(1.0, same=True) for k in np.flatnonzero(self.record.has(names))}
        near = NearSentences([frozenset(words[text]) for text in texts])
        known = Known(near, names.tolist())
        shards = [(stage, file) for stage in self.texts.stages for file in stage.files("train")]
        items = [{"shard": number} for number in range(len(shards))]
        task = partial(scan_shard, shards, known)
        results = map_items(items, task, "overlap: training text", num_cpus) if texts and items else []
        blocks = [self.after[start : start + ROWS_AT_ONCE] for start in range(0, len(self.after), ROWS_AT_ONCE)]
        results += [
            {"found": as_lists(known.among(block))}
            for block in progress(blocks if texts else [], "overlap: intermediate tasks")
        ]
        for result in results:
            for number, *match in result["found"]:
                text = texts[number]
                best[text] = max(best.get(text, Match()), Match(*match))
        rows = [
            {
                "label": label,
                "example": number,
                "text": text,
                "found": SAME if best[text].same else NEAR,
                "jaccard": best[text].jaccard,
                "training_text": best[text].text or None,
            }
            for label, number, text in places
            if text in best
        ]
        table = pa.Table.from_pylist(rows, schema=SCHEMA)
        size = sum(map(len, self.asked.examples.values()))
        info = {"missing": list(self.texts.missing)}
        return StageOutput([attempt.write_parquet(FOUND, FOUND, table)], Counts(size, size), info)


@dataclass(frozen=True, order=True)
class Match:
    """How alike a training sentence is; the better of two is the greater."""

    jaccard: float = 0.0
    same: bool = False  # the same words in the same order
    text: str = ""


@dataclass(frozen=True)
class Known:
    """The sentences that are looked for, and their names."""

    near: NearSentences
    names: Sequence[int]

    def among(self, texts: Iterable[str]) -> dict[int, Match]:
        """The best match of each sentence that has one among those of some texts."""
        best: dict[int, Match] = {}
        for sentence in {sentence for text in texts for sentence in sentences_of(text)}:
            words = bare_words(sentence)
            for number, jaccard in self.near.like(frozenset(words)):
                same = jaccard == 1 and sentence_name(words) == self.names[number]
                best[number] = max(best.get(number, Match()), Match(jaccard, same, sentence))
        return best


def scan_shard(shards: Sequence[tuple[Stage, StageFile]], known: Known, item: dict[str, Any]) -> dict[str, Any]:
    """The best match of each sentence that has one in a shard: its number, and the fields of `Match`."""
    stage, file = shards[item["shard"]]
    best: dict[int, Match] = {}
    for rows in stage.batches(file, ROWS_AT_ONCE):
        for number, match in known.among([*rows["source"].to_pylist(), *rows["target"].to_pylist()]).items():
            best[number] = max(best.get(number, Match()), match)
    return {"found": as_lists(best)}


def as_lists(best: Mapping[int, Match]) -> list[list[Any]]:
    """Numbers of sentences and the fields of their matches, as JSON has them."""
    return [[number, match.jaccard, match.same, match.text] for number, match in sorted(best.items())]


@dataclass(frozen=True)
class Overlap:
    """What was found of some texts that models are measured on.

    Args:
        missing: fingerprints of corpora that models were trained on, and whose text is not at hand.
        missing_aligners: those that an aligner alone was fitted on; nothing is known of what stands in them.
        unknown: what else is not known of the text behind the models, in sentences.
    """

    asked: Asked
    table: pa.Table
    missing: tuple[str, ...] = ()
    missing_aligners: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    @classmethod
    def find(
        cls,
        asked: Asked,
        records: Iterable[Record],
        stores: Sequence[StageStore],
        num_cpus: float,
        after: Sequence[str] = (),
    ) -> "Overlap":
        """Look for texts in what several models have seen; Ray must be up.

        Args:
            stores: where their training text may be; what is found is kept in the first of them.
            num_cpus: CPUs of a task.
            after: texts that all of them were trained on afterwards.
        """
        committed = Committed(stores[0], num_cpus)
        read_on, found = tuple(dict.fromkeys(after)), list(records)
        if read_on:
            own = Record(sentence_names(read_on))
            found = [record.joined(own) for record in found] or [own]
        distinct = {record.fingerprint: record for record in found}.values()
        trained_on = {corpus for record in distinct for corpus in record.corpora}
        stages = [
            committed.build(OverlapStage(record, asked, Texts.of(record, stores), read_on)) for record in distinct
        ]
        tables = [stage.read_parquet(file) for stage in stages for file in stage.files(FOUND)]
        missing = dict.fromkeys(name for stage in stages for name in stage.info["missing"])
        return cls(
            asked,
            pa.concat_tables([SCHEMA.empty_table(), *tables]),
            tuple(name for name in missing if name in trained_on),
            tuple(name for name in missing if name not in trained_on),
            tuple(dict.fromkeys(sentence for record in distinct for sentence in record.sentences())),
        )

    def notes(self) -> list[str]:
        """What is not known of the text behind the models, in sentences."""
        told = list(self.unknown)
        if self.missing:
            told.append(
                f"Training text that is not at hand ({named(self.missing)}) was not looked through for what is nearly "
                "the same."
            )
        if self.missing_aligners:
            told.append(
                f"The text that the aligner was fitted on is not at hand ({named(self.missing_aligners)}), so what "
                "stands there is not counted."
            )
        return told

    def sentences(self, examples: str) -> list[str]:
        """A sentence with what was found of each label, if anything was, and those of what is not known.

        Args:
            examples: what they are, such as `held-out pairs`.
        """
        found = [
            f"{label} {own[SAME]:,} and {own[NEAR]:,} of {own['examples']:,}"
            for label, own in self.counts().items()
            if own[SAME] or own[NEAR]
        ]
        told = [
            f"{examples} of which a sentence stands in the training text, word by word, and those of which one does "
            f"nearly (word Jaccard of {float(NEARLY):g} or more): {', '.join(found)}"
        ][: len(found)]
        return told + self.notes()

    def of_part(self, part: Part) -> dict[str, dict[str, int]]:
        """The `counts` of a part of the held-out pairs, by language pair."""
        return {
            label.removeprefix(f"{part} "): own for label, own in self.counts().items() if label.startswith(f"{part} ")
        }

    def counts(self) -> dict[str, dict[str, int]]:
        """By label the number of `examples`, and how many were seen by the `same_words`, and how many else `near`."""
        kinds: dict[tuple[str, int], str] = {}
        for row in self.table.select(["label", "example", "found"]).to_pylist():
            place = (row["label"], row["example"])
            if kinds.get(place) != SAME:
                kinds[place] = row["found"]
        number = Counter((label, found) for (label, _), found in kinds.items())
        return {
            label: {"examples": len(examples), SAME: number[label, SAME], NEAR: number[label, NEAR]}
            for label, examples in self.asked.examples.items()
        }


def named(corpora: Iterable[str]) -> str:
    """The names of stages of corpora with these fingerprints."""
    return ", ".join(f"corpus-{name}" for name in corpora)
