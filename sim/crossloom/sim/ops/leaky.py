"""LeakyReLU with a slope of 2^-k, between sums and their quantizer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..types import AnyArray, check_int
from .base import Edge, Kernel, Op, accumulator_edge

MAX_LEAK = 15


@dataclass(frozen=True)
class LeakyReLU(Op):
    """y = max(x << shift, x) with `shift` more fraction bits: x where it is positive, x / 2^shift below, nothing lost.

    `shift` 1..15. Reads a stream or an accumulator and gives an accumulator.
    """

    shift: int
    kind: ClassVar[str] = "leakyrelu"

    def __post_init__(self) -> None:
        check_int("leakyrelu: shift", self.shift, 1, MAX_LEAK)

    def infer(self, where: str, inputs: Sequence[Edge], banked: bool) -> Edge:
        """Return the accumulator edge, of the input's shape; no sum is made here, so the input's stay the greatest."""
        (x,) = inputs
        frac = x.type.frac
        fracs = frac + self.shift if isinstance(frac, int) else tuple(f + self.shift for f in frac)
        lo, hi = (max(code << self.shift, code) for code in (x.type.lo, x.type.hi))
        return accumulator_edge(where, x.shape, lo, hi, fracs, max(x.magnitude, abs(x.type.lo), abs(x.type.hi)))

    def kernel(self, inputs: Sequence[Edge], output: Edge) -> Kernel:
        """Return a product with a power of two and a maximum in the output's carrier."""
        carrier, scale = output.carrier, float(1 << self.shift)

        def run(x: AnyArray) -> AnyArray:
            # Cast first: numpy 1 would keep float32 beside a float64 scalar.
            x = x.astype(carrier, copy=False)
            y: AnyArray = np.maximum(x * scale, x)
            return y

        return run

    def scratch(self, inputs: Sequence[Edge], output: Edge) -> int:
        """The input in the output's carrier, and its product."""
        return 2 * output.size * output.carrier.itemsize
