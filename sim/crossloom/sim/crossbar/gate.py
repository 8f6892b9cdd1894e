r"""Gate-mode tiles (8T-SRAM): each column is a two-rail ladder, solved exactly by a one-dimensional recurrence.

The input of row m drives the gate of a transistor in each of the row's cells, so a word line carries no current and
the columns do not see each other. A conducting cell joins the column's bit line to its source line. Both rails end at
the same side, after the last row: the bit line at a read voltage (through a terminal resistance, the driver's and
sense amplifier's), the source line at ground. The far ends are open.

*Why one recurrence is exact.* Cut a column between two cells. Beyond the cut there are no other terminals, so by
Kirchhoff's current law whatever the bit line carries outwards the source line carries back: one current c in both
rails. The voltage between the rails therefore falls by (r_bit + r_source) c over a segment, and only that voltage
matters to the cells. With Y the admittance between the rails seen from the cut, h = leak + x (g - leak) a cell's
conductance and r = r_bit + r_source, from the far end to the sense end:

    Y <- (Y + h) / (1 + r (Y + h)),        I = V Y / (1 + r_terminal Y).

It is exact for cells that are linear conductances, inputs that draw no current, and both rails terminated at the same
end. Rails terminated at opposite ends are not covered: their currents differ. (Derived here. arXiv 2406.14706 uses
such 8T-SRAM arrays; its circuit's numbers are not available to us.)

*Bits.* Each step is a fractional linear map of Y, so the maps of 8 rows compose, for each of the 256 input patterns,
to one: Y <- b + Y / (f + e Y), all three positive (b = B/D, f = D^2, e = C D for the product [[A, B], [C, D]] of the
rows' matrices [[1, h], [r, 1 + r h]], whose determinant is 1). A vector's 8 bits select one row of a table with
contiguous columns: seven passes over memory instead of eight recurrences, and no subtraction anywhere.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..errors import InputError
from ..types import AnyArray
from .tile import MAX_OHM, MAX_SIEMENS, FloatArray, check_batch, checked, matrix_shape

# Vectors from which a table of 2^4, and of 2^8, patterns repays its building (measured for 128 x 128).
_SMALL_TABLE, _LARGE_TABLE = 64, 4096
# Columns times vectors of a chunk: its state and three buffers stay in the second-level cache.
_CHUNK_CELLS = 1 << 14
_MAX_TABLE_BYTES = 64 << 20


@dataclass(frozen=True, eq=False)
class Ladders:
    """N gate-mode columns of M cells; row 0 is the farthest from the sense end. `make_ladders` builds one."""

    conductance: FloatArray
    """(M, N) siemens of a cell whose input is 1."""
    wire: FloatArray
    """(M, N) ohm: bit line plus source line of the segment that leaves row i towards the sense end."""
    leak: FloatArray
    """(M, N) siemens of a cell whose input is 0."""
    terminal: FloatArray
    """(N,) ohm in series at the sense end."""
    shunt: FloatArray
    """(N,) siemens joined to the rails before the terminal: what `segment` makes of rows that stand off."""

    def __post_init__(self) -> None:
        shape = matrix_shape("ladders: conductance", self.conductance)
        for name, wanted, top, unit in (
            ("conductance", shape, MAX_SIEMENS, "siemens"),
            ("wire", shape, MAX_OHM, "ohm"),
            ("leak", shape, MAX_SIEMENS, "siemens"),
            ("terminal", shape[1:], MAX_OHM, "ohm"),
            ("shunt", shape[1:], MAX_SIEMENS, "siemens"),
        ):
            object.__setattr__(self, name, checked(f"ladders: {name}", getattr(self, name), wanted, top, unit))

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        rows, columns = self.conductance.shape
        return rows, columns


def make_ladders(
    conductance: npt.ArrayLike,
    *,
    bit_line: npt.ArrayLike = 0.0,
    source_line: npt.ArrayLike = 0.0,
    leak: npt.ArrayLike = 0.0,
    terminal: npt.ArrayLike = 0.0,
) -> Ladders:
    """Return gate-mode columns from (M, N) siemens and ohms per cell: one number, or an array that broadcasts.

    Raises InputError for negative, NaN or oversized values, empty tiles and shapes that do not fit.

    >>> make_ladders([[40e-6], [40e-6]], bit_line=2.5, source_line=2.5).wire.tolist()
    [[5.0], [5.0]]
    """
    shape = matrix_shape("ladders: conductance", conductance)
    bit = checked("ladders: bit_line", bit_line, shape, MAX_OHM / 2, "ohm")
    source = checked("ladders: source_line", source_line, shape, MAX_OHM / 2, "ohm")
    as_any: FloatArray = np.asarray(conductance)  # Ladders checks what this is
    return Ladders(as_any, bit + source, np.asarray(leak), np.asarray(terminal), np.zeros(shape[1]))


def segment(ladders: Ladders, start: int, stop: int) -> Ladders:
    """Return columns of the rows start..stop - 1 alone that equal `ladders` with every other input 0, exactly.

    What lies beyond the first row is one admittance, which joins that row's cells. The rows between the last one and
    the sense end are a passive two-port [[1 + a, b], [c, 1 + d]] of determinant 1, hence a T of a resistance a / b, a
    shunt b and a resistance d / b; a, b, c and d are sums of positive terms, so nothing cancels. (Derived here.)
    Raises InputError for rows outside the tile.
    """
    rows, columns = ladders.shape
    if not 0 <= start < stop <= rows:
        raise InputError(f"segment: rows {start} to {stop}; needed a part of 0 to {rows}")
    far = np.zeros(columns)
    for h, r in zip(ladders.leak[:start], ladders.wire[:start], strict=True):
        far = (far + h) / (1 + r * (far + h))
    a, b, c, d = np.zeros((4, columns))
    leaks = [*ladders.leak[stop:], ladders.shunt]
    for h, r in zip(leaks, [*ladders.wire[stop:], ladders.terminal], strict=True):
        a, b = a + h * c, b + h * (1 + d)
        c, d = c + r * (1 + a), d + r * b
    on, leak, wire = (x[start:stop].copy() for x in (ladders.conductance, ladders.leak, ladders.wire))
    on[0] += far
    leak[0] += far
    shunted = b > 0
    wire[-1] += np.divide(a, b, out=np.zeros(columns), where=shunted)
    return Ladders(on, wire, leak, np.divide(d, b, out=c, where=shunted), b)


@dataclass(frozen=True, eq=False)
class LadderTable:
    """The composed maps of `bits` rows at a time of `ladders`, for inputs that are bits."""

    ladders: Ladders
    bits: int
    maps: FloatArray
    """(groups, 3, 2^bits, N): b siemens, f, and e ohm; the group's first row is the pattern's highest bit."""


def prepare(ladders: Ladders, bits: int = 8) -> LadderTable:
    """Return the table of `bits` (4 or 8) rows at a time; for 128 x 128 it takes 1.6 or 12.6 MB.

    Worth keeping for a tile that many batches pass through. Raises InputError for another `bits`.
    """
    if bits not in (4, 8):
        raise InputError(f"prepare: {bits} bits; needed 4 or 8")
    rows, columns = ladders.shape
    groups = -(-rows // bits)
    pad = np.zeros((groups * bits - rows, columns))  # rows without cells or wire at the far end change nothing

    def grouped(values: FloatArray) -> FloatArray:
        found: FloatArray = np.concatenate([pad, values]).reshape(groups, bits, columns)
        return found

    on, wire, leak = grouped(ladders.conductance), grouped(ladders.wire), grouped(ladders.leak)
    maps = np.empty((groups, 3, 1 << bits, columns))
    a, b, c, d = np.empty((4, 1 << bits, columns))
    for group in range(groups):
        a[0], b[0], c[0], d[0] = 1, 0, 0, 1
        for j in range(bits):  # entries at multiples of `whole` hold the products of the first j rows
            whole, half = 1 << (bits - j), 1 << (bits - j - 1)
            r = wire[group, j]
            # bit 1 first: bit 0 overwrites the entries that both start from
            for h, offset in ((on[group, j], half), (leak[group, j], 0)):
                upper, lower = a[::whole] + h * c[::whole], b[::whole] + h * d[::whole]
                to = slice(offset, None, whole)
                c[to], d[to] = c[::whole] + r * upper, d[::whole] + r * lower
                a[to], b[to] = upper, lower
        np.divide(b, d, out=maps[group, 0])
        np.multiply(d, d, out=maps[group, 1])
        np.multiply(c, d, out=maps[group, 2])
    maps.setflags(write=False)
    return LadderTable(ladders, bits, maps)


def gate_currents(
    ladders: Ladders,
    inputs: npt.ArrayLike,
    *,
    volt: float = 1.0,
    table: LadderTable | None = None,
    workers: int = 1,
) -> FloatArray:
    """Return the column currents, (batch, N) amperes, for inputs (batch, M) in 0..1; (N,) for (M,).

    `volt` is the read voltage. Inputs that are all 0 or 1 go through `table`, or one built here where the batch
    repays it; graded inputs, and small batches, step the recurrence. The two differ by rounding only (1e-14
    relative). `workers` threads share the batch, without changing a bit of the result.
    Raises InputError for inputs outside 0..1, shapes that do not fit, and a table of other ladders.

    >>> gate_currents(make_ladders([[0.5], [0.5]], bit_line=1.0), [1, 1], volt=3.0).tolist()
    [1.3636363636363635]
    """
    if not 0 <= volt < np.inf:
        raise InputError(f"gate mode: read voltage {volt}; needed a finite number of volts, 0 or more")
    if workers < 1:
        raise InputError(f"gate mode: {workers} workers; needed at least 1")
    if table is not None and table.ladders is not ladders:
        raise InputError("gate mode: the table belongs to other ladders; needed the one that prepare(ladders) returned")
    bits, graded, alone = _inputs(inputs, ladders.shape[0])
    if bits is not None and table is None and len(bits) >= _SMALL_TABLE:
        large = len(bits) >= _LARGE_TABLE and ladders.conductance.size * 768 <= _MAX_TABLE_BYTES
        table = prepare(ladders, 8 if large else 4)
    out = np.empty((len(graded), ladders.shape[1]))

    def share(rows: slice) -> None:
        if bits is not None and table is not None:
            _look_up(table, bits[rows], out[rows])
        else:
            _step(ladders, graded[rows], out[rows])

    if workers == 1:
        share(slice(None))
    else:
        size = max(1, -(-len(out) // workers))
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(share, [slice(start, start + size) for start in range(0, len(out), size)]))
    if ladders.shunt.any():
        out += ladders.shunt
    if ladders.terminal.any():
        out /= 1 + ladders.terminal * out
    out *= volt
    return out[0] if alone else out


def _chunks(out: FloatArray) -> list[slice]:
    """Parts of a batch (batch, N) small enough for the cache."""
    size = max(1, _CHUNK_CELLS // out.shape[1])
    return [slice(start, start + size) for start in range(0, len(out), size)]


def _inputs(inputs: npt.ArrayLike, rows: int) -> tuple[AnyArray | None, AnyArray, bool]:
    """Return the inputs as bits (None where graded), as given, and whether one vector came alone."""
    array = np.asarray(inputs)
    if array.dtype == bool and array.ndim == 2 and array.shape[1] == rows:
        return array, array, False
    batch, alone = check_batch("gate mode: inputs", inputs, rows)
    if not ((batch >= 0) & (batch <= 1)).all():
        index = [int(i) for i in np.argwhere((batch < 0) | (batch > 1))[0]]
        raise InputError(f"gate mode: input {batch[tuple(index)]} at {index}; needed 0..1, or bits 0 and 1")
    bits = batch.astype(bool)
    return (bits if np.array_equal(bits, batch) else None), batch, alone


def _step(ladders: Ladders, x: AnyArray, out: FloatArray) -> None:
    """Write Y, (batch, N) siemens, by the recurrence itself, all columns of a chunk at once."""
    swing = ladders.conductance - ladders.leak
    leaks, resists = ladders.leak.any(), [bool(segment.any()) for segment in ladders.wire]
    for chunk in _chunks(out):
        y = out[chunk]
        work = np.empty_like(y)
        y.fill(0)
        for m in range(len(swing)):
            np.multiply(x[chunk, m, None], swing[m], out=work)
            y += work
            if leaks:
                y += ladders.leak[m]
            if resists[m]:
                np.multiply(y, ladders.wire[m], out=work)
                work += 1
                y /= work


def _look_up(table: LadderTable, bits: AnyArray, out: FloatArray) -> None:
    """Write Y, (batch, N) siemens, by the composed maps."""
    groups = len(table.maps)
    padded = np.zeros((len(bits), groups * table.bits), bool)
    padded[:, groups * table.bits - bits.shape[1] :] = bits
    codes = np.packbits(padded, axis=1)
    if table.bits == 4:  # of an odd number of groups the last byte's right half is padding
        codes = np.stack([codes >> 4, codes & 15], axis=2).reshape(len(bits), -1)[:, :groups]
    order = np.ascontiguousarray(codes.T, dtype=np.intp)
    chunks = _chunks(out)
    buffers = np.empty((2, *out[chunks[0]].shape)) if chunks else np.empty((2, 0, 0))
    for chunk in chunks:
        y = out[chunk]
        work, gathered = buffers[:, : len(y)]
        for group, (b, f, e) in enumerate(table.maps):
            code = order[group, chunk]
            if group == 0:  # nothing beyond the far end
                np.take(b, code, axis=0, out=y, mode="clip")
                continue
            # mode "clip" writes into `out` unbuffered; every code is in range
            np.take(e, code, axis=0, out=work, mode="clip")
            work *= y
            np.take(f, code, axis=0, out=gathered, mode="clip")
            work += gathered
            y /= work
            np.take(b, code, axis=0, out=gathered, mode="clip")
            y += gathered
