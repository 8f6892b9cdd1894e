"""LeakyReLU in the native flow."""

from __future__ import annotations

from crossloom.sim.ops import LeakyReLU

from .base import Native, Part, Place, element_wise, one_kernel


def _leakyrelu(at: Place[LeakyReLU]) -> Part:
    types, numbers = element_wise(at)
    return one_kernel(at, types, {**numbers, "shift": at.op.shift})


LEAKYRELU = Native(_leakyrelu)
