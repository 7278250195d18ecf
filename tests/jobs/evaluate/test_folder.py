"""What may go on in a folder that has an evaluation, and what is refused."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.lab import job, write_encoder, write_sib200, write_tatoeba, write_udpos
from weam_ray.errors import UserError

pytestmark = pytest.mark.ray
TASKS = ("--tasks", "sib200", "--languages", "de", "--seeds", "2")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, ray_session: None, wordpiece: Any) -> Path:
    folder = tmp_path_factory.mktemp("lab")
    for write in (write_sib200, write_udpos, write_tatoeba):
        write(folder / "data")
    write_encoder(folder / "encoder", wordpiece)
    write_encoder(folder / "other", wordpiece, seed=2)
    return folder


@pytest.fixture(scope="module")
def kept(lab: Path) -> Path:
    """The folder of an evaluation that was begun."""
    begun = job(lab, "kept", *TASKS)
    begun.folder.mkdir()
    begun.keep_plan()
    return begun.folder


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            ("sib200.epochs=2",),
            "with another recipe, data, languages, threads, device or version",
        ),
        (("--languages", "de,tl"), "holds sib200-1, sib200-2 with another"),
        (("--threads", "2"), "holds sib200-1, sib200-2 with another"),
        (("--system", "another"), r"holds another evaluation \(system: 'encoder' there, 'another' here\)"),
        (("--setting", "translate-train-all"), "setting: 'zero-shot' there, 'translate-train-all' here"),
        (("--intermediate", "udpos"), r"intermediate: \[\] there, \['udpos'\] here"),
    ],
)
def test_another_evaluation(lab: Path, kept: Path, more: tuple[str, ...], message: str) -> None:
    with pytest.raises(UserError, match=message):
        job(lab, kept.name, *TASKS, *more).run()


def test_another_model(lab: Path, kept: Path) -> None:
    with pytest.raises(UserError, match=r"\(models: .* there, .* here\); name another folder"):
        job(lab, kept.name, *TASKS, "--system", "encoder", "--model", str(lab / "other")).run()


def test_other_data(lab: Path, kept: Path, tmp_path: Path) -> None:
    write_sib200(tmp_path)
    job(lab, kept.name, *TASKS, "--data-root", str(tmp_path)).check_folder()
    file = tmp_path / "sib200" / "eng_Latn" / "train.tsv"
    file.write_text(file.read_text(encoding="utf-8").replace("number 3", "number 7"), encoding="utf-8")
    with pytest.raises(UserError, match="holds sib200-1, sib200-2 with another recipe, data"):
        job(lab, kept.name, *TASKS, "--data-root", str(tmp_path)).run()


def test_something_else(lab: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(UserError, match=r"notes\.txt is there, and not from this job"):
        job(lab, str(tmp_path), *TASKS).run()


@pytest.mark.slow
def test_fewer_and_more_tasks_and_seeds(lab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is done is not done again, and the result has what was asked for."""

    def evaluated(tasks: str, seeds: int) -> dict[str, dict[str, list[float]]]:
        arguments = ("--tasks", tasks, "--languages", "de", "--seeds", str(seeds))
        result = job(lab, "grown", *arguments).run()
        return {task: {code: own["per_seed"] for code, own in found.items()} for task, found in result.items()}

    first = evaluated("sib200,tatoeba", 1)
    assert "are done already" not in capsys.readouterr().out
    more = evaluated("sib200,tatoeba", 2)
    assert "2 of 3 runs are done already" in capsys.readouterr().out
    assert more["tatoeba"] == first["tatoeba"]
    assert {code: own[:1] for code, own in more["sib200"].items()} == first["sib200"]
    assert evaluated("tatoeba", 1) == {"tatoeba": first["tatoeba"]}
    told = capsys.readouterr().out
    assert "1 of 1 runs are done already" in told
    assert "grown also has sib200-1, sib200-2, which this evaluation leaves out of its result" in told
    assert evaluated("sib200,tatoeba", 2) == more
    assert "3 of 3 runs are done already" in capsys.readouterr().out
