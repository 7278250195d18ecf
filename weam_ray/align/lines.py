"""Stage `links`: the links of every row of the sources as lines in Pharaoh form, blank where a row was rejected."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from weam_ray.align.links import Links
from weam_ray.align.pharaoh import format_pharaoh, format_scored
from weam_ray.align.ready import source_number
from weam_ray.align.stage import AlignStage
from weam_ray.align.symmetrize import symmetrize
from weam_ray.cluster.tasks import map_items
from weam_ray.corpus.tables import ALIGNED
from weam_ray.store.stages import Attempt, Committed, Counts, Stage, StageDefinition, StageFile, StageOutput

LINKS, FORWARD, REVERSE = "links", "forward", "reverse"
COLUMNS = ["row", "forward_links", "reverse_links", "forward_score", "reverse_score"]


@dataclass(frozen=True)
class LinksStage(StageDefinition):
    """The stage `links`; `scores`: whether each direction is written too, with its scores."""

    name: ClassVar[str] = "links"
    version: ClassVar[int] = 1

    symmetrization: str
    scores: bool
    align: AlignStage

    def build(self, attempt: Attempt, committed: Committed, num_cpus: float) -> StageOutput:
        """Symmetrise every shard and write its lines, one task a shard.

        A source of which no row is trained on is one shard: all of its rows are rejected or held out.
        """
        align = committed[self.align]
        items = shards(align, committed[self.align.corpus].info["rows"])
        results = map_items(items, partial(write_shard, self, align, attempt), "align: writing links", num_cpus)
        files = [StageFile(**file) for result in results for file in result["files"]]
        rows = sum(result["aligned"] for result in results)
        return StageOutput(files, Counts(rows, rows))


def write_shard(stage: LinksStage, align: Stage, attempt: Attempt, item: dict[str, Any]) -> dict[str, Any]:
    """Symmetrise and write the links of some rows of a source."""
    first, end = item["first_row"], item["end_row"]
    table = rows_between(align, item["source"], first, end, COLUMNS)
    places, num_rows = table["row"].to_numpy() - first, end - first
    directions = {
        FORWARD: Links.from_arrow(table["forward_links"]),
        REVERSE: Links.from_arrow(table["reverse_links"]),
    }
    symmetrized = symmetrize(directions[FORWARD], directions[REVERSE], stage.symmetrization)
    texts = {LINKS: format_pharaoh(symmetrized.spread(places, num_rows))}
    if stage.scores:
        for name, links in directions.items():
            scores = np.full(num_rows, np.nan)
            scores[places] = table[f"{name}_score"].to_numpy()
            texts[name] = format_scored(links.spread(places, num_rows), scores)
    written = [attempt.write(part, item["label"], text, num_rows, ".pharaoh") for part, text in texts.items()]
    return {"files": [asdict(file) for file in written], "aligned": table.num_rows}


def shards(align: Stage, rows_of_sources: Sequence[int]) -> list[dict[str, Any]]:
    """Which rows of which source have their lines in which file; all rows of all sources, in order."""
    found = []
    for source, num_rows in enumerate(rows_of_sources):
        files = [file for file in align.files("train") if source_number(file) == source]
        runs = [(file.label, file.info["first_row"], file.info["end_row"]) for file in files]
        for label, first, end in runs or [(f"{source:03d}-00000", 0, num_rows)]:
            found.append({"source": source, "label": label, "first_row": first, "end_row": end})
    return found


def rows_between(align: Stage, source: int, first: int, end: int, columns: list[str]) -> pa.Table:
    """The aligned rows of a source from `first` to `end`, training and held-out ones, by row."""
    tables = [ALIGNED.empty_table().select(columns)]
    for part in ("train", "held_out"):
        for file in align.files(part):
            if source_number(file) == source and not (
                part == "train" and (file.info["end_row"] <= first or file.info["first_row"] >= end)
            ):
                table = align.read_parquet(file, columns)
                inside = pc.and_(pc.greater_equal(table["row"], first), pc.less(table["row"], end))
                tables.append(table.filter(inside))
    return pa.concat_tables(tables).sort_by("row").combine_chunks()
