"""The folder of an evaluation: whose it is, and the plan that says so."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from weam_ray.errors import UserError
from weam_ray.evaluate.plan import EvaluationPlan
from weam_ray.store.files import write_whole
from weam_ray.store.runs import PLAN


@dataclass(frozen=True)
class EvaluationFolder:
    """The folder that an evaluation writes into, which may have runs of earlier sessions."""

    path: Path
    plan: EvaluationPlan

    def check(self) -> None:
        """See that the folder is new, or of this evaluation, perhaps with other tasks or seeds.

        Raises:
            UserError: it holds another evaluation, or something else.
        """
        there = self.earlier()
        if there is None:
            entries = self.path.iterdir() if self.path.exists() else ()
            strange = [entry.name for entry in entries if not entry.name.startswith(("lease-", "."))]
            if strange:
                raise UserError(f"--output {self.path}: {strange[0]} is there, and not from this job; name another.")
            return
        mine, known = self.plan.identity, there["identity"]
        differ = [f"{key}: {known.get(key)!r} there, {mine[key]!r} here" for key in mine if known.get(key) != mine[key]]
        if differ:
            raise UserError(
                f"--output {self.path} holds another evaluation ({'; '.join(differ)}); name another folder."
            )
        runs = there["runs"]
        other = [run.name for run in self.plan.runs if runs.get(run.name, run.fingerprint) != run.fingerprint]
        if other:
            raise UserError(
                f"--output {self.path} holds {', '.join(other)} with another recipe, data, languages, threads, "
                "device or version of the program; name another folder."
            )
        left = sorted(set(runs) - {run.name for run in self.plan.runs})
        if left:
            print(f"{self.path} also has {', '.join(left)}, which this evaluation leaves out of its result")

    def earlier(self) -> dict[str, Any] | None:
        """Identity and runs, as the folder has them."""
        file = self.path / PLAN
        return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None

    def keep_plan(self) -> None:
        """Write the plan, beside runs of an earlier one, and sweep out what a killed process left."""
        earlier = (self.earlier() or {"runs": {}})["runs"]
        write_whole(self.path / PLAN, json.dumps(self.plan.file(earlier), indent=1))
        for partial in (self.path / "intermediate").glob(".*"):
            shutil.rmtree(partial)
