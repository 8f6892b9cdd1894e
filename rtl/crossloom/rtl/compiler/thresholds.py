"""Threshold tables as the engine's binary search reads them, and a Requant as thresholds."""

import numpy as np

from crossloom.sim.types import EXACT_FLOAT64, IntArray, QType, Rounding

from ..errors import RtlError


def threshold_steps(count: int) -> int:
    """Steps of the search over `count` thresholds: the least with 2**steps - 1 >= count.

    >>> threshold_steps(1), threshold_steps(15), threshold_steps(16)
    (1, 4, 5)
    """
    return count.bit_length()


def threshold_table(thresholds: IntArray, bits: int, steps: int = 0) -> IntArray:
    """Tables int64 (channels, 2**steps) of sorted `thresholds` (channels, count), each filled up with "never".

    `steps` is as many as the thresholds need, or more.

    "Never" is the greatest number of `bits` bits with sign, the width of a word; accumulators must be less. Raises
    RtlError where a threshold does not fit.
    """
    never = (1 << (bits - 1)) - 1
    if thresholds.max() > never or thresholds.min() < -never - 1:
        raise RtlError(
            f"thresholds: {thresholds.min()} to {thresholds.max()}; words of {bits} bits hold {-never - 1} to {never}; "
            "build the engine with wider ones"
        )
    channels, count = thresholds.shape
    table = np.full((channels, 1 << max(steps, threshold_steps(count))), never, np.int64)
    table[:, :count] = thresholds
    return table


def requant_thresholds(shift: IntArray, rounding: Rounding, out: QType) -> IntArray:
    """The thresholds (channels, count) that a Requant of the shifts (channels,) is: codes above `out.lo` start there.

    The code of a sum is at least c where the sum is at least c * 2^shift, or where the shift rounds to nearest
    (c - 1/2) * 2^shift, the next one for odd c if ties go to even. Count is `out.hi - out.lo`, or 1, never reached,
    where `out` has one code. Beyond +-2^53, where no sum is, thresholds are that.
    """
    if out.lo == out.hi:
        return np.full((len(shift), 1), EXACT_FLOAT64)
    codes = np.arange(out.lo + 1, out.hi + 1)
    nearest = (shift[:, None] > 0) & (rounding is not Rounding.FLOOR)
    # Exact: a number of at most 34 bits times a power of two.
    least = np.ceil(np.ldexp(codes - np.where(nearest, 0.5, 0.0), shift[:, None]))
    odd = nearest & (codes % 2 == 1) & (rounding is Rounding.HALF_EVEN)
    found: IntArray = np.clip(least + odd, -EXACT_FLOAT64, EXACT_FLOAT64).astype(np.int64)
    return found
