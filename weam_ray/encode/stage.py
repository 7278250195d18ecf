"""Stage `encode`: aligned words -> linked subwords."""

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from weam_ray.align.links import Links
from weam_ray.align.stage import AlignStage
from weam_ray.align.symmetrize import one_to_one, symmetrize
from weam_ray.cluster.tasks import map_items
from weam_ray.corpus.tables import ENCODED, MAX_LINKED_TOKENS
from weam_ray.encode.projection import project
from weam_ray.encode.shuffled import REVISION as SHUFFLED
from weam_ray.encode.shuffled import shuffled
from weam_ray.encode.tokenizer_stage import EncoderTokenizer, TokenizerStage, load_trained
from weam_ray.encode.tokens import flat_spans, lists, tokenize
from weam_ray.encode.unknown import KEY, UnknownCounts
from weam_ray.model.tokenizer import load_tokenizer
from weam_ray.settings.data import EncodeSection
from weam_ray.store.stages import Attempt, Committed, Counts, Stage, StageDefinition, StageFile, StageOutput

NO_TOKENS = "no_tokens"
TOO_MANY_TOKENS = "too_many_tokens"


@dataclass(frozen=True)
class EncodeStage(StageDefinition):
    """The stage `encode`."""

    name: ClassVar[str] = "encode"
    version: ClassVar[int] = 2

    encode: EncodeSection
    align: AlignStage
    tokenizer: TokenizerStage | EncoderTokenizer

    @property
    def settings(self) -> dict[str, Any]:
        """Of links by chance, how they are drawn counts too."""
        drawn = {"shuffled": SHUFFLED} if self.encode.links == "shuffled" else {}
        return super().settings | drawn

    def load_tokenizer(self, committed: Committed) -> Callable[[], Any]:
        """Give a function that loads the tokenizer in a task."""
        if isinstance(self.tokenizer, TokenizerStage):
            return partial(load_trained, committed[self.tokenizer])
        return partial(load_tokenizer, self.tokenizer.encoder.name, self.tokenizer.encoder.revision)

    def build(self, attempt: Attempt, committed: Committed, num_cpus: float) -> StageOutput:
        """Encode every shard of the aligned stage, one task a shard, each into one Arrow file."""
        align = committed[self.align]
        items = [asdict(file) for part in ("train", "held_out") for file in align.files(part)]
        task = partial(encode_shard, self.encode, align, self.load_tokenizer(committed), attempt)
        results = map_items(items, task, "encode", num_cpus)
        files = [StageFile(**result["file"]) for result in results]
        rows_in, rows_out = sum(result["rows"] for result in results), sum(file.rows for file in files)
        tokens, links = (sum(file.info[key] for file in files) for key in ("num_tokens", "num_links"))
        info = {"num_tokens": tokens, "linked_token_share": round(2 * links / max(1, tokens), 4)}
        rejected = Counter({NO_TOKENS: 0})
        for result in results:
            rejected.update(result["rejected"])
        return StageOutput(files, Counts(rows_in, rows_out, dict(rejected)), info)


def encode_shard(
    settings: EncodeSection, align: Stage, load: Callable[[], Any], attempt: Attempt, item: dict[str, Any]
) -> dict[str, Any]:
    """Encode one shard and write it."""
    file = StageFile(**item)
    table = align.read_parquet(file)
    if file.part != "train":  # what is measured stays what it is
        settings = settings.model_copy(update={"links": "aligned"})
    rejected: Counter[str] = Counter()
    unknown = UnknownCounts()
    encoded = encode_table(table, load(), settings, rejected, unknown)
    tokens = int(pc.sum(encoded["num_tokens"]).as_py() or 0)
    links = sum(len(values) // 2 for values in encoded["token_links"].to_pylist())
    counts = {"num_tokens": tokens, "num_links": links, KEY: unknown.counts}
    info = {"language_pair": file.info["language_pair"], **counts}
    written = attempt.write_arrow(file.part, file.label, encoded, **info)
    return {"file": asdict(written), "rows": table.num_rows, "rejected": dict(rejected)}


def encode_table(
    table: pa.Table,
    tokenizer: Any,
    settings: EncodeSection,
    rejected: Counter[str] | None = None,
    unknown: UnknownCounts | None = None,
) -> pa.Table:
    """Encode a table of aligned pairs of one language pair.

    A pair is left out if a side gives no tokens, or more than links have numbers for.

    Args:
        rejected: takes the number of the latter.
        unknown: takes the counts of the unknown tokens of both sides.
    """
    rejected = Counter() if rejected is None else rejected
    source_ids, source_tokens, source_offsets = tokenize(tokenizer, table["source"].to_pylist())
    target_ids, target_tokens, target_offsets = tokenize(tokenizer, table["target"].to_pylist())
    lengths = np.diff(source_offsets), np.diff(target_offsets)
    unpaired = pc.equal(table["target_lang"], "").to_numpy()
    fits = (np.maximum(*lengths) <= MAX_LINKED_TOKENS) | unpaired
    if not fits.all():
        rejected[TOO_MANY_TOKENS] += int(np.count_nonzero(~fits))
        table = table.filter(pa.array(fits))
        return encode_table(table, tokenizer, settings, rejected, unknown) if len(table) else ENCODED.empty_table()
    forward, reverse = (Links.from_arrow(table[name]) for name in ("forward_links", "reverse_links"))
    links = symmetrize(forward, reverse, settings.symmetrization)
    posteriors = table["union_posteriors"].combine_chunks()
    known = posteriors.null_count == 0
    flat = posteriors.flatten().to_numpy().reshape(-1, 2) if known else None
    links = one_to_one(links, forward, reverse, flat)
    if settings.links == "shuffled":
        links = shuffled(links, table["pair_id"].to_pylist())
    if unknown is not None:
        for side, ids, spans in (("source", source_ids, source_tokens), ("target", target_ids, target_tokens)):
            if len(ids):
                unknown.add(table[f"{side}_lang"][0].as_py(), ids, spans, tokenizer)
    source_words, target_words, token_links, link_offsets = project(
        source_tokens, source_offsets, *flat_spans(table["source_words"]),
        target_tokens, target_offsets, *flat_spans(table["target_words"]),
        links.links, links.offsets, settings.subword_mapping == "first",
    )  # fmt: skip
    columns = [
        *(table[name] for name in ("pair_id", "source_lang", "target_lang")),
        lists(source_ids, source_offsets, pa.int32()),
        lists(target_ids, target_offsets, pa.int32()),
        lists(source_words, source_offsets, pa.int16()),
        lists(target_words, target_offsets, pa.int16()),
        lists(token_links.ravel(), link_offsets * 2, pa.int16()),
        pa.array((lengths[0] + lengths[1]).astype(np.int32)),
    ]
    encoded = pa.table(columns, schema=ENCODED)
    kept = (lengths[0] > 0) & ((lengths[1] > 0) | unpaired)
    rejected[NO_TOKENS] += int(np.count_nonzero(~kept))
    return encoded.filter(pa.array(kept))
