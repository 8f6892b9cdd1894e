"""Encoders: how images become what a spiking network reads at every time step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crossloom.sim import Input, QType
from crossloom.sim.encoders import RATE_ONE
from crossloom.sim.types import IntArray

SPIKES = ("rate", "latency")
"""Encoders whose codes are spikes, 0 and 1."""


@dataclass(frozen=True)
class Encoder:
    """An encoder of `crossloom.sim.Input`, by its `kind`: what makes `steps` time steps of an image."""

    kind: str = "direct"
    steps: int = 1
    seed: int = 0

    @property
    def spikes(self) -> bool:
        """Whether its codes are 0 and 1, so that no quantizer stands before the first layer."""
        return self.kind in SPIKES

    def table(self, levels: int) -> IntArray:
        """Return what a table (levels, 1) of `Input` says of image values 0..levels-1, for an encoder of spikes.

        rate: 65536 * u / (levels - 1), the share of steps with a spike, rounded half to even. latency: the step of the
        one spike, the brighter the earlier, (steps - 1) * (1 - u / (levels - 1)), rounded likewise; none of u = 0.
        """
        share = np.arange(levels)[:, None] / (levels - 1)
        if self.kind == "rate":
            drawn: IntArray = np.rint(RATE_ONE * share).astype(np.int64)
            return drawn
        when: IntArray = np.rint((self.steps - 1) * (1 - share)).astype(np.int64)
        when[0] = self.steps
        return when

    def source(self, shape: tuple[int, ...], levels: int) -> Input:
        """Return the input of a network that reads the spikes of images of `shape` (H, W, C)."""
        return Input(shape, QType(0, 1), self.table(levels), self.kind, self.steps, self.seed)


DIRECT = Encoder()
