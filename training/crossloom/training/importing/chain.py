"""A spiking network of another program as its numbers say it: layers one after the other, real values, their rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from crossloom.sim import ForeignError

Reals: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Weights:
    """x -> weight * x + bias: `weight` (out, in), or (out, in/groups, kh, kw) over images; in torch's order.

    `pad` (top, bottom, left, right) zeros.
    """

    name: str
    weight: Reals
    bias: Reals
    stride: tuple[int, int] = (1, 1)
    pad: tuple[int, int, int, int] = (0, 0, 0, 0)
    groups: int = 1


@dataclass(frozen=True)
class Pool:
    """The sum, mean ("avg") or greatest ("max") of each window, without padding."""

    name: str
    kind: str
    kernel: tuple[int, int]
    stride: tuple[int, int]


@dataclass(frozen=True)
class Flat:
    """(C, H, W) -> (C * H * W,), channels first."""

    name: str


@dataclass(frozen=True, eq=False)
class Neuron:
    """i = synapse * i + x; v = decay * v + gain * i; spikes where v reaches theta, which reset it.

    With `normed`, i counts by 1 - decay besides.

    `decay`, `theta`, `gain` and `synapse` are (1,) or (channels,), a decay of 1 being no leak and a synapse of 0 none.
    `reset`, `when`, `strict` as in `crossloom.sim.LIF`; `most` spikes a step, None for as many as fit. Without `spikes`
    it integrates and is read. `late`: the spikes leave one step after the membrane that made them.
    """

    name: str
    decay: Reals
    theta: Reals
    gain: Reals
    reset: str = "subtract"
    when: str = "now"
    strict: bool = False
    normed: bool = False
    most: int | None = 1
    synapse: Reals | None = None
    spikes: bool = True
    late: bool = False


Layer: TypeAlias = Weights | Pool | Flat | Neuron


@dataclass(frozen=True, eq=False)
class Chain:
    """The layers between an image `shape` (H, W, C), or (C,) features, and the answer, by the rules of `writer`.

    `assumed`: what nothing said and the writer's default stands for, in words.
    """

    writer: str
    shape: tuple[int, ...]
    layers: tuple[Layer, ...]
    assumed: tuple[str, ...] = ()

    @property
    def neurons(self) -> tuple[Neuron, ...]:
        """The layers of neurons, in order."""
        return tuple(layer for layer in self.layers if isinstance(layer, Neuron))


def reals(where: str, value: Any, what: str) -> Reals:
    """Return finite numbers as float64; ForeignError names the first that is none."""
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise ForeignError(f"{where}: {what} is {array.dtype}; needed numbers")
    found: Reals = array.astype(np.float64)
    bad = np.flatnonzero(~np.isfinite(found))
    if len(bad):
        raise ForeignError(f"{where}: {what} is {found.reshape(-1)[bad[0]]} at {int(bad[0])}; needed finite numbers")
    return found


def by_channel(where: str, value: Any, what: str) -> Reals:
    """Return what a number for each neuron, (), (1,), (C,) or (C, H, W), is for each channel: (1,) or (C,).

    Raises ForeignError where it differs within a channel, which no operator carries.
    """
    found = reals(where, value, what)
    if found.size == 0:
        raise ForeignError(f"{where}: {what} is empty; needed a number for each neuron, or one for all")
    rows = found.reshape(found.shape[0] if found.ndim else 1, -1)
    if (rows != rows[:, :1]).any():
        raise ForeignError(
            f"{where}: {what} differs within a channel; needed one number a channel: neurons of a channel share theirs"
        )
    column = rows[:, 0]
    return column[:1] if (column == column[0]).all() else column
