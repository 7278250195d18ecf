"""The folder of results: whose it may be."""

from pathlib import Path

import pytest

from tests.support.align_job import CHECKOUT, VERSES, config_of, run
from weam_ray.errors import UserError
from weam_ray.jobs.align import Alignment

pytestmark = pytest.mark.ray


class TestOutput:
    def test_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "out").touch()
        with pytest.raises(UserError, match=r"--output .*out: this is a file; name a folder"):
            run(tmp_path / "home", tmp_path / "out", *VERSES)

    @pytest.mark.parametrize("name", ["model", "aligned"])
    def test_a_folder_of_others(self, tmp_path: Path, name: str) -> None:
        """Nothing of theirs is touched."""
        (tmp_path / "out" / name).mkdir(parents=True)
        (tmp_path / "out" / name / "theirs").touch()
        with pytest.raises(UserError, match=f"{name} is there, and not from this job; name another folder"):
            run(tmp_path / "home", tmp_path / "out", *VERSES)
        assert [str(file.relative_to(tmp_path / "out")) for file in (tmp_path / "out").rglob("*")] == [
            name,
            f"{name}/theirs",
        ]

    def test_a_run_of_pretraining(self, tmp_path: Path) -> None:
        """Its folder has a config.yaml and a model too."""
        for name in ("config.yaml", "state.json", "model/model.safetensors"):
            (tmp_path / "out" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "out" / name).write_text("theirs", encoding="utf-8")
        with pytest.raises(UserError, match=r"--output .*out: a run of pre-training is there; name another folder"):
            run(tmp_path / "home", tmp_path / "out", *VERSES)
        for name in ("config.yaml", "state.json", "model/model.safetensors"):
            assert (tmp_path / "out" / name).read_text(encoding="utf-8") == "theirs"

    def test_missing(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="--output: name the folder for the results"):
            Alignment.of(config_of(*VERSES, f"home={tmp_path}"), CHECKOUT)
