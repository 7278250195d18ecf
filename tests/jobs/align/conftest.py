"""A home that the tests of the alignment job share, and one plain job."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.align_job import VERSES, run


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory, ray_session: None) -> Path:
    return tmp_path_factory.mktemp("alignment")


@pytest.fixture(scope="session")
def home(base: Path) -> Path:
    """A home whose stages the tests share."""
    return base / "home"


@pytest.fixture(scope="session")
def good(base: Path, home: Path) -> tuple[Path, dict[str, Any]]:
    """Output folder and result of the plain job."""
    return base / "good", run(home, base / "good", *VERSES)
