"""SLTT: gradients of one step after the other, in memory that does not grow with the number of steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .layers import Count, Last, LIFLayer, neurons_of
from .settings import SpikingConfig

Loss = Callable[[Tensor], Tensor]


@contextmanager
def stepping(model: nn.Module) -> Iterator[None]:
    """Have every layer of neurons take one step a call, beginning where the call before it left off."""
    parts = [module for module in model.modules() if isinstance(module, LIFLayer | Count | Last)]
    try:
        for part in parts:
            part.stepping = True
            if isinstance(part, LIFLayer):
                part.state = None
        yield
    finally:
        for part in parts:
            part.stepping = False
            if isinstance(part, LIFLayer):
                part.state = None


def backward_by_steps(
    model: nn.Sequential, images: Tensor, loss_of: Loss, spiking: SpikingConfig, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Add the gradients of a quantized network's parameters; return (loss, scores (N, classes)).

    Spatial Learning Through Time (arXiv 2302.14311): no gradient goes from a step to the one before, so that each step
    can be forgotten once it is done. A first pass without gradients gives the scores, and with them the gradient of
    the loss `loss_of(scores)` by them, which is that by every step's spikes; a second one takes it back through
    each step, or through `sltt_steps` of them drawn from `rng` (SLTT-K), whose gradients then count for the others too.
    What stands before the first neurons is computed once, where the image is the input at every step. The same
    gradients as of the whole graph with `Rule.through_time` false.
    """
    parts = list(model)
    first = next(i for i, part in enumerate(parts) if isinstance(part, LIFLayer))
    every = neurons_of(model)[0].first
    first = first if every else 0
    front, rest = nn.Sequential(*parts[:first]), nn.Sequential(*parts[first:])
    source: Any = front(images)
    value: Tensor = getattr(source, "value", source)
    leaf = value.detach().requires_grad_(value.requires_grad)
    held = source._replace(value=leaf) if hasattr(source, "_replace") else leaf
    size = len(value) // spiking.steps

    def at(step: int) -> Any:
        return held if every else held[step * size : (step + 1) * size]

    steps, layers = spiking.steps, [layer for layer in neurons_of(model) if layer.watched and not layer.readout]
    scores = torch.zeros(())
    means = [0.0] * len(layers)
    with stepping(model), torch.no_grad():
        for step in range(steps):
            shown = rest(at(step)).float()
            scores = shown if isinstance(parts[-1], Last) else scores + shown
            means = [mean + float(layer.activity) / steps for mean, layer in zip(means, layers, strict=True)]  # type: ignore[arg-type]
    scores.requires_grad_()
    loss = loss_of(scores)
    (gradient,) = torch.autograd.grad(loss, scores)
    above = [max(mean - spiking.rate_target, 0.0) for mean in means]
    loss = loss.detach() + spiking.rate_weight * sum(a * a for a in above)
    count = spiking.sltt_steps or steps
    chosen = set(rng.choice(steps, count, replace=False).tolist()) if count < steps else set(range(steps))
    with stepping(model):
        for step in range(steps):
            with torch.set_grad_enabled(step in chosen):
                shown = rest(at(step))
            if step in chosen:
                spikes = [layer.activity for layer in layers]
                slopes = [torch.tensor(2 * spiking.rate_weight * a / count) for a in above]
                torch.autograd.backward([shown, *spikes], [(gradient * (steps / count)).to(shown.dtype), *slopes])
    if leaf.grad is not None:
        value.backward(leaf.grad)  # type: ignore[no-untyped-call]
    return loss, scores.detach()
