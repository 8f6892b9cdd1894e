"""Threshold tables as the engine's binary search reads them."""

import numpy as np

from crossloom.sim.types import IntArray

from ..errors import RtlError


def threshold_steps(count: int) -> int:
    """Steps of the search over `count` thresholds: the least with 2**steps - 1 >= count.

    >>> threshold_steps(1), threshold_steps(15), threshold_steps(16)
    (1, 4, 5)
    """
    return count.bit_length()


def threshold_table(thresholds: IntArray, bits: int) -> IntArray:
    """Tables int64 (channels, 2**steps) of sorted `thresholds` (channels, count), each filled up with "never".

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
    table = np.full((channels, 1 << threshold_steps(count)), never, np.int64)
    table[:, :count] = thresholds
    return table
