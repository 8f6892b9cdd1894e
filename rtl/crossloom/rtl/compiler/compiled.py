"""A compiled network: the words of its program, its memories, and what they came from."""

from __future__ import annotations

from dataclasses import dataclass

from crossloom.sim.network import Network
from crossloom.sim.types import IntArray

from .memories import BankedMemory
from .passes import Pass
from .sizes import Folding, Region, Sizes
from .words import Bank, Config, Drain, Segment, Sweep


@dataclass(frozen=True, eq=False)
class Program:
    """A program, its memories and what they came from; the memories' words are packed when they are read first.

    `passes[i]`, `channels[i]` and `rows[i]` say what sweep i computes, from which channel and from which row on.
    """

    network: Network
    folding: Folding
    sizes: Sizes
    sweeps: tuple[Sweep, ...]
    segments: tuple[Segment, ...]
    drains: tuple[Drain, ...]
    config: Config
    banks: tuple[Bank, ...]
    passes: tuple[Pass, ...]
    channels: tuple[int, ...]
    rows: tuple[int, ...]
    regions: dict[str, Region]
    weight_memory: BankedMemory
    param_memory: BankedMemory
    table_memory: BankedMemory
    neuron_memory: BankedMemory

    @property
    def weights(self) -> IntArray:
        """Weights (words, cols, rows), unsigned."""
        return self.weight_memory.content

    @property
    def bias(self) -> IntArray:
        """Biases (words, lanes)."""
        return self.param_memory.content[..., 0]

    @property
    def shift(self) -> IntArray:
        """Shifts (words, lanes)."""
        return self.param_memory.content[..., 1]

    @property
    def tables(self) -> IntArray:
        """Thresholds (words, lanes)."""
        return self.table_memory.content

    @property
    def neurons(self) -> IntArray:
        """Thresholds of neurons and their leaks (words, lanes, 2)."""
        return self.neuron_memory.content
