"""Stages `tokenizer` (for an encoder from scratch) and `encode`: aligned pairs -> token ids with linked subwords."""

import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from weam_ray.align.alignments import Links
from weam_ray.align.symmetrize import one_to_one, symmetrize
from weam_ray.cluster import map_items
from weam_ray.config import Config, EncodeSection
from weam_ray.corpus.tables import ENCODED, MAX_LINKED_TOKENS
from weam_ray.encode.projection import project
from weam_ray.encode.tokenizer import load_tokenizer, train_wordpiece
from weam_ray.encode.unknown import KEY, UnknownCounts
from weam_ray.storage import Attempt, Counts, Stage, StageFile, StageOutput, StageSpec, StageStore

TOKENIZER_VERSION = 1
ENCODE_VERSION = 1
NO_TOKENS = "no_tokens"
TOO_MANY_TOKENS = "too_many_tokens"


def tokenizer_spec(config: Config, corpus: str) -> StageSpec:
    settings = {
        **config.tokenizer.model_dump(mode="json"),
        "max_positions": config.encoder.scratch.max_positions,
    }
    return StageSpec("tokenizer", TOKENIZER_VERSION, settings, {"corpus": corpus})


@dataclass(frozen=True)
class Texts:
    """Both sides of the pairs of a part of the corpus, as often as they are asked for."""

    corpus: Stage
    part: str

    def __iter__(self) -> Iterator[str]:
        for file in self.corpus.files(self.part):
            table = self.corpus.read_parquet(file)
            yield from table["source"].to_pylist()
            yield from table["target"].to_pylist()


def tokenizer_stage(config: Config, store: StageStore, spec: StageSpec, corpus: Stage) -> Stage:
    """Train a WordPiece tokenizer on both sides of the training pairs."""

    def builder(attempt: Attempt) -> StageOutput:
        def train(_: dict[str, Any]) -> dict[str, Any]:
            tokenizer = train_wordpiece(
                Texts(corpus, "train"),
                config.tokenizer,
                config.encoder.scratch.max_positions,
                others=Texts(corpus, "held_out"),
            )
            with tempfile.TemporaryDirectory() as folder:
                tokenizer.save_pretrained(folder)
                saved = sorted(Path(folder).iterdir())
                files = [attempt.write("tokenizer", path.name, path.read_bytes()) for path in saved]
            return {"files": [asdict(file) for file in files], "vocab_size": len(tokenizer)}

        (result,) = map_items([{}], train, "tokenizer", config.cluster.data_cpus)
        rows = sum(file.rows for file in corpus.files("train"))
        files = [StageFile(**file) for file in result["files"]]
        return StageOutput(files, Counts(rows, rows), {"vocab_size": result["vocab_size"]})

    return store.build(spec, builder)


def unpack(stage: Stage, part: str, folder: str | Path) -> Path:
    """Write the files of a part under their labels, for libraries that load a folder."""
    for file in stage.files(part):
        (Path(folder) / file.label).write_bytes(stage.read(file))
    return Path(folder)


def stage_tokenizer(config: Config, tokenizer: Stage | None) -> Any:
    """The tokenizer of a run: the trained one, or that of the encoder."""
    if tokenizer is None:
        return load_tokenizer(config.encoder.name, config.encoder.revision)
    with tempfile.TemporaryDirectory() as folder:
        return load_tokenizer(unpack(tokenizer, "tokenizer", folder))


def encode_spec(config: Config, align: str, tokenizer: str) -> StageSpec:
    settings = config.encode.model_dump(mode="json")
    return StageSpec("encode", ENCODE_VERSION, settings, {"align": align, "tokenizer": tokenizer})


def encode_stage(config: Config, store: StageStore, spec: StageSpec, align: Stage, tokenizer: Stage | None) -> Stage:
    """Encode every shard of the aligned stage, one task a shard, each into one Arrow file."""

    def builder(attempt: Attempt) -> StageOutput:
        def encode(item: dict[str, Any]) -> dict[str, Any]:
            file = StageFile(**item)
            table = align.read_parquet(file)
            rejected: Counter[str] = Counter()
            unknown = UnknownCounts()
            encoded = encode_table(table, stage_tokenizer(config, tokenizer), config.encode, rejected, unknown)
            tokens = int(pc.sum(encoded["num_tokens"]).as_py() or 0)
            links = sum(len(values) // 2 for values in encoded["token_links"].to_pylist())
            counts = {"num_tokens": tokens, "num_links": links, KEY: unknown.counts}
            info = {"language_pair": file.info["language_pair"], **counts}
            written = attempt.write_arrow(file.part, file.label, encoded, **info)
            return {"file": asdict(written), "rows": table.num_rows, "rejected": dict(rejected)}

        items = [asdict(file) for part in ("train", "held_out") for file in align.files(part)]
        results = map_items(items, encode, "encode", config.cluster.data_cpus)
        files = [StageFile(**result["file"]) for result in results]
        rows_in, rows_out = sum(result["rows"] for result in results), sum(file.rows for file in files)
        tokens, links = (sum(file.info[key] for file in files) for key in ("num_tokens", "num_links"))
        info = {"num_tokens": tokens, "linked_token_share": round(2 * links / max(1, tokens), 4)}
        rejected = Counter({NO_TOKENS: 0})
        for result in results:
            rejected.update(result["rejected"])
        return StageOutput(files, Counts(rows_in, rows_out, dict(rejected)), info)

    return store.build(spec, builder)


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


def tokenize(tokenizer: Any, texts: list[str]) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int64]]:
    """Token ids and character spans (flat start, end) of raw texts without special tokens, and each text's offset."""
    encoded = tokenizer(
        texts,
        add_special_tokens=False,
        return_offsets_mapping=True,
        return_attention_mask=False,
        return_token_type_ids=False,
        verbose=False,
    )
    offsets = np.concatenate([[0], np.cumsum([len(ids) for ids in encoded["input_ids"]])]).astype(np.int64)
    ids = np.fromiter((value for row in encoded["input_ids"] for value in row), np.int32, offsets[-1])
    spans = (value for row in encoded["offset_mapping"] for span in row for value in span)
    return ids, np.fromiter(spans, np.int32, 2 * offsets[-1]), offsets


def flat_spans(column: pa.ChunkedArray) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Word spans of a column, flat, and the offsets of each row counted in words."""
    array = column.combine_chunks()
    offsets = array.offsets.to_numpy().astype(np.int64)
    flat = array.values.to_numpy()[offsets[0] : offsets[-1]]
    return np.require(flat, requirements=["C", "W"]), (offsets - offsets[0]) // 2


def lists(values: NDArray[Any], offsets: NDArray[np.int64], kind: pa.DataType) -> pa.ListArray:
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(values, kind))
