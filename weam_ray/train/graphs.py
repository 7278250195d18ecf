"""CUDA graphs: passes of the encoder that are recorded once for each shape and played back, since to launch its
kernels one by one takes longer than small batches do.

Only the encoder is recorded, whose shapes are few. The head, whose rows are another number in every batch, and the
optimizer are not.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch.func import functional_call

from weam_ray.model.families import encoder_part
from weam_ray.objectives.base import MaskedModel
from weam_ray.settings.training import TrainingSection
from weam_ray.train.engines.device import RECORDING

MOST_SHAPES = 16
MOST_POSITIONS = 8192  # of a batch; the kernels of larger ones take longer than their launch
WARM_UP = 3  # passes before a recording, in which libraries make up their minds

Capture = Callable[[Callable[[], None]], Callable[[], None]]


def with_graphs(masked_model: MaskedModel, training: TrainingSection) -> None:
    """Have the encoder's passes recorded and played back, where a run's settings allow that."""
    if training.uses_graphs and torch.cuda.is_available():
        masked_model.encode = RecordedEncoder(masked_model, CudaGraphs())  # type: ignore[method-assign]


class CudaGraphs:
    """Records what a function does on the GPU; all recordings share their memory."""

    def __init__(self) -> None:
        self.pool = torch.cuda.graph_pool_handle()

    def __call__(self, work: Callable[[], None]) -> Callable[[], None]:
        """Record some work; the result does it again, with what stands at the same places then."""
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self.pool, capture_error_mode="thread_local"):
            work()
        replay: Callable[[], None] = graph.replay
        return replay


class RecordedEncoder:
    """`MaskedModel.encode`, from recordings of it.

    Args:
        capture: records some work, and returns what does it again.
    """

    def __init__(self, masked_model: MaskedModel, capture: Capture) -> None:
        self.encode, self.capture = masked_model.encode, capture
        self.encoder = encoder_part(masked_model.model)
        self.recordings: dict[Any, Recording] = {}
        self.gradients: dict[str, torch.Tensor] = {}
        self.last: Recording | None = None

    def __call__(self, inputs: Mapping[str, Any]) -> torch.Tensor:
        tensors = {name: value for name, value in inputs.items() if value is not None}
        recording = self.recording(tensors)
        if recording is None:
            return self.encode(inputs)
        self.last = recording
        weights = dict(self.encoder.named_parameters())
        own = [weights[name] for name in recording.names]
        played: torch.Tensor = Played.apply(recording, len(tensors), *tensors.values(), *own)
        return played

    def recording(self, tensors: dict[str, torch.Tensor]) -> "Recording | None":
        """The recording for some inputs; None where they are encoded kernel by kernel.

        Since all share their memory, none is played before the backward pass of the one before it.
        """
        trains = torch.is_grad_enabled() and self.encoder.training
        if not trains or (self.last is not None and self.last.awaits_backward):
            return None
        key = tuple((name, tensor.shape, tensor.dtype) for name, tensor in tensors.items())
        fits = tensors["input_ids"].numel() <= MOST_POSITIONS and len(self.recordings) < MOST_SHAPES
        if key not in self.recordings and fits:
            with RECORDING:
                self.recordings[key] = Recording(self.encoder, tensors, self.gradients, self.capture)
        return self.recordings.get(key)


class Recording:
    """A forward and a backward pass of an encoder for inputs of one shape.

    Attributes:
        inputs: the places that its inputs are read from.
        names: of the weights that it has gradients of.
        output: the place of the last states.
        output_gradient: the place that the gradient of those is read from.
        gradients: the places of the weights' gradients, by name, which all recordings of an encoder share.
        awaits_backward: whether its forward pass has been played, and not yet its backward pass.
    """

    def __init__(
        self,
        encoder: torch.nn.Module,
        inputs: Mapping[str, torch.Tensor],
        gradients: dict[str, torch.Tensor],
        capture: Capture,
    ) -> None:
        self.awaits_backward = False
        self.inputs = {name: tensor.contiguous().clone() for name, tensor in inputs.items()}
        weights = encoder.named_parameters()
        # aliases, since what the weights themselves mean to autograd belongs to the stream of the training
        self.aliases = {name: one.detach().requires_grad_(one.requires_grad) for name, one in weights}
        self.encoder = encoder
        self.live: torch.Tensor | None = None
        device = next(iter(self.inputs.values())).device
        with aside(device):
            self.output, self.names = self.warm_up(device)
            self.output_gradient = torch.empty_like(self.output)
            for name in self.names:
                gradients.setdefault(name, torch.empty_like(self.aliases[name]))
            self.gradients = gradients
            self.forward = capture(self.run_forward)
            self.backward = capture(self.run_backward)

    def encode(self) -> torch.Tensor:
        states: torch.Tensor = functional_call(
            self.encoder, self.aliases, kwargs={"attention_mask": None, **self.inputs}
        ).last_hidden_state
        return states

    def warm_up(self, device: torch.device) -> tuple[torch.Tensor, list[str]]:
        """Do both passes a few times; a place for the last states, and the names of the weights that have gradients."""
        trained = {name: alias for name, alias in self.aliases.items() if alias.requires_grad}
        with on_stream(device):
            for _ in range(WARM_UP):
                output = self.encode()
                found = torch.autograd.grad(output, list(trained.values()), torch.zeros_like(output), allow_unused=True)
        names = [name for name, gradient in zip(trained, found, strict=True) if gradient is not None]
        return torch.empty_like(output).detach(), names

    def run_forward(self) -> None:
        self.live = self.encode()
        self.output.copy_(self.live.detach())

    def run_backward(self) -> None:
        output, self.live = self.live, None
        assert output is not None
        own = [self.aliases[name] for name in self.names]
        found = torch.autograd.grad(output, own, self.output_gradient)
        for name, gradient in zip(self.names, found, strict=True):
            self.gradients[name].copy_(gradient)


class Played(torch.autograd.Function):
    """A recording as an operation of autograd's: of its inputs, and of the weights that it has gradients of."""

    @staticmethod
    def forward(ctx: Any, recording: Recording, num_inputs: int, *tensors: torch.Tensor) -> torch.Tensor:
        for place, tensor in zip(recording.inputs.values(), tensors[:num_inputs], strict=True):
            place.copy_(tensor)
        recording.forward()
        recording.awaits_backward = True
        ctx.recording, ctx.num_inputs = recording, num_inputs
        return recording.output.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        recording: Recording = ctx.recording
        recording.output_gradient.copy_(gradients[0])
        recording.backward()
        recording.awaits_backward = False
        # copies, since the next pass writes to the places, maybe before these are added up
        return None, None, *[None] * ctx.num_inputs, *[recording.gradients[name].clone() for name in recording.names]


@contextmanager
def aside(device: torch.device) -> Iterator[None]:
    """In which weights are cast wherever they are used, and after which what is random goes on as it would have.

    What autocast keeps of the weights that it has cast would be out of date when a recording is played.
    """
    kind = device.type
    state = torch.cuda.get_rng_state(device) if kind == "cuda" else torch.get_rng_state()
    enabled, dtype = torch.is_autocast_enabled(kind), torch.get_autocast_dtype(kind)
    with torch.autocast(kind, dtype, enabled=enabled, cache_enabled=False):
        yield
    if kind == "cuda":
        torch.cuda.set_rng_state(state, device)
    else:
        torch.set_rng_state(state)


@contextmanager
def on_stream(device: torch.device) -> Iterator[None]:
    """In which work on a GPU is done on a stream of its own, and has been done afterwards."""
    if device.type == "cpu":
        yield
        return
    stream = torch.cuda.Stream(device)
    stream.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(stream):
        yield
    torch.cuda.synchronize(device)
