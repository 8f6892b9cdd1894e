"""How images become codes of several time steps: the encoders besides the table alone."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from .types import AnyArray, IntArray

ENCODERS = ("direct", "rate", "latency", "events")
RATE_ONE = 1 << 16
"""The table's value of a pixel that spikes at every step."""
TAPS = 0x80200003
"""Of the 32-bit Galois LFSR, shifted right: x^32 + x^22 + x^2 + x + 1, whose states repeat after 2^32 - 1."""
DRAW_SHIFTS = 16
BLOCK = 1 << 14  # draws at a time; a power of two

Words = npt.NDArray[np.uint32]


def first_states(seed: int, index: IntArray) -> Words:
    """The LFSR's states uint32 (N,) at the start of images number `index` (N,): never 0, far apart for neighbours."""
    x = (np.uint64(seed) + index.astype(np.uint64) * np.uint64(0x9E3779B9)).astype(np.uint32)
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        x = (x ^ (x >> np.uint32(shift))) * np.uint32(factor)
    x ^= x >> np.uint32(16)
    return np.where(x == 0, np.uint32(1), x)


def shifted(states: Words, times: int) -> Words:
    """The states after so many shifts of the LFSR, one bit each."""
    for _ in range(times):
        states = (states >> np.uint32(1)) ^ np.where(states & np.uint32(1), np.uint32(TAPS), np.uint32(0))
    return states


def draws(seed: int, index: IntArray, count: int) -> AnyArray:
    """Return uint16 (N, count): what each image's LFSR draws, 16 shifts before each, whose low 16 bits are taken.

    Shifts are linear, so that the draws from a state are the sum of those from its bits.
    """
    found = np.zeros((len(index), count), np.uint16)
    states, (of_bits, leap) = first_states(seed, index), _block()
    for start in range(0, count, BLOCK):
        for row, state in zip(found[:, start : start + BLOCK], states.tolist(), strict=True):
            for bit in range(32):
                if state >> bit & 1:
                    np.bitwise_xor(row, of_bits[bit, : len(row)], out=row)
        states = _leapt(leap, states)
    return found


@lru_cache(maxsize=1)
def _block() -> tuple[npt.NDArray[np.uint16], Words]:
    """The draws (32, BLOCK) from each state of one bit, and the leap over so many."""
    units = np.left_shift(np.uint32(1), np.arange(32, dtype=np.uint32))[:, None]
    leap = shifted(np.stack([np.arange(256, dtype=np.uint32) << np.uint32(8 * byte) for byte in range(4)]), DRAW_SHIFTS)
    states = _leapt(leap, units)
    while states.shape[1] < BLOCK:
        states, leap = np.concatenate([states, _leapt(leap, states)], axis=1), _leapt(leap, leap)
    return states.astype(np.uint16), leap


def _leapt(leap: Words, states: Words) -> Words:
    """States further on by as many shifts as `leap`, a table (4, 256) of each byte's images, was made for."""
    found: Words = leap[0][states & np.uint32(255)]
    for byte in range(1, 4):
        found ^= leap[byte][(states >> np.uint32(8 * byte)) & np.uint32(255)]
    return found


def rate_codes(levels: AnyArray, steps: int, seed: int, index: IntArray) -> AnyArray:
    """Return bool (N, steps, *shape): a spike where the image's next draw is below its level (N, *shape), 0..65536.

    Draws are taken step by step, each step's in channels-last order.
    """
    pixels = math.prod(levels.shape[1:])
    flat = levels.reshape(len(levels), 1, pixels)
    found: AnyArray = np.empty((len(levels), steps, pixels), np.bool_)
    least, always = np.minimum(flat, RATE_ONE - 1).astype(np.uint16), flat == RATE_ONE
    at_once = max(1, BLOCK // (steps * pixels))
    for start in range(0, len(levels), at_once):
        rows = slice(start, start + at_once)
        drawn = draws(seed, index[rows], steps * pixels).reshape(-1, *found.shape[1:])
        found[rows] = (drawn < least[rows]) | always[rows]
    return found.reshape(len(levels), steps, *levels.shape[1:])


def latency_codes(when: AnyArray, steps: int) -> AnyArray:
    """Return bool (N, steps, *shape): one spike at the step that `when` (N, *shape) says, none where it is `steps`."""
    at = np.arange(steps).reshape(1, steps, *(1,) * (when.ndim - 1))
    found: AnyArray = when[:, None] == at
    return found
