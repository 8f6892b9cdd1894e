r"""Matrix-free voltage drops along a tile's wires, and the conjugate gradients that solve a tile with them.

Take the cell currents i (M, N) as unknowns. A current into cell (m, n) passes the row's segments up to column n and
the column's from row m on, so the cell sees `v = V_m - (R i)`, where R sums what every segment drops: two running
sums along rows and two along columns. R is symmetric and positive semidefinite, holds no division, and so takes ideal
wires and absent cells as they are. With s = g^1/2 and i = s y, Ohm's law at all cells reads

    (1 + s R s) y = s V,

symmetric with every eigenvalue at least 1. Hence the error of y is at most its residual, and the error of column
current n at most (sum_m g_mn)^1/2 times it: a bound that is proved, not estimated. (Derived here; the iteration is
Hestenes and Stiefel's conjugate gradients, 1952.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .tile import FloatArray, Tile


@dataclass(frozen=True, eq=False)
class Lines:
    """Segment resistances, (M, 1, N) ohm, drivers in the first column and sense resistances in the last row."""

    row: FloatArray
    column: FloatArray


def lines_of(tile: Tile) -> Lines:
    """Return the tile's segments, ready for `drop`."""
    row, column = tile.row_wire.copy(), tile.column_wire.copy()
    row[:, 0] += tile.driver
    column[-1] += tile.sense
    return Lines(row[:, None], column[:, None])


def drop(lines: Lines, current: FloatArray) -> FloatArray:
    """Return R i, volts lost between each cell's terminals and the ideal source and ground, (M, batch, N).

    `current` is (M, batch, N) amperes through the cells; the batch in the middle keeps both running sums on long
    contiguous runs.
    """
    if lines.row.any():
        through = np.cumsum(current[..., ::-1], axis=-1)[..., ::-1]
        result: FloatArray = np.cumsum(through * lines.row, axis=-1)
    else:
        result = np.zeros_like(current)
    if lines.column.any():
        down = current.copy()
        for m in range(1, len(down)):
            down[m] += down[m - 1]
        down *= lines.column
        for m in range(len(down) - 2, -1, -1):
            down[m] += down[m + 1]
        result += down
    return result


def norms(array: FloatArray) -> FloatArray:
    """Euclidean norm of each batch entry of (M, batch, N): (batch,)."""
    result: FloatArray = np.sqrt(np.einsum("mbn,mbn->b", array, array))
    return result


@dataclass(frozen=True, eq=False)
class Gradients:
    """Result of `conjugate_gradients`: solution (M, batch, N), true residual norms (batch,), rounds, all converged."""

    y: FloatArray
    residual: FloatArray
    rounds: int
    converged: bool


def conjugate_gradients(lines: Lines, s: FloatArray, rhs: FloatArray, target: FloatArray, limit: int) -> Gradients:
    """Solve (1 + s R s) y = rhs for a batch until each residual norm is at most `target` (batch,), or `limit` rounds.

    `s` is (M, 1 or batch, N), siemens^1/2; `rhs` (M, batch, N). The residual that is returned is computed afresh from
    y; a recurrence that had drifted from it is restarted.
    """
    y = np.zeros_like(rhs)
    rounds = 0
    residual = rhs
    while True:
        norm = norms(residual)
        if (norm <= target).all() or rounds >= limit:
            return Gradients(y, norm, rounds, bool((norm <= target).all()))
        r, direction, square = residual.copy(), residual.copy(), norm**2
        before = rounds
        while rounds < limit:
            image = direction + s * drop(lines, s * direction)
            curve = np.einsum("mbn,mbn->b", direction, image)
            going = (np.sqrt(square) > 0.5 * target) & (curve > 0)  # half: leave room for the drift
            if not going.any():
                break
            step = np.divide(square, curve, out=np.zeros_like(square), where=going)[:, None]
            y += step * direction
            r -= step * image
            new = np.einsum("mbn,mbn->b", r, r)
            ratio = np.divide(new, square, out=np.zeros_like(square), where=going)[:, None]
            direction *= ratio
            direction += r
            square = np.where(going, new, square)
            rounds += 1
        residual = rhs - y - s * drop(lines, s * y)
        if rounds == before or (norms(residual) > 0.5 * norm).all():  # rounding, not iteration, is the limit
            norm = norms(residual)
            return Gradients(y, norm, rounds, bool((norm <= target).all()))
