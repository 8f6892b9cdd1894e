"""Requant and Threshold in the native flow."""

from __future__ import annotations

from crossloom.sim.ops import Requant, Threshold
from crossloom.sim.ops.quantize import MAX_SHIFT, MIN_SHIFT
from crossloom.sim.types import signed_bits

from .base import Native, Part, Place, element_wise, one_kernel


def _requant(at: Place[Requant]) -> Part:
    types, numbers = element_wise(at)
    op, table, source = at.op, at.tables["shift"], at.inputs[0].type
    shifts = table.layout.values
    least, most = (int(shifts.min()), int(shifts.max())) if table.fixed else (MIN_SHIFT, MAX_SHIFT)
    acc = signed_bits(source.lo, source.hi)
    numbers |= {"per_channel": len(op.shift) > 1, "rounding": op.rounding.name}
    numbers |= {"wide_bits": max(acc - min(least, 0), max(acc, most) + 1), "lo": op.out.lo, "hi": op.out.hi}
    return one_kernel(at, types, numbers)


def _threshold(at: Place[Threshold]) -> Part:
    types, numbers = element_wise(at)
    op, count = at.op, at.op.thresholds.shape[1]
    types["threshold_t"] = f"ap_int<{at.tables['thresholds'].bits}>"
    numbers |= {"per_channel": len(op.thresholds) > 1, "base": op.base, "step": op.step}
    numbers |= {"count": count, "count_bits": count.bit_length()}
    return one_kernel(at, types, numbers)


REQUANT = Native(_requant)
THRESHOLD = Native(_threshold)
