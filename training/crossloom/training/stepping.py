"""One step of the optimizer on a batch, at a pace and on a device."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from crossloom.sim.errors import ConfigError

from .config import Config
from .evaluation import assess, steps_of
from .pace import Pace


def checked_device(name: str, config: Config) -> torch.device:
    """Return the device that training runs on, "cpu" or "cuda"; raise ConfigError where torch or the recipe cannot."""
    if name != "cpu" and not torch.cuda.is_available():
        found = f"device {name[:40]!r}: torch {torch.__version__} finds no such device"
        raise ConfigError(f"{found}; needed a build of torch with CUDA and its driver; train with --device cpu")
    if name != "cpu" and config.spiking is not None:
        raise ConfigError(f"{config.source}: [spiking] on {name[:40]}; needed the cpu; train with --device cpu")
    return torch.device(name)


def step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    images: Tensor,
    labels: Tensor,
    pace: Pace,
    smoothing: float,
    coarse_weight: float,
    rng: np.random.Generator,
) -> tuple[float, Tensor]:
    """Take one step; return the loss before it and which answers were right (N,).

    Nothing changes where the loss is not finite. Weights stay float32: in bfloat16 only products and sums are.
    """
    context: AbstractContextManager[Any] = nullcontext()
    if pace.channels_last and images.dim() == 4:
        images = images.contiguous(memory_format=torch.channels_last)
    if pace.precision == "bfloat16":
        context = torch.autocast(images.device.type, dtype=torch.bfloat16)
    optimizer.zero_grad(set_to_none=True)
    by_steps = steps_of(model)
    if by_steps is not None:  # adds the gradients itself
        loss, right = by_steps(images, labels, smoothing, rng)
    else:
        with context:
            loss, right, _ = assess(model, images, labels, smoothing, coarse_weight)
    value = loss.item()
    if np.isfinite(value):
        if by_steps is None:
            loss.backward()  # type: ignore[no-untyped-call]  # torch's own stub lacks the annotation
        optimizer.step()
    return value, right
