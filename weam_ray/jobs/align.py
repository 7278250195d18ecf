"""The alignment job: corpus, model, links, error rate against gold; each stage is reused when nothing changed."""

import json
import shutil
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from weam_ray.align.gold import read_gold
from weam_ray.align.lines import FORWARD, REVERSE, LinksStage
from weam_ray.align.model_folder import place, write_model
from weam_ray.align.ready import source_number
from weam_ray.cluster.capacity import check_shared
from weam_ray.errors import UserError
from weam_ray.jobs.align_gold import PlacedGold, draw_row
from weam_ray.jobs.frame import ALIGNMENT_STATE, Clock, Frame, Kind, check_holder, preview_stages, warn_of_lacks
from weam_ray.jobs.telling import ResultTelling
from weam_ray.jobs.warm_up import warm_workers
from weam_ray.pipeline import AlignmentPlan
from weam_ray.settings.align_job import AlignJobSection
from weam_ray.settings.config import Config
from weam_ray.store.files import check_folder, fingerprint, write_whole
from weam_ray.store.home import Home
from weam_ray.store.runs import unused
from weam_ray.store.stages import Committed, Stage, StageFile
from weam_ray.store.training_folder import CONFIG, RESULT
from weam_ray.tracking.client import NOTE, Tracker
from weam_ray.tracking.run import alignment_figures, alignment_note, alignment_parameters, data_inputs, data_tags

ALIGNED, MODEL = "aligned", "model"
PICTURES = ("alignment-*.png",)
FILES = ("links.pharaoh", "rejected.tsv", f"{ALIGNED}/", f"{MODEL}/", CONFIG, RESULT)


