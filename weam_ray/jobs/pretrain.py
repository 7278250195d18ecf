"""The main job: stages, training, measurement, result; continued where it was left."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from weam_ray.cluster.capacity import check_capacity, check_shared
from weam_ray.cluster.ray_private import prepare_training
from weam_ray.cluster.tasks import progress
from weam_ray.corpus.parts import DEV, TEST
from weam_ray.encode.unknown import UnknownCounts
from weam_ray.errors import EncoderUnavailable, Stopped
from weam_ray.jobs.frame import Clock, Frame, Kind, check_holder, warn_of_lacks
from weam_ray.jobs.preview import opening_lines, print_preview
from weam_ray.jobs.run_folder import FINISHED, RunFolder, run_name
from weam_ray.jobs.telling import RunTelling
from weam_ray.measure.before_after import measure
from weam_ray.model.encoder import check_tokenizer
from weam_ray.overlap.found import Asked, Overlap
from weam_ray.overlap.seen import record_bytes, record_of
from weam_ray.pipeline import AlignmentPlan, Data, StagePlan, provenance, run_fingerprint, run_stages
from weam_ray.report.run_figures import run_figures
from weam_ray.report.run_picture import run_plot
from weam_ray.report.run_tables import print_result
from weam_ray.settings.config import Config
from weam_ray.store.files import write_whole
from weam_ray.store.home import Home
from weam_ray.store.runs import output_folder
from weam_ray.tracking.client import NOTE
from weam_ray.tracking.run import about, data_inputs, data_tags, run_tags
from weam_ray.train.continuation import Continuation
from weam_ray.train.follow import StepReader, merged, monitored
from weam_ray.train.job import TrainingJob, resources
from weam_ray.train.launch import launch
from weam_ray.train.log import read_steps
from weam_ray.train.model import Examination

LACKS, WHY = "mlflow_lacks_steps", "mlflow_failure"  # of a result that could not be told to MLflow, or not all of it


@dataclass(frozen=True)
class Pretraining:
    """A resolved run: its configuration, home, stages to come, and folder.

    Without the encoder, which names the folder, a run can be previewed only; `place` is then the reason.
    """

    config: Config
    home: Home
    plan: AlignmentPlan
    place: RunFolder | EncoderUnavailable

    @classmethod
    def of(cls, config: Config, checkout: Path, fresh: bool = False) -> "Pretraining":
        """Resolve a configuration; nothing is written.

        Raises:
            UserError: a source, the encoder or the run folder is not what it must be.
        """
        home = Home.of(config, checkout)
        hashes = home.source_hashes()
        try:
            plan = StagePlan.of(config, hashes)
            check_tokenizer(config.encoder)
            fingerprint = run_fingerprint(config, plan)
            path = output_folder(config.output, home, run_name(config, fingerprint), fresh)
            check_holder(path, Kind.RUN, "output.dir")
            folder = RunFolder.of(config, home, fingerprint, fresh)
            if not folder.finished:
                Continuation.of(config.training, folder)
        except EncoderUnavailable as missing:
            return cls(config, home, AlignmentPlan.of(config, hashes), missing)
        return cls(config, home, plan, folder)

    @property
    def folder(self) -> RunFolder:
        """The run's folder.

        Raises:
            EncoderUnavailable: the encoder cannot be had here.
        """
        if isinstance(self.place, EncoderUnavailable):
            raise self.place
        return self.place

    @property
    def frame(self) -> Frame:
        return Frame(self.home, self.folder.path, "output.dir", self.config)

    @property
    def clock(self) -> Clock:
        """The seconds of the run's phases, over all its sessions."""
        return Clock(self.folder.state.seconds)

    def preview(self) -> None:
        """Print what a run would do."""
        print_preview(self.config, self.home, self.plan, self.place)

    def run(self) -> dict[str, Any]:
        """Run to the end, or print the result of a finished run; its result."""
        folder, plan = self.folder, self.plan
        assert isinstance(plan, StagePlan)  # as it is where the folder is known
        if folder.finished:
            print(f"This run is finished; --fresh runs it again. Its result, from {folder.path}:")
            result = folder.result()
            print_result(result)
            if folder.state.mlflow_lacks:
                self.send_again(result)
            self.say_where(result)
            return result
        print("\n".join(opening_lines(self.config, self.home, plan, folder)))
        with self.frame.at_work():
            folder.read_state()  # another process may have finished it since
            check_capacity(self.config.training.num_workers, resources(self.config.training))
            check_shared(self.home.path)
            prepare_training()
            encoder = Examination(self.config.of_training())
            with self.clock.phase("stages"):
                if not plan.is_built(self.home.store):
                    encoder.notes()  # a mistake shows before hours of stages, and else beside the start of the workers
                data = run_stages(self.config, self.home.store, plan)
            result = self.train_and_measure(data, encoder)
        print_result(result)
        self.say_where(result)
        return result

    def build_stages(self) -> None:
        """Build the stages that are not there, and train nothing; Ray must be up.

        Raises:
            UserError: a source is damaged, or leaves nothing to train on.
        """
        assert isinstance(self.plan, StagePlan)
        self.home.begin()
        run_stages(self.config, self.home.store, self.plan)

    def train_and_measure(self, data: Data, encoder: Examination) -> dict[str, Any]:
        config, settings, folder = self.config, self.config.of_training(), self.folder
        unknown = UnknownCounts.of(data.encoded, data.load_tokenizer)
        print("\n".join(unknown.lines()))
        folder.state.sessions += 1
        write_whole(folder.config_file, config.to_yaml())
        write_whole(folder.seen, record_bytes(data.seen))
        with self.clock.phase("tracking"):
            telling = self.open_run(data_inputs(config.corpus.sources, data.corpus, data.encoded))
        folder.save()
        origin = Continuation.of(config.training, folder)
        if origin is not None:
            origin.take_over(folder)
        with telling.tracker.ending(telling.deliver) as courier:
            with self.clock.phase("training"):
                total = None if config.training.other_limits else config.training.max_steps
                bar = progress(None, "training", total, leave=True)
                with monitored(folder, telling.steps.extend, bar):
                    known = provenance(config, data)
                    ended = launch(TrainingJob(settings, data, folder, folder.fingerprint, folder.path.name, known))
            if not ended:
                raise Stopped(
                    f"Stopped after step {len(read_steps(folder.losses))}; its checkpoint is in {folder.path}, "
                    "and the same command goes on from there."
                )
            with self.clock.phase("measurement"):
                scores = measure(settings, data, folder.model)
                overlap = self.overlap(data)
            scores["held_out"] |= {"seen": overlap.of_part(TEST), "dev_seen": overlap.of_part(DEV)}
            notes = [*encoder.notes(), *unknown.warnings(), *overlap.sentences("held-out pairs")]
            scores |= {"notes": notes, "unknown_tokens": unknown.shares()}
            telling.result = result = self.conclude(scores, telling.tracker.address())
        folder.state.status = FINISHED
        self.note_what_mlflow_lacks(telling, courier.reason)
        return result

    def overlap(self, data: Data) -> Overlap:
        """What stands in the training text of the held-out pairs, or nearly."""
        asked = Asked.of_held_out(data.corpus, self.config.corpus.held_out_seed)
        found = Overlap.find(asked, [record_of(data.seen)], [self.home.store], self.config.cluster.data_cpus)
        print("".join(f"note: {sentence}\n" for sentence in found.sentences("held-out pairs")), end="")
        return found

    def open_run(self, inputs: list[dict[str, str]]) -> RunTelling:
        """Start the run's MLflow run, or reopen it."""
        config, folder = self.config, self.folder
        corpus = self.plan.corpus.fingerprint
        tags = {
            "kind": "pretraining",
            NOTE: about(config.objective),
            **run_tags(config.objective, config.seeds),
            **data_tags(config.corpus.sources, config.align.aligner, corpus, folder.fingerprint, folder.path),
        }

        def created(run_id: str) -> None:
            folder.state.mlflow_run_id = run_id
            folder.save()

        tracker = self.frame.tracker()
        parameters, known = config.parameters(), folder.state.mlflow_run_id
        tracker.open(folder.path.name, known, parameters, tags, inputs, created)
        return RunTelling(tracker, folder)

    def send_again(self, result: dict[str, Any]) -> None:
        """Send what MLflow lacks of a finished run, as its folder has it."""
        with self.frame.held():
            self.folder.read_state()
            telling = self.open_run([])
            telling.steps = StepReader(self.folder).read()
            del result[LACKS], result[WHY]
            self.folder.write_result(result)
            with telling.tracker.ending(telling.deliver) as courier:
                telling.result = result
            self.note_what_mlflow_lacks(telling, courier.reason)

    def note_what_mlflow_lacks(self, telling: RunTelling, reason: str) -> None:
        """Write into state and result whether MLflow was told all of a finished run; `reason` is empty if it was."""
        folder, result = self.folder, telling.result
        assert result is not None
        folder.state.mlflow_lacks = bool(reason)
        if reason:
            result[LACKS], result[WHY] = result["steps"] - telling.tracker.last_steps.get("", 0), reason
            folder.write_result(result)
        folder.save()

    def conclude(self, scores: dict[str, Any], address: str) -> dict[str, Any]:
        """The result of the run, written to its folder with its picture."""
        folder = self.folder
        steps = merged(folder)
        result = {
            "name": self.config.name,
            "fingerprint": folder.fingerprint,
            **run_figures(steps, scores),
            "seconds": round(sum(folder.state.seconds.values()), 1),
            "seconds_by_phase": folder.state.seconds,
            "model": str(folder.model),
            "mlflow_run_id": folder.state.mlflow_run_id,
            "address": address,
        }
        folder.write_result(result)
        run_plot(steps, result, folder.path.name, folder.picture)
        return result

    def say_where(self, result: dict[str, Any]) -> None:
        folder = self.folder
        files = (folder.config_file, folder.losses, folder.result_file, folder.picture)
        names = [*(file.name for file in files), f"{folder.model.name}/"]
        self.frame.say_where(names, "run", result.get("address"))  # earlier versions left no address
        if LACKS in result:
            lacks = f"{result[LACKS]:,} of {result['steps']:,} steps of this run, and its results"
            warn_of_lacks("run", lacks, result[WHY])
