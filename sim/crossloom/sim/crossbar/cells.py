"""The cells of one array, ideal or physical: from bits on its rows to counts of its columns.

A count is a column's current in units of one level, V (g_on - g_off) / (2^cell_bits - 1), less a reference:

- Gate mode: every cell leaks g_off where its input is 0, so the current with no input at all, which one reading
  measures, is subtracted. With ideal wires that leaves exactly the sum of the levels that are on.
- Voltage mode: a driven row puts g_off into every column whatever is kept there. The controller knows how many rows
  it drives, so g_off V times their number is subtracted. With ideal wires this is exact, too.

Either reference is taken off before the converter. A reading's noise is normal, with the variance that independent
relative noise of each conducting cell gives a sum of their currents (to first order: wires left out).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np

from ..types import AnyArray
from .devices import program
from .elimination import transfer
from .gate import Ladders, gate_currents, make_ladders, prepare, segment
from .nonlinear import CellLaw, solve_nonlinear
from .spec import ArraySpec, Physics
from .tile import FloatArray, Tile, make_tile

Report: TypeAlias = Callable[[int, int], None]
Reader: TypeAlias = Callable[[AnyArray], FloatArray]
"""bits (batch, rows of the part) -> counts (batch, C), a new array."""

# Rows of the table at a time: on real arrays 8 rows are no faster than 4, and their table is eight times larger.
_TABLE_BITS = 4


class Cells(Protocol):
    """What every kind of cells offers."""

    @property
    def parts(self) -> tuple[slice, ...]:
        """Rows that are read together, in the order of the rows."""

    def readers(self) -> list[Reader]:
        """Return one reader for each part; what is costly to keep is built here, for a whole batch."""


def parts_of(rows: int, spec: ArraySpec) -> tuple[slice, ...]:
    """The rows read together: all, or `active_rows` neighbours and a rest."""
    step = spec.active_rows or rows
    return tuple(slice(start, min(start + step, rows)) for start in range(0, rows, step))


@dataclass(frozen=True, eq=False)
class IdealCells:
    """Counts without physics."""

    parts: tuple[slice, ...]
    levels: AnyArray

    def readers(self) -> list[Reader]:
        """Products in float32, which carries every count exactly: 4096 rows of 8 bits stay below 2^24."""

        def reader(part: slice) -> Reader:
            levels = self.levels[part].astype(np.float32)
            return lambda bits: (bits.astype(np.float32) @ levels).astype(np.float64)

        return [reader(part) for part in self.parts]


@dataclass(frozen=True, eq=False)
class GateCells:
    """Gate mode, through the exact ladder of each column."""

    parts: tuple[slice, ...]
    ladders: tuple[Ladders, ...]
    unit: float
    """Siemens of a level."""

    def readers(self) -> list[Reader]:
        """Tables of the ladders' maps, a few MB for each array."""

        def reader(ladders: Ladders) -> Reader:
            table = prepare(ladders, _TABLE_BITS)
            zero = gate_currents(ladders, np.zeros((1, ladders.shape[0]), bool))

            def read(bits: AnyArray) -> FloatArray:
                counts = gate_currents(ladders, bits, table=table)
                counts -= zero
                counts /= self.unit
                return counts

            return read

        return [reader(ladders) for ladders in self.ladders]


@dataclass(frozen=True, eq=False)
class VoltageCells:
    """Voltage mode, through the exact transfer matrix; rows that are not read stand at 0 V."""

    parts: tuple[slice, ...]
    transfer: FloatArray
    """(C, M) siemens."""
    g_off: float
    unit: float

    def readers(self) -> list[Reader]:
        """One product for each part; less g_off on every driven row, folded into the matrix."""

        def reader(part: slice) -> Reader:
            matrix = (self.transfer[:, part].T - self.g_off) / self.unit
            return lambda bits: bits.astype(np.float64) @ matrix

        return [reader(part) for part in self.parts]


