"""Alignment of an encoder's states, measured on gold sets."""

from pathlib import Path
from typing import Any

import pytest

from tests.evaluate.lab import write_encoder, write_gold
from weam_ray.evaluate.alignment import GOLD, gold_sets, measure
from weam_ray.evaluate.models import encoder_of


@pytest.mark.parametrize(("given", "layer"), [(None, 2), (-1, 2), (-3, 0), (1, 1)])
def test_the_layer_whose_figures_stand_in_the_result(
    given: int | None, layer: int, tmp_path: Path, wordpiece: Any
) -> None:
    """By its number from the embeddings, however it was asked for."""
    write_gold(tmp_path)
    model = encoder_of(str(write_encoder(tmp_path / "model", wordpiece)))
    found = measure(model, wordpiece, [], gold_sets(tmp_path), given)
    assert found.layer == layer
    figures = found.layers[GOLD]["deen"]
    assert len(figures) == 3
    assert found.parts[GOLD]["deen"].percent == pytest.approx(figures[layer]["aer"])
