"""What is known of one step of a training."""

from dataclasses import dataclass


@dataclass(frozen=True)
class StepRecord:
    """One optimizer step: what it was (equal on every repetition), and how long it took.

    Losses are means over the global batch, of predictions in nats; a part that a step does not compute is left out.
    `tokens` are those of the global batch but for padding, `masked` and `aligned` the masked tokens and the word
    pairs, and `head_rows` the states that tokens were predicted from; `waited` are the seconds that the step waited for
    data.
    """

    step: int
    loss: float
    parts: dict[str, float]
    learning_rate: float
    gradient_norm: float
    tokens: int
    masked: int
    aligned: int
    seconds: float
    waited: float
    padding_share: float
    lost_tokens: int
    lost_links: int
    head_rows: int
