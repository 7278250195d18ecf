"""The ranges of pyproject.toml are of what is tested: the versions of requirements.lock."""

import tomllib
from importlib.metadata import metadata

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.support.processes import CHECKOUT

PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = [line for lines in PROJECT["optional-dependencies"].values() for line in lines]
RANGES = [own for line in [*PROJECT["dependencies"], *EXTRAS] if (own := Requirement(line)).specifier]
LOCK = dict(line.split("==") for line in (CHECKOUT / "requirements.lock").read_text(encoding="utf-8").split())
LOCKED = {canonicalize_name(name): Version(version) for name, version in LOCK.items()}
WITH_PRIVATE_NAMES = {"ray", "transformers", "deepspeed"}  # whose next minor release may lack them
OLDEST = ("3.11.2", "3.12.0", "3.13.0")  # of each Python that is tested: Debian 12 has the first
BY_DATE = {"regex", "fsspec"}  # whose versions are dates


@pytest.mark.parametrize("own", RANGES, ids=lambda own: own.name)
def test_a_range_begins_with_the_minor_release_that_is_tested_and_ends(own: Requirement) -> None:
    tested = LOCKED[canonicalize_name(own.name)]
    assert own.specifier.contains(tested)
    major, minor = tested.major, tested.minor
    earlier = f"{major}.{minor - 1}.999" if minor else f"{major - 1}.999"
    assert not own.specifier.contains(earlier)
    assert own.name in BY_DATE or not own.specifier.contains(f"{major + 1}.0")
    small = major == 0 or own.name in WITH_PRIVATE_NAMES
    assert not (small and own.specifier.contains(f"{major}.{minor + 1}.0"))


@pytest.mark.parametrize("name", LOCK)
def test_a_locked_version_can_be_installed_on_all_pythons(name: str) -> None:
    needed = metadata(name).get("Requires-Python") or ""
    assert [python for python in OLDEST if not SpecifierSet(needed).contains(python)] == []
