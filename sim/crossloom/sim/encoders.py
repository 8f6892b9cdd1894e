"""How images become codes of several time steps: the encoders besides the table alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .types import AnyArray, IntArray

ENCODERS = ("direct", "rate", "latency", "events")
RATE_ONE = 1 << 16
"""The table's value of a pixel that spikes at every step."""
TAPS = 0x80200003
"""Of the 32-bit Galois LFSR, shifted right: x^32 + x^22 + x^2 + x + 1, whose states repeat after 2^32 - 1."""
DRAW_SHIFTS = 16

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

    Shifts are linear, so that what n shifts make of a state is the sum of what they make of its four bytes.
    """
    states = np.empty((len(index), count), np.uint32)
    leap = shifted(np.stack([np.arange(256, dtype=np.uint32) << np.uint32(8 * byte) for byte in range(4)]), DRAW_SHIFTS)
    states[:, :1] = _leapt(leap, first_states(seed, index)[:, None])
    done = 1
    while done < count:
        more = min(done, count - done)
        states[:, done : done + more] = _leapt(leap, states[:, :more])
        leap = _leapt(leap, leap)
        done += more
    return states.astype(np.uint16)


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
    flat = levels.reshape(len(levels), 1, -1)
    drawn = draws(seed, index, steps * flat.shape[2]).reshape(len(levels), steps, -1)
    return (drawn < flat).reshape(len(levels), steps, *levels.shape[1:])


def latency_codes(when: AnyArray, steps: int) -> AnyArray:
    """Return bool (N, steps, *shape): one spike at the step that `when` (N, *shape) says, none where it is `steps`."""
    at = np.arange(steps).reshape(1, steps, *(1,) * (when.ndim - 1))
    found: AnyArray = when[:, None] == at
    return found
