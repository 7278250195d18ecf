"""The one dialect of all command lines: flags are aliases of keys, and every job has the same options."""

import argparse
import json
from pathlib import Path
from typing import Any

import pytest

from weam_ray.errors import UserError
from weam_ray.jobs.command_line import is_override, known_keys, parse, parser, split
from weam_ray.jobs.evaluate_options import evaluation_settings
from weam_ray.jobs.flags import ALIGN, COMPARE, CORPUS, EVALUATE, PRETRAIN, TUNE, CommandLine
from weam_ray.settings.config import load_config
from weam_ray.settings.evaluation import EvaluationSettings
from weam_ray.settings.paths import absolute

LINES = {"pretrain": PRETRAIN, "corpus": CORPUS, "align": ALIGN, "evaluate": EVALUATE, "tune": TUNE}


@pytest.mark.parametrize("line", LINES.values(), ids=LINES)
def test_every_flag_is_an_alias_of_a_key(line: CommandLine) -> None:
    known = known_keys(line.settings)
    assert [flag.name for flag in line.flags if flag.key not in known and flag.name != COMPARE] == []


@pytest.mark.parametrize("line", LINES.values(), ids=LINES)
def test_what_all_have(line: CommandLine) -> None:
    action = [*line.actions][:1]
    found = parse(line, "", [*action, "a.b=1", "--dry-run", "--config", "file.yaml", "c=2", "--fresh", "d.e=[3, 4]"])
    assert (found.config, found.dry_run, found.fresh) == ("file.yaml", True, True)
    assert found.overrides == ["a.b=1", "c=2", "d.e=[3, 4]"]
    assert found.action == (action[0] if action else None)
    plain = parse(line, "", action)
    assert (plain.config, plain.dry_run, plain.fresh, plain.settings()) == (line.config, False, False, [])


def test_flags_come_before_what_is_written_as_a_key() -> None:
    options = parse(TUNE, "", ["search.num_trials=3", "--num-trials", "5", "--space=smoke"])
    assert options.settings() == ['search.space="smoke"', "search.num_trials=5", "search.num_trials=3"]
    assert load_config("bundled", options.settings()).search.num_trials == 3


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        (["--gold-lines", "-447:"], "-447:"),
        (["--gold-lines=-447:"], "-447:"),
        (["--gold-lines", "0:5", "a=b"], "0:5"),
        (["a=b", "--gold-lines", "-5:-1", "c=d"], "-5:-1"),
    ],
)
def test_a_value_may_begin_with_a_dash(arguments: list[str], lines: str) -> None:
    options = parse(ALIGN, "", arguments)
    assert options.flags == {"--gold-lines": lines}
    assert options.overrides == [argument for argument in arguments if is_override(argument) and argument[0] != "-"]


def test_settings_among_the_words_of_a_flag() -> None:
    options = parse(EVALUATE, "", ["--model", "a", "recipe.epochs=2", "b", "--model", "runs/x=1/model", "home=h"])
    assert options.flags["--model"] == ["a", "b", "runs/x=1/model"]
    assert options.overrides == ["recipe.epochs=2", "home=h"]


@pytest.mark.parametrize(
    ("arguments", "values"),
    [
        ([], {}),
        (["--lowercase"], {"align.lowercase": True}),
        (["--no-lowercase"], {"align.lowercase": False}),
        (["--scores", "--picture", "3", "--picture", "5"], {"align_job.scores": True, "align_job.pictures": [3, 5]}),
        (["--num-shards", "2", "--output", "a: b"], {"align.num_shards": 2, "output.dir": "a: b"}),
        (["--format", "tsv", "--header"], {}),  # of the one source, which is no key by itself
    ],
)
def test_values_by_key(arguments: list[str], values: dict[str, Any]) -> None:
    assert parse(ALIGN, "", arguments).values() == values


