"""One crossbar tile in voltage mode: cell conductances and every resistance of its wires, checked and frozen."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields
from functools import cached_property
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from ..errors import InputError

FloatArray: TypeAlias = npt.NDArray[np.float64]

# Past these the products r * g leave the range in which every intermediate of the solvers stays finite.
MAX_OHM = 1e12
MAX_SIEMENS = 1e3


def checked(where: str, values: npt.ArrayLike, shape: tuple[int, ...], top: float, unit: str) -> FloatArray:
    """Return `values` broadcast to `shape` as read-only float64; raise InputError unless all are in 0..top."""
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{where}: found no array of numbers ({error}); needed numbers in {unit}") from error
    try:
        full = np.broadcast_to(array, shape)
    except ValueError as error:
        raise InputError(f"{where}: shape {list(array.shape)}; needed one number or {list(shape)}") from error
    if not np.all((full >= 0) & (full <= top)):  # a NaN fails both
        index = tuple(int(i) for i in np.argwhere(~((full >= 0) & (full <= top)))[0])
        raise InputError(f"{where}: found {full[index]} at {list(index)}; needed numbers from 0 to {top:g} {unit}")
    if full is values or np.shares_memory(full, np.asarray(values)):
        full = np.broadcast_to(np.array(array), shape)  # the caller may write to its own array later
    full.setflags(write=False)
    return full


def matrix_shape(where: str, values: npt.ArrayLike) -> tuple[int, int]:
    """Return the shape of a matrix with at least one row and column; raise InputError for anything else."""
    shape = np.shape(values)
    if len(shape) != 2 or 0 in shape:
        raise InputError(f"{where}: shape {list(shape)}; needed [rows, columns] with at least one of each")
    return shape


@dataclass(frozen=True, eq=False)
class Tile:
    """M row lines (driven at column 0) crossing N column lines (sensed at row M - 1), one linear cell at each crossing.

    All arrays are float64 and read-only; resistances of 0 are ideal wires, exactly. `make_tile` builds one from
    numbers or smaller arrays.
    """

    conductance: FloatArray
    """(M, N) siemens."""
    row_wire: FloatArray
    """(M, N) ohm: the row segment that leads to column j, from the driver (j = 0) or from column j - 1."""
    column_wire: FloatArray
    """(M, N) ohm: the column segment that leaves row i, towards row i + 1 or the sense amplifier (i = M - 1)."""
    driver: FloatArray
    """(M,) ohm between the ideal source and the row's first segment."""
    sense: FloatArray
    """(N,) ohm between the column's last segment and ground."""

    def __post_init__(self) -> None:
        shape = matrix_shape("tile: conductance", self.conductance)
        ohms = {"row_wire": shape, "column_wire": shape, "driver": shape[:1], "sense": shape[1:]}
        values = {"conductance": checked("tile: conductance", self.conductance, shape, MAX_SIEMENS, "siemens")}
        for name, wanted in ohms.items():
            values[name] = checked(f"tile: {name}", getattr(self, name), wanted, MAX_OHM, "ohm")
        for name, array in values.items():
            object.__setattr__(self, name, array)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        rows, columns = self.conductance.shape
        return rows, columns

    @cached_property
    def key(self) -> str:
        """SHA-256 of the shape and every value: equal exactly where all numbers are."""
        digest = hashlib.sha256(repr(self.shape).encode())
        for field in fields(self):
            digest.update(np.ascontiguousarray(getattr(self, field.name), dtype="<f8").tobytes())
        return digest.hexdigest()


def make_tile(
    conductance: npt.ArrayLike,
    *,
    row_wire: npt.ArrayLike = 0.0,
    column_wire: npt.ArrayLike = 0.0,
    driver: npt.ArrayLike = 0.0,
    sense: npt.ArrayLike = 0.0,
) -> Tile:
    """Return a tile from (M, N) siemens and ohms per segment: one number, or an array that broadcasts.

    `row_wire` and `column_wire` broadcast to (M, N), `driver` to (M,), `sense` to (N,). Raises InputError for
    negative, NaN or oversized values, empty tiles and shapes that do not fit.

    >>> make_tile([[1e-6, 2e-6]], column_wire=2.0).shape
    (1, 2)
    """
    as_any: FloatArray = np.asarray(conductance)  # Tile checks what this is
    ohms = [np.asarray(values) for values in (row_wire, column_wire, driver, sense)]
    return Tile(as_any, *ohms)


def check_batch(where: str, values: npt.ArrayLike, rows: int) -> tuple[FloatArray, bool]:
    """Return finite inputs as (batch, rows) float64 and whether one vector came alone; else raise InputError."""
    array = np.asarray(values)
    if array.dtype.kind not in "biuf":
        raise InputError(f"{where}: dtype {array.dtype}; needed numbers")
    if array.ndim not in (1, 2) or array.shape[-1] != rows:
        raise InputError(f"{where}: shape {list(array.shape)}; needed [{rows}] or [batch, {rows}], one per row")
    floats = np.atleast_2d(array).astype(np.float64, copy=False)
    if not np.isfinite(floats).all():
        index = [int(i) for i in np.argwhere(~np.isfinite(floats))[0]]
        raise InputError(f"{where}: found {floats[tuple(index)]} at {index}; needed finite numbers")
    return floats, array.ndim == 1
