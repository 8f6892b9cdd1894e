r"""SWANN: which input drives which row of a tile, so that large currents take the short way to the sense end.

*What the paper says* (arXiv 2406.14706): weights are shuffled within 128x128 arrays so that bits of low resistance
agglomerate near the end that is sensed; it combines with partial word-line activation. The metric, and any detail of
rows and columns, are not available to us.

*What we derived.* In gate mode a segment maps Y to Y / (1 + r Y) = Y - r Y^2 + ..., so to first order a column's
current, in conducting cells, falls short of its count by

    loss = r g_on sum_m C_m^2,

C_m being the conducting cells among the rows 0..m, row 0 farthest from the sense end. (In voltage mode the column
wires alone give the same sum.) With x_k the input bit and u_kc the level kept in row k, C_mc = sum_{k <= m} x_k u_kc,
and its mean square needs no more than second moments of the inputs:

    E sum_c f_c sum_m C_mc^2 = sum_{k,l} H_kl #{m >= max(pos k, pos l)},   H_kl = E[x_k x_l] sum_c f_c u_kc u_lc.

f_c is the column's worth, and the moments are summed over the input's bits with theirs, so that H weighs losses as the
accumulator feels them; that positive and negative columns lose in opposite directions is left out. Read in parts
(PWA), rows of other parts are off and the pair (k, l) counts only within a part, which gives the sum its general form:
`loss` below, a quadratic assignment problem. One order serves all columns of a tile, so there is no perfect one.

- `swann_order`: the heuristic, rows by density of kept bits times activity of their input, densest next to the sense
  end.
- `greedy_order`: takes rows away from the sense end, each time the one that the loss of what remains feels most;
  takes the best of that, the heuristic, the order as it is, and the heuristic dealt out to the parts in turn; then
  swaps pairs, the most rewarding first, until no swap helps. No random number is drawn.
"""

from __future__ import annotations

import numpy as np

from ..types import AnyArray, IntArray
from .tile import FloatArray

# Swaps stop below this share of the loss: it is rounding.
_LEAST_GAIN = 1e-12


def moments(bits: AnyArray, values: FloatArray) -> FloatArray:
    """Return (M, M): E[x_k x_l] over vectors of the input's bits (bits, V, M), summed with |value| of each bit."""
    total = np.zeros((bits.shape[2], bits.shape[2]))
    for plane, value in zip(bits, values, strict=True):
        x = plane.astype(np.float32)
        total += abs(value) / len(x) * (x.T @ x)
    return total


def coupling(levels: AnyArray, worth: FloatArray, second: FloatArray) -> FloatArray:
    """Return H (M, M) of the module's docstring for levels (M, C), column worth (C,) and moments (M, M)."""
    u = levels.astype(np.float64)
    result: FloatArray = ((u * worth) @ u.T) * second
    return result


def ways(parts: tuple[slice, ...]) -> FloatArray:
    """Return D (M, M): segments that the currents of rows at two positions share; 0 for rows not read together."""
    rows = parts[-1].stop
    shared = np.zeros((rows, rows))
    position = np.arange(rows)
    for part in parts:
        own = position[part]
        shared[part, part] = rows - np.maximum(own[:, None], own)
    return shared


def loss(h: FloatArray, shared: FloatArray, order: IntArray) -> float:
    """Return sum_{k,l} H_kl D[pos k, pos l] for an order: `order[p]` is the input at position p, 0 the farthest."""
    return float(np.sum(h[np.ix_(order, order)] * shared))


def swann_order(levels: AnyArray, activity: FloatArray) -> IntArray:
    """Return the rows by ascending density times activity; equals keep their order.

    Density is the mean level of a row (M,) over all columns, activity (M,) the mean of its input, weighted by the
    bits' worth.

    >>> swann_order(np.array([[1, 1], [0, 0], [0, 1]]), np.ones(3)).tolist()
    [1, 2, 0]
    """
    return np.argsort(levels.mean(axis=1) * activity, kind="stable")


def greedy_order(h: FloatArray, parts: tuple[slice, ...], heuristic: IntArray) -> IntArray:
    """Return an order of locally least `loss`: no swap of two rows makes it smaller."""
    shared = ways(parts)
    dealt = np.empty_like(heuristic)
    # Positions counted within their part, the nearest to its end first, take the densest rows in turn.
    turns = np.concatenate([np.arange(part.stop - part.start)[::-1] for part in parts])
    dealt[np.lexsort((-np.arange(len(turns)), turns))] = heuristic[::-1]
    starts = [heuristic, _peeled(h), dealt, np.arange(len(h))]
    return _swapped(h, shared, min(starts, key=lambda order: loss(h, shared, order)))


def _peeled(h: FloatArray) -> IntArray:
    """From the sense end: the row whose removal leaves the least sum of H over the rows that remain."""
    order = np.empty(len(h), np.int64)
    diagonal, inside = np.diag(h), h.sum(axis=1)
    left = np.ones(len(h), bool)
    for position in range(len(h) - 1, -1, -1):
        row = int(np.argmax(np.where(left, 2 * inside - diagonal, -np.inf)))
        order[position] = row
        left[row] = False
        inside = inside - h[row]
    return order


def _swapped(h: FloatArray, shared: FloatArray, order: IntArray) -> IntArray:
    """Swap the best pair until none helps.

    With P = H in order and Z = P D, swapping positions i and j changes the loss by

    2 [Z_ij + Z_ji - Z_ii - Z_jj - (P_ij - P_ii)(D_ii - D_ij) - (P_jj - P_ij)(D_ij - D_jj)]
    + (P_jj - P_ii)(D_ii - D_jj).
    """
    order = order.copy()
    p = h[np.ix_(order, order)]
    own, total = np.diag(shared), float(np.sum(p * shared))
    for _ in range(8 * len(order)):
        z, weight = p @ shared, np.diag(p)
        near = (p - weight[:, None]) * (own[:, None] - shared)  # (P_ij - P_ii)(D_ii - D_ij)
        change = z + z.T - np.diag(z)[:, None] - np.diag(z) - near - near.T
        change = 2 * change + (weight - weight[:, None]) * (own[:, None] - own)
        i, j = divmod(int(np.argmin(change)), len(order))
        if change[i, j] >= -_LEAST_GAIN * max(total, 1e-300):
            break
        order[[i, j]] = order[[j, i]]
        p[[i, j]] = p[[j, i]]
        p[:, [i, j]] = p[:, [j, i]]
        total += float(change[i, j])
    return order
