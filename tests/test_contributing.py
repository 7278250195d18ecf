"""The examples of CONTRIBUTING, run as they stand there."""

import re
import textwrap
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tests.support.pairs import Pair, batch, read
from tests.support.texts import as_lists
from tests.support.writing import write, write_csv
from weam_ray.corpus.filters import Pairs, keeps
from weam_ray.corpus.readers import source_files
from weam_ray.corpus.words import segment
from weam_ray.evaluate.data import TaskData
from weam_ray.evaluate.kinds import KINDS
from weam_ray.settings import filters, sources

TEXT = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text(encoding="utf-8")


def run(section: str, **known: Any) -> list[dict[str, Any]]:
    """What each example of a section defines, the later ones after the earlier."""
    (text,) = re.findall(rf"^### {section}\n(.*?)(?=^##)", TEXT, re.MULTILINE | re.DOTALL)
    found = []
    for code in re.findall(r"^ *```python\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL):
        namespace = {**known, "__name__": "example"}
        exec(compile(textwrap.dedent(code), f"CONTRIBUTING, {section}", "exec"), namespace)
        found.append(namespace)
        for name, value in namespace.items():
            for module, base in ((sources, sources.Readable), (filters, filters.FilterBase)):
                if isinstance(value, type) and issubclass(value, base) and value.__module__ == "example":
                    setattr(module, name, value)
    return found


def test_a_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "ArrowsSource", None, raising=False)  # taken away again after the test
    definition, _ = run("A reader", **vars(sources))
    file = write(tmp_path / "pairs.txt", "the dog => der Hund\nno pair\n => Haus => Hof\n")
    given = {"format": "arrows", "path": str(file), "source_lang": "en", "target_lang": "de"}
    source = definition["ArrowsSource"].model_validate(given)
    assert read(source) == [
        Pair("1", "the dog", "der Hund"),
        Pair("2", "no pair", "", "columns"),
        Pair("3", "", "Haus => Hof"),
    ]
    assert source.settings() == {"format": "arrows", "source_lang": "en", "target_lang": "de"}
    assert source_files(source) == [file]


def test_a_filter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filters, "QuestionsFilter", None, raising=False)  # taken away again after the test
    definition, _ = run("A filter", **vars(filters))
    own = definition["QuestionsFilter"].model_validate({"filter": "questions"})
    pairs = Pairs.of(("en", "de"), batch([("Who?", "Wer?"), ("Who?", "Er."), ("He.", "Er."), ("He.", "Wer?")]))
    assert keeps(own, pairs).tolist() == [True, False, True, False]


def test_an_aligner() -> None:
    (defined,) = run("An aligner")
    aligner = defined["Diagonal"]()
    assert set(aligner.fit(None, ["en-de"])) == {"en-de"}
    sides = [segment(pa.array(texts), "whitespace") for texts in (["a b c", "d"], ["x y", "z"])]
    alignments = aligner.decoder(None, None, "en-de").open(None)(0, *sides)
    assert as_lists(alignments.forward) == [[(0, 0), (1, 1)], [(0, 0)]]


def test_a_task_of_evaluation(tmp_path: Path) -> None:
    (defined,) = run("A task of evaluation")
    task = defined["TASK"]
    write_csv(tmp_path / "moods" / "test-de.tsv", [["schön", "good"], ["hm", "bad"]])
    data = TaskData.found(task, tmp_path)
    assert data.test_languages() == ["de"]
    assert data.gold(data.read("test", "de"), "de") == ["good", "bad"]
    assert task.score(["good", "bad"], ["good", "good"], "de")[task.metric].percent == 50
    assert task.kind in KINDS
