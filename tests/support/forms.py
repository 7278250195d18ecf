"""One corpus in every form: what is written of the same pairs, for readers to give back."""

import bz2
import csv
import gzip
import io
import json
import lzma
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import fsspec
import polib
import pyarrow as pa
import pyarrow.parquet as pq
from lxml import etree
from pydantic import TypeAdapter

from weam_ray.settings.sources import Source, Sources

Texts = Sequence[tuple[str, str]]
LANGUAGES = {"source_lang": "en", "target_lang": "de"}
XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
SOURCES = TypeAdapter(Sources)


def source_of(format: str, **settings: Any) -> Source:
    """A source of a format, English to German if nothing else is said."""
    (found,) = SOURCES.validate_python([{"format": format, **LANGUAGES, **settings}])
    return found


def zstd(data: bytes) -> bytes:
    return pa.compress(data, codec="zstd", asbytes=True)


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".xz": lzma.compress,
    ".zst": zstd,
    ".bz2": bz2.compress,
}


def lines(texts: Sequence[str]) -> bytes:
    return "".join(f"{text}\n" for text in texts).encode()


def moses(folder: Path, pairs: Texts, ending: str = "") -> Source:
    for side, name in enumerate(("en", "de")):
        data = PACKERS[ending](lines([pair[side] for pair in pairs]))
        (folder / f"text.{name}{ending}").write_bytes(data)
    return source_of("moses", source=str(folder / f"text.en{ending}"), target=str(folder / f"text.de{ending}"))


def multiway(folder: Path, pairs: Texts) -> Source:
    found = moses(folder, pairs)
    files = {"en": found.source, "de": found.target}
    (source,) = SOURCES.validate_python([{"format": "multiway", "files": files}])
    return source


def opus(folder: Path, pairs: Texts) -> Source:
    file = folder / "de-en.txt.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("README", "about")
        archive.writestr("LICENSE", "free")
        archive.writestr("Talks.de-en.de", lines([target for _, target in pairs]))
        archive.writestr("Talks.de-en.en", lines([source for source, _ in pairs]))
        archive.writestr("Talks.de-en.xml", "<linkGrp/>")
    return source_of("opus", path=str(file))


def tsv(folder: Path, pairs: Texts, ending: str = "") -> Source:
    file = folder / f"text.tsv{ending}"
    file.write_bytes(PACKERS[ending](lines(["\t".join(pair) for pair in [("en", "de"), *pairs]])))
    return source_of("tsv", path=str(file))


def pipes(folder: Path, pairs: Texts, ending: str = "") -> Source:
    file = folder / f"text.pipes{ending}"
    file.write_bytes(PACKERS[ending](lines([" ||| ".join(pair) for pair in pairs])))
    return source_of("pipes", path=str(file))


def csv_(folder: Path, pairs: Texts, ending: str = "") -> Source:
    file = folder / f"text.csv{ending}"
    stream = io.StringIO()
    csv.writer(stream).writerows([("id", "source", "target"), *((str(k), *pair) for k, pair in enumerate(pairs))])
    file.write_bytes(PACKERS[ending](stream.getvalue().encode()))
    return source_of("csv", path=str(file))


def jsonl(folder: Path, pairs: Texts, ending: str = "", ascii: bool = False) -> Source:
    file = folder / f"text.jsonl{ending}"
    rows = [json.dumps({"translation": {"de": target, "en": source}}, ensure_ascii=ascii) for source, target in pairs]
    file.write_bytes(PACKERS[ending](lines(rows)))
    return source_of("jsonl", path=str(file))


def parquet(folder: Path, pairs: Texts) -> Source:
    file = folder / "text.parquet"
    columns = [pa.array([pair[side] for pair in pairs], pa.string()) for side in (0, 1)]
    pq.write_table(pa.table(columns, names=["source", "target"]), file, row_group_size=7)
    return source_of("parquet", path=str(file))


def several_parquet(folder: Path, pairs: Texts) -> Source:
    half = len(pairs) // 2
    for number, part in enumerate((pairs[:half], pairs[half:])):
        columns = [pa.array([pair[side] for pair in part], pa.string()) for side in (0, 1)]
        pq.write_table(pa.table(columns, names=["source", "target"]), folder / f"part-{number}.parquet")
    return source_of("parquet", path=str(folder / "part-*.parquet"))


def tmx(folder: Path, pairs: Texts, encoding: str = "UTF-8", ending: str = "") -> Source:
    root = etree.Element("tmx", version="1.4")
    etree.SubElement(root, "header", srclang="en-US")
    body = etree.SubElement(root, "body")
    for pair in pairs:
        unit = etree.SubElement(body, "tu")
        for code, text in zip(("en-US", "DE"), pair, strict=True):
            variant = etree.SubElement(unit, "tuv", {XML_LANG: code})
            etree.SubElement(variant, "seg").text = text
    file = folder / f"text.tmx{ending}"
    file.write_bytes(PACKERS[ending](etree.tostring(root, xml_declaration=True, encoding=encoding)))
    return source_of("tmx", path=str(file))


