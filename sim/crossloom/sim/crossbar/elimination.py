r"""The exact transfer matrix of a voltage-mode tile, by eliminating one row line after another.

A voltage-mode tile is linear: the N output currents are I = T V for the M driver voltages. What follows is derived
here from Kirchhoff's laws; no paper is followed.

*One row.* Write w for the N column-node voltages at row i. Seen from the columns, the driven row line is a Norton
equivalent: it sends `a V_i - Y w` into them. Looking right from node k of the line there is an admittance H_k (cells
included from k + 1 on), and looking left an impedance Z_k (driver, segments and cells up to k - 1), both by the
one-dimensional ladder recurrence. A volt at column k alone raises line node k to u_k = g_k Z_k / (1 + (g_k + H_k) Z_k),
and each segment to the right divides by 1 + r_j X_j with X_j = g_j + H_j. So, with B_j the product of those ratios
from the driver to j, `a_j = g_j B_j` and `-Y_jk = a_j u_k / B_k` for j > k: diagonal plus rank-one triangles.

*One step.* Going from the row farthest from the sense end towards it, the current that leaves row i downwards is
`c = b - Q w`, Q being N x N and b one column per driver. Adding row i: Q += Y, and a new column a in b. The segments
below, D = diag(r), give `w = w_below + D c`, hence `c = (1 + Q D)^-1 (b - Q w_below)`. With S = D^1/2 Q D^1/2 and
X = (1 + S)^-1: D^1/2 b' = X D^1/2 b and S' = 1 - X. Nothing divides by a wire's resistance, so 0 is exact.

*Rounding.* 1 + S is a Stieltjes matrix (a Schur complement of the network's), so its Cholesky factor and inverse
are sums of terms of one sign. S' = 1 - X would cancel on the diagonal; instead the diagonal is rebuilt from the row
sums, which equal the sum of b's columns because equal voltages everywhere drive no current (the idea of Grassmann,
Taksar and Heyman's elimination for Markov chains). Small currents beside large ones keep their relative accuracy.

*Cost.* About 2 M N^3 flop: N^3 for the inverse and N^2 i for the columns of b, each row. Where M < N the transposed
tile is solved: by reciprocity its transfer matrix is the transpose, with both orders reversed.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock

import numpy as np
import numpy.typing as npt

from ..errors import InputError
from .extras import Lapack, lapack
from .tile import FloatArray, Tile

# Products of ladder ratios below this are rebuilt from logarithms, which cannot underflow.
_SAFE_PRODUCT = 1e-140
# From this size an inverse by halves beats LAPACK's (measured).
_HALVED = 96
# Below this a wire is ideal: it changes no digit of a double, but its square root's products could underflow.
_IDEAL_OHM = 1e-30


@dataclass(frozen=True)
class _Rows:
    """The Norton equivalents of all row lines, (M, N) each: g, a, u and B as in the module's docstring."""

    g: FloatArray
    a: FloatArray
    u: FloatArray
    left: FloatArray
    """u / B, in use where B has not underflowed."""
    logs: FloatArray
    """ln of the single ratios whose product is B."""
    safe: npt.NDArray[np.bool_]
    """(M,) whether every B of the row is far from underflow."""


def _row_lines(g: FloatArray, wire: FloatArray) -> _Rows:
    """Ladder recurrences along every row at once; `wire` (M, N) ohm has the driver in its first column."""
    across, wire = np.ascontiguousarray(g.T), np.ascontiguousarray(wire.T)  # (N, M): recurrences run along axis 0
    columns = len(across)
    right, ratio, left = np.zeros_like(across), np.empty_like(across), np.empty_like(across)
    for k in range(columns - 1, -1, -1):
        x = across[k] + right[k]
        ratio[k] = 1 / (1 + wire[k] * x)
        if k:
            right[k - 1] = x * ratio[k]
    left[0] = wire[0]
    for k in range(1, columns):
        left[k] = wire[k] + left[k - 1] / (1 + across[k - 1] * left[k - 1])
    u = across * left / (1 + (across + right) * left)
    product = np.cumprod(ratio.T, axis=1)
    safe = product[:, -1] > _SAFE_PRODUCT
    u = np.ascontiguousarray(u.T)
    return _Rows(g, g * product, u, u / np.maximum(product, _SAFE_PRODUCT), np.log(ratio.T), safe)


