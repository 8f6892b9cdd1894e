"""From a column's count to a number: the converter's step and clip, and the digital gain of a column."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..types import AnyArray
from .spec import ArraySpec
from .tile import FloatArray

# Steps are powers of two, at the finest 1/16 of a count: shift-add stays integer arithmetic with this many more bits.
FINEST_STEP = -4
GAIN_BITS = 15
_TOP_GAIN = (1 << (GAIN_BITS + 1)) - 1


@dataclass(frozen=True)
class Adc:
    """code = clip(floor(count / 2^log_step + 1/2), 0, top); it stands for code * 2^log_step counts."""

    log_step: int
    top: int

    def convert(self, counts: FloatArray) -> int:
        """Replace counts by what their codes stand for, in place; return how many were above the top code.

        Counts below 0, which only noise makes, become 0 and are no sign of a range too narrow: they do not count.
        """
        counts *= 2.0**-self.log_step
        counts += 0.5
        np.floor(counts, out=counts)
        clipped = int(np.count_nonzero(counts > self.top))
        np.clip(counts, 0, self.top, out=counts)
        counts *= 2.0**self.log_step
        return clipped


def full_range(full: int, bits: int | None) -> Adc:
    """Return the converter for counts 0..full: lossless for None, else the finest step of 1 or more that spans them.

    A count of exactly 2^bits steps (128 rows, 7 bits) still has the top code, one step below: it clips and is counted.

    >>> full_range(128, 7), full_range(129, 7), full_range(128, None)
    (Adc(log_step=0, top=127), Adc(log_step=1, top=127), Adc(log_step=0, top=128))
    """
    if bits is None:
        return Adc(0, full)
    log_step = 0
    while full > 1 << (bits + log_step):
        log_step += 1
    return Adc(log_step, (1 << bits) - 1)


def calibrated_range(counts: list[AnyArray], full: int, spec: ArraySpec) -> Adc:
    """Return the converter with the finest step, down to 1/16 of a count, that clips at most the share of `counts`."""
    widest = full_range(full, spec.adc_bits)
    if spec.adc_bits is None:
        return widest
    allowed = spec.clip_share * sum(part.size for part in counts)
    for log_step in range(FINEST_STEP, widest.log_step):
        limit = (widest.top + 0.5) * 2.0**log_step
        if sum(int(np.count_nonzero(part >= limit)) for part in counts) <= allowed:
            return Adc(log_step, widest.top)
    return widest


def fitted_gain(wanted: FloatArray, found: FloatArray) -> FloatArray:
    """Return (C,) factors, multiples of 2^-15 below 2, that bring sums `found` (V, C) nearest to `wanted`, or 1.

    Least squares through the origin, column by column; a column that never reads anything keeps 1.
    """
    power = np.einsum("vc,vc->c", found, found)
    ratio = np.divide(np.einsum("vc,vc->c", wanted, found), power, out=np.ones_like(power), where=power > 0)
    gain: FloatArray = np.clip(np.rint(ratio * (1 << GAIN_BITS)), 0, _TOP_GAIN) / (1 << GAIN_BITS)
    return gain
