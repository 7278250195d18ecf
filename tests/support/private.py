"""Private names of libraries, taken away."""

from dataclasses import replace
from typing import Any

import pytest

from weam_ray import private_names
from weam_ray.private_names import PrivateName


def take_away(monkeypatch: pytest.MonkeyPatch, *names: PrivateName) -> None:
    """Have this process go on as with releases of the libraries that lack some names; what was said is forgotten."""
    private_names.tell_once.cache_clear()
    find = PrivateName.find

    def found(self: PrivateName) -> Any:
        return find(replace(self, name=f"{self.name}_of_yore") if self in names else self)

    monkeypatch.setattr(PrivateName, "find", found)