@dataclass(frozen=True, eq=False)
class NonlinearCells:
    """Voltage mode with cells that bend: every distinct vector is solved; rows that are not read stand at 0 V."""

    parts: tuple[slice, ...]
    tile: Tile
    law: CellLaw
    volt: float
    g_off: float
    unit: float
    """Siemens of a level, at zero bias."""
    report: Report
    """Told how many vectors were solved, and how many of them by Newton's method."""

    def readers(self) -> list[Reader]:
        """The solver, for chunks of vectors that it chooses itself; counts are in units of a cell's ideal current."""
        full = float(self.law.current(np.array(self.volt)))

        def reader(part: slice) -> Reader:
            def read(bits: AnyArray) -> FloatArray:
                _, first, back = np.unique(np.packbits(bits, axis=1), axis=0, return_index=True, return_inverse=True)
                volts = np.zeros((len(first), self.tile.shape[0]))
                volts[:, part] = bits[first] * self.volt
                found = solve_nonlinear(self.tile, volts, self.law, quiet=True)
                self.report(len(first), int(found.fell_back.sum()))
                counts = found.currents / (self.unit * full)
                counts -= np.count_nonzero(bits[first], axis=1)[:, None] * (self.g_off / self.unit)
                result: FloatArray = counts[back.ravel()]
                return result

            return read

        return [reader(part) for part in self.parts]


@dataclass(frozen=True, eq=False)
class NoisyCells:
    """Other cells, with noise drawn anew for every reading."""

    cells: Cells
    weights: FloatArray
    """(M, C): the variance, in counts squared, that a cell whose input is 1 adds to a reading."""
    rng: np.random.Generator

    @property
    def parts(self) -> tuple[slice, ...]:
        """As those of the cells."""
        return self.cells.parts

    def readers(self) -> list[Reader]:
        """Readers that add the noise."""

        def noisy(part: slice, read: Reader) -> Reader:
            weights = self.weights[part]

            def reader(bits: AnyArray) -> FloatArray:
                counts = read(bits)
                counts += np.sqrt(bits.astype(np.float64) @ weights) * self.rng.standard_normal(counts.shape)
                return counts

            return reader

        return [noisy(part, read) for part, read in zip(self.parts, self.cells.readers(), strict=True)]


def ideal_cells(levels: AnyArray, spec: ArraySpec) -> Cells:
    """Return cells without physics for levels (M, C), in the order of the rows."""
    return IdealCells(parts_of(len(levels), spec), levels)


def array_tile(siemens: FloatArray, physics: Physics) -> Tile:
    """Return cells (M, C) of siemens between the wires, drivers and sense amplifiers of voltage mode."""
    device = physics.device
    return make_tile(
        siemens,
        row_wire=physics.row_ohm,
        column_wire=physics.column_ohm,
        driver=device.driver.value,
        sense=device.sense.value,
    )


def _ignore(solved: int, newton: int) -> None:
    pass


def physical_cells(
    levels: AnyArray, spec: ArraySpec, physics: Physics, rng: np.random.Generator, report: Report = _ignore
) -> Cells:
    """Return programmed cells between wires for levels (M, C); row M - 1 is at the sense end, column 0 at the drivers.

    `report` is told the vectors that non-linear cells were solved for, and how many by Newton's method. Raises
    MissingExtraError in voltage mode without scipy, unless cells are non-linear.
    """
    device, parts = physics.device, parts_of(len(levels), spec)
    on, off = device.g_on.value, device.g_off.value
    top = (1 << spec.cell_bits) - 1
    unit = (on - off) / top
    share = levels / top
    siemens = program(device, share, rng) if physics.variation else off + share * (on - off)
    cells: Cells
    if device.mode == "gate":
        ladders = make_ladders(siemens, bit_line=physics.column_ohm, leak=off, terminal=device.sense.value)
        cells = GateCells(parts, tuple(segment(ladders, part.start, part.stop) for part in parts), unit)
    elif physics.law is not None and physics.law.shape != "linear":
        tile = array_tile(siemens, physics)
        cells = NonlinearCells(parts, tile, physics.law, device.read_volt.value, off, unit, report)
    else:
        cells = VoltageCells(parts, transfer(array_tile(siemens, physics)), off, unit)
    if physics.noise and device.read_sigma.value > 0:
        return NoisyCells(cells, (device.read_sigma.value * siemens / unit) ** 2, rng)
    return cells