@dataclass
class Alignment:
    """A resolved job."""

    config: Config
    home: Home
    plan: AlignmentPlan
    folder: Path
    clock: Clock = field(default_factory=Clock)

    @classmethod
    def of(cls, config: Config, checkout: Path, fresh: bool = False) -> "Alignment":
        """Resolve a configuration; nothing is written.

        Raises:
            UserError: a source, the model, the gold or the output folder is not what it must be.
        """
        if config.output.dir is None:
            raise UserError("--output: name the folder for the results.")
        folder = Path(config.output.dir)
        check_folder(folder, "--output")
        folder = unused(folder) if fresh else folder
        check_holder(folder, Kind.ALIGNMENT, "--output")
        if not (folder / CONFIG).is_file():
            for name in (ALIGNED, MODEL):
                if (folder / name).exists():
                    raise UserError(f"--output {folder}: {name} is there, and not from this job; name another folder.")
        wishes = config.align_job
        if wishes.gold is not None and not Path(wishes.gold).is_file():
            raise UserError(f"--gold: there is no file {wishes.gold!r}.")
        if len(config.corpus.sources) > 1 and (wishes.gold or wishes.pictures):
            raise UserError("--gold and --picture are about one source; this configuration has several.")
        for number, source in enumerate(config.corpus.sources):
            if not source.is_paired:
                raise UserError(f"corpus.sources.{number}: {source.label()} is unpaired text, with nothing to align.")
        home = Home.of(config, checkout)
        return cls(config, home, AlignmentPlan.of(config, home.source_hashes()), folder)

    @property
    def wishes(self) -> AlignJobSection:
        """What the job leaves besides links."""
        return self.config.align_job

    @property
    def frame(self) -> Frame:
        return Frame(self.home, self.folder, "--output", self.config)

    @property
    def links(self) -> LinksStage:
        """The stage of the lines of links."""
        return LinksStage(self.config.encode.symmetrization, self.wishes.scores, self.plan.align)

    def preview(self) -> None:
        """Print what would happen, and do nothing."""
        print(self.config.to_yaml())
        preview_stages(self.home.store, [*self.plan.stages, self.links])
        print(
            f"folder {self.folder}: {'holds an alignment' if (self.folder / RESULT).is_file() else 'new or unfinished'}"
        )
        self.home.preview()

    def run(self) -> dict[str, Any]:
        """Align and write the results; the result."""
        wishes, phase, plan = self.wishes, self.clock.phase, self.plan
        committed = Committed(self.home.store, self.config.cluster.data_cpus)
        gold = None if wishes.gold is None else read_gold(Path(wishes.gold), wishes.gold_one_based)
        with ExitStack() as stack:
            with phase("start"):
                stack.enter_context(self.frame.at_work())
            with phase("load"):
                warm_workers(self.config.cluster.data_cpus)
            check_shared(self.home.path)
            with phase("corpus"):
                corpus = committed.build(plan.corpus)
            self.check_pictures(corpus)
            segmentation = self.config.corpus.segmentation
            placed = None if gold is None else PlacedGold.of(gold, wishes.gold_lines, corpus, segmentation)
            # mistakes in the text, the gold, the links or the model end the job before MLflow hears of it
            with phase("fit"):
                if not isinstance(plan.aligner, Stage):
                    committed.build(plan.aligner)
            with phase("decode"):
                committed.build(plan.align)
            with phase("tracking"):
                told = ResultTelling(self.open_run(corpus), self.folder, alignment_figures, PICTURES)
            with told.tracker.ending(told.deliver) as courier:
                told.result = result = self.conclude_with(committed, placed, told.tracker)
        self.say(result)
        if courier.reason:
            warn_of_lacks("alignment", "the results of this alignment", courier.reason)
        return result

    def conclude_with(self, committed: Committed, gold: PlacedGold | None, tracker: Tracker) -> dict[str, Any]:
        """Write the results of the stages; the result."""
        config, plan, phase = self.config, self.plan, self.clock.phase
        corpus, aligner, align = (committed[stage] for stage in (plan.corpus, plan.aligner, plan.align))
        with phase("links"):
            links = committed.build(self.links)
        with phase("write"):
            self.write(corpus, aligner, align, links)
        result = self.conclude(corpus, aligner, align)
        if gold is not None:
            result |= gold.scores(align, config.encode.symmetrization)
        with phase("pictures"):
            rows = [line - 1 for line in self.wishes.pictures]
            for row in rows or (gold.first_row(align) if gold is not None else []):
                draw_row(config, align, gold, row, self.folder / f"alignment-{row + 1}.png")
        result |= {"mlflow_run_id": tracker.run_id, "address": tracker.address()}
        result["seconds"] = {**self.clock.seconds, "total": self.clock.total()}
        write_whole(self.folder / RESULT, json.dumps(result, indent=1, ensure_ascii=False).encode())
        return result

    def open_run(self, corpus: Stage) -> Tracker:
        """Start the alignment's MLflow run; one of the same alignment in this folder is reopened."""
        config, wishes, file = self.config, self.wishes, self.folder / ALIGNMENT_STATE
        gold = None if wishes.gold is None else self.home.source_hashes().sha256(Path(wishes.gold))
        compared = [gold, wishes.gold_one_based, wishes.gold_lines]
        own = fingerprint([self.plan.align.fingerprint, config.encode.symmetrization, compared])
        state = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
        run_id = state["mlflow_run_id"] if state.get("fingerprint") == own else None

        def created(run_id: str) -> None:
            write_whole(file, json.dumps({"fingerprint": own, "mlflow_run_id": run_id}, indent=1))

        tracker = self.frame.tracker()
        aligner, sources = config.align.aligner, config.corpus.sources
        tags = {
            "kind": "alignment",
            NOTE: alignment_note(aligner),
            **data_tags(sources, aligner, corpus.fingerprint, own, self.folder),
        }
        parameters = alignment_parameters(config.corpus, config.align, config.encode)
        inputs = data_inputs(sources, corpus, corpus)
        tracker.open(self.folder.name, run_id, parameters, tags, inputs, created)
        return tracker

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

    def write(self, corpus: Stage, aligner: Stage, align: Stage, links: Stage) -> None:
        """Put the files of the stages where the user asked for them."""
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

    def conclude(self, corpus: Stage, aligner: Stage, align: Stage) -> dict[str, Any]:
        """The result, as result.json has it, but for gold, MLflow and seconds."""
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
        return {
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

    def say(self, result: dict[str, Any]) -> None:
        rejected = ", ".join(f"{count} {reason}" for reason, count in result["rejected"].items())
        print(
            f"{result['pairs']:,} of {result['lines']:,} pairs aligned"
            + (f"; rejected: {rejected}" if rejected else "")
        )
        if "aer" in result:
            rates = ", ".join(f"{name} {value:.2f}" for name, value in result["aer_by_symmetrization"].items())
            print(f"AER %: {rates}")
        print(self.clock.line())
        self.frame.say_where(FILES, "alignment", result["address"])


def rows_of(align: Stage, pair: str) -> int:
    files: list[StageFile] = [file for part in ("train", "held_out") for file in align.files(part)]
    return sum(file.rows for file in files if file.info["language_pair"] == pair)


def rejected_lines(corpus: Stage, source: int) -> bytes:
    """Line (from 1) and reason of every rejected row of a source, with a heading."""
    tables = [
        corpus.read_parquet(file, ["row", "reason"])
        for file in corpus.files("rejected")
        if source_number(file) == source
    ]
    rows = pa.concat_tables(tables).to_pylist() if tables else []
    return "".join(["line\treason\n", *(f"{row['row'] + 1}\t{row['reason']}\n" for row in rows)]).encode()
