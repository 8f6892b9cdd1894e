"""A running average of a network's weights, which is validated, kept and exported instead of the last weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


class Averages:
    """The exponential moving average of parameters and batch-norm statistics, one step after each of the optimizer's.

    a' = d * a + (1 - d) * w with d = min(decay, (1 + n) / (10 + n)) at step n, so that the first weights are soon
    forgotten. With a `decay` of 0 it is the weights themselves and costs nothing.
    """

    def __init__(self, decay: float, model: nn.Module, state: Mapping[str, Any] | None = None) -> None:
        self.decay = decay
        self.steps = 0
        self.values = {name: tensor.detach().clone() for name, tensor in _floats(model).items()} if decay else {}
        if state is not None and decay:
            self.steps = int(state["steps"])
            for name, tensor in self.values.items():
                tensor.copy_(state["values"][name])

    def update(self, model: nn.Module) -> None:
        """Take the weights after a step into the average."""
        if not self.decay:
            return
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        self.steps += 1
        with torch.no_grad():
            for name, tensor in _floats(model).items():
                self.values[name].lerp_(tensor, 1 - decay)

    @contextmanager
    def applied(self, model: nn.Module) -> Iterator[None]:
        """Give the network the average for a while, and then its own weights back, to the bit."""
        own = {name: tensor.detach().clone() for name, tensor in _floats(model).items()} if self.decay else {}
        _set(model, self.values)
        try:
            yield
        finally:
            _set(model, own)

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return {"steps": self.steps, "values": self.values}


def _floats(model: nn.Module) -> dict[str, Tensor]:
    every = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    return {name: tensor for name, tensor in every.items() if tensor.is_floating_point()}


def _set(model: nn.Module, values: Mapping[str, Tensor]) -> None:
    with torch.no_grad():
        for name, tensor in _floats(model).items():
            if name in values:
                tensor.copy_(values[name])
