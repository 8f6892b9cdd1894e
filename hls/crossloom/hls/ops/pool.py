"""MaxPool and SumPool in the native flow: one kernel that joins a window's codes one way or the other."""

from __future__ import annotations

from math import gcd, prod

from crossloom.sim.ops import MaxPool, SumPool

from .base import Estimate, Fold, Native, Part, Place, Site, element_wise, one_kernel, window_numbers

Pool = MaxPool | SumPool


def _estimate(site: Site[Pool], wanted: Fold) -> Estimate:
    """It reads a row, then takes a tap a cycle."""
    lanes = site.arriving[0]
    taps = site.edge.size // lanes * prod(site.op.kernel_size)
    return Estimate(gcd(*site.arriving), site.inputs[0].size // lanes + taps)


def _pool(at: Place[Pool], join: str) -> Part:
    types, numbers = element_wise(at)
    numbers |= window_numbers(at, at.op.window(at.inputs))
    return one_kernel(at, types, numbers, template="pool", more=f", crossloom::{join}")


def _maxpool(at: Place[MaxPool]) -> Part:
    return _pool(at, "Greatest")


def _sumpool(at: Place[SumPool]) -> Part:
    return _pool(at, "Sum")


MAXPOOL = Native(_maxpool, _estimate)
SUMPOOL = Native(_sumpool, _estimate)
