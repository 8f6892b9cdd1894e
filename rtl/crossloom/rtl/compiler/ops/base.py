"""How the engine takes one kind of operator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from crossloom.sim.ops import Op
from crossloom.sim.types import IntArray, QType

from ..passes import Neurons, Pass, Sums
from ..section import Section
from ..words import Kind

Back: TypeAlias = Callable[[Any, IntArray], IntArray]
"""From an operator and thresholds (C, count) on its edge to the thresholds on its input that tell the same."""


@dataclass(frozen=True, eq=False)
class Read:
    """What a quantizer reads: `sums` of some type, and the accumulator edge `raw` that they are, none for a stream.

    Both have `steps` time steps. Where `neurons` are behind the sums, it is their membranes, of that type, that are
    read; of these or of the sums `last` takes the last step alone. `between`: the rising operators between these and
    the edge that is read, the last one first.
    """

    sums: Sums
    type: QType
    raw: str | None
    steps: int = 1
    neurons: Neurons | None = None
    last: bool = False
    between: tuple[tuple[Back, Op], ...] = ()

    @property
    def acc_bits(self) -> int:
        """Bits of the sums, or of the membranes."""
        return self.neurons.how.bits if self.neurons else self.sums.acc_bits

    def quantized(self, name: str, kind: Kind, banked: bool, **how: Any) -> Pass:
        """The pass `name` that makes something of them."""
        entry = Pass(name, kind, self.sums, banked, self.raw, steps=self.steps, neurons=self.neurons, last=self.last)
        return replace(entry, **how)

    def thresholds(self, found: IntArray) -> IntArray:
        """Thresholds (C, count) on the edge that is read, as thresholds on the sums, within their lo..hi+1."""
        for back, op in self.between:
            found = back(op, found)
        return np.clip(found, self.type.lo, self.type.hi + 1)


ReadOf: TypeAlias = Callable[[str], Read]
"""What gives an edge's values: its linear operator, or for a stream the stream itself."""


@dataclass(frozen=True)
class Lowered:
    """One kind of operator: `sums` gives its accumulator, `emit` the pass that writes its codes; both may be none.

    `moves`: its edge is its input reshaped, so that nothing is done. `joins`: it reads its inputs pixel by pixel, which
    must lie alike. `before`: it has no tensors, and its codes are a rising function of its one input's; the quantizer
    that reads them is made of the thresholds that it gives. `after`: a quantizer reads what it makes of what its input
    is, none where a pass of its own has written that.
    """

    sums: Callable[[Section, str], Sums] | None = None
    emit: Callable[[Section, str, ReadOf], Pass | None] | None = None
    after: Callable[[Section, str, ReadOf], Read | None] | None = None
    moves: bool = False
    joins: bool = False
    before: Back | None = None
