"""The corpus job: build the corpus of a configuration, or look at its sources before anything is built of them."""

import json
import shlex
import shutil
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from rich.console import Console
from rich.table import Table as RichTable

from weam_ray.align.model_folder import place
from weam_ray.cli import spoken
from weam_ray.cluster.memory import PeakMemory
from weam_ray.cluster.tasks import progress
from weam_ray.corpus.described import DescribedStage, Description, descriptions
from weam_ray.corpus.export import export
from weam_ray.corpus.filters import check_filters
from weam_ray.corpus.stage import CorpusStage
from weam_ray.errors import UserError
from weam_ray.jobs.frame import CORPUS_STATE, Clock, Frame, Kind, check_holder, preview_stages, warn_of_lacks
from weam_ray.jobs.telling import ResultTelling
from weam_ray.report.corpus import CorpusReport
from weam_ray.settings.config import Config
from weam_ray.settings.data import CorpusSection
from weam_ray.settings.filters import DuplicatesFilter, FilterBase, Filters
from weam_ray.store.files import fingerprint, write_whole
from weam_ray.store.home import Home
from weam_ray.store.runs import output_folder
from weam_ray.store.stages import Committed, Stage
from weam_ray.store.training_folder import CONFIG, RESULT
from weam_ray.tracking.client import NOTE, Tracker
from weam_ray.tracking.run import corpus_figures, corpus_parameters, corpus_tags, data_inputs

REJECTED, EXPORT = "rejected", "export"
REPORTS = ("report.html", "README.md", "lengths.png")

# What `inspect` asks where a configuration has no filters: each with the limits that it has by itself
USUAL = (
    {"filter": "duplicates"},
    {"filter": "duplicates", "name": "near_duplicates", "compare": "letters"},
    {"filter": "length"},
    {"filter": "length_ratio"},
    {"filter": "long_words"},
    {"filter": "identical"},
    {"filter": "letters"},
    {"filter": "digits"},
    {"filter": "punctuation"},
    {"filter": "terminal_punctuation"},
    {"filter": "numerals"},
    {"filter": "repetition"},
    {"filter": "script"},
    {"filter": "language"},
)


