"""A Requant as thresholds gives the code of every sum that the Requant gives, at every shift and rounding."""

import numpy as np
import pytest
import reference

from crossloom.rtl.compiler.thresholds import requant_thresholds
from crossloom.sim import QType, Rounding

OUTPUTS = [QType(0, 1), QType(-1, 0), QType(-8, 7), QType(-7, 7), QType(0, 15), QType(5, 9), QType(-9, -2), QType(3, 3)]
WIDE = QType((1 << 31) - 9, (1 << 31) + 9)
FAR = 1 << 47
# Around zero all of them, then the ends of what a sum can be.
SUMS = [*range(-70, 71), -FAR, -FAR + 1, -(FAR >> 1), -(1 << 40) - 1, (1 << 40) + 1, (FAR >> 1) - 1, FAR - 1]


def codes(thresholds, lo, sums):
    """What thresholds (count,) make of sums."""
    assert (np.diff(thresholds) >= 0).all()
    return (lo + (thresholds[None] <= np.array(sums)[:, None]).sum(1)).tolist()


@pytest.mark.parametrize("rounding", Rounding)
@pytest.mark.parametrize("out", [*OUTPUTS, WIDE], ids=str)
def test_thresholds_are_the_requant(out, rounding):
    shifts = np.arange(-16, 48)
    rows = requant_thresholds(shifts, rounding, out)
    assert rows.shape == (len(shifts), max(out.hi - out.lo, 1)), "as many whatever the shifts are"
    for shift, row in zip(shifts.tolist(), rows, strict=True):
        # At every code and halfway to the next.
        steps = range(2 * out.lo - 2, 2 * out.hi + 3) if shift > 0 else ()
        near = [(step << shift - 1) + i for step in steps for i in (-1, 0, 1)]
        sums = [*SUMS, *(value for value in near if -FAR <= value < FAR)]
        wanted = [reference.requant(value, shift, rounding.value, out.lo, out.hi) for value in sums]
        assert codes(row, out.lo, sums) == wanted, shift
