"""What is trained: the encoder in its objective, prepared as the section `training` says."""

from typing import Any

from weam_ray.config import Config
from weam_ray.encoder import build_encoder, num_positions
from weam_ray.errors import UserError
from weam_ray.objectives.table import build_objective


def objective_of(config: Config, tokenizer: Any) -> Any:
    """The objective of a configuration around its encoder, which is `objective.masked_model.model`.

    Raises:
        UserError: the encoder cannot be loaded, or has no room for the longest sequences.
    """
    model = build_encoder(config.encoder, tokenizer, config.seeds.model)
    room = num_positions(model.config)
    if room is not None and config.training.max_length > room:
        raise UserError(
            f"training.max_length={config.training.max_length}: the encoder has positions for {room} tokens."
        )
    if config.training.gradient_checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    objective = build_objective(model, config.objective)
    if config.training.compile:
        model.base_model.compile(dynamic=True)
    return objective
