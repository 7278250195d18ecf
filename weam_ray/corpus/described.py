"""Stage `described`: what is in a corpus, and what filters would reject of it, each by itself."""

import hashlib
import json
from collections import Counter
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from weam_ray.cluster.tasks import RayTasks, progress
from weam_ray.corpus.filters import Pairs, check_filters, files_of_filter, keeps
from weam_ray.corpus.filters.base import Kept, Side
from weam_ray.corpus.filters.characters import SCRIPTS
from weam_ray.corpus.filters.signs import LETTER, of_scripts
from weam_ray.corpus.shards import EXAMPLES, add_examples
from weam_ray.corpus.stage import CorpusStage
from weam_ray.settings.base import Role
from weam_ray.settings.filters import FilterBase
from weam_ray.store.files import SourceHashes
from weam_ray.store.stages import Attempt, Committed, Counts, Stage, StageDefinition, StageFile, StageOutput

DESCRIPTION = "description"
SAMPLE = 1_000  # rows of a shard whose scripts are counted
LONGEST = 100  # words, or tens of characters; longer texts are counted with these
STEPS_OF_OCTAVE = 10
MOST_STEPS = 30
UNICODE_SCRIPTS = sorted({name for names in SCRIPTS.values() for name in names})

# Signs that are seldom meant: what stands for them in a report, and the expression that finds them
TROUBLES = {
    "replacement characters (U+FFFD)": "\ufffd",
    "control characters": r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]",
    "UTF-8 that was read as Latin-1": "[ÃÂ][\u0080-\u00bf]|â€|Ð[\u0080-\u00bf°±²³´µ¶·¸¹º»¼½¾¿]",
    "byte order marks inside of a text": "\ufeff",
    "entities of HTML": r"&(amp|lt|gt|quot|nbsp|#\d{1,6}|#x[0-9a-fA-F]{1,6});",
    "tags of HTML": r"</?(a|b|i|p|br|div|span|font|td|tr|li|ul|em|strong)( [^>]*)?/?>",
    "private characters": r"\p{Co}",
}


@dataclass(frozen=True)
class DescribedStage(StageDefinition):
    """The stage `described`.

    Args:
        probes: filters that are asked, each for every pair.
        hashes: of the files of each of them.
    """

    name: ClassVar[str] = "described"
    version: ClassVar[int] = 1

    corpus: CorpusStage
    probes: tuple[FilterBase, ...]
    hashes: tuple[str, ...]

    @classmethod
    def of(cls, corpus: CorpusStage, probes: tuple[FilterBase, ...], hashes: SourceHashes) -> "DescribedStage":
        """Hash the files of the filters.

        Raises:
            UserError: one is missing, or a filter cannot judge a language.
        """
        found = tuple(",".join(hashes.sha256(file) for file in files_of_filter(own)) for own in probes)
        check_filters(probes, [source.languages for source in corpus.corpus.sources])
        return cls(corpus, probes, found)

    @property
    def settings(self) -> dict[str, Any]:
        return {"probes": [own.only(Role.RESULT) for own in self.probes]}

    @property
    def inputs(self) -> dict[str, str]:
        return {"corpus": self.corpus.fingerprint, "files": ",".join(self.hashes)}

    def build(self, attempt: Attempt, committed: Committed, num_cpus: float) -> StageOutput:
        """Describe every shard, in a task of its own, and put the descriptions together.

        Raises:
            UserError: a filter cannot judge the languages, or a file of it cannot be read.
        """
        corpus = committed[self.corpus]
        files = [*corpus.files("train"), *corpus.files("held_out")]
        tasks = RayTasks(num_cpus)
        waiting = [tasks.submit(described, corpus, file, self.probes) for file in files]
        found: dict[str, Description] = {}
        for file, reference in zip(files, progress(waiting, "corpus: describing"), strict=True):
            own, pair = tasks.get(reference), file.info["language_pair"]
            found[pair] = found[pair].plus(own) if pair in found else own
        data = json.dumps({pair: asdict(own) for pair, own in found.items()}, ensure_ascii=False).encode()
        rows = sum(file.rows for file in files)
        return StageOutput([attempt.write(DESCRIPTION, DESCRIPTION, data, rows)], Counts(rows, rows))


