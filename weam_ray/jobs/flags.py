"""The flags of the jobs' command lines: each is another way to write a key of the settings."""

from dataclasses import dataclass, field
from typing import Literal

from weam_ray.settings.base import Section
from weam_ray.settings.config import Config
from weam_ray.settings.evaluation import EvaluationSettings
from weam_ray.settings.study import StudySettings

SOURCE = "corpus.sources[]."  # of keys of the one source that flags name
COMPARE = "--compare"  # the one flag that stands for another command


@dataclass(frozen=True)
class Flag:
    """A flag, and the key that it writes.

    Attributes:
        metavar: what stands for its value in the help.
        help: instead of the key's own sentence.
        several: how a flag takes several values: as the words that follow it, parted by commas, or given again.
        choices: the values that it takes, where the key takes others too.
        dashed: whether a value may begin with a dash.
    """

    name: str
    key: str
    metavar: str | None = None
    help: str = ""
    several: Literal["", "words", "commas", "again"] = ""
    choices: tuple[str, ...] = ()
    dashed: bool = False

    @property
    def destination(self) -> str:
        """The attribute of a parsed command line that has the value."""
        return self.name.removeprefix("--").replace("-", "_")


@dataclass(frozen=True)
class CommandLine:
    """The command line of a job: the settings that it takes, its flags by group, the flag of the file with them, with
    its default, and what the job can do, where that is several things, of which the first word names one."""

    settings: type[Section]
    groups: dict[str, tuple[Flag, ...]]
    config: str | None = None
    config_help: str = "A YAML file of settings."
    config_flag: str = "--config"
    actions: dict[str, str] = field(default_factory=dict)

    @property
    def flags(self) -> list[Flag]:
        return [flag for flags in self.groups.values() for flag in flags]


NAMED = "A YAML file, or a shipped configuration: bundled (the default), paper, lab."

PRETRAIN = CommandLine(Config, {}, "bundled", NAMED)

TUNE = CommandLine(
    Config,
    {
        "search": (
            Flag("--space", "search.space", "FILE|NAME"),
            Flag("--num-trials", "search.num_trials", "N"),
            Flag("--max-concurrent", "search.max_concurrent", "N"),
        )
    },
    "bundled",
    NAMED,
)

FORMATS = ("pipes", "moses", "tsv", "csv", "jsonl", "parquet", "opus", "tmx", "xliff", "gettext", "datasets")

ALIGN = CommandLine(
    Config,
    {
        "parallel text: one source, or a configuration with several": (
            Flag(
                "--input",
                f"{SOURCE}path",
                "FILE",
                "The text, in one file or several; for moses two files, PREFIX of PREFIX.LANG, or an archive of OPUS.",
                "words",
            ),
            Flag(
                "--format",
                f"{SOURCE}format",
                "FORMAT",
                f"The format of the text: {', '.join(FORMATS)}.",
                choices=FORMATS,
            ),
            Flag("--source-lang", f"{SOURCE}source_lang", "CODE"),
            Flag("--target-lang", f"{SOURCE}target_lang", "CODE"),
            Flag(
                "--source-column",
                f"{SOURCE}source_column",
                "COLUMN",
                "For tsv a number from 0; for csv, jsonl, parquet and datasets a name, or NAME.FIELD.",
            ),
            Flag("--target-column", f"{SOURCE}target_column", "COLUMN"),
            Flag("--header", f"{SOURCE}header", help="For tsv: line 1 is a heading; default: if it names columns."),
        ),
        "model": (
            Flag("--aligner", "align.aligner"),
            Flag("--links", f"{SOURCE}links", "FILE"),
            Flag("--model", "align.model", "DIR"),
            Flag("--segmentation", "corpus.segmentation", help="What a word is; default: words, whitespace for pipes."),
            Flag(
                "--lowercase", "align.lowercase", help="Compare words in lower case; default: yes, but not for pipes."
            ),
            Flag("--num-shards", "align.num_shards", "N"),
        ),
        "results": (
            Flag("--output", "output.dir", "DIR", "The folder for links.pharaoh, aligned/, model/, result.json."),
            Flag(
                "--symmetrization",
                "encode.symmetrization",
                "HOW",
                "How the links of both directions become one set: intersect, union, grow-diag, grow-diag-final or "
                "grow-diag-final-and (the default).",
            ),
            Flag("--scores", "align_job.scores"),
            Flag("--picture", "align_job.pictures", "LINE", "Draw this line of the text, counted from 1.", "again"),
        ),
        "gold links, `i-j` sure and `ipj` possible": (
            Flag("--gold", "align_job.gold", "FILE"),
            Flag("--gold-one-based", "align_job.gold_one_based"),
            Flag("--gold-lines", "align_job.gold_lines", "START:END", dashed=True),
        ),
    },
    config_help="A YAML file or a shipped configuration instead of --input; each of its language pairs has a model.",
)

CORPUS = CommandLine(
    Config,
    {"results": (Flag("--export", "corpus_job.export"),)},
    "bundled",
    NAMED,
    actions={
        "inspect": "say what is in the sources, and what filters would reject",
        "build": "filter the sources, and write the corpus that pre-training takes",
    },
)

STUDY = CommandLine(
    StudySettings,
    {},
    "bundled",
    "A YAML file, or a shipped study: bundled (the default), lab, domain, paper.",
    "--study",
)

EVALUATE = CommandLine(
    EvaluationSettings,
    {
        "evaluation": (
            Flag("--model", "models", "PATH", several="words"),
            Flag("--tasks", "tasks", "TASK,...", several="commas"),
            Flag("--languages", "languages", "CODE,...", several="commas"),
            Flag(
                "--setting",
                "setting",
                "SETTING",
                "What is trained on: English (zero-shot, the default), each language's translations (translate-train), "
                "or all of these (translate-train-all).",
            ),
            Flag("--intermediate", "intermediate", "TASK,...", several="commas"),
            Flag("--seeds", "num_seeds", "N"),
            Flag("--first-seed", "first_seed", "N"),
            Flag("--data-root", "data_root", "DIR"),
            Flag("--output", "output", "DIR"),
            Flag("--system", "system", "NAME"),
            Flag("--threads", "threads", "N"),
            Flag("--use-gpu", "use_gpu"),
        ),
        "comparison": (
            Flag(COMPARE, "", "DIR", "Compare finished evaluations, each with the first, and run none.", "words"),
        ),
    },
)
