"""LIF: the one operator with state, a membrane that leaks, integrates and is reset where it reaches its threshold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..errors import NetworkError
from ..types import MAX_ACC_BITS, AnyArray, IntArray, QType, check_int, frozen_ints, signed_bits
from .base import Edge, Index, Kernel, Op, Tensor, accumulator_edge, spread
from .quantize import Threshold

MAX_LEAK = 15
MAX_GUARD = 24
MAX_STEPS = 4096
BLOCK = 1 << 15  # accumulators converted at once: few calls where layers are small, the first cache where they are not
RESETS = ("subtract", "zero", "none")
WHENS = ("now", "next")


@dataclass(frozen=True, eq=False)
class LIF(Op):
    """v = sat(v - leak(v) + (acc << guard)) at each of `steps`; where v reaches theta, it is reset; v before the reset.

    The edge is the membrane that is compared, so that every place shows it; the Threshold that reads it makes the
    spikes and must have this operator's thresholds. v is 0 when an image starts. All integers:

    - `theta` (1,) or (channels,) in membrane units, above 0; reached is v >= theta, with `strict` v > theta.
    - `leak` (1,) or (channels,) k: leak(v) = (v + 2^(k-1)) >> k, rounded half up; 0 is none (an IF neuron), at most 15.
    - `guard` fraction bits of the membrane below the accumulator's, 0..24.
    - `reset` subtract takes theta off, zero sets v to 0, none leaves it.
    - `when` now, or next: the threshold comes off one step later, undecayed; with zero, the step after a spike starts
      from 0 and its input is lost.
    - `most` spikes a step, 1 or more: as many as whole thresholds fit, each of which a subtracting reset takes off.
    - `bits` of the membrane in two's complement, in which it saturates.

    Reads an accumulator, or a stream, of one step (the same input at every step) or of `steps`.
    """

    theta: IntArray
    leak: IntArray
    guard: int
    reset: str
    when: str
    strict: bool
    most: int
    bits: int
    steps: int
    kind: ClassVar[str] = "lif"
    timed: ClassVar[bool] = True

    def __post_init__(self) -> None:
        for name, dtype in (("theta", "<i8"), ("leak", "<i1")):
            object.__setattr__(self, name, frozen_ints(f"lif: {name}", getattr(self, name), (None,), dtype))
        check_int("lif: bits", self.bits, 2, MAX_ACC_BITS)
        QType(1, (1 << (self.bits - 1)) - 1).check("lif: theta", self.theta)
        QType(0, MAX_LEAK).check("lif: leak", self.leak)
        check_int("lif: guard", self.guard, 0, MAX_GUARD)
        check_int("lif: steps", self.steps, 1, MAX_STEPS)
        check_int("lif: most", self.most, 1, 255)
        for name, known in (("reset", RESETS), ("when", WHENS)):
            if getattr(self, name) not in known:
                raise NetworkError(f"lif: {name} {str(getattr(self, name))[:40]!r}; needed one of {', '.join(known)}")
        if not isinstance(self.strict, bool):
            raise NetworkError(f"lif: strict {str(self.strict)[:40]!r}; needed true or false")
        if self.most > 1 and (self.strict or self.reset != "subtract"):
            raise NetworkError("lif: several spikes a step; needed reset subtract and v >= theta")
        if self.when == "next" and self.reset == "none":
            raise NetworkError("lif: when next; a reset is needed that can come a step later, or when now")

    @property
    def levels(self) -> IntArray:
        """The thresholds (1 or channels, most) with which a Threshold makes its spikes."""
        found: IntArray = (self.theta + int(self.strict))[:, None] * np.arange(1, self.most + 1)
        return found

    def infer(self, where: str, inputs: Sequence[Edge], banked: bool) -> Edge:
        """Return the accumulator edge of the membranes before their reset, of all steps."""
        (x,) = inputs
        for name in ("theta", "leak"):
            count = len(getattr(self, name))
            if count not in (1, x.channels):
                raise NetworkError(f"{where}: {count} of {name}; {x.channels} channels need 1 or {x.channels}")
        if x.steps not in (1, self.steps):
            raise NetworkError(f"{where}: reads {x.steps} time steps; needed 1 or its own {self.steps}")
        fracs = x.type.frac
        frac = fracs + self.guard if isinstance(fracs, int) else tuple(f + self.guard for f in fracs)
        limit = 1 << (self.bits - 1)
        reach = max(abs(x.type.lo), abs(x.type.hi)) << self.guard
        # Before it saturates, a sum of membrane, leak, input and what a reset takes off.
        most = 2 * limit + reach + int(self.levels.max())
        edge = accumulator_edge(where, x.shape, -limit, limit - 1, frac, max(most, x.magnitude))
        return Edge(edge.shape, edge.type, True, edge.magnitude, self.steps)

    def kernel(self, inputs: Sequence[Edge], output: Edge) -> Kernel:
        """Return the membranes of all steps."""
        (x,), walk = inputs, self.walk(inputs[0])

        def run(acc: AnyArray) -> AnyArray:
            out = np.empty((len(acc), self.steps, x.size), output.carrier)
            for step, (v, _) in enumerate(walk(acc)):
                out[:, step] = v
            return out.reshape(len(acc), *output.image_shape)

        return run

    def spikes(self, inputs: Sequence[Edge], output: Edge) -> Kernel:
        """Return the kernel of this operator and the Threshold of its own `levels` after it, whose edge is `output`.

        No membrane is written down, and none is compared twice: 1.3 times as fast as the two kernels.
        """
        (x,), walk = inputs, self.walk(inputs[0], membranes=False)

        def run(acc: AnyArray) -> AnyArray:
            out = np.empty((len(acc), self.steps, x.size), output.carrier)
            for step, (_, codes) in enumerate(walk(acc)):
                out[:, step] = codes
            return out.reshape(len(acc), *output.image_shape)

        return run

    def counts(self, inputs: Sequence[Edge], output: Edge) -> Kernel:
        """Return the kernel of this operator, the Threshold of its own `levels` and a Count, whose edge is `output`."""
        (x,), walk = inputs, self.walk(inputs[0], membranes=False)
        narrow = np.min_scalar_type(self.steps * self.most)

        def run(acc: AnyArray) -> AnyArray:
            total: AnyArray = np.zeros(1, narrow)
            for step, (_, codes) in enumerate(walk(acc)):
                total = np.add(total, codes, out=total) if step else codes.astype(narrow)
            return total.astype(output.carrier).reshape(len(acc), *x.shape)

        return run

    def walk(self, x: Edge, membranes: bool = True) -> Callable[[AnyArray], Iterator[tuple[AnyArray, AnyArray]]]:
        """Return the recurrence: of accumulators (N, *image_shape) it yields each step's membranes and spikes.

        Both are (N, size) and hold until the next step: integers, in place, a few passes over batch and neurons.
        Without `membranes` the first of them is not what it is called.
        """
        limit, most = 1 << (self.bits - 1), int(self.levels.max())
        reach = (max(abs(x.type.lo), abs(x.type.hi)) << self.guard) + 2 * limit + most + (1 << int(self.leak.max()))
        # int16 passes are twice as fast as int32, where everything before it saturates fits.
        work = next(np.dtype(t) for t in (np.int16, np.int32, np.int64) if reach < 1 << (8 * np.dtype(t).itemsize - 2))
        top, free = 8 * work.itemsize - 1, self._never_saturates(x)
        # Where there is no leak, what is shifted out is less than half of the highest bit's worth.
        shift = np.where(self.leak > 0, self.leak, top).astype(work)
        half = np.left_shift(work.type(1), np.subtract(shift, 1))
        leaks, later, zero = bool(self.leak.any()), self.when == "next", self.reset == "zero"
        # Kept higher by what rounds the leak, membranes leak in one pass less.
        lifted = leaks and free and not membranes and not zero and self.most == 1
        level = self.theta + int(self.strict) + (half.astype(np.int64) if lifted else 0)
        rows = self.theta.astype(work), level.astype(work), half, shift
        guard = np.array(self.guard, work)

        def reset(v: AnyArray, codes: AnyArray, spare: AnyArray, theta: AnyArray) -> None:
            if zero:
                np.multiply(v, codes == 0, out=v)
            else:
                np.copyto(spare, codes)  # two passes of one width are faster than one of two
                np.multiply(spare, theta, out=spare)
                np.subtract(v, spare, out=v)

        def walk(acc: AnyArray) -> Iterator[tuple[AnyArray, AnyArray]]:
            every = acc.reshape(len(acc), x.steps, x.size)
            # Neurons first where they are so in memory: no pass should leap.
            first = every.strides[2] > every.strides[0]
            every = every.transpose(1, 2, 0) if first else every.transpose(1, 0, 2)
            at_once = min(x.steps, max(1, BLOCK // max(1, every[0].size)))
            held: AnyArray = np.empty((at_once, *every.shape[1:]), work)
            v: AnyArray = np.zeros_like(held[0])
            spare, codes = np.empty_like(v), np.zeros_like(v, np.uint8)
            fired = codes.view(np.bool_)
            shown = (v.T, codes.T) if first else (v, codes)
            theta, level, half, shift = (_each(row, x, first) for row in rows)
            if lifted:
                v += half
            for step in range(self.steps):
                if step < x.steps and step % at_once == 0:
                    some = every[step : step + at_once]
                    np.copyto(held[: len(some)], some, casting="unsafe")
                    np.left_shift(held[: len(some)], guard, out=held[: len(some)])
                if leaks:
                    np.right_shift(v if lifted else np.add(v, half, out=spare), shift, out=spare)
                    np.subtract(v, spare, out=v)
                np.add(v, held[step % at_once], out=v)
                if later:
                    reset(v, codes, spare, theta)
                if not free:
                    np.minimum(v, limit - 1, out=v)
                    np.maximum(v, -limit, out=v)
                if self.most == 1:
                    np.greater_equal(v, level, out=fired)
                else:
                    np.floor_divide(v, theta, out=spare)
                    np.copyto(codes, np.clip(spare, 0, self.most, out=spare), casting="unsafe")
                yield shown
                if not later and self.reset != "none":
                    reset(v, codes, spare, theta)

        return walk

    def _never_saturates(self, x: Edge) -> bool:
        """Whether `membrane_bits` proves it for every channel; not asked where that would take long."""
        kinds = {(int(t), int(k)) for t, k in np.broadcast(self.theta, self.leak)}
        settings = {n: getattr(self, n) for n in ("guard", "steps", "reset", "when", "most", "strict")}
        return len(kinds) * self.steps <= MAX_STEPS and all(
            membrane_bits(x.type.lo, x.type.hi, theta=theta, leak=leak, **settings) <= self.bits
            for theta, leak in kinds
        )

    def check_readers(self, where: str, readers: Sequence[Op]) -> None:
        """Raise NetworkError unless each Threshold that reads the membrane makes the spikes that reset it."""
        for reader in readers:
            if self.reset == "none" or not isinstance(reader, Threshold) or self.fits(reader):
                continue
            found, needed = self._unlike(reader)
            raise NetworkError(
                f"{where}: read by {found}; what resets it are its spikes: needed its own thresholds, {needed}"
            )

    def _unlike(self, reader: Threshold) -> tuple[str, str]:
        """What does not fit of a reader's thresholds, and what would, in words."""
        rows, levels = reader.thresholds, self.levels
        count = levels.shape[1]
        if rows.shape[1] != count:
            return f"{rows.shape[1]} thresholds a channel", f"{count} a channel"
        shape = max(len(rows), len(levels)), count
        read, own = (np.broadcast_to(every, shape).ravel() for every in (rows, levels))
        at = int(np.argmax(read != own))
        return f"threshold {int(read[at])} of channel {at // count}", f"{int(own[at])}"

    def fits(self, reader: Threshold) -> bool:
        """Whether it has these neurons' levels, one row standing for every channel."""
        rows, levels = reader.thresholds, self.levels
        shape = max(len(rows), len(levels)), levels.shape[1]
        return rows.shape[1] == levels.shape[1] and np.array_equal(
            np.broadcast_to(rows, shape), np.broadcast_to(levels, shape)
        )

    def tensors(self, inputs: Sequence[Edge]) -> tuple[Tensor, ...]:
        """Thresholds in the membrane's width, leaks in 4 bits."""
        return (
            Tensor("theta", self.theta.shape, self.bits, True, True),
            Tensor("leak", self.leak.shape, MAX_LEAK.bit_length(), False, True),
        )

    def state_bits(self, output: Edge) -> int:
        """A membrane for each neuron."""
        return output.size * self.bits

    def reads(self, index: tuple[int, ...], inputs: Sequence[Edge]) -> tuple[Index | None, ...]:
        """The same place at every step up to its own."""
        if inputs[0].steps == 1:
            return (index[1:] if self.steps > 1 else index,)
        return ((slice(0, index[0] + 1), *index[1:]),)

    def scratch(self, inputs: Sequence[Edge], output: Edge) -> int:
        """Membrane, input, spikes and the temporaries of one step."""
        return 8 * 6 * output.size


