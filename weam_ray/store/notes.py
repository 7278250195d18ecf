"""Notes of what is done of a stage that is not yet whole, so that the next attempt goes on where one was killed.

A note is a file `note-<label>.json`, written when the files that it tells of are there in full. It counts as long as
they are.
"""

import json
from dataclasses import dataclass
from typing import Any

from weam_ray.store.folder import Folder

PREFIX, SUFFIX = "note-", ".json"


@dataclass(frozen=True)
class Notes:
    """The notes in a stage's folder."""

    folder: Folder

    def add(self, label: str, result: dict[str, Any]) -> dict[str, Any]:
        """Note the result of a task, a JSON value that has its files at the key `files`, as `StageFile` has them."""
        self.folder.write(f"{PREFIX}{label}{SUFFIX}", json.dumps(result).encode())
        return result

    def read(self) -> dict[str, dict[str, Any]]:
        """The results that were noted, by label; without those of which a file is not there in full."""
        sizes = self.folder.sizes()
        found = {}
        for name in sizes:
            if not (name.startswith(PREFIX) and name.endswith(SUFFIX)):
                continue
            try:
                result = json.loads(self.folder.read(name))
                is_whole = all(sizes.get(file["name"]) == file["size"] for file in result["files"])
            except (ValueError, KeyError, TypeError):
                continue  # damaged: done again
            if is_whole:
                found[name.removeprefix(PREFIX).removesuffix(SUFFIX)] = result
        return found

    def names(self) -> set[str]:
        """The names of the notes that count, and of the files that they tell of."""
        noted = self.read()
        files = {file["name"] for result in noted.values() for file in result["files"]}
        return files | {f"{PREFIX}{label}{SUFFIX}" for label in noted}