def test_mistakes_of_form_end_the_process(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--aligner", "giza"], ["--num-shards", "two"], ["--nothing"], ["--gold-lines"]):
        with pytest.raises(SystemExit) as ended:
            parse(ALIGN, "", arguments, "weam-ray align")
        assert ended.value.code == 2
        assert "usage: weam-ray align" in capsys.readouterr().err


@pytest.mark.parametrize(("text", "parts"), [("", []), ("a", ["a"]), (" a, b ,,c", ["a", "b", "c"])])
def test_split(text: str, parts: list[str]) -> None:
    assert split(text) == parts


@pytest.mark.parametrize("name", LINES)
def test_help(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It fits a terminal, and a flag says which key it writes."""
    monkeypatch.setenv("COLUMNS", "80")
    text = parser(LINES[name], "What it does.", "weam-ray " + name).format_help()
    for word in ("--config", "--dry-run", "--fresh", "key.sub=value"):
        assert word in text
    flat = " ".join(text.split())
    for flag in LINES[name].flags:
        assert flag.name in flat
        assert "[]" in flag.key or flag.name == COMPARE or f"[{flag.key}]" in flat
    assert not [line for line in text.splitlines() if len(line) > 80]
    assert isinstance(parser(LINES[name], ""), argparse.ArgumentParser)


class TestEvaluation:
    FLAGS = ("--model", "m", "--tasks", "sib200, udpos", "--output", "o")

    def settings(self, *arguments: str) -> EvaluationSettings:
        return evaluation_settings(parse(EVALUATE, "", arguments))

    @pytest.fixture(autouse=True)
    def without_data_root(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("WEAM_RAY_DATA_ROOT", raising=False)

    def test_flags_and_defaults(self) -> None:
        found = self.settings(*self.FLAGS, "recipe.epochs=2", "udpos.learning_rate=3e-4")
        expected = EvaluationSettings(
            system="m",
            models=["m"],
            tasks=["sib200", "udpos"],
            output="o",
            recipe={"epochs": 2},
            recipes={"udpos": {"learning_rate": 3e-4}},
        )
        assert found == expected

    def test_keys_instead_of_flags(self) -> None:
        assert self.settings("models=[m]", "tasks=[sib200, udpos]", "output=o") == self.settings(*self.FLAGS)

    def test_a_file(self, tmp_path: Path) -> None:
        file = tmp_path / "mine.yaml"
        given = self.settings(*self.FLAGS, "--seeds", "5", "udpos.epochs=3", f"data_root={tmp_path}")
        file.write_text(json.dumps(given.tree()), encoding="utf-8")
        assert self.settings("--config", str(file)) == given
        changed = self.settings("--config", str(file), "--seeds", "2", "udpos.epochs=4", "recipe.patience=1")
        assert (changed.num_seeds, changed.recipes, changed.recipe) == (2, {"udpos": {"epochs": 4}}, {"patience": 1})

    def test_own_tasks(self, tmp_path: Path) -> None:
        """They are declared by keys or by a file, and have recipes as other tasks."""
        given = ("--model", "m", "--tasks", "moods", "--intermediate", "words", "--output", "o")
        own = ("own_tasks.moods.folder=m", "own_tasks.words={folder: w}")
        found = self.settings(*given, *own, "moods.epochs=2", "words.max_train=30")
        assert {name: task.folder for name, task in found.own_tasks.items()} == {"moods": "m", "words": "w"}
        assert found.recipes == {"moods": {"epochs": 2}, "words": {"max_train": 30}}
        file = tmp_path / "mine.yaml"
        file.write_text(json.dumps(found.tree()), encoding="utf-8")
        assert self.settings("--config", str(file)) == found
        with pytest.raises(UserError, match=r"'words\.epochs=2': words is not among the tasks"):
            self.settings(*self.FLAGS, *own, "words.epochs=2")

    def test_mistakes(self, tmp_path: Path) -> None:
        for arguments, message in (
            ((), "--model is missing"),
            (("--model", "home=x"), "--model is missing"),
            (("--model", "m"), "--tasks is missing"),
            ((*self.FLAGS[:4],), "--output is missing"),
            ((*self.FLAGS, "xnli.epochs=2"), "'xnli.epochs=2': xnli is not among the tasks"),
            ((*self.FLAGS, "threds=2"), "threds: unknown key. Did you mean 'threads'?"),
            ((*self.FLAGS, "models=m"), "models: input should be a valid list"),
            (("--config", "nowhere.yaml"), "--config nowhere.yaml: there is no such file"),
        ):
            with pytest.raises(UserError) as error:
                self.settings(*arguments)
            assert message in str(error.value)

    def test_names_of_systems(self) -> None:
        assert self.settings("--model", "runs/weam/model", *self.FLAGS[2:]).system == "weam"
        assert self.settings("--model", "a/b", *self.FLAGS[2:]).system == "b"
        assert self.settings(*self.FLAGS, "--system", "mine").system == "mine"
        assert self.settings("--model", "model", *self.FLAGS[2:]).system == Path(absolute("model")).parent.name

    def test_the_sentence_of_tasks_names_them_all(self) -> None:
        from weam_ray.evaluate.run import ALIGNMENT
        from weam_ray.evaluate.tasks import TASKS

        sentence = EvaluationSettings.model_fields["tasks"].description or ""
        assert sentence.partition(": ")[2].rstrip(".").split(", ") == [*TASKS, ALIGNMENT]
