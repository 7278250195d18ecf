"""How an encoder was pre-trained: a file beside its weights, so that it is known wherever they are copied."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from weam_ray.errors import UserError

FILE = "provenance.json"
VERSION = 1
TEXT, BASE = "training text", "base encoder"
OF_THE_METHOD = (  # what a method is, and not how it is trained
    "objective.name",
    "objective.mixture",
    "objective.lambda",
    "objective.normalize",
    "objective.anchor_language",
    "objective.anchor_weight",
)


@dataclass(frozen=True)
class Provenance:
    """The seeds and settings of a pre-training, and what it began from.

    Args:
        seeds: of data, masking and model.
        settings: what else can change the result, by dotted key.
        training_text: the fingerprint of the stage `corpus`.
        base_encoder: what the encoder began from: the fingerprint of its files, its name and revision on the hub, or
            `scratch`.

    The last two are None where they are not known, as of a run of an earlier version.
    """

    seeds: dict[str, int]
    settings: dict[str, Any]
    training_text: str | None = None
    base_encoder: str | None = None

    @classmethod
    def beside(cls, model: str) -> "Provenance | None":
        """That of the folder of a model; None where there is none.

        Raises:
            UserError: it is damaged, or of another version.
        """
        file = Path(model) / FILE
        if not file.is_file():
            return None
        try:
            tree = json.loads(file.read_bytes())
            version = tree.pop("version")
            found = cls(**tree) if version == VERSION else None
        except (AttributeError, KeyError, TypeError, ValueError):
            raise UserError(f"{file}: this does not say how the model was trained; copy the model again.") from None
        if found is None:
            raise UserError(f"{file} is of version {version}; this weam-ray reads version {VERSION}.")
        return found

    def compared(self) -> dict[str, Any]:
        """What two pre-trainings should have in common if their objectives are to be compared, by name."""
        settings = {key: value for key, value in self.settings.items() if not key.startswith(OF_THE_METHOD)}
        return {TEXT: self.training_text, BASE: self.base_encoder, **settings}

    def to_bytes(self) -> bytes:
        """The file."""
        return json.dumps({"version": VERSION, **asdict(self)}, indent=1, ensure_ascii=False).encode()
