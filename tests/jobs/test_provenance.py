"""How a model was trained is known wherever it is copied, and what it began from."""

import shutil
from pathlib import Path

import pytest

from tests.support.main_job import run, write_moses
from weam_ray.evaluate.origin import is_of_a_run, provenance_of
from weam_ray.model.encoder import encoder_fingerprint
from weam_ray.overlap.record import FILE as SEEN
from weam_ray.overlap.record import Record
from weam_ray.settings.config import load_config
from weam_ray.settings.encoder import EncoderSection
from weam_ray.store.files import SourceHashes
from weam_ray.store.provenance import FILE, Provenance
from weam_ray.store.training_folder import CONFIG

pytestmark = pytest.mark.ray


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, ray_session: None) -> Path:
    folder = tmp_path_factory.mktemp("lab")
    write_moses(folder)
    return folder


@pytest.fixture(scope="module")
def model(lab: Path) -> Path:
    return run(lab, "training.max_steps=2", f"output.dir={lab / 'first'}") / "model"


def found(model: Path) -> Provenance:
    provenance = provenance_of(str(model))
    assert provenance is not None
    return provenance


def test_a_model_that_is_copied(model: Path, tmp_path: Path) -> None:
    copied = shutil.copytree(model, tmp_path / "copied")
    own = found(copied)
    assert own == found(model)
    assert own.seeds == load_config(str(model.parent / CONFIG)).seeds.model_dump()
    assert own.settings["training.max_steps"] == 2
    assert not any(key.startswith("seeds") for key in own.settings)
    record = Record.beside(str(model))
    assert record is not None
    assert (own.training_text, own.base_encoder) == (record.corpora[0], "scratch")


def test_a_model_of_an_earlier_version(model: Path, tmp_path: Path) -> None:
    """In its run folder it is known by the configuration; elsewhere that it is of a run, and no more."""
    run_folder = tmp_path / "run"
    shutil.copytree(model.parent, run_folder)
    (run_folder / "model" / FILE).unlink()
    own = found(run_folder / "model")
    assert own == Provenance(found(model).seeds, found(model).settings)
    moved = shutil.copytree(run_folder / "model", tmp_path / "moved")
    assert provenance_of(str(moved)) is None
    assert is_of_a_run(str(moved))
    (moved / SEEN).unlink()
    assert not is_of_a_run(str(moved))


@pytest.mark.slow
def test_what_a_run_began_from(lab: Path, model: Path, tmp_path: Path) -> None:
    begun = (f"encoder.name={model}", "training.max_steps=1", f"output.dir={lab / 'second'}")
    own = found(run(lab, *begun) / "model")
    base = encoder_fingerprint(EncoderSection(name=str(model)), SourceHashes(tmp_path / "hashes.json"))
    assert own.base_encoder == base
    assert own.training_text == found(model).training_text
