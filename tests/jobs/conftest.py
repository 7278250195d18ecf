"""What the tests of all jobs share: the tables of MLflow, which take seconds to make."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from weam_ray.tracking import store


@pytest.fixture(scope="session", autouse=True)
def mlflow_tables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Every home of a job that runs in this process gets a copy of tables that are made once."""
    made = tmp_path_factory.mktemp("tables") / "mlflow.db"
    store.create_tables(made, 60)

    def copy(file: Path, seconds: float) -> None:
        if not file.is_file():
            file.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(made, file)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "create_tables", copy)
        yield