def _add_row(off: FloatArray, rows: _Rows, i: int, scale: FloatArray, work: FloatArray) -> None:
    """Add the scaled coupling -Y of row i to off[k, j], j > k; the other triangle and the diagonal are garbage."""
    if rows.safe[i]:
        np.multiply((scale * rows.left[i])[:, None], scale * rows.a[i], out=work)
    else:
        logs = np.cumsum(rows.logs[i])
        np.exp(np.minimum(logs - logs[:, None], 0), out=work)
        work *= (scale * rows.u[i])[:, None]
        work *= scale * rows.g[i]
    off += work


def _inverse(matrix: FloatArray, lib: Lapack) -> None:
    """Invert a Stieltjes matrix in place; only matrix[k, j], j >= k, is read and written."""
    lower, h = matrix.T, len(matrix) // 2
    if len(matrix) < _HALVED:
        _, failed = lib.potrf(lower, lower=1, clean=0, overwrite_a=1)
        if not failed:
            _, failed = lib.potri(lower, lower=1, overwrite_c=1)
        if failed:  # needs a network whose terminals are 1e15 times weaker than its coupling
            raise InputError(
                "tile: its resistances and conductances span too many decades for double precision; "
                "needed cells, wires, drivers and sense resistances within about 1e12 of each other"
            )
        return
    # [[P, Q^T], [Q, R]] by halves: the same flops, more of them in matrix products. All added terms have one sign.
    p, q, r = (np.asfortranarray(part) for part in (lower[:h, :h], lower[h:, :h], lower[h:, h:]))
    _inverse(p.T, lib)
    x = lib.symm(1.0, p, q, side=1, lower=1)
    s = lib.gemm(-1.0, x, q, trans_b=1, beta=1.0, c=r, overwrite_c=1)
    _inverse(s.T, lib)
    y = lib.symm(-1.0, s, x, lower=1)
    lower[:h, :h] = lib.gemm(-1.0, x, y, trans_a=1, beta=1.0, c=p, overwrite_c=1)
    lower[h:, :h], lower[h:, h:] = y, s


def _mixed_step(
    off: FloatArray, b: FloatArray, ohm: FloatArray, scale: FloatArray, lib: Lapack
) -> tuple[FloatArray, FloatArray]:
    """One step through segments of which some are ideal; returns `off` and `b` unscaled.

    With n the columns of non-zero and z those of zero resistance: X = (1 + r Q_nn r)^-1, r = ohm_n^1/2, and
    b_n' = X b_n, b_z' = b_z + C X b_n (all scaled by r), C = -Q_zn; likewise for Q. Again all terms have one sign.
    """
    upper = np.triu(off, 1) / (scale[:, None] * scale)
    q: FloatArray = np.add(upper, upper.T)
    b = np.divide(b, scale)
    n, z = np.flatnonzero(ohm), np.flatnonzero(ohm == 0)
    r = np.sqrt(ohm[n])
    x = -r[:, None] * q[np.ix_(n, n)] * r
    np.fill_diagonal(x, 1 + ohm[n] * (b[0, n] + q[n].sum(axis=1)))
    _inverse(x, lib)
    x = np.triu(x) + np.triu(x, 1).T
    c = q[np.ix_(z, n)] * r
    inner, across = x / (r[:, None] * r), (c @ x) / r
    q[np.ix_(z, z)] += c @ x @ c.T
    q[np.ix_(n, n)], q[np.ix_(z, n)], q[np.ix_(n, z)] = inner, across, across.T
    passed = (b[:, n] * r) @ x
    b[:, z] += passed @ c.T
    b[:, n] = passed / r
    return q, b


