"""The folder of one training: what its files are called, who writes each, and who reads it."""

from pathlib import Path

MISTAKE_BYTES = 4096
STATE = "state.json"  # of a run; checkpoints, searches and evaluations have files of that name of their own
SEEN = "seen.parquet"  # also beside the weights of a model
CONFIG, RESULT = "config.yaml", "result.json"  # the other jobs call theirs so too


class TrainingFolder:
    """The folder of one training: of a run, or of one seed of a search's trial, which has neither state nor result.

    | file | what | written by | read by |
    |---|---|---|---|
    | `state.json` | status, fingerprint, MLflow run, seconds | the job | the job, when it starts again |
    | `config.yaml` | the whole configuration | the job | MLflow, evaluations, people |
    | `seen.parquet` | the record of what the run trains on, as `model/` has it | the job | continued runs |
    | `losses.jsonl` | a line a step, equal on every repetition | the first worker | the driver, continued runs |
    | `timings.jsonl` | a line a step: seconds, waiting, padding | the first worker | the driver, continued runs |
    | `held_out.jsonl` | held-out figures after some steps, in a search | the first worker | the trial, its tracker |
    | `phases.jsonl` | what begins when | the driver and the first worker | the table of a search |
    | `checkpoints/train/` | checkpoints, `train.checkpoint` | all workers | all workers, continued runs |
    | `model/` | the trained encoder, and how it was trained | the first worker | measurement, evaluation, people |
    | `mistake.txt` | a sentence for the user that ended the workers | the first worker | the driver |
    | `stop` | there: end after this step, with a checkpoint | the driver | all workers |
    | `abandoned` | there: end after this step, and save nothing | a search | all workers |
    | `result.json`, `result.png` | the figures of the run, and their picture | the job | MLflow, people |
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.state_file = path / STATE
        self.config_file = path / CONFIG
        self.seen = path / SEEN
        self.losses = path / "losses.jsonl"
        self.timings = path / "timings.jsonl"
        self.held_out = path / "held_out.jsonl"
        self.phases = path / "phases.jsonl"
        self.checkpoints = path / "checkpoints" / "train"
        self.model = path / "model"
        self.result_file = path / RESULT
        self.picture = path / "result.png"
        self._mistake = path / "mistake.txt"
        self._stop = path / "stop"
        self._abandoned = path / "abandoned"

    @property
    def has_model(self) -> bool:
        """Whether the training came to its end: the model is exported last, whole or not at all."""
        return (self.model / "config.json").is_file()

    def prepare(self) -> None:
        """Forget what ended an earlier session, before workers start.

        The file of mistakes is made now, as large as a sentence may get, so that a full disk has room for one.
        """
        self._stop.unlink(missing_ok=True)
        self._abandoned.unlink(missing_ok=True)
        self._mistake.write_text(" " * MISTAKE_BYTES, encoding="utf-8")

    def ask_to_stop(self) -> None:
        """Ask the workers to write a checkpoint after the step that they are in, and to end."""
        self._stop.touch()

    def abandon(self) -> None:
        """Ask the workers to end after the step that they are in, without a checkpoint."""
        self._abandoned.touch()
        self._stop.touch()

    @property
    def is_to_stop(self) -> bool:
        """Whether the workers were asked to end."""
        return self._stop.exists()

    @property
    def is_abandoned(self) -> bool:
        """Whether the workers were asked to end without a checkpoint."""
        return self._abandoned.exists()

    def write_mistake(self, sentence: str) -> None:
        """Leave a sentence for the user, in the room that `prepare` made for it."""
        with self._mistake.open("r+", encoding="utf-8") as file:
            file.write(sentence)

    def take_mistake(self) -> str:
        """The sentence that a worker left; where there is none, the file goes."""
        sentence = self._mistake.read_text(encoding="utf-8").strip()
        if not sentence:
            self._mistake.unlink()
        return sentence
