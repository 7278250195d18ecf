"""What is trained: the encoder in its objective, prepared as the section `training` says."""

import copy
from contextlib import suppress
from typing import Any

from weam_ray.cluster.tasks import RayTasks
from weam_ray.errors import UserError
from weam_ray.model.encoder import SCRATCH, build_encoder, load_masked_model, model_config
from weam_ray.model.families import FAMILIES, num_positions
from weam_ray.model.weights import some
from weam_ray.settings.of_training import TrainingSettings

# what a family of transformers raises that cannot be made small, or takes other things than numbers of tokens
UNTRIED = (ImportError, OSError, LookupError, ValueError, TypeError, AttributeError, RuntimeError, AssertionError)


def objective_of(settings: TrainingSettings, tokenizer: Any) -> Any:
    """The objective of a configuration around its encoder, which is `objective.masked_model.model`.

    Raises:
        UserError: the encoder cannot be loaded, or has no room for the longest sequences.
    """
    from weam_ray.objectives.table import build_objective
    from weam_ray.train.graphs import with_graphs  # which imports torch; the driver does without

    model = build_encoder(settings.encoder, tokenizer, settings.seeds.model)
    check_fit(settings, num_positions(model), model.config.num_hidden_layers)
    if settings.training.gradient_checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    objective = build_objective(model, settings.objective)
    with_graphs(objective.masked_model, settings.training)
    if settings.training.compile:
        model.base_model.compile(dynamic=True)
    return objective


def check_length(settings: TrainingSettings, config: Any) -> None:
    """See that a small model of an encoder's kind, with as many positions, takes the longest sequences.

    Where a family's positions begin, its weights do not say; so one layer with few words is made, and tried.

    Raises:
        UserError: it does not.
    """
    import torch
    from transformers import AutoModel

    numbers = (getattr(config, f"{name}_token_id", None) for name in ("pad", "bos", "eos", "cls", "sep"))
    words = 2 + max((number for number in numbers if isinstance(number, int)), default=0)
    small = copy.deepcopy(config)
    small.vocab_size, small.num_hidden_layers = words, 1
    length = settings.training.max_length
    ids = torch.full((1, length), words - 1)
    refusal = ""
    with suppress(*UNTRIED), torch.no_grad():
        model = AutoModel.from_config(small).eval()
        model(input_ids=ids[:, :2])  # a family that takes other things, or cannot be as small as that, says nothing
        try:
            model(input_ids=ids)
        except (IndexError, RuntimeError, ValueError) as error:
            refusal = " ".join(str(error).split())[:120]
    if refusal:
        raise UserError(
            f"training.max_length={length}: an encoder of the family {config.model_type!r} with this config.json "
            f"cannot take so many tokens ({refusal}); lower it."
        )


class Examination:
    """`examine`, as a task of the cluster, so that the driver need not load the libraries; its notes are printed once.

    It reserves nothing, and the process that it ran in is there for the tasks that come after it.
    """

    def __init__(self, settings: TrainingSettings) -> None:
        self.tasks = RayTasks(num_cpus=0)
        self.reference = self.tasks.submit(examine, settings)
        self.found: list[str] | None = None

    def notes(self) -> list[str]:
        """Wait for the end, and give the notes.

        Raises:
            UserError: as `examine` does.
        """
        if self.found is None:
            self.found = self.tasks.get(self.reference)
            for note in self.found:
                print(f"note: {note}")
        return self.found


def check_fit(settings: TrainingSettings, num_positions: int | None, num_layers: int) -> None:
    """See that an encoder has what the configuration asks of it.

    Raises:
        UserError: fewer positions than `training.max_length`, or not the layer `evaluation.layer`.
    """
    length, layer = settings.training.max_length, settings.evaluation.layer
    if num_positions is not None and length > num_positions:
        raise UserError(
            f"training.max_length={length}: the encoder has positions for {num_positions} tokens; lower it to that."
        )
    if not -num_layers - 1 <= layer <= num_layers:
        raise UserError(f"evaluation.layer={layer}: the encoder has layers 0 (embeddings) to {num_layers}.")


def examine(settings: TrainingSettings) -> list[str]:
    """Look at the encoder of a configuration before anything is made of it; what is worth a note, in sentences.

    Nothing but the names and shapes of its weights is read.

    Raises:
        UserError: the checkpoint cannot be loaded or is not whole, or the encoder cannot do what is asked of it.
    """
    name = settings.encoder.name
    if name == SCRATCH:
        scratch = settings.encoder.scratch
        check_fit(settings, scratch.max_positions, scratch.num_layers)
        return []
    loaded = load_masked_model(settings.encoder, model_config(settings.encoder, None), device_map="meta")
    model = loaded.model
    check_fit(settings, num_positions(model), model.config.num_hidden_layers)
    if model.config.model_type not in FAMILIES:
        check_length(settings, model.config)
    notes = []
    if settings.encoder.begins_anew:
        notes.append(f"encoder.weights=random: every weight of {name} begins as a random number from seeds.model.")
    elif loaded.new:
        notes.append(
            f"encoder.name={name}: the checkpoint has no trained head for predicting masked tokens, or not all of it; "
            f"{len(loaded.new)} weights ({some(loaded.new)}) begin as random numbers from seeds.model."
        )
    if model.config.model_type not in FAMILIES:
        notes.append(
            f"encoder.name={name}: the model family {model.config.model_type!r} is not in the table of "
            f"families ({', '.join(FAMILIES)}): its head computes all positions, which is slower, and no two sentences "
            "share a row."
        )
    return notes
