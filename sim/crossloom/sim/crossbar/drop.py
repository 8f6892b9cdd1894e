"""Where a tile loses its voltage: what every cell has between its rails, or less than its row and column apply."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..errors import InputError
from .gate import Ladders
from .lines import conjugate_gradients, drop, lines_of, norms
from .tile import FloatArray, Tile, check_batch

_TOLERANCE, _LIMIT = 1e-10, 5000


def cell_volts(ladders: Ladders, inputs: npt.ArrayLike) -> FloatArray:
    """Return (batch, M, N) volts between the rails at every cell for 1 V at the terminals, inputs (batch, M) in 0..1.

    The same ladder as `gate_currents`, walked back: the current that leaves row m towards the sense end is Y_m times
    the voltage there, so the cell has that voltage over 1 + r (Y + h). Raises InputError for inputs that do not fit.

    >>> from crossloom.sim.crossbar.gate import make_ladders
    >>> cell_volts(make_ladders([[0.5], [0.5]], bit_line=2.0), [[1, 1]])[0, :, 0].tolist()
    [0.2, 0.4]
    """
    batch, alone = check_batch("cell_volts: inputs", inputs, ladders.shape[0])
    if alone or not ((batch >= 0) & (batch <= 1)).all():
        raise InputError("cell_volts: inputs of one vector, or outside 0..1; needed (batch, rows) in 0..1")
    rows, columns = ladders.shape
    y = np.zeros((len(batch), columns))
    ratio = np.empty((len(batch), rows, columns))
    for m in range(rows):
        y += ladders.leak[m] + batch[:, m, None] * (ladders.conductance[m] - ladders.leak[m])
        ratio[:, m] = 1 / (1 + ladders.wire[m] * y)
        y *= ratio[:, m]
    volts = np.empty_like(ratio)
    ahead = 1 / (1 + ladders.terminal * (y + ladders.shunt))
    for m in range(rows - 1, -1, -1):
        ahead = ahead * ratio[:, m]
        volts[:, m] = ahead
    return volts


def cell_losses(tile: Tile, volts: npt.ArrayLike) -> FloatArray:
    """Return (batch, M, N) volts that each cell of a voltage-mode tile has less than its driver's, volts (batch, M).

    What the wires between the driver, the cell and ground drop, by the iteration of `lines` with a proven residual of
    1e-10 of the cells' weighted voltages. Raises InputError for volts that do not fit.

    >>> from crossloom.sim.crossbar.tile import make_tile
    >>> cell_losses(make_tile([[1.0]], driver=[1.0], sense=[2.0]), [[4.0]]).round(6).tolist()
    [[[3.0]]]
    """
    batch, alone = check_batch("cell_losses: volts", volts, tile.shape[0])
    if alone:
        raise InputError("cell_losses: volts of one vector; needed (batch, rows)")
    lines, s = lines_of(tile), np.sqrt(tile.conductance)[:, None]
    rhs = s * batch.T[:, :, None]
    found = conjugate_gradients(lines, s, rhs, _TOLERANCE * norms(rhs), _LIMIT)
    if not found.converged:
        raise InputError(
            f"cell_losses: residual {found.residual.max():.1e} after {found.rounds} rounds; needed a narrower span of "
            "conductances and resistances"
        )
    lost: FloatArray = drop(lines, s * found.y).transpose(1, 0, 2)
    return lost
