"""The pairs of a corpus as files for other programs: Moses, TSV, Parquet, JSONL, TMX."""

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from lxml import etree

from weam_ray.corpus.readers.xml import XML_LANG
from weam_ray.store.stages import Stage

ROWS_AT_ONCE = 20_000
BREAKS = {"moses": r"[\r\n]+", "tsv": r"[\r\n\t]+"}  # what a text cannot have in a format, and becomes a space


def export(corpus: Stage, pair: str, part: str, form: str, folder: Path) -> dict[str, int]:
    """Write the pairs of a language pair that are of one part, in the order of the corpus.

    Returns:
        the files by name, each with its rows; none where the part has no such pairs.
    """
    files = [file for file in corpus.files(part) if file.info["language_pair"] == pair]
    if not files:
        return {}
    tables = (table for file in files for table in corpus.batches(file, ROWS_AT_ONCE))
    languages = sides_of(corpus, part, pair)
    write = {"moses": moses, "tsv": tsv, "parquet": parquet, "jsonl": jsonl, "tmx": tmx}[form]
    names = write(tables, languages, folder / f"{pair}.{part}")
    return dict.fromkeys(names, sum(file.rows for file in files))


def sides_of(corpus: Stage, part: str, pair: str) -> list[str]:
    """The languages of the sides of a language pair, one of unpaired text."""
    (first, *_) = (file for file in corpus.files(part) if file.info["language_pair"] == pair)
    row = next(corpus.batches(first, 1)).slice(0, 1).to_pylist()[0]
    return [language for language in (row["source_lang"], row["target_lang"]) if language]


def on_one_line(texts: pa.ChunkedArray, form: str) -> list[str]:
    """Texts without what a format cannot hold."""
    return pc.replace_substring_regex(texts, BREAKS[form], " ").to_pylist()


def moses(tables: Iterator[pa.Table], languages: list[str], path: Path) -> list[str]:
    """A file for each language."""
    files = [path.with_name(f"{path.name}.{language}") for language in languages]
    handles = [file.open("w", encoding="utf-8", newline="\n") for file in files]
    try:
        for table in tables:
            for handle, side in zip(handles, ("source", "target"), strict=False):
                handle.writelines(f"{text}\n" for text in on_one_line(table[side], "moses"))
    finally:
        for handle in handles:
            handle.close()
    return [file.name for file in files]


def tsv(tables: Iterator[pa.Table], languages: list[str], path: Path) -> list[str]:
    """A column for each language, under a heading."""
    file = path.with_name(f"{path.name}.tsv")
    with file.open("w", encoding="utf-8", newline="\n") as handle:
        handle.write("\t".join(["source", "target"][: len(languages)]) + "\n")
        for table in tables:
            sides = (on_one_line(table[side], "tsv") for side in ("source", "target")[: len(languages)])
            handle.writelines("\t".join(row) + "\n" for row in zip(*sides, strict=True))
    return [file.name]


def parquet(tables: Iterator[pa.Table], languages: list[str], path: Path) -> list[str]:
    """The columns of the stage: names of the pairs, languages and texts."""
    file = path.with_name(f"{path.name}.parquet")
    writer: pq.ParquetWriter | None = None
    for table in tables:
        own = table.drop_columns(["row"])
        writer = writer or pq.ParquetWriter(file, own.schema, compression="zstd")
        writer.write_table(own)
    if writer is not None:
        writer.close()
    return [file.name]


def jsonl(tables: Iterator[pa.Table], languages: list[str], path: Path) -> list[str]:
    """An object on each line, as data sets of translations have it: {"id": ..., "translation": {"en": ..., ...}}."""
    file = path.with_name(f"{path.name}.jsonl")
    with file.open("w", encoding="utf-8", newline="\n") as handle:
        for table in tables:
            for row in table.to_pylist():
                texts = dict(zip(languages, (row["source"], row["target"]), strict=False))
                handle.write(json.dumps({"id": row["pair_id"], "translation": texts}, ensure_ascii=False) + "\n")
    return [file.name]


def tmx(tables: Iterator[pa.Table], languages: list[str], path: Path) -> list[str]:
    """A unit for each pair (TMX 1.4b); characters that XML cannot hold are left out."""
    file = path.with_name(f"{path.name}.tmx")
    header = {
        "creationtool": "weam-ray",
        "creationtoolversion": "1",
        "segtype": "sentence",
        "o-tmf": "none",
        "adminlang": "en",
        "srclang": languages[0],
        "datatype": "plaintext",
    }
    with etree.xmlfile(str(file), encoding="utf-8") as xml:
        xml.write_declaration()
        with xml.element("tmx", version="1.4"):
            xml.write(etree.Element("header", header))
            with xml.element("body"):
                for table in tables:
                    for row in table.to_pylist():
                        xml.write(unit(row["pair_id"], languages, [row["source"], row["target"]]))
                        xml.write("\n")
    return [file.name]


def unit(name: str, languages: list[str], texts: list[str]) -> etree.ElementBase:
    """A unit of TMX."""
    found = etree.Element("tu", tuid="".join(filter(is_of_xml, name)))
    for language, text in zip(languages, texts, strict=False):
        variant = etree.SubElement(found, "tuv", {XML_LANG: language})
        etree.SubElement(variant, "seg").text = "".join(filter(is_of_xml, text))
    return found


def is_of_xml(sign: str) -> bool:
    """Whether XML 1.0 can hold a character (section 2.2)."""
    return sign in "\t\n\r" or " " <= sign <= "\ud7ff" or "\ue000" <= sign <= "\ufffd" or sign >= "\U00010000"
