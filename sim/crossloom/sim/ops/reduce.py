"""Count, Last and First: from codes of every step to one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from ..errors import NetworkError
from ..types import AnyArray, QType
from .base import Edge, Index, Kernel, Op, accumulator_edge, need_stream


@dataclass(frozen=True)
class _Reduce(Op):
    """An operator that reads all steps of an edge and gives one."""

    timed: ClassVar[bool] = True

    def reads(self, index: tuple[int, ...], inputs: Sequence[Edge]) -> tuple[Index | None, ...]:
        """The same place at every step."""
        return ((slice(0, inputs[0].steps), *index) if inputs[0].steps > 1 else index,)

    def scratch(self, inputs: Sequence[Edge], output: Edge) -> int:
        """The result, and where steps are searched a mask of them."""
        return 8 * output.size + inputs[0].image_size


@dataclass(frozen=True)
class Count(_Reduce):
    """y = sum over all steps of x: the number of spikes where codes are 0 and 1. Reads a stream, gives a sum."""

    kind: ClassVar[str] = "count"

    def infer(self, where: str, inputs: Sequence[Edge], banked: bool) -> Edge:
        """Return the accumulator edge, of one step."""
        (x,) = inputs
        frac, lo, hi = need_stream(where, x, self.kind), x.steps * x.type.lo, x.steps * x.type.hi
        return accumulator_edge(where, x.shape, lo, hi, frac, max(abs(lo), abs(hi)))

    def kernel(self, inputs: Sequence[Edge], output: Edge) -> Kernel:
        """Return the sum over the steps."""
        (x,) = inputs

        def run(codes: AnyArray) -> AnyArray:
            every = codes.reshape(len(codes), x.steps, *x.shape).astype(output.carrier, copy=False)
            y: AnyArray = every.sum(axis=1, dtype=output.carrier)
            return y

        return run


@dataclass(frozen=True)
class Last(_Reduce):
    """y = x at the last step, such as the membrane of a neuron that only integrates. Reads a stream or a sum."""

    kind: ClassVar[str] = "last"

    def infer(self, where: str, inputs: Sequence[Edge], banked: bool) -> Edge:
        """Return the input's edge, of one step."""
        return replace(inputs[0], steps=1)

    def kernel(self, inputs: Sequence[Edge], output: Edge) -> Kernel:
        """Return the last step."""
        (x,) = inputs

        def run(codes: AnyArray) -> AnyArray:
            return codes.reshape(len(codes), x.steps, *x.shape)[:, -1].astype(output.carrier)

        return run


@dataclass(frozen=True)
class First(_Reduce):
    """y = steps - t for the first step t = 0, 1, ... at which x is above 0, and 0 where it never is.

    So the earliest spike is the highest code, as the best of scores. Reads a stream of codes that are never negative.
    """

    kind: ClassVar[str] = "first"

    def infer(self, where: str, inputs: Sequence[Edge], banked: bool) -> Edge:
        """Return the stream edge of codes 0..steps, of one step."""
        (x,) = inputs
        need_stream(where, x, self.kind)
        if x.type.lo < 0:
            raise NetworkError(f"{where}: reads codes from {x.type.lo}; needed spikes, which are never negative")
        return Edge(x.shape, QType(0, x.steps))

    def kernel(self, inputs: Sequence[Edge], output: Edge) -> Kernel:
        """Return a search for the first step."""
        (x,) = inputs

        def run(codes: AnyArray) -> AnyArray:
            spikes = codes.reshape(len(codes), x.steps, *x.shape) > 0
            y: AnyArray = np.where(spikes.any(axis=1), x.steps - spikes.argmax(axis=1), 0).astype(output.carrier)
            return y

        return run
