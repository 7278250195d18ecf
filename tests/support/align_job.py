"""The alignment job as tests start it, in this process, and what it leaves."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.support.texts import FIXTURES
from weam_ray.align.links import Links
from weam_ray.corpus.tables import ALIGNED
from weam_ray.jobs.align import Alignment
from weam_ray.jobs.align_options import align_config
from weam_ray.jobs.command_line import parse
from weam_ray.jobs.flags import ALIGN
from weam_ray.settings.config import Config

CHECKOUT = Path(__file__).resolve().parents[2]
TEXT = FIXTURES / "verses-en-de.txt.gz"
LANGUAGES = ("--source-lang", "en", "--target-lang", "de")
VERSES = ("--input", TEXT, "--format", "pipes", *LANGUAGES)


def config_of(*arguments: object) -> Config:
    """The configuration that a command line stands for."""
    return align_config(parse(ALIGN, "", [*map(str, arguments)]))


def run(home: Path, output: Path, *arguments: object) -> dict[str, Any]:
    """The job as its command line starts it; overrides go last. The result, as result.json has it."""
    result = Alignment.of(config_of("--output", output, *arguments, f"home={home}"), CHECKOUT).run()
    assert json.loads((output / "result.json").read_text(encoding="utf-8")) == result
    return result


def pipes(file: Path, *lines: str | bytes) -> tuple[object, ...]:
    """Arguments for a file of lines."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"".join((line if isinstance(line, bytes) else line.encode()) + b"\n" for line in lines))
    return "--input", file, "--format", "pipes", *LANGUAGES


def links_lines(folder: Path, name: str = "links") -> list[str]:
    text = (folder / f"{name}.pharaoh").read_text(encoding="utf-8")
    assert text.endswith("\n")
    return text.split("\n")[:-1]


def aligned(folder: Path, pattern: str = "*") -> pa.Table:
    """The rows of `aligned/`, by row."""
    tables = [pq.read_table(file) for file in sorted((folder / "aligned").glob(f"{pattern}.parquet"))]
    return pa.concat_tables(tables).sort_by("row").combine_chunks()


def directions(table: pa.Table) -> tuple[Links, Links]:
    return Links.from_arrow(table["forward_links"]), Links.from_arrow(table["reverse_links"])


def assert_same_tables(actual: pa.Table, expected: pa.Table) -> None:
    """Bit by bit; floats are compared as bytes."""
    assert actual.schema == expected.schema
    for name in ("forward_score", "reverse_score"):
        assert actual[name].to_numpy().tobytes() == expected[name].to_numpy().tobytes()
    posteriors = [table["union_posteriors"].combine_chunks().flatten().to_numpy() for table in (actual, expected)]
    assert posteriors[0].tobytes() == posteriors[1].tobytes()
    rest = [name for name in ALIGNED.names if name not in ("forward_score", "reverse_score", "union_posteriors")]
    assert actual.select(rest).equals(expected.select(rest))