@dataclass
class CorpusJob:
    """A resolved job; `action` is what it does."""

    action: str
    config: Config
    home: Home
    stage: CorpusStage
    described: DescribedStage
    folder: Path
    clock: Clock = field(default_factory=Clock)

    @classmethod
    def of(cls, action: str, config: Config, checkout: Path, fresh: bool = False) -> "CorpusJob":
        """Resolve a configuration; nothing is written.

        Raises:
            UserError: a source, a filter or the output folder is not what it must be.
        """
        home = Home.of(config, checkout)
        hashes = home.source_hashes()
        corpus, probes = config.corpus, tuple[FilterBase, ...]()
        if action == "inspect":
            corpus, probes = to_inspect(corpus)
        stage = CorpusStage.of(corpus, hashes)
        described = DescribedStage.of(stage, probes, hashes)
        own = described if action == "inspect" else stage
        folder = output_folder(config.output, home, f"{action}-{own.fingerprint[:8]}", fresh)
        check_holder(folder, Kind.CORPUS, "output.dir")
        if not (folder / CORPUS_STATE).is_file():
            for name in (REJECTED, EXPORT, "README.md"):
                if (folder / name).exists():
                    raise UserError(f"{folder}: {name} is there, and not from this job; name another output.dir.")
        if action == "inspect" and (folder / REJECTED).exists():
            raise UserError(f"{folder}: a corpus was built there; name another output.dir.")
        return cls(action, config, home, stage, described, folder)

    @property
    def frame(self) -> Frame:
        return Frame(self.home, self.folder, "output.dir", self.config)

    def preview(self) -> None:
        """Print what would happen, and do nothing."""
        print(self.config.to_yaml())
        preview_stages(self.home.store, [self.stage, self.described])
        print(f"folder {self.folder}: {'holds a corpus' if (self.folder / RESULT).is_file() else 'new or unfinished'}")
        self.home.preview()

    def run(self) -> dict[str, Any]:
        """Build or look, and write the results; the result."""
        phase = self.clock.phase
        committed = Committed(self.home.store, self.config.cluster.data_cpus)
        with PeakMemory() as memory, ExitStack() as stack:
            with phase("start"):
                stack.enter_context(self.frame.at_work())
            with phase("corpus"):
                corpus = committed.build(self.stage)
            with phase("describe"):
                found = descriptions(committed.build(self.described))
            (self.folder / RESULT).unlink(missing_ok=True)  # it is there when all is there
            self.folder.mkdir(parents=True, exist_ok=True)
            write_whole(self.folder / CONFIG, self.config.to_yaml().encode())
            if self.action == "inspect":
                write_whole(self.folder / CORPUS_STATE, json.dumps({"corpus": self.stage.fingerprint}, indent=1))
                result = self.conclude(corpus, found, memory)
                files, reason = self.written(corpus, found, result), ""
            else:
                with phase("tracking"):
                    told = ResultTelling(self.open_run(corpus), self.folder, corpus_figures, REPORTS)
                with told.tracker.ending(told.deliver) as courier:
                    with phase("write"):
                        exported = self.place(corpus, found)
                    result = self.conclude(corpus, found, memory) | {"export": exported}
                    result |= {"mlflow_run_id": told.tracker.run_id, "address": told.tracker.address()}
                    files = self.written(corpus, found, result)
                    told.result = result
                reason = courier.reason
        self.say(result, files)
        if reason:
            warn_of_lacks("corpus", "the figures of this corpus", reason)
        return result

    def place(self, corpus: Stage, found: dict[str, Description]) -> dict[str, int]:
        """Put the rejected rows, and the files that were asked for, into the folder; the latter with their rows."""
        for name in (REJECTED, EXPORT):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        (self.folder / REJECTED).mkdir()
        for file in corpus.files(REJECTED):
            place(corpus, file.name, self.folder / REJECTED / f"{file.label}.parquet")
        form = self.config.corpus_job.export
        if form is None:
            return {}
        folder = self.folder / EXPORT
        folder.mkdir()
        exported: dict[str, int] = {}
        for pair in progress([*found], "export", leave=False):
            for part in ("train", "held_out"):
                exported |= export(corpus, pair, part, form, folder)
        return exported

    def conclude(self, corpus: Stage, found: dict[str, Description], memory: PeakMemory) -> dict[str, Any]:
        """The result, as result.json has it, but for MLflow and exported files."""
        section = self.stage.corpus
        pairs: dict[str, dict[str, int]] = {pair: {"train": 0, "held_out": 0} for pair in found}
        for part in ("train", "held_out"):
            for file in corpus.files(part):
                pairs[file.info["language_pair"]][part] += file.rows
        fingerprints = {pair: own.fingerprint for pair, own in found.items()}
        return {
            "action": self.action,
            "sources": [
                {
                    "label": source.label(),
                    "language_pair": source.language_pair,
                    "rows": rows,
                    "licence": source.licence,
                    "reference": source.reference,
                }
                for source, rows in zip(section.sources, corpus.info["rows"], strict=True)
            ],
            "filters": corpus.info.get("filters", []),
            "pairs": pairs,
            "rejected": corpus.counts.rejected,
            "noted": corpus.info["noted"],
            "would_reject": {pair: own.dropped for pair, own in found.items()} if self.action == "inspect" else {},
            "fingerprint": fingerprint(sorted(fingerprints.items())),
            "fingerprints": fingerprints,
            "stage": corpus.folder.path,
            "seconds": {**self.clock.seconds, "total": self.clock.total()},
            "peak_bytes": memory.peak,
        }

    def written(self, corpus: Stage, found: dict[str, Description], result: dict[str, Any]) -> list[str]:
        """Write the report, the card of a corpus that was built, and the result; the files."""
        again = f"{spoken('corpus')} {self.action} --config {shlex.quote(str(self.folder / CONFIG))}"
        title = f"The corpus {self.config.name}" if self.action == "build" else f"What is in {self.config.name}"
        examples = corpus.info.get("examples", {})
        report = CorpusReport(title, self.stage.corpus, result, found, examples, again, self.config.to_yaml())
        files = report.write(self.folder)
        if self.action == "build":
            files.append(report.write_card(self.folder))
            files += [f"{name}/" for name in (REJECTED, EXPORT) if (self.folder / name).is_dir()]
        write_whole(self.folder / RESULT, json.dumps(result, indent=1, ensure_ascii=False).encode())
        return [*files, CONFIG, RESULT]

    def open_run(self, corpus: Stage) -> Tracker:
        """Start the MLflow run of the corpus; one of the same corpus in this folder is reopened."""
        file, own = self.folder / CORPUS_STATE, corpus.fingerprint
        state = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
        run_id = state.get("mlflow_run_id") if state.get("corpus") == own else None

        def created(run_id: str) -> None:
            write_whole(file, json.dumps({"corpus": own, "mlflow_run_id": run_id}, indent=1))

        tracker, sources = self.frame.tracker(), self.config.corpus.sources
        tags = {
            "kind": "corpus",
            NOTE: "A corpus of parallel text: rows read, kept, and rejected by reason.",
            **corpus_tags(sources, own, self.folder),
        }
        tracker.open(
            self.folder.name,
            run_id,
            corpus_parameters(self.config.corpus),
            tags,
            data_inputs(sources, corpus, corpus),
            created,
        )
        return tracker

    def say(self, result: dict[str, Any], files: list[str]) -> None:
        """Print the counts, and the last words."""
        console = Console()
        rows = sum(source["rows"] for source in result["sources"])
        table = RichTable("languages", "for training", "held out", title=f"{rows:,} rows read")
        for pair, own in result["pairs"].items():
            table.add_row(pair, f"{own['train']:,}", f"{own['held_out']:,}")
        console.print(table)
        dropped = {own["name"]: own["dropped"] for own in result["filters"]}
        for name, number in {**result["rejected"], **dropped}.items():
            print(f"rejected: {number:,} {name}")
        for pair, own in result["would_reject"].items():
            counts = ", ".join(f"{number:,} {name}" for name, number in own.items())
            print(f"{pair}: each by itself, filters would reject {counts}")
        print(self.clock.line())
        if self.action == "build":
            self.frame.say_where(files, "corpus", result["address"])
        else:
            print(f"Results: {self.folder} ({', '.join(files)})")


def to_inspect(corpus: CorpusSection) -> tuple[CorpusSection, tuple[FilterBase, ...]]:
    """What is built to be looked at: all rows but duplicates; and the filters that are asked for each of its pairs."""
    given = corpus.filters or usual_filters(corpus)
    whole = [own for own in given if isinstance(own, DuplicatesFilter)]
    local = tuple(own for own in given if not isinstance(own, DuplicatesFilter))
    return corpus.model_copy(update={"filters": whole, "held_out": 0, "limits": {}}), local


def usual_filters(corpus: CorpusSection) -> list[Any]:
    """The filters of USUAL that can judge all languages of the sources; of the others a line says why not."""
    languages = [source.languages for source in corpus.sources]
    found = []
    for own in TypeAdapter(Filters).validate_python([*USUAL]):
        try:
            check_filters([own], languages)
        except UserError as error:
            print(f"inspect: without the filter {own.name}: {str(error).split('; ')[0]}")
        else:
            found.append(own)
    return found
