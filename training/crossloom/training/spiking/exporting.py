"""Writes spiking layers of a torch model as operators: LIF, Threshold, Count, First, Last; at one step Threshold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from crossloom.sim import LIF, Edge, ExportError, Threshold, membrane_bits
from crossloom.sim import Count as CountOp
from crossloom.sim import First as FirstOp
from crossloom.sim import Last as LastOp
from crossloom.sim.types import MAX_ACC_BITS, IntArray, signed_bits

from ..layers import LayerBuilder
from ..values import Value
from .layers import Count, First, Last, LIFLayer


def neurons(build: LayerBuilder, module: LIFLayer, x: Value) -> Value:
    """Append a layer of neurons: membranes and the spikes that a Threshold makes of them, or a readout's membranes.

    At one step, from v = 0, neurons are thresholds of the sum itself, and a readout without saturation is that sum.
    """
    where = build.where()
    if x.edge is None:
        raise ExportError(f"{where}: it reads the raw image; put a QuantIdentity and a layer first")
    edge = build.edges[x.edge]
    if not module.rule.rounds:
        raise ExportError(f"{where}: neurons whose leak is not rounded; needed Rule(rounds=True)")
    if edge.steps not in (1, module.steps) or (edge.steps == 1) != (module.first or module.steps == 1):
        raise ExportError(
            f"{where}: first={module.first} on what has {edge.steps} time steps, itself {module.steps}; needed "
            "first=True on the first neurons, and equal steps everywhere"
        )
    op = module.operator(edge.type.frac, module.rule.bits or MAX_ACC_BITS)
    if build.section.banked:  # one threshold a channel even where these are equal: they may differ in another bank
        op = replace(op, theta=np.broadcast_to(op.theta, edge.channels))
    if x.order is not None and len(op.theta) > 1:
        op = replace(op, theta=op.theta[list(x.order)])
    if x.order is not None and len(op.leak) > 1:
        op = replace(op, leak=op.leak[list(x.order)])
    if module.rule.bits is None:
        bits = _enough_bits(op, edge)
        # Of layers that can be rewritten, with room for other thresholds.
        op = replace(op, bits=min(-(-bits // 8) * 8, MAX_ACC_BITS) if build.section.banked else bits)
    if module.steps == 1 and not module.readout:
        thresholds = Threshold(_at_once(op, edge), 0, 1, 0)
        return build.emit(build.name(), thresholds, x, tap=build.tap(), order=x.order)
    if module.steps == 1 and module.rule.bits is None:
        return x
    shown = build.tap() if module.readout else build.tap("membrane")
    y = build.emit(build.name(), op, x, tap=shown, order=x.order)
    if module.readout:
        return y
    return build.emit(build.name("_spikes"), Threshold(op.levels, 0, 1, 0), y, tap=build.tap(), order=x.order)


def answer(build: LayerBuilder, module: Count | First | Last, x: Value) -> Value:
    """Append what makes one step of all; of one it is what it reads."""
    steps = build.edges[x.edge].steps if x.edge is not None else 1
    if steps != module.steps:
        raise ExportError(f"{build.where()}: of {module.steps} steps, on {steps}; needed equal numbers")
    if steps == 1:
        return x
    op = CountOp() if isinstance(module, Count) else FirstOp() if isinstance(module, First) else LastOp()
    return build.emit(build.name(), op, x, tap=build.tap(), order=x.order)


def _enough_bits(op: LIF, edge: Edge) -> int:
    """The least width in which no membrane of any channel saturates, and that holds every threshold."""
    theta, leak = (np.broadcast_to(a, max(len(op.theta), len(op.leak))).tolist() for a in (op.theta, op.leak))
    found = [
        membrane_bits(
            edge.type.lo,
            edge.type.hi,
            theta=t,
            leak=k,
            guard=op.guard,
            steps=op.steps,
            reset=op.reset,
            when=op.when,
            most=op.most,
            strict=op.strict,
        )
        for t, k in sorted(set(zip(theta, leak, strict=True)))
    ]
    return max(*found, 2, signed_bits(0, int(op.levels.max())))


def _at_once(op: LIF, edge: Edge) -> IntArray:
    """The least sums (1 or channels, most) that make 1, 2, ... spikes from v = 0; hi + 1 where none does."""
    least = -(-op.levels >> op.guard)
    never = (op.levels >= 1 << (op.bits - 1)) | (least > edge.type.hi)
    return np.where(never, edge.type.hi + 1, np.maximum(least, edge.type.lo))
