"""A text and a model fitted to it, for the tests of a file."""

import pytest

from tests.support.texts import Pairs, fit, verses
from weam_ray.align.fast_align.model import Model


@pytest.fixture(scope="module")
def text() -> Pairs:
    return verses(150)


@pytest.fixture(scope="module")
def model(text: Pairs) -> Model:
    return fit(text)
