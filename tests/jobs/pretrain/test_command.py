"""The command line: mistakes end with a sentence and exit code 2, and leave nothing behind."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.main_job import tiny_overrides
from weam_ray.jobs import console

CHECKOUT = Path(__file__).resolve().parents[3]


def fails(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The sentence with which a job ends."""
    with pytest.raises(SystemExit) as ended:
        console.run("pretrain", CHECKOUT, arguments)
    assert ended.value.code == 2
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err + captured.out
    assert captured.err.count("error: ") == 1
    return captured.err[captured.err.index("error: ") :].strip()


def source(**fields: str) -> str:
    inside = ", ".join(f"{key}: {value}" for key, value in fields.items())
    return f"corpus.sources=[{{{inside}, source_lang: en, target_lang: xx}}]"


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("objective.lamda=1", "objective.lamda: unknown key. Did you mean 'objective.lambda'?"),
        ("training.max_steps=many", "training.max_steps: input should be a valid integer, but 'many' was given."),
        ("objective=mystery", "objective.name: 'mystery' is none of"),
        ("encoder.name=/nowhere", "encoder.name=/nowhere: there is no folder /nowhere."),
        ("encoder.name=runs/no-such/model", f"there is no folder {Path('runs/no-such/model').absolute()}."),
        ("encoder.name=~/no-such", f"there is no folder {Path.home()}/no-such."),
        (source(format="tsv", path="/nowhere.tsv"), "there is no file '/nowhere.tsv'"),
    ],
)
def test_mistakes_before_ray(override: str, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sentence in fails([f"home={tmp_path}", override], capsys)
    assert not (tmp_path / "runs").exists()
    assert not (tmp_path / "mlflow.db").exists()


@pytest.mark.ray
class TestMistakesInTheData:
    @pytest.fixture(autouse=True)
    def in_a_home(self, ray_session: None, tmp_path: Path, moses_files: tuple[Path, Path]) -> None:
        self.home = tmp_path / "home"
        self.source, self.target = moses_files
        self.arguments = tiny_overrides(self.home, moses_files)

    def fails(self, capsys: pytest.CaptureFixture[str], *overrides: str) -> str:
        sentence = fails([*self.arguments, *overrides], capsys)
        assert [path for path in (self.home / "runs").rglob("*") if path.is_file()] == []
        left = [path for path in (self.home / "stages").rglob("*") if path.name != "sources.json"]
        assert left == []
        return sentence

    def test_unequal_line_counts(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.target.write_text("only one line\n", encoding="utf-8")
        sentence = self.fails(capsys)
        assert "text.en has 120 lines" in sentence
        assert "text.xx has 1:" in sentence

    def test_undecodable_bytes(self, capsys: pytest.CaptureFixture[str]) -> None:
        lines = self.source.read_bytes().split(b"\n")
        lines[41] = b"caf\xe9"
        self.source.write_bytes(b"\n".join(lines))
        assert re.search(r"text\.en, line 42: byte 4 of the line, 0xe9, is not UTF-8", self.fails(capsys))

    def test_empty_after_filtering(self, capsys: pytest.CaptureFixture[str]) -> None:
        sentence = self.fails(capsys, "corpus.max_words=1")
        assert "en-xx corpus is empty after filtering: 120 pairs were read" in sentence
        assert "120 too_long" in sentence

    def test_more_workers_than_the_cluster_has(self, capsys: pytest.CaptureFixture[str]) -> None:
        sentence = self.fails(capsys, "training.num_workers=64", "training.batch_size=64")
        assert "training.num_workers=64: 64 workers of 1 CPU each do not fit; the cluster has" in sentence

    def test_a_tokenizer_without_a_mask(
        self, capsys: pytest.CaptureFixture[str], tmp_path: Path, wordpiece: object
    ) -> None:
        from transformers import BertConfig, PreTrainedTokenizerFast

        folder = tmp_path / "causal"
        PreTrainedTokenizerFast(
            tokenizer_object=wordpiece.backend_tokenizer,
            pad_token="[PAD]",
            unk_token="[UNK]",
        ).save_pretrained(folder)
        BertConfig().save_pretrained(folder)
        assert "has no mask token" in self.fails(capsys, f"encoder.name={folder}")


def test_dry_run(tmp_path: Path, moses_files: tuple[Path, Path]) -> None:
    """From another folder, in a process of its own: the tree, the stages, the arithmetic, the memory; nothing done."""
    arguments = tiny_overrides(tmp_path / "home", moses_files)
    done = subprocess.run(
        [sys.executable, str(CHECKOUT / "jobs" / "pretrain.py"), "--dry-run", *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "mask_probability: 0.3" in done.stdout
    for stage in ("corpus", "tokenizer", "aligner", "align", "encode"):
        assert re.search(rf"^stage {stage} +[0-9a-f]{{16}}: run$", done.stdout, re.MULTILINE)
    assert "8 pairs a step = 1 worker x 1 accumulated x 8 pairs" in done.stdout
    assert re.search(r"[\d,]+ parameters .*, gradients .*, optimizer state", done.stdout)
    assert re.search(r"masked rows x 200 words", done.stdout)
    assert not (tmp_path / "home" / "runs").exists()


def test_dry_run_without_the_encoder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`paper` on a machine that has no mBERT: what can be known is shown, and the gap is named."""
    console.run("pretrain", CHECKOUT, ["--config", "paper", "--dry-run", f"home={tmp_path}"])
    shown = capsys.readouterr().out
    assert "name: bert-base-multilingual-cased" in shown
    assert "note: encoder.name=bert-base-multilingual-cased" in shown
    assert "32 pairs a step = 4 workers x 1 accumulated x 8 pairs" in shown
    assert "177,974,523 parameters" in shown  # of BertForMaskedLM, the tied decoder once


def test_help_names_the_options(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        console.run("pretrain", CHECKOUT, ["--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    for option in ("--config", "--dry-run", "--fresh", "key.sub=value"):
        assert option in shown
