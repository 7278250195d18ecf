"""The alignment job: corpus, model, links, error rate against gold; each stage is reused when nothing changed."""

import json
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from weam_ray.align.gold import Gold, gold_rows, place_gold, read_gold, score_all
from weam_ray.align.lines import FORWARD, REVERSE, LinksStage, rows_between
from weam_ray.align.links import Links
from weam_ray.align.model_folder import place, write_model
from weam_ray.align.ready import source_number
from weam_ray.align.symmetrize import symmetrize
from weam_ray.cluster.capacity import check_shared
from weam_ray.cluster.join import ray_cluster
from weam_ray.corpus.words import segment
from weam_ray.errors import UserError
from weam_ray.jobs.warm_up import warm_workers
from weam_ray.pipeline import AlignmentPlan
from weam_ray.settings.config import Config
from weam_ray.store.files import check_folder, check_writable, write_whole
from weam_ray.store.home import Home
from weam_ray.store.runs import STATE
from weam_ray.store.stages import Committed, Stage, StageFile

CONFIG, RESULT = "config.yaml", "result.json"
ALIGNED, MODEL = "aligned", "model"
UNKNOWN_WORDS = 2**15  # of a rejected pair: more than any gold link has
TEXT_COLUMNS = ["row", "source", "target", "source_words", "target_words", "forward_links", "reverse_links"]


@dataclass(frozen=True)
class Wishes:
    """What the job leaves besides links: scores, pictures of some lines (from 1), and the comparison with gold."""

    scores: bool = False
    pictures: tuple[int, ...] = ()
    gold: Path | None = None
    gold_one_based: bool = False
    gold_lines: str | None = None


@dataclass(frozen=True)
class GoldPart:
    """Gold links and the rows of the source, from 0, that they are of."""

    gold: Gold
    rows: range

    @property
    def lines(self) -> str:
        """As `--gold-lines` names them."""
        return f"{self.rows.start}:{self.rows.stop}"


