"""Add, Concat and Flatten: where streams meet or change shape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..errors import NetworkError
from ..types import AnyArray, QType
from .base import Edge, Index, Kernel, Op, accumulator_edge, need_image, need_stream
from .quantize import check_stream_type

MAX_ALIGN = 31


@dataclass(frozen=True)
class Add(Op):
    """acc = (a << (f - frac_a)) + (b << (f - frac_b)) with f = max(frac_a, frac_b): aligned by exact left shifts."""

    kind: ClassVar[str] = "add"
    arity: ClassVar[tuple[int, int]] = (2, 2)

    def shifts(self, where: str, inputs: Sequence[Edge]) -> tuple[int, int]:
        """Return the left shifts of the two operands, one of them 0; raise NetworkError above 31."""
        a, b = (need_stream(where, x, self.kind) for x in inputs)
        if abs(a - b) > MAX_ALIGN:
            raise NetworkError(f"{where}: operands with fracs {a} and {b}; they may differ by {MAX_ALIGN} bits")
        return max(a, b) - a, max(a, b) - b

    def infer(self, where: str, inputs: Sequence[Edge], banked: bool) -> Edge:
        """Return the accumulator edge, of the operands' shape."""
        a, b = inputs
        sa, sb = self.shifts(where, inputs)
        if a.shape != b.shape:
            raise NetworkError(f"{where}: adds shapes {list(a.shape)} and {list(b.shape)}; needed equal shapes")
        frac = need_stream(where, a, self.kind) + sa
        lo, hi = (a.type.lo << sa) + (b.type.lo << sb), (a.type.hi << sa) + (b.type.hi << sb)
        reach = sum(max(abs(x.type.lo), abs(x.type.hi)) << s for x, s in ((a, sa), (b, sb)))
        return accumulator_edge(where, a.shape, lo, hi, frac, reach)

    def kernel(self, inputs: Sequence[Edge], output: Edge) -> Kernel:
        """Return a scaled sum in the output's carrier."""
        carrier = output.carrier
        sa, sb = (float(1 << s) for s in self.shifts("add", inputs))

        def run(a: AnyArray, b: AnyArray) -> AnyArray:
            # Cast first: numpy 1 would keep float32 beside a float64 scalar.
            y: AnyArray = a.astype(carrier, copy=False) * sa + b.astype(carrier, copy=False) * sb
            return y

        return run

    def structure(self, inputs: Sequence[Edge]) -> dict[str, Any]:
        """The alignment shifts: all that scales change in hardware."""
        return {"shifts": list(self.shifts(self.kind, inputs))}

    def scratch(self, inputs: Sequence[Edge], output: Edge) -> int:
        """Both scaled operands."""
        return 2 * output.size * output.carrier.itemsize


@dataclass(frozen=True)
class Concat(Op):
    """y = the inputs side by side along the channels, in order; equal fracs and equal (H, W)."""

    kind: ClassVar[str] = "concat"
    arity: ClassVar[tuple[int, int]] = (2, 64)

    def infer(self, where: str, inputs: Sequence[Edge], banked: bool) -> Edge:
        """Return the stream edge (..., sum of channels) whose type spans all inputs' codes."""
        fracs = [need_stream(where, x, self.kind) for x in inputs]
        shapes = [list(x.shape) for x in inputs]
        if len({x.shape[:-1] for x in inputs}) != 1:
            raise NetworkError(f"{where}: joins shapes {shapes}; needed equal shapes but for the channels")
        if len(set(fracs)) != 1:
            raise NetworkError(f"{where}: joins fracs {fracs}; needed equal fracs: put a Requant before it")
        type_ = QType(min(x.type.lo for x in inputs), max(x.type.hi for x in inputs), fracs[0])
        check_stream_type(where, type_)
        return Edge((*inputs[0].shape[:-1], sum(x.channels for x in inputs)), type_)

    def kernel(self, inputs: Sequence[Edge], output: Edge) -> Kernel:
        """Return a concatenation along the last axis."""
        carrier = output.carrier

        def run(*xs: AnyArray) -> AnyArray:
            return np.concatenate(xs, axis=-1, dtype=carrier)

        return run

    def reads(self, index: tuple[int, ...], inputs: Sequence[Edge]) -> tuple[Index | None, ...]:
        """One code of the one input that has this channel."""
        found: list[Index | None] = []
        channel = index[-1]
        for x in inputs:
            found.append((*index[:-1], channel) if 0 <= channel < x.channels else None)
            channel -= x.channels
        return tuple(found)


@dataclass(frozen=True)
class Flatten(Op):
    """y[(h * W + w) * C + c] = x[h, w, c]: channels last."""

    kind: ClassVar[str] = "flatten"

    def infer(self, where: str, inputs: Sequence[Edge], banked: bool) -> Edge:
        """Return the same edge as (H * W * C,); an accumulator must have one frac."""
        (x,) = inputs
        need_image(where, x, self.kind)
        frac = x.type.common_frac
        if frac is None:
            raise NetworkError(f"{where}: flattens an accumulator with one frac per channel; put a Requant before it")
        return Edge((x.size,), QType(x.type.lo, x.type.hi, frac), x.accumulator, x.magnitude)

    def kernel(self, inputs: Sequence[Edge], output: Edge) -> Kernel:
        """Return a reshape."""

        def run(x: AnyArray) -> AnyArray:
            return x.reshape(len(x), output.size)

        return run

    def reads(self, index: tuple[int, ...], inputs: Sequence[Edge]) -> tuple[Index | None, ...]:
        """The pixel's code."""
        return (tuple(int(i) for i in np.unravel_index(index[0], inputs[0].shape)),)
