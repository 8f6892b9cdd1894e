"""LeakyReLU as the thresholds of the quantizer behind it."""

from __future__ import annotations

import numpy as np

from crossloom.sim.ops import LeakyReLU
from crossloom.sim.types import IntArray

from .base import Lowered


def _before(op: LeakyReLU, thresholds: IntArray) -> IntArray:
    """max(x << shift, x) reaches T where x reaches T, or for T > 0 the least x with x << shift >= T."""
    return np.where(thresholds > 0, -(-thresholds >> op.shift), thresholds)


LEAKYRELU = Lowered(before=_before)
