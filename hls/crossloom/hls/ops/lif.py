"""LIF, Count, Last and First in the native flow: what keeps membranes, and what ends time."""

from __future__ import annotations

from math import gcd
from typing import Any

from crossloom.sim.ops import LIF, Count, First, Last
from crossloom.sim.ops.lif import MAX_LEAK
from crossloom.sim.types import signed_bits

from .base import Estimate, Fold, Native, Part, Place, Site, element_wise, one_kernel


def _lif(at: Place[LIF]) -> Part:
    types, numbers = element_wise(at)
    op, (x,) = at.op, at.inputs
    numbers |= {"steps": op.steps, "hold": x.steps < op.steps, "guard": op.guard, "later": op.when == "next"}
    numbers |= {"strict": op.strict, "most": op.most, "most_bits": op.most.bit_length()}
    numbers |= {"many_thetas": len(op.theta) > 1, "many_leaks": len(op.leak) > 1}
    # In any bank: a membrane with its reset, its leak and its input, or a multiple of its threshold.
    limit, reach = 1 << (op.bits - 1), max(abs(x.type.lo), abs(x.type.hi)) << op.guard
    peak = max(3 * limit + reach + (1 << (MAX_LEAK - 1)), op.most * limit)
    return one_kernel(at, types, {**numbers, "reset": op.reset.upper(), "wide_bits": signed_bits(-peak, peak)})


def _reduced(at: Place[Count] | Place[Last] | Place[First], join: str) -> Part:
    types, numbers = element_wise(at)
    return one_kernel(
        at, types, {**numbers, "steps": at.inputs[0].steps}, template="reduce", more=f", crossloom::{join}"
    )


def _count(at: Place[Count]) -> Part:
    return _reduced(at, "Every")


def _last(at: Place[Last]) -> Part:
    return _reduced(at, "Latest")


def _first(at: Place[First]) -> Part:
    return _reduced(at, "Earliest")


def _estimate(site: Site[Any], wanted: Fold) -> Estimate:
    """An element a cycle at every step, of the input's or its own."""
    steps = max(site.inputs[0].steps, site.edge.steps)
    return Estimate(gcd(*site.arriving), steps * site.edge.size // site.arriving[0])


NEURONS = Native(_lif, _estimate)
COUNT = Native(_count, _estimate)
LAST = Native(_last, _estimate)
FIRST = Native(_first, _estimate)
