"""The comparison of finished evaluations, on the terminal and in a folder."""

import json
from collections.abc import Sequence
from pathlib import Path

from weam_ray.errors import UserError
from weam_ray.evaluate.compare import compare
from weam_ray.report.comparison import comparison_plot, print_comparison, write_markdown
from weam_ray.settings.paths import absolute


def compare_folders(folders: Sequence[str], output: str | None) -> None:
    """Compare evaluations, each with the first, on the terminal, and in the folder `output` if it is given.

    Raises:
        UserError: fewer than two folders, folders that hold no evaluation, or evaluations that cannot be compared.
    """
    if len(folders) < 2:
        raise UserError("--compare: name two folders or more.")
    found = compare([Path(absolute(folder)) for folder in folders])
    print_comparison(found)
    if output:
        folder = Path(absolute(output))
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "comparison.json").write_text(json.dumps(found.tree(), indent=1), encoding="utf-8")
        write_markdown(found, folder / "comparison.md")
        comparison_plot(found, folder / "comparison.png")
        print(f"Results: {folder} (comparison.json, comparison.md, comparison.png)")
