"""Requant and Threshold: from an accumulator back to codes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..errors import NetworkError
from ..types import (
    EXACT_FLOAT32,
    MAX_CODE_BITS,
    AnyArray,
    IntArray,
    QType,
    Rounding,
    check_int,
    frozen_ints,
    signed_bits,
)
from .base import Edge, Kernel, Op, Tensor, spread

MIN_SHIFT, MAX_SHIFT = -16, 47
# Loads and tables hold a shift in a byte. A memory needs less: as an offset from the least one, one of 64 values.
SHIFT_BITS = 8
LEAST_SHIFT_BITS = (MAX_SHIFT - MIN_SHIFT).bit_length()
MAX_THRESHOLDS = 65535
# Up to this many thresholds a comparison each is faster than a binary search.
FEW_THRESHOLDS = 16


@dataclass(frozen=True, eq=False)
class Requant(Op):
    """y = clip(round_shift(acc, shift), lo, hi); all integers.

    `shift` (1,) or (channels,), -16..47 bits; `shift <= 0` is an exact left shift before the clip. `out` is the
    type of y; its frac is the input's frac minus the shift, which is checked.
    """

    shift: IntArray
    rounding: Rounding
    out: QType
    kind: ClassVar[str] = "requant"

    def __post_init__(self) -> None:
        shift = frozen_ints("requant: shift", self.shift, (None,), "<i1")
        QType(MIN_SHIFT, MAX_SHIFT).check("requant: shift", shift)
        object.__setattr__(self, "shift", shift)
        object.__setattr__(self, "rounding", Rounding(self.rounding))
        check_stream_type("requant: out", self.out)

    def infer(self, where: str, inputs: Sequence[Edge], banked: bool) -> Edge:
        """Return the stream edge, of the input's shape."""
        (x,) = inputs
        if len(self.shift) not in (1, x.channels):
            raise NetworkError(f"{where}: {len(self.shift)} shifts; {x.channels} channels need 1 or {x.channels}")
        fracs = x.type.frac if isinstance(x.type.frac, tuple) else (x.type.frac,)
        count = max(len(fracs), len(self.shift))
        for channel in range(count):
            frac, shift = fracs[channel % len(fracs)], int(self.shift[channel % len(self.shift)])
            if frac - shift != self.out.frac:
                raise NetworkError(
                    f"{where}: channel {channel}: input frac {frac} minus shift {shift} is {frac - shift}; "
                    f"the output type has frac {self.out.frac}"
                )
        return Edge(x.shape, self.out)

    def kernel(self, inputs: Sequence[Edge], output: Edge) -> Kernel:
        """Return exact scaling by a power of two, rounding and clip in floats that carry every integer exactly."""
        (x,) = inputs
        rounding, out = self.rounding, output.carrier
        work = np.promote_types(x.carrier, out)
        if rounding is Rounding.HALF_UP:
            # acc / 2^shift + 1/2 is a fraction of acc + 2^(shift-1), which must be carried exactly too.
            reach = max(abs(x.type.lo), abs(x.type.hi)) + (1 << max(int(self.shift.max()) - 1, 0))
            work = work if reach < EXACT_FLOAT32 else np.dtype(np.float64)
        lo, hi = work.type(self.out.lo), work.type(self.out.hi)
        scale = spread(np.ldexp(np.ones(1), -self.shift.astype(np.int64)).astype(work), output)
        # A left shift leaves an integer; to add 1/2 there would need one bit more than `reach` allows for.
        half = spread(np.where(self.shift > 0, 0.5, 0.0).astype(work), output)

        def run(acc: AnyArray) -> AnyArray:
            y: AnyArray = acc.reshape(len(acc), -1).astype(work, copy=False) * scale
            if rounding is Rounding.HALF_EVEN:
                np.rint(y, out=y)
            else:
                if rounding is Rounding.HALF_UP:
                    y += half
                np.floor(y, out=y)
            np.clip(y, lo, hi, out=y)
            codes: AnyArray = y.astype(out, copy=False)
            return codes.reshape(acc.shape)

        return run

    def tensors(self, inputs: Sequence[Edge]) -> tuple[Tensor, ...]:
        """The shifts."""
        return (Tensor("shift", self.shift.shape, SHIFT_BITS, True, False),)

    def memory_bits(self, inputs: Sequence[Edge]) -> int:
        """Shifts as offsets."""
        return int(self.shift.size) * LEAST_SHIFT_BITS

    def scratch(self, inputs: Sequence[Edge], output: Edge) -> int:
        """One wide copy."""
        return 8 * output.size