@dataclass
class Alignment:
    """A resolved job."""

    config: Config
    home: Home
    plan: AlignmentPlan
    folder: Path
    wishes: Wishes
    seconds: dict[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, config: Config, checkout: Path, wishes: Wishes) -> "Alignment":
        """Resolve a configuration; nothing is written.

        Raises:
            UserError: a source, the model, the gold or the output folder is not what it must be.
        """
        if config.output.dir is None:
            raise UserError("--output: name the folder for the results.")
        folder = Path(config.output.dir)
        check_folder(folder, "--output")
        if (folder / STATE).is_file():
            raise UserError(f"--output {folder}: a run of pre-training is there; name another folder.")
        if not (folder / CONFIG).is_file():
            for name in (ALIGNED, MODEL):
                if (folder / name).exists():
                    raise UserError(f"--output {folder}: {name} is there, and not from this job; name another folder.")
        if len(config.corpus.sources) > 1 and (wishes.gold or wishes.pictures):
            raise UserError("--gold and --picture are about one source; this configuration has several.")
        for number, source in enumerate(config.corpus.sources):
            if not source.is_paired:
                raise UserError(f"corpus.sources.{number}: {source.label()} is unpaired text, with nothing to align.")
        home = Home.of(config, checkout)
        return cls(config, home, AlignmentPlan.of(config, home.source_hashes()), folder, wishes)

    def run(self) -> dict[str, Any]:
        """Align and write the results; the result."""
        started = time.monotonic()
        gold = None if self.wishes.gold is None else read_gold(self.wishes.gold, self.wishes.gold_one_based)
        plan, committed = self.plan, Committed(self.home.store, self.config.cluster.data_cpus)
        self.home.begin()
        check_writable(self.folder, "--output")
        with self.phase("start"):
            cluster = ray_cluster(self.config.cluster.address, self.config.cluster.num_cpus)
            cluster.__enter__()
        try:
            with self.phase("load"):
                warm_workers(self.config.cluster.data_cpus)
            check_shared(self.home.path)
            with self.phase("corpus"):
                corpus = committed.build(plan.corpus)
            self.check_pictures(corpus)
            part = None if gold is None else self.place_gold(gold, corpus)
            with self.phase("fit"):
                aligner = plan.aligner if isinstance(plan.aligner, Stage) else committed.build(plan.aligner)
            with self.phase("decode"):
                align = committed.build(plan.align)
            with self.phase("links"):
                method = self.config.encode.symmetrization
                links = committed.build(LinksStage(method, self.wishes.scores, plan.align))
        finally:
            cluster.__exit__(None, None, None)
        with self.phase("write"):
            self.write(corpus, aligner, align, links)
        result = self.conclude(corpus, aligner, align, part)
        with self.phase("pictures"):
            self.draw(align, part)
        result["seconds"] = {**self.seconds, "total": round(time.monotonic() - started, 3)}
        write_whole(self.folder / RESULT, json.dumps(result, indent=1, ensure_ascii=False).encode())
        self.say(result)
        return result

    def check_pictures(self, corpus: Stage) -> None:
        """See that the lines to draw are there and not rejected, before anything takes long."""
        if not self.wishes.pictures:
            return
        rejected = {row for file in corpus.files("rejected") for row in corpus.read_parquet(file)["row"].to_pylist()}
        for line in self.wishes.pictures:
            if line > corpus.info["rows"][0]:
                raise UserError(f"--picture {line}: the text has {corpus.info['rows'][0]} lines.")
            if line - 1 in rejected:
                raise UserError(f"--picture {line}: this line is not among the aligned pairs; it is rejected.")

    def place_gold(self, gold: Gold, corpus: Stage) -> GoldPart:
        """Find the rows that the gold is about.

        Raises:
            UserError: there are none, or the gold does not fit their words.
        """
        num_rows = corpus.info["rows"][0]
        found = gold_rows(gold, num_rows, num_blank_rows(corpus, num_rows), self.wishes.gold_lines)

        def num_words(rows: range) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
            table = rows_between(corpus, 0, rows.start, rows.stop, ["row", "source", "target"])
            lengths = np.full(len(rows), UNKNOWN_WORDS), np.full(len(rows), UNKNOWN_WORDS)
            for own, side in zip(lengths, ("source", "target"), strict=True):
                words = segment(table[side].combine_chunks(), self.config.corpus.segmentation)
                own[table["row"].to_numpy() - rows.start] = words.lengths
            return lengths

        part = GoldPart(*place_gold(gold, found, num_words))
        if len(part.gold) < len(gold):
            number = len(gold) - len(part.gold)
            print(
                f"gold: {number} blank lines at the end are taken for no pairs, and the others are of lines "
                f"{part.lines} from 0; --gold-lines says otherwise"
            )
        elif part.rows.stop < num_rows and self.wishes.gold_lines is None:
            print(f"gold: blank lines at the end of the text are no pairs; the gold is of lines {part.lines} from 0")
        return part

    def write(self, corpus: Stage, aligner: Stage, align: Stage, links: Stage) -> None:
        """Put the files of the stages where the user asked for them."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / RESULT).unlink(missing_ok=True)  # it is there when all is there
        write_whole(self.folder / CONFIG, self.config.to_yaml().encode())
        if aligner.folder.path != str((self.folder / MODEL).resolve()):  # else the given model is there already
            write_model(aligner, self.config.align, self.config.corpus.segmentation, self.folder / MODEL)
        shutil.rmtree(self.folder / ALIGNED, ignore_errors=True)
        (self.folder / ALIGNED).mkdir()
        for file in align.files("train") + align.files("held_out"):
            place(align, file.name, self.folder / ALIGNED / f"{file.part}-{file.label}.parquet")
        for number, folder in enumerate(self.folders()):
            folder.mkdir(exist_ok=True)
            for part in (FORWARD, REVERSE):  # an earlier job may have left them, this one need not write them
                (folder / f"{part}.pharaoh").unlink(missing_ok=True)
            for part in dict.fromkeys(entry["part"] for entry in links.manifest["files"]):
                lines = b"".join(links.read(file) for file in links.files(part) if source_number(file) == number)
                write_whole(folder / f"{part}.pharaoh", lines)
            write_whole(folder / "rejected.tsv", rejected_lines(corpus, number))

    def folders(self) -> list[Path]:
        """Where the lines of each source go: the output folder, or one for each of several sources."""
        pairs = [source.language_pair for source in self.config.corpus.sources]
        if len(pairs) == 1:
            return [self.folder]
        seen: Counter[str] = Counter()
        folders = []
        for pair in pairs:
            seen[pair] += 1
            folders.append(self.folder / (pair if seen[pair] == 1 else f"{pair}-{seen[pair]}"))
        return folders

    def conclude(self, corpus: Stage, aligner: Stage, align: Stage, part: GoldPart | None) -> dict[str, Any]:
        config = self.config
        pairs = list(dict.fromkeys(source.language_pair for source in config.corpus.sources))
        infos = {pair: aligner.info.get(pair, {}) for pair in pairs}
        tensions = {
            pair: dict(zip(("forward", "reverse"), info["tension"], strict=True))
            for pair, info in infos.items()
            if "tension" in info
        }
        noted = Counter(corpus.info["noted"])
        for info in infos.values():
            noted.update(info.get("noted", {}))
        result: dict[str, Any] = {
            "aligner": config.align.aligner,
            "symmetrization": config.encode.symmetrization,
            "lines": corpus.counts.rows_in,
            "pairs": corpus.counts.rows_out,
            "rejected": corpus.counts.rejected,
            "noted": dict(+noted),
            "language_pairs": {pair: rows_of(align, pair) for pair in pairs},
            "tension": tensions if len(pairs) > 1 else tensions.get(pairs[0]),
            "iterations": {pair: info["iterations"] for pair, info in infos.items() if "iterations" in info},
            "peak_memory_bytes": align.info["peak_memory_bytes"],
            "model_bytes": sum(file["size"] for file in aligner.manifest["files"]),
            "model": str(self.folder / MODEL),
        }
        if part is not None:
            result |= self.scores(align, part)
        return result

    def scores(self, align: Stage, part: GoldPart) -> dict[str, Any]:
        """Alignment error rate and its parts, of the rows that have gold."""
        table = rows_between(align, 0, part.rows.start, part.rows.stop, TEXT_COLUMNS)
        places, num_rows = table["row"].to_numpy() - part.rows.start, len(part.rows)
        forward, reverse = (
            Links.from_arrow(table[f"{name}_links"]).spread(places, num_rows) for name in ("forward", "reverse")
        )
        found = score_all(forward, reverse, part.gold)
        chosen = found[self.config.encode.symmetrization]
        return {
            "gold_lines": [part.rows.start, part.rows.stop],
            "aer": chosen.aer,
            "precision": chosen.precision,
            "recall": chosen.recall,
            "aer_by_symmetrization": {name: own.aer for name, own in found.items()},
            "scores_by_symmetrization": {name: asdict(own) for name, own in found.items()},
        }

    def draw(self, align: Stage, part: GoldPart | None) -> None:
        """The matrices of the lines that were asked for, or of the first that has gold links."""
        wanted = [line - 1 for line in self.wishes.pictures]
        if not wanted and part is not None:
            with_gold = part.rows.start + np.flatnonzero(np.diff(part.gold.sure.offsets))
            aligned = rows_between(align, 0, part.rows.start, part.rows.stop, ["row"])["row"].to_numpy()
            wanted = np.intersect1d(with_gold, aligned)[:1].tolist()
        for row in wanted:
            draw_row(self.config, align, part, row, self.folder / f"alignment-{row + 1}.png")

    def say(self, result: dict[str, Any]) -> None:
        rejected = ", ".join(f"{count} {reason}" for reason, count in result["rejected"].items())
        print(
            f"{result['pairs']:,} of {result['lines']:,} pairs aligned"
            + (f"; rejected: {rejected}" if rejected else "")
        )
        if "aer" in result:
            rates = ", ".join(f"{name} {value:.2f}" for name, value in result["aer_by_symmetrization"].items())
            print(f"AER %: {rates}")
        print(f"Results: {self.folder} (links.pharaoh, rejected.tsv, aligned/, model/, {CONFIG}, {RESULT})")

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        started = time.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = round(time.monotonic() - started, 3)


def rows_of(align: Stage, pair: str) -> int:
    files: list[StageFile] = [file for part in ("train", "held_out") for file in align.files(part)]
    return sum(file.rows for file in files if file.info["language_pair"] == pair)


def num_blank_rows(corpus: Stage, num_rows: int) -> int:
    """How many rows at the end of the first source have two blank sides."""
    blank = {
        row["row"]
        for file in corpus.files("rejected")
        if source_number(file) == 0
        for row in corpus.read_parquet(file, ["row", "source", "target"]).to_pylist()
        if not row["source"].strip() and not row["target"].strip()
    }
    return next(number for number in range(num_rows + 1) if num_rows - 1 - number not in blank)


def rejected_lines(corpus: Stage, source: int) -> bytes:
    """Line (from 1) and reason of every rejected row of a source, with a heading."""
    tables = [
        corpus.read_parquet(file, ["row", "reason"])
        for file in corpus.files("rejected")
        if source_number(file) == source
    ]
    rows = pa.concat_tables(tables).to_pylist() if tables else []
    return "".join(["line\treason\n", *(f"{row['row'] + 1}\t{row['reason']}\n" for row in rows)]).encode()


def draw_row(config: Config, align: Stage, part: GoldPart | None, row: int, file: Path) -> None:
    """Draw one row of the source, which is among the aligned."""
    from weam_ray.report.alignment_picture import draw_alignment

    table = rows_between(align, 0, row, row + 1, TEXT_COLUMNS)
    (pair,) = table.to_pylist()
    words = [
        [pair[side][start:end] for start, end in zip(flat[::2], flat[1::2], strict=True)]
        for side, flat in (("source", pair["source_words"]), ("target", pair["target_words"]))
    ]
    forward, reverse = (Links.from_arrow(table[f"{name}_links"]) for name in ("forward", "reverse"))
    links = symmetrize(forward, reverse, config.encode.symmetrization).of(0)
    gold = None
    if part is not None and row in part.rows:
        gold = part.gold.of(part.rows.index(row))
    title = f"line {row + 1}, {config.align.aligner}, {config.encode.symmetrization}"
    draw_alignment(words[0], words[1], links, gold, title, file)
