"""What every library is asked for: its neurons' rules by class, how a model of it runs, neurons on request."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from torch import Tensor, nn

from crossloom.sim import ForeignError

from ..chain import Neuron, Reals, by_channel

Read: TypeAlias = Callable[[str, Any], Neuron]
"""From a layer's name and a module to its neurons."""


@dataclass(frozen=True)
class Library:
    """A spiking library, without its import: everything here gets modules of it, or imports it inside.

    `neurons` by class name. `run` calls a model on x (1 or steps, N, ...) for so many steps from rest, in one call
    where `at_once`; what a neuron's calls returned, `heard` makes spikes (steps, N, ...) of. `made` returns neurons of
    the library for given numbers and `axes` of an image: from currents (steps, N, ...) to spikes.
    """

    name: str
    package: str
    neurons: Mapping[str, Read]
    run: Callable[[nn.Module, Sequence[nn.Module], Tensor, int, bool], None]
    heard: Callable[[nn.Module, list[Tensor], int], Tensor]
    made: Callable[[Neuron, int], Callable[[Tensor], Tensor]]


def numbers(where: str, value: Any, what: str) -> Reals:
    """Return the numbers of a tensor or float, for all channels or each."""
    return by_channel(where, value.detach().cpu().numpy() if isinstance(value, Tensor) else np.asarray(value), what)


def refused(where: str, found: str, needed: str) -> ForeignError:
    """An option that no operator has."""
    return ForeignError(f"{where}: {found}; needed {needed}")


def need_zero(where: str, value: Any, what: str) -> None:
    """Refuse a voltage other than 0."""
    found = numbers(where, value, what)
    if found.any():
        raise refused(where, f"{what} {float(found[found != 0][0]):.6g}", "0, where a membrane starts and rests")


def wide(values: Reals, axes: int) -> Tensor:
    """Numbers of all channels or each as float32, to go with images of so many axes."""
    import torch

    found = torch.as_tensor(values, dtype=torch.float32)
    return found.reshape(()) if len(values) == 1 else found.reshape(-1, *(1,) * (axes - 1))


def step_by_step(module: nn.Module, heard: list[Tensor], steps: int) -> Tensor:
    """(steps, N, ...) of one output a step."""
    import torch

    return torch.stack(heard)


def each_step(model: nn.Module, x: Tensor, steps: int, at_once: bool) -> None:
    """Call a model on images (N, ...) step by step, or once where it has its own loop over the same image."""
    if at_once:
        model(x[0])
        return
    for t in range(steps):
        model(x[t % len(x)])
