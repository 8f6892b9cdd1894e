"""Neurons with real thresholds as LIF operators on given sums: thresholds in membrane units, widths, guard bits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crossloom.sim import LIF, Edge, ForeignError, NetworkError, membrane_bits
from crossloom.sim.types import MAX_ACC_BITS, IntArray, signed_bits

from .chain import Neuron, Reals


@dataclass(frozen=True, eq=False)
class Membranes:
    """The operator, one for its current before it where that decays too, and the `guard` bits below the sums.

    `off`: the greatest distance of a threshold from the real one, of the order of 2^-`finest`.
    """

    lif: LIF
    synapse: LIF | None
    guard: int
    off: float
    finest: int


def membranes(
    where: str,
    x: Edge,
    neuron: Neuron,
    level: Reals,
    leak: IntArray,
    synapse: IntArray | None,
    steps: int,
    guard: int,
    most: int,
) -> Membranes:
    """Return the operators of neurons that read the edge `x`.

    `level` (1,) or (channels,) thresholds as values of the edge, `leak` and `synapse` the k of their leaks, 0 for none.
    The guard bits are the most up to `guard` with which everything has at most 48 bits. Raises ForeignError where even
    none fit, and where a threshold is less than half of a membrane's unit.
    """
    least: ForeignError | None = None
    for bits in range(guard, -1, -1):
        try:
            return _with_guard(where, x, neuron, level, leak, synapse, steps, bits, most)
        except _TooWide as error:
            least = ForeignError(str(error))
    assert least is not None
    raise least


class _TooWide(Exception):
    """More bits than a membrane may have."""


def _with_guard(
    where: str,
    x: Edge,
    neuron: Neuron,
    level: Reals,
    leak: IntArray,
    synapse: IntArray | None,
    steps: int,
    guard: int,
    most: int,
) -> Membranes:
    fracs = np.atleast_1d(np.asarray(x.type.frac)) + guard
    exact = level * 2.0**fracs
    if (exact >= 2.0 ** (MAX_ACC_BITS - 1)).any():
        raise _TooWide(f"{where}: threshold {float(level.max()):.6g}; needed one that 48 bits hold beside its sums")
    theta = np.rint(exact).astype(np.int64)
    if (theta < 1).any():
        worst = int(np.argmin(theta))
        raise ForeignError(
            f"{where}: threshold {float(level[worst % len(level)]):.6g} is below half of 2^-{int(fracs.max())}, the "
            "membrane's unit; needed a greater one, or more guard bits"
        )
    off = float(np.abs(theta / 2.0**fracs - level).max())
    theta = theta[:1] if (theta == theta[0]).all() else theta
    first, edge = None, x
    if synapse is not None:
        first = _synapse(where, x, synapse, steps, guard)
        edge = _fitting(where, first, x)
    width = [
        membrane_bits(
            edge.type.lo,
            edge.type.hi,
            theta=t,
            leak=k,
            guard=0 if first else guard,
            steps=steps,
            reset=neuron.reset if neuron.spikes else "none",
            when=neuron.when if neuron.spikes else "now",
            most=most,
            strict=neuron.strict,
        )
        for t, k in _pairs(theta, leak)
    ]
    bits = max(*width, 2, signed_bits(0, most * int(theta.max()) + 1))
    if bits > MAX_ACC_BITS:
        raise _TooWide(f"{where}: membranes need {bits} bits; at most {MAX_ACC_BITS}; narrow the weights or the steps")
    lif = LIF(
        theta,
        leak,
        0 if first else guard,
        neuron.reset if neuron.spikes else "none",
        neuron.when if neuron.spikes else "now",
        neuron.strict,
        most if neuron.spikes else 1,
        bits,
        steps,
    )
    _fitting(where, lif, edge)
    return Membranes(lif, first, guard, off, int(fracs.max()))


def _synapse(where: str, x: Edge, leak: IntArray, steps: int, guard: int) -> LIF:
    """The current of neurons: a membrane that nothing resets."""
    width = [
        membrane_bits(
            x.type.lo,
            x.type.hi,
            theta=1,
            leak=k,
            guard=guard,
            steps=steps,
            reset="none",
            when="now",
            most=1,
            strict=False,
        )
        for k in sorted(set(leak.tolist()))
    ]
    if max(width) > MAX_ACC_BITS:
        raise _TooWide(f"{where}: currents need {max(width)} bits; at most {MAX_ACC_BITS}; narrow the weights")
    return LIF(np.array([1]), leak, guard, "none", "now", False, 1, max(*width, 2), steps)


def _fitting(where: str, lif: LIF, x: Edge) -> Edge:
    """The edge of a LIF on `x`."""
    try:
        return lif.infer(where, [x], False)
    except NetworkError as error:
        raise _TooWide(str(error)) from None


def _pairs(theta: IntArray, leak: IntArray) -> list[tuple[int, int]]:
    count = max(len(theta), len(leak))
    columns = (np.broadcast_to(values, count).tolist() for values in (theta, leak))
    return sorted(set(zip(*columns, strict=True)))


def counted(where: str, x: Edge, steps: int) -> LIF:
    """The sum of an edge over all steps: a membrane without leak, reset or guard bits."""
    bits = max(signed_bits(x.type.lo * steps, x.type.hi * steps), 2)
    if bits > MAX_ACC_BITS:
        raise ForeignError(
            f"{where}: sums over {steps} steps need {bits} bits; at most {MAX_ACC_BITS}; take fewer steps"
        )
    return LIF(np.array([1]), np.array([0]), 0, "none", "now", False, 1, bits, steps)
