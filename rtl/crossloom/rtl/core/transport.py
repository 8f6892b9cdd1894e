"""The doors of a core, whatever is behind them: a Verilated model, a virtual board, a board."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from crossloom.sim.frames import Beats


@dataclass(frozen=True, eq=False)
class Arrived:
    """What came out while beats went in: `beats` (n,) and their TLAST.

    `sent` and `came` are the clock cycles of the beats in and out, None where nobody can see the clock.
    """

    beats: Beats
    last: NDArray[np.bool_]
    sent: NDArray[np.int64] | None = None
    came: NDArray[np.int64] | None = None


class Transport(Protocol):
    """Registers by byte address, and beats of 64 bits both ways. Raises DeviceError or RtlError where the way fails."""

    def read(self, addresses: NDArray[np.uint32]) -> NDArray[np.uint32]:
        """The registers (n,) at addresses (n,)."""
        ...

    def write(self, addresses: NDArray[np.uint32], words: NDArray[np.uint32]) -> None:
        """Write words (n,) to addresses (n,), in their order."""
        ...

    def stream(self, beats: Beats, last: NDArray[np.bool_], expect: int, limit: int) -> Arrived:
        """Send beats (n,) with their TLAST while receiving, until `expect` beats came or `limit` cycles have passed."""
        ...

    def close(self) -> None:
        """Give back what is behind the doors; a second call does nothing."""
        ...
