"""Where a gate-mode tile loses its voltage: what every cell has between its rails."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..errors import InputError
from .gate import Ladders
from .tile import FloatArray, check_batch


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
