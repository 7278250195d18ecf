"""The sections of the data stages."""

from pathlib import Path

from weam_ray.settings.data import AlignSection

FIT = {"iterations", "tension", "optimize_tension", "null_probability", "alpha", "tension_gradient"}


def test_links_of_fast_align_depend_on_the_keys_of_its_fit() -> None:
    assert AlignSection().in_use().keys() == {"aligner", "model", "lowercase"} | FIT


def test_links_of_a_fitted_model_do_not_depend_on_how_another_would_be_fitted(tmp_path: Path) -> None:
    align = AlignSection(model=str(tmp_path), iterations=9)
    assert align.in_use() == {"aligner": "fast_align", "model": str(tmp_path), "lowercase": True}


def test_links_from_files_depend_on_no_key_of_an_aligner() -> None:
    assert AlignSection(aligner="pharaoh").in_use().keys() == {"aligner", "model"}
