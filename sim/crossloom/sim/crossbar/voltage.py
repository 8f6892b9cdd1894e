"""Currents of voltage-mode tiles for batches of inputs, by transfer matrix or, for a handful of vectors, iteration."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..errors import InputError
from .elimination import TransferCache, transfer
from .lines import conjugate_gradients, drop, lines_of
from .tile import FloatArray, Tile, check_batch

_LOG = logging.getLogger(__name__)

METHODS = ("auto", "transfer", "iterative")
# Seconds per cell and round of the iteration, and per flop of the elimination: measured on one core, for "auto" only.
_ROUND_SECONDS, _FLOP_SECONDS = 2e-8, 4e-11
# Iterative vectors solved together: enough for long inner loops, few enough to stay in the cache.
_CHUNK = 8
_LIMIT = 1000


@dataclass(frozen=True, eq=False)
class Solution:
    """Currents of one tile, and how they were found."""

    currents: FloatArray
    """(batch, N) amperes into the sense amplifiers; (N,) where one vector came alone."""
    method: str
    """"transfer" or "iterative": what computed `currents`."""
    rounds: int
    """Conjugate-gradient rounds of the slowest group of vectors; 0 for the transfer matrix."""
    bound: FloatArray | None
    """Proved bound on each current's absolute error but for rounding, amperes, shaped like `currents`; else None."""
    fell_back: bool
    """Whether the iteration was asked for, did not converge, and the transfer matrix took over."""


def apply_transfer(matrix: FloatArray, volts: npt.ArrayLike) -> FloatArray:
    """Return (batch, N) amperes, `volts @ matrix.T`, for (batch, M) volts; (N,) for (M,). Raises InputError."""
    batch, alone = check_batch("crossbar: volts", volts, matrix.shape[1])
    currents: FloatArray = batch @ matrix.T
    return currents[0] if alone else currents


def solve(
    tile: Tile,
    volts: npt.ArrayLike,
    *,
    method: str = "auto",
    cache: TransferCache | None = None,
    tolerance: float = 1e-12,
) -> Solution:
    """Return the sense currents for (batch, M) or (M,) driver volts.

    "auto" takes the transfer matrix where the cache has it or the batch repays it, else the iteration, which needs
    numpy alone. The iteration stops at a residual of `tolerance` times the right-hand side; should it not get there
    in 1,000 rounds, the transfer matrix takes over: logged once and visible in the result.
    Raises InputError for bad volts or an unknown method, MissingExtraError where the transfer matrix needs scipy.

    >>> from crossloom.sim.crossbar.tile import make_tile
    >>> solve(make_tile([[1.0]], row_wire=1.0), [2.0], method="iterative").currents.tolist()
    [1.0]
    """
    if not 0 < tolerance < 1:
        raise InputError(f"solve: tolerance {tolerance}; needed a relative residual between 0 and 1")
    if method not in METHODS:
        raise InputError(f"solve: method {method!r}; needed one of {', '.join(METHODS)}")
    batch, alone = check_batch("crossbar: volts", volts, tile.shape[0])
    rounds = 0
    if method == "auto":
        method = "transfer" if (cache is not None and tile in cache) or _repays(tile, batch, tolerance) else "iterative"
    if method == "iterative":
        currents, bound, rounds, converged = _iterate(tile, batch, tolerance)
        if converged:
            if alone:
                currents, bound = currents[0], bound[0]
            return Solution(currents, "iterative", rounds, bound, False)
        _LOG.warning("solve: no convergence to %g in %d rounds; the transfer matrix takes over", tolerance, rounds)
    matrix = transfer(tile) if cache is None else cache.get(tile)
    currents = batch @ matrix.T
    return Solution(currents[0] if alone else currents, "transfer", 0, None, rounds > 0)


def _repays(tile: Tile, batch: FloatArray, tolerance: float) -> bool:
    """Whether building the transfer matrix is expected to cost less than iterating for this batch.

    R g is non-negative, so its largest row sum bounds its eigenvalues, those of s R s; conjugate gradients on
    eigenvalues in 1..1 + top need at most (1 + top)^1/2 ln(2 / tolerance) / 2 rounds.
    """
    top = drop(lines_of(tile), tile.conductance[:, None]).max()
    rounds = np.sqrt(1 + top) * np.log(2 / tolerance) / 2
    cells = tile.conductance.size
    build = 2 * cells * min(tile.shape) ** 2 * _FLOP_SECONDS
    return bool(len(batch) * cells * rounds * _ROUND_SECONDS > build)


def _iterate(tile: Tile, batch: FloatArray, tolerance: float) -> tuple[FloatArray, FloatArray, int, bool]:
    lines = lines_of(tile)
    s = np.sqrt(tile.conductance)[:, None]
    column = np.sqrt(tile.conductance.sum(axis=0))
    currents, bound = np.empty((len(batch), tile.shape[1])), np.empty((len(batch), tile.shape[1]))
    rounds = 0
    for start in range(0, len(batch), _CHUNK):
        part = slice(start, start + _CHUNK)
        rhs = s * batch[part].T[:, :, None]
        # relative to the larger of rhs and what the ideal tile carries: a zero vector converges at once
        target = tolerance * np.sqrt(np.einsum("mbn,mbn->b", rhs, rhs))
        found = conjugate_gradients(lines, s, rhs, target, _LIMIT)
        rounds = max(rounds, found.rounds)
        if not found.converged:
            return currents, bound, rounds, False
        currents[part] = (s * found.y).sum(axis=0)
        bound[part] = column * found.residual[:, None]
    return currents, bound, rounds, True