@dataclass(frozen=True, eq=False)
class Threshold(Op):
    """y = base + step * (number of T_i <= acc), per channel.

    `thresholds` (1 or channels, count), each row sorted, values within the accumulator's lo..hi+1: hi+1 stands for
    "never" and lo for "always", which makes a threshold up to one bit wider than the accumulator. `step` >= 1;
    a bipolar output is base -1, step 2, one threshold. `frac` belongs to the output type.
    """

    thresholds: IntArray
    base: int
    step: int
    frac: int
    kind: ClassVar[str] = "threshold"

    def __post_init__(self) -> None:
        values = frozen_ints("threshold: thresholds", self.thresholds, (None, None), "<i8")
        if values.shape[1] > MAX_THRESHOLDS:
            raise NetworkError(f"threshold: {values.shape[1]} thresholds a channel; at most {MAX_THRESHOLDS}")
        falling = np.argwhere(np.diff(values, axis=1) < 0)
        if len(falling):
            channel, i = (int(v) for v in falling[0])
            raise NetworkError(
                f"threshold: channel {channel}: T[{i}] = {values[channel, i]} is above T[{i + 1}] = "
                f"{values[channel, i + 1]}; needed sorted rows"
            )
        object.__setattr__(self, "thresholds", values)
        check_int("threshold: base", self.base, -(1 << 31), (1 << 31) - 1)
        check_int("threshold: step", self.step, 1, 1 << 16)
        check_stream_type("threshold: output", self.out)

    @property
    def out(self) -> QType:
        """Type of y: base .. base + step * count."""
        return QType(self.base, self.base + self.step * self.thresholds.shape[1], self.frac)

    def infer(self, where: str, inputs: Sequence[Edge], banked: bool) -> Edge:
        """Return the stream edge, of the input's shape."""
        (x,) = inputs
        if len(self.thresholds) not in (1, x.channels):
            raise NetworkError(
                f"{where}: thresholds of {len(self.thresholds)} channels; {x.channels} channels need 1 or {x.channels}"
            )
        low, high = int(self.thresholds.min()), int(self.thresholds.max())
        if low < x.type.lo or high > x.type.hi + 1:
            raise NetworkError(
                f"{where}: thresholds {low}..{high}; the input reaches {x.type.lo}..{x.type.hi}: use "
                f"{x.type.lo} for always and {x.type.hi + 1} for never"
            )
        return Edge(x.shape, self.out)

    def kernel(self, inputs: Sequence[Edge], output: Edge) -> Kernel:
        """Return a comparison per threshold, or one binary search over all channels' thresholds at once.

        A search per channel where the common table's keys would not fit 64 bits.
        """
        (x,) = inputs
        base, step, count, out = self.base, self.step, self.thresholds.shape[1], output.carrier
        rows = self.thresholds
        # "never" is hi+1, which the input's own float width may not hold.
        exact = np.float32 if max(abs(int(rows.min())), abs(int(rows.max()))) < EXACT_FLOAT32 else np.float64
        if count <= FEW_THRESHOLDS:
            levels = rows.T.astype(np.promote_types(exact, x.carrier))

            def run_compare(acc: AnyArray) -> AnyArray:
                number = np.zeros(acc.shape, np.uint8)
                for level in levels:
                    number += acc >= level
                y = number.astype(out)
                if step != 1:
                    y *= step
                if base:
                    y += base
                return y

            return run_compare

        low = min(x.type.lo, int(rows.min()))
        span = max(x.type.hi, int(rows.max())) - low + 1
        if len(rows) * span >= 1 << 63:

            def run_each(acc: AnyArray) -> AnyArray:
                y = np.empty(acc.shape, out)
                for channel, row in enumerate(rows):
                    y[..., channel] = np.searchsorted(row, acc[..., channel].astype(np.int64), "right") * step + base
                return y

            return run_each

        # One sorted table for all channels: channel c is lifted by c * span, past the reach of channel c - 1.
        lift = np.arange(len(rows), dtype=np.int64) * span - low
        table = (rows + lift[:, None]).ravel()
        first = np.arange(len(rows), dtype=np.int64) * count

        def run_search(acc: AnyArray) -> AnyArray:
            key = acc.astype(np.int64) + lift
            number = np.searchsorted(table, key, side="right") - first
            y: AnyArray = (number * step + base).astype(out)
            return y

        return run_search

    def tensors(self, inputs: Sequence[Edge]) -> tuple[Tensor, ...]:
        """The thresholds, compared with an accumulator in two's complement; "never" is one above its highest value."""
        type_ = inputs[0].type
        return (Tensor("thresholds", self.thresholds.shape, signed_bits(type_.lo, type_.hi + 1), True, False),)

    def structure(self, inputs: Sequence[Edge]) -> dict[str, Any]:
        """With the width of a threshold."""
        return {**super().structure(inputs), "threshold_bits": self.tensors(inputs)[0].bits}

    def scratch(self, inputs: Sequence[Edge], output: Edge) -> int:
        """Keys and positions of the search."""
        return 24 * output.size


def check_stream_type(where: str, type_: QType) -> None:
    """Raise NetworkError unless the type has one frac and at most 32 bits."""
    if not isinstance(type_.frac, int):
        raise NetworkError(f"{where}: one frac per channel; a stream edge has one frac")
    if type_.bits > MAX_CODE_BITS:
        raise NetworkError(f"{where}: {type_.bits} bits; a stream edge has at most {MAX_CODE_BITS}")