@dataclass(frozen=True)
class Description:
    """What is in the pairs of a language pair, side by side where that makes a difference.

    Args:
        languages: of the sides; unpaired text has one.
        texts: the sum of the hashes of all pairs, by which the same pairs are known in whatever order.
        words, characters: for each side how many texts are so long, in words and in tens of characters; the last number
            is of all that are longer.
        ratios: how many pairs have a longer side that is so many steps of a tenth of an octave longer; unpaired text
            has none.
        scripts: for each side the letters of each script, in a sample.
        troubles: in how many pairs there are which of TROUBLES.
        dropped: how many pairs each filter would reject.
        examples: of these.
    """

    languages: list[str]
    rows: int
    texts: int
    words: list[list[int]]
    characters: list[list[int]]
    ratios: list[int]
    scripts: list[dict[str, int]]
    troubles: dict[str, int]
    dropped: dict[str, int]
    examples: dict[str, list[dict[str, str]]]

    @property
    def fingerprint(self) -> str:
        """By which the same pairs are known, whatever their files are like."""
        return f"{self.texts:032x}"

    def plus(self, other: "Description") -> "Description":
        """What is in these pairs and in others of the same language pair."""
        return Description(
            self.languages,
            self.rows + other.rows,
            (self.texts + other.texts) % 2**128,
            [added(*own) for own in zip(self.words, other.words, strict=True)],
            [added(*own) for own in zip(self.characters, other.characters, strict=True)],
            added(self.ratios, other.ratios),
            [dict(Counter(one) + Counter(two)) for one, two in zip(self.scripts, other.scripts, strict=True)],
            {name: number + other.troubles[name] for name, number in self.troubles.items()},
            {name: number + other.dropped[name] for name, number in self.dropped.items()},
            {name: [*rows, *other.examples[name]][:EXAMPLES] for name, rows in self.examples.items()},
        )


def added(one: list[int], other: list[int]) -> list[int]:
    """The sums of two lists of numbers, place by place."""
    return [left + right for left, right in zip(one, other, strict=True)]


def descriptions(stage: Stage) -> dict[str, Description]:
    """What is in the pairs of each language pair."""
    (file,) = stage.files(DESCRIPTION)
    return {pair: Description(**own) for pair, own in json.loads(stage.read(file)).items()}


def described(corpus: Stage, file: StageFile, probes: tuple[FilterBase, ...]) -> Description:
    """What is in a shard."""
    table = corpus.read_parquet(file).combine_chunks()
    (batch,) = table.to_batches()
    pairs = Pairs.of((batch["source_lang"][0].as_py(), batch["target_lang"][0].as_py()), batch)
    dropped = {str(own.name): ~keeps(own, pairs) for own in probes}
    examples: dict[str, list[dict[str, str]]] = {name: [] for name in dropped}
    for name, rows in dropped.items():
        first = table.take(pa.array(np.flatnonzero(rows)[:EXAMPLES]))
        add_examples(examples, first.append_column("reason", pa.repeat(name, len(first))))
    return Description(
        [side.language for side in pairs.sides],
        len(batch),
        sum_of_hashes(batch),
        [histogram(side.codes.words, LONGEST) for side in pairs.sides],
        [histogram(side.characters // 10, LONGEST) for side in pairs.sides],
        histogram(ratio_steps(*pairs.sides), MOST_STEPS) if len(pairs.sides) == 2 else [],
        [scripts(Side(side.language, side.texts.slice(0, SAMPLE))) for side in pairs.sides],
        {name: int((~pairs.on_each_side(partial(is_without, sign))).sum()) for name, sign in TROUBLES.items()},
        {name: int(rows.sum()) for name, rows in dropped.items()},
        examples,
    )


def is_without(sign: str, side: Side) -> Kept:
    """Which texts have nothing that an expression finds."""
    return side.count(sign) == 0


def sum_of_hashes(batch: pa.RecordBatch) -> int:
    """The sum of the hashes of pairs, modulo 2^128."""
    columns = (batch[name].to_pylist() for name in ("source_lang", "target_lang", "source", "target"))
    texts = ("\0".join(row).encode() for row in zip(*columns, strict=True))
    return sum(int.from_bytes(hashlib.blake2b(text, digest_size=16).digest()) for text in texts) % 2**128


def histogram(values: NDArray[np.int64], last: int) -> list[int]:
    """How often each of the numbers 0 to `last` comes; larger ones count as `last`."""
    return np.bincount(np.minimum(values, last), minlength=last + 1).tolist()


def ratio_steps(left: Side, right: Side) -> NDArray[np.int64]:
    """How many steps of a tenth of an octave the longer side has more characters than the shorter one."""
    lengths = np.maximum(left.characters, 1), np.maximum(right.characters, 1)
    return np.floor(np.abs(np.log2(lengths[0] / lengths[1])) * STEPS_OF_OCTAVE).astype(np.int64)


def scripts(side: Side) -> dict[str, int]:
    """How many letters of each script some texts have, by what Unicode calls them."""
    letters = side.codes.codes[side.codes.kinds & LETTER != 0]
    counts = {name: int(np.count_nonzero(of_scripts((name,))[letters])) for name in UNICODE_SCRIPTS}
    return {name: number for name, number in counts.items() if number}