def _each(values: AnyArray, x: Edge, first: bool) -> AnyArray:
    """A value per neuron, along the first axis or the last; or one without an axis, which numpy takes as a constant."""
    if len(values) == 1:
        return values.reshape(())
    found = spread(values, x)
    return found[:, None] if first else found


def membrane_bits(
    lo: int, hi: int, *, theta: int, leak: int, guard: int, steps: int, reset: str, when: str, most: int, strict: bool
) -> int:
    """The least bits in which a membrane never saturates, for accumulators in lo..hi: its interval, step by step.

    `theta` and `leak` are one channel's: the less leaks (a greater k, or 0, which is none) the more the membrane grows.
    """
    low = high = bound_low = bound_high = 0
    level = theta + int(strict)
    pending = 0  # the most that may come off at the next step
    for _ in range(steps):
        low, high = _decayed(low, leak) + (lo << guard), _decayed(high, leak) + (hi << guard)
        if when == "next" and reset == "subtract":
            low -= pending
        bound_low, bound_high = min(bound_low, low), max(bound_high, high)
        if reset == "none":
            continue
        fired = min(most, max(high, 0) // theta) if most > 1 else int(high >= level)
        if when == "next":
            pending = fired * theta
            if reset == "zero":
                low = min(low, 0)
        elif fired:
            # Either it stayed below the threshold, or the reset took it down.
            high = max(level - 1, high - fired * theta if reset == "subtract" else 0)
            low = min(low, 0)
    return signed_bits(bound_low, bound_high)


def _decayed(v: int, leak: int) -> int:
    return v - ((v + (1 << (leak - 1))) >> leak) if leak else v