def xliff_1(folder: Path, pairs: Texts) -> Source:
    space = "{urn:oasis:names:tc:xliff:document:1.2}"
    root = etree.Element(f"{space}xliff", nsmap={None: space[1:-1]}, version="1.2")
    about = {"original": "a.c", "source-language": "en", "target-language": "de", "datatype": "plaintext"}
    body = etree.SubElement(etree.SubElement(root, f"{space}file", about), f"{space}body")
    for number, (source, target) in enumerate(pairs):
        unit = etree.SubElement(body, f"{space}trans-unit", id=str(number))
        etree.SubElement(unit, f"{space}source").text = source
        etree.SubElement(unit, f"{space}target", state="final").text = target
    file = folder / "text.xlf"
    file.write_bytes(etree.tostring(root, xml_declaration=True, encoding="UTF-8"))
    return source_of("xliff", path=str(file))


def xliff_2(folder: Path, pairs: Texts) -> Source:
    space = "{urn:oasis:names:tc:xliff:document:2.0}"
    root = etree.Element(f"{space}xliff", nsmap={None: space[1:-1]}, version="2.0", srcLang="en", trgLang="de")
    body = etree.SubElement(root, f"{space}file", id="f")
    for number, (source, target) in enumerate(pairs):
        segment = etree.SubElement(etree.SubElement(body, f"{space}unit", id=str(number)), f"{space}segment")
        segment.set("state", "translated")
        etree.SubElement(segment, f"{space}source").text = source
        etree.SubElement(segment, f"{space}target").text = target
    file = folder / "text.xliff"
    file.write_bytes(etree.tostring(root, xml_declaration=True, encoding="UTF-8"))
    return source_of("xliff", path=str(file))


def catalogue(pairs: Texts) -> polib.POFile:
    made = polib.POFile(check_for_duplicates=False)
    made.metadata = {"Content-Type": "text/plain; charset=UTF-8", "Language": "de"}
    for number, (source, target) in enumerate(pairs):
        made.append(polib.POEntry(msgid=source, msgstr=target, msgctxt=f"{number:06d}"))
    return made


def po(folder: Path, pairs: Texts) -> Source:
    file = folder / "de.po"
    file.write_bytes(str(catalogue(pairs)).encode())
    return source_of("gettext", path=str(file))


def mo(folder: Path, pairs: Texts) -> Source:
    """Its messages stand in the order of their contexts, which are numbers here."""
    file = folder / "de.mo"
    file.write_bytes(catalogue(pairs).to_binary())
    return source_of("gettext", path=str(file))


def data_set(folder: Path, pairs: Texts) -> Source:
    from datasets import Dataset, Features, Translation

    rows = [{"en": source, "de": target} for source, target in pairs]
    features = Features({"translation": Translation(languages=["de", "en"])})
    made = Dataset.from_dict({"translation": rows}, features=features)
    made.save_to_disk(folder / "set", num_shards=2)
    return source_of("datasets", path=str(folder / "set"))


def remote(folder: Path, pairs: Texts) -> Source:
    """Moses form in the memory of fsspec."""
    local = moses(folder, pairs, ".gz")
    addresses = {}
    for side in ("source", "target"):
        addresses[side] = f"memory://{folder.name}/{Path(getattr(local, side)).name}"
        with fsspec.open(addresses[side], "wb") as stream:
            stream.write(Path(getattr(local, side)).read_bytes())
    return source_of("moses", **addresses)


FORMS: dict[str, Callable[[Path, Texts], Source]] = {
    **{f"moses{ending}": (lambda folder, pairs, ending=ending: moses(folder, pairs, ending)) for ending in PACKERS},
    **{f"tsv{ending}": (lambda folder, pairs, ending=ending: tsv(folder, pairs, ending)) for ending in PACKERS},
    "multiway": multiway,
    "opus": opus,
    "remote": remote,
    "pipes": pipes,
    "pipes.zst": lambda folder, pairs: pipes(folder, pairs, ".zst"),
    "csv": csv_,
    "csv.xz": lambda folder, pairs: csv_(folder, pairs, ".xz"),
    "jsonl": jsonl,
    "jsonl.gz": lambda folder, pairs: jsonl(folder, pairs, ".gz", ascii=True),
    "parquet": parquet,
    "several parquet": several_parquet,
    "tmx": tmx,
    "tmx.zst": lambda folder, pairs: tmx(folder, pairs, ending=".zst"),
    "tmx, UTF-16": lambda folder, pairs: tmx(folder, pairs, "UTF-16"),
    "xliff 1": xliff_1,
    "xliff 2": xliff_2,
    "po": po,
    "mo": mo,
    "datasets": data_set,
}
