"""Real weights as integers at power-of-two scales: exactly where they lie on such a grid, else to the nearest."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from crossloom.sim import QType
from crossloom.sim.ops.linear import MAX_WEIGHT_BITS
from crossloom.sim.types import IntArray, bits_of

from .chain import Reals

SPREAD = 8
"""How many bits a channel's scale may lie below the layer's largest."""
FINEST = 40
"""The finest grid that is looked for."""


@dataclass(frozen=True, eq=False)
class Grid:
    """Codes and their type; `off` is the greatest distance of a weight from its code's value, 0 where all equal."""

    codes: IntArray
    type: QType
    off: float


def on_grid(weight: Reals, bits: int | None, common: bool) -> Grid:
    """Return weights (out, ...) as codes of up to `bits` bits, 16 where None; one power of two an output channel.

    Exact where they lie on a grid that so many bits hold; else rounded to nearest, ties to even. `common`: one power of
    two for all.
    """
    rows = weight.reshape(len(weight), -1)
    most = MAX_WEIGHT_BITS if bits is None else bits
    fracs = _exact(rows, most, common)
    if fracs is None:
        fracs = _rounded(rows, most, common)
    scaled = rows * 2.0 ** fracs[:, None]
    codes = np.rint(scaled).astype(np.int64)
    off = np.abs(codes / 2.0 ** fracs[:, None] - rows).max(initial=0.0)
    lo, hi = min(int(codes.min(initial=0)), -1), max(int(codes.max(initial=0)), 1)
    frac: int | tuple[int, ...] = tuple(int(f) for f in fracs)
    if len(set(fracs.tolist())) == 1:
        frac = int(fracs[0])
    return Grid(codes.reshape(weight.shape), QType(lo, hi, frac), float(off))


def _exact(rows: Reals, bits: int, common: bool) -> IntArray | None:
    """The fracs at which every weight is an integer of so many bits: one for all, else one a channel; or None."""
    fracs = np.array([_finest(row) for row in rows], dtype=np.int64)
    if (fracs > FINEST).any():
        return None
    whole = np.where(rows.any(axis=1), fracs, fracs.min(initial=0, where=rows.any(axis=1)))
    one = np.full(len(rows), whole.max(initial=0))
    for found in (one,) if common else (one, np.maximum(whole, whole.min(initial=0))):
        codes = rows * 2.0 ** found[:, None]
        within = bits_of(min(int(codes.min(initial=0)), -1), int(codes.max(initial=0))) <= bits
        if within and int(found.max() - found.min()) <= SPREAD:
            return found
    return None


def _finest(row: Reals) -> int:
    """The least frac, at least -FINEST, at which all of a row are integers."""
    mantissa, exponent = np.frexp(row[row != 0])
    whole = np.ldexp(mantissa, 53).astype(np.int64)
    zeros = np.frexp((whole & -whole).astype(np.float64))[1] - 1
    return int((53 - exponent - zeros).max(initial=-FINEST))


def _rounded(rows: Reals, bits: int, common: bool) -> IntArray:
    """The greatest fracs at which the rounded weights fit -(2^(bits-1) - 1)..2^(bits-1) - 1."""
    limit = (1 << (bits - 1)) - 1
    largest = np.abs(rows).max(axis=1)
    if common:
        largest = np.full(len(rows), largest.max(initial=0.0))
    alive = largest[largest > 0]
    if not len(alive):
        return np.zeros(len(rows), np.int64)
    fracs = np.array([_greatest(v, limit) if v > 0 else 0 for v in largest.tolist()], dtype=np.int64)
    least = int(fracs[largest > 0].min())
    return np.where(largest > 0, np.minimum(fracs, least + SPREAD), least)


def _greatest(value: float, limit: int) -> int:
    frac = min(math.floor(math.log2((limit + 0.5) / value)), FINEST)
    return frac if np.rint(value * 2.0**frac) <= limit else frac - 1
