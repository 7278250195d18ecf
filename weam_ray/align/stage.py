"""Stages `aligner` (fits a model for each language pair) and `align` (decodes every shard with it)."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import pyarrow as pa

from weam_ray.align.fast_align import FastAlign
from weam_ray.cluster import map_items
from weam_ray.config import Config
from weam_ray.corpus.tables import ALIGNED
from weam_ray.corpus.words import word_spans
from weam_ray.storage import Attempt, Counts, Stage, StageFile, StageOutput, StageSpec, StageStore

MODEL_VERSION = 1
ALIGN_VERSION = 1

ALIGNERS = {"fast_align": FastAlign}


def aligner_spec(config: Config, corpus: str) -> StageSpec:
    return StageSpec("aligner", MODEL_VERSION, config.align.model_dump(mode="json"), {"corpus": corpus})


def align_spec(config: Config, corpus: str, aligner: str) -> StageSpec:
    settings = {"lowercase": config.align.lowercase}
    return StageSpec("align", ALIGN_VERSION, settings, {"corpus": corpus, "aligner": aligner})


def aligner_stage(config: Config, store: StageStore, spec: StageSpec, corpus: Stage) -> Stage:
    """Fit one model on all training shards of each language pair, one task a pair of languages."""
    settings = config.align
    aligner = ALIGNERS[settings.aligner]

    def words_of(language_pair: str) -> Iterator[tuple[list[str], list[str]]]:
        for file in corpus.files("train"):
            if file.info["language_pair"] == language_pair:
                table = corpus.read_parquet(file)
                for source, target in zip(table["source"].to_pylist(), table["target"].to_pylist(), strict=True):
                    yield split(source, settings.lowercase)[0], split(target, settings.lowercase)[0]

    def builder(attempt: Attempt) -> StageOutput:
        def fit(item: dict[str, Any]) -> dict[str, Any]:
            pair = item["language_pair"]
            model = aligner.fit(words_of(pair), settings)
            file = attempt.write("model", pair, model.to_bytes(), suffix=".safetensors", language_pair=pair)
            return {"file": asdict(file), "reports": [asdict(report) for report in model.reports]}

        pairs = dict.fromkeys(file.info["language_pair"] for file in corpus.files("train"))
        items = [{"language_pair": pair} for pair in pairs]
        results = map_items(items, fit, "align: fitting", config.cluster.data_cpus)
        rows = sum(file.rows for file in corpus.files("train"))
        info = {pair: result["reports"] for pair, result in zip(pairs, results, strict=True)}
        return StageOutput([StageFile(**result["file"]) for result in results], Counts(rows, rows), info)

    return store.build(spec, builder)


def align_stage(config: Config, store: StageStore, spec: StageSpec, corpus: Stage, aligner: Stage) -> Stage:
    """Add words and links of both directions to every shard, one task a shard."""
    settings = config.align
    models = {file.info["language_pair"]: file for file in aligner.files("model")}

    def builder(attempt: Attempt) -> StageOutput:
        def align(item: dict[str, Any]) -> dict[str, Any]:
            file = StageFile(**item)
            pair = file.info["language_pair"]
            model = ALIGNERS[settings.aligner].from_bytes(aligner.read(models[pair]))
            table = align_table(corpus.read_parquet(file), model, settings.lowercase)
            return asdict(attempt.write_parquet(file.part, file.label, table, language_pair=pair))

        items = [asdict(file) for part in ("train", "held_out") for file in corpus.files(part)]
        results = map_items(items, align, "align: decoding", config.cluster.data_cpus)
        files = [StageFile(**result) for result in results]
        rows = sum(item["rows"] for item in items)
        return StageOutput(files, Counts(rows, sum(file.rows for file in files)))

    return store.build(spec, builder)


def split(text: str, lowercase: bool) -> tuple[list[str], list[int]]:
    """The words of a text as the aligner compares them, and their spans in the raw text, flat."""
    spans = word_spans(text)
    words = [text[start:end] for start, end in spans]
    return [word.lower() for word in words] if lowercase else words, [value for span in spans for value in span]


def align_table(table: pa.Table, model: FastAlign, lowercase: bool) -> pa.Table:
    """A table of pairs with their words, links and scores."""
    sources = [split(text, lowercase) for text in table["source"].to_pylist()]
    targets = [split(text, lowercase) for text in table["target"].to_pylist()]
    alignments = model.align([words for words, _ in sources], [words for words, _ in targets])
    columns = {name: table[name] for name in table.column_names}
    columns["source_words"] = pa.array([spans for _, spans in sources], ALIGNED.field("source_words").type)
    columns["target_words"] = pa.array([spans for _, spans in targets], ALIGNED.field("target_words").type)
    columns |= alignments.columns()
    return pa.table([columns[name] for name in ALIGNED.names], schema=ALIGNED)