def _eliminate(g: FloatArray, wire: FloatArray, ohm: FloatArray, lib: Lapack) -> FloatArray:
    """Return T^T (M, N) siemens; `wire` includes the drivers, `ohm` (M, N) the sense resistances in its last row."""
    m, n = g.shape
    rows = _row_lines(g, wire)
    ohm = np.where(ohm < _IDEAL_OHM, 0, ohm)
    # The state is scaled: off = -s Q s off the diagonal, b = s b. b[0] is the sum of the columns b[1], b[2], ...
    scale = np.ones(n)
    off, work = np.zeros((n, n)), np.empty((n, n))
    b, other = np.zeros((m + 1, n)), np.zeros((m + 1, n))
    for i in range(m):
        step = ohm[i]
        every, some = bool(step.all()), bool(step.any())
        if every and not (i and np.array_equal(step, ohm[i - 1])):
            change = np.sqrt(step) / scale
            off *= change[:, None] * change
            b *= change
            scale = np.sqrt(step)
        _add_row(off, rows, i, scale, work)
        b[i + 1] = scale * rows.a[i]
        b[0] += b[i + 1]
        if every:
            diagonal = off.reshape(-1)[:: n + 1]
            diagonal[:] = 0
            row_sums = lib.symv(1.0, off.T, 1 / scale, lower=1)
            np.negative(off, out=off)
            diagonal[:] = 1 + scale * (b[0] + row_sums)
            _inverse(off, lib)
            lib.symm(1.0, off.T, b[: i + 2].T, lower=1, c=other[: i + 2].T, overwrite_c=1)
            b, other = other, b
        elif some:
            off, b = _mixed_step(off, b, step, scale, lib)
            scale = np.ones(n)
    return b[1:] / scale


def transfer(tile: Tile) -> FloatArray:
    """Return T, (N, M) siemens, with which `currents = T @ volts` exactly; entry [j, i] is amperes at j for 1 V at i.

    The relative error of every single entry, against a sparse nodal solution, is below 1e-9 (measured: 1e-14). The
    result is read-only. Raises MissingExtraError without scipy, and InputError where resistances and conductances
    span too many decades for double precision.

    >>> from crossloom.sim.crossbar.tile import make_tile
    >>> transfer(make_tile([[1.0]], row_wire=1.0, column_wire=1.0, driver=0.5, sense=0.5)).round(12).tolist()
    [[0.25]]
    """
    lib = lapack()
    g, wire, ohm = tile.conductance, tile.row_wire.copy(), tile.column_wire.copy()
    wire[:, 0] += tile.driver
    ohm[-1] += tile.sense
    if g.shape[0] >= g.shape[1]:
        result = _eliminate(g, wire, ohm, lib).T
    else:  # the reciprocal network: rows and columns change roles, drive and sense ends too
        result = _eliminate(g.T[::-1, ::-1], ohm.T[::-1, ::-1], wire.T[::-1, ::-1], lib)[::-1, ::-1]
    result = np.ascontiguousarray(result)
    result.setflags(write=False)
    return result


class TransferCache:
    """Transfer matrices by content of their tile, the least recently used dropped past `max_bytes`; thread-safe."""

    def __init__(self, max_bytes: int = 64 << 20) -> None:
        self.max_bytes = max_bytes
        self.hits = self.misses = self.bytes = 0
        self._entries: OrderedDict[str, FloatArray] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, tile: Tile) -> bool:
        return tile.key in self._entries

    def get(self, tile: Tile) -> FloatArray:
        """Return `transfer(tile)`, (N, M) siemens, computed once while it stays in the cache."""
        with self._lock:
            found = self._entries.get(tile.key)
            if found is not None:
                self.hits += 1
                self._entries.move_to_end(tile.key)
                return found
            self.misses += 1
        matrix = transfer(tile)  # outside the lock: other threads go on
        with self._lock:
            if tile.key not in self._entries and matrix.nbytes <= self.max_bytes:
                self._entries[tile.key] = matrix
                self.bytes += matrix.nbytes
                while self.bytes > self.max_bytes:
                    self.bytes -= self._entries.popitem(last=False)[1].nbytes
        return matrix


def transfers(tiles: Iterable[Tile], cache: TransferCache | None = None, workers: int = 1) -> list[FloatArray]:
    """Return the transfer matrices of several tiles, in order, on `workers` threads (LAPACK releases Python's lock).

    Keep BLAS itself to one thread: matrices of this size lose by more.
    """
    if workers < 1:
        raise InputError(f"transfers: {workers} workers; needed at least 1")
    build = transfer if cache is None else cache.get
    if workers == 1:
        return [build(tile) for tile in tiles]
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(build, tiles))
