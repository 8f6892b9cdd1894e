"""Decays as leaks: which power of two a membrane loses each step, exactly or to the nearest."""

from __future__ import annotations

import numpy as np

from crossloom.sim import ForeignError
from crossloom.sim.ops.lif import MAX_LEAK
from crossloom.sim.types import IntArray

from .chain import Reals

FARTHEST = 0.25, 1 - 2.0**-16
"""Between which decays are rounded: a quarter below the least there is, and the last that is nearest to a leak."""
EXACT = 2.0**-22
"""How far a decay may be from 1 - 2^-k that float32 made of it: a few of its steps below 1."""


def leaks(where: str, decay: Reals, what: str, nearest: bool, said: list[str]) -> IntArray:
    """Return k of each decay 1 - 2^-k, 0 for a decay of 1; with `nearest` that of the nearest, told in `said`.

    Raises ForeignError where there is none, or where it is not exact and `nearest` is not asked for.
    """
    known = np.concatenate([[1.0], 1.0 - 2.0 ** -np.arange(1.0, MAX_LEAK + 1)])
    away = np.abs(decay[:, None] - known)
    found = away.argmin(axis=1)
    off = away.min(axis=1)
    far = ~((decay >= FARTHEST[0]) & (decay <= FARTHEST[1])) & (off > EXACT)
    if far.any():
        raise ForeignError(
            f"{where}: {what} {float(decay[far][0]):.8g} is near no 1 - 2^-k, k from 1 to {MAX_LEAK}; needed one; see "
            "that step and writer are those of the file"
        )
    worst = int(off.argmax())
    if off[worst] > EXACT:
        k = int(found[worst])
        near = f"1 - 2^-{k} = {known[k]:.6g}"
        if not nearest:
            raise ForeignError(
                f"{where}: {what} {decay[worst]:.6g} is no 1 - 2^-k, k from 1 to {MAX_LEAK}; needed one; round it to "
                f"{near} with --round (nearest=True)"
            )
        more = f" and {int((off > EXACT).sum()) - 1} more" if (off > EXACT).sum() > 1 else ""
        said.append(f"{where}: {what} {decay[worst]:.6g} to {near}{more}")
    shifts: IntArray = found.astype(np.int64)
    return shifts
