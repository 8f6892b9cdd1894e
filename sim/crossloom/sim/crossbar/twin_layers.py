"""A network on digital twins: every array through the tables that stand for its wires, as the tile in RTL has them.

The twin knows a column's current by its count alone: one table entry for each column, part of the rows and count. The
physics knows which rows conduct. What is lost between the two is measured here, in converter codes and in accuracy.

An entry is the mean of what the array gives for calibration inputs of that count; for counts that never came, the
parabola n - a n^2 fitted to those that did, which is the loss to first order (ours). Converters and gains are those
of the array; parts of the rows of an odd size share the widest converter, as the tile has one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..errors import InputError
from ..network import Network
from ..simulator import run
from ..types import AnyArray, IntArray
from .accuracy import method_spec, split
from .cells import Cells, Reader, ideal_cells
from .layer import Array, ArrayLayer, Conversions
from .mapping import planes
from .pipeline import ArrayNetwork, bind, build_network, layer_inputs, plan_network
from .readout import GAIN_BITS, Adc
from .spec import ArraySpec, Physics
from .tile import FloatArray
from .twin import CODE_BITS, TABLE_FRACTION, TwinConfig, table_field

# Inputs of a layer whose codes are compared, taken evenly from those of the compared images.
_VECTORS = 256
_IMAGES = 40


@dataclass(frozen=True, eq=False)
class TableCells:
    """Counts looked up by the number of conducting cells."""

    parts: tuple[slice, ...]
    levels: AnyArray
    """(M, C) 0 or 1."""
    tables: tuple[IntArray, ...]
    """One (rows of the part + 1, C) for each part: 2^-7 counts, 0..65535, by number of conducting cells."""

    def readers(self) -> list[Reader]:
        """Products in float32, exact, and a look-up."""

        def reader(part: slice, table: IntArray) -> Reader:
            levels, columns = self.levels[part].astype(np.float32), np.arange(self.levels.shape[1])
            values = np.ldexp(table.astype(np.float64), -TABLE_FRACTION)
            return lambda bits: values[(bits.astype(np.float32) @ levels).astype(np.intp), columns]

        return [reader(part, table) for part, table in zip(self.parts, self.tables, strict=True)]


def tabulate(cells: Cells, levels: AnyArray, bits: AnyArray) -> TableCells:
    """Return the tables of one-bit cells with `levels` (M, C), from what they give for bits (V, M)."""
    tables = []
    for read, part in zip(cells.readers(), cells.parts, strict=True):
        driven = np.ascontiguousarray(bits[:, part])
        given = read(driven)
        counts = (driven.astype(np.float32) @ levels[part].astype(np.float32)).astype(np.int64)
        size, columns = part.stop - part.start + 1, levels.shape[1]
        place = counts * columns + np.arange(columns)
        seen = np.bincount(place.ravel(), minlength=size * columns).reshape(size, columns)
        total = np.bincount(place.ravel(), given.ravel(), size * columns).reshape(size, columns)
        square = counts.astype(np.float64) ** 2
        power = np.sum(square**2, axis=0)
        bend = np.divide(np.sum((counts - given) * square, axis=0), power, out=np.zeros(columns), where=power > 0)
        n = np.arange(size)[:, None]
        table = np.divide(total, seen, out=n - bend * n**2, where=seen > 0)
        tables.append(np.clip(np.rint(np.ldexp(table, TABLE_FRACTION)), 0, 65535).astype(np.int64))
    return TableCells(cells.parts, levels, tuple(tables))


def twin_array(layer: ArrayLayer, array: Array) -> Array:
    """Return the twin of one array of a layer whose plan kept samples; raise InputError for what a tile has not."""
    plan, placed = layer.plan, array.placed
    adc = max(array.adc, key=lambda each: (each.log_step, each.top))
    if plan.spec.cell_bits != 1 or adc.top >= 1 << CODE_BITS or plan.input.type.bits > 8:
        raise InputError(
            f"{plan.where}: {plan.spec.cell_bits} bits a cell, codes up to {adc.top}, inputs of "
            f"{plan.input.type.bits} bits; a tile has one bit a cell, and {CODE_BITS} bits for codes and inputs"
        )
    if plan.samples is None:
        raise InputError(f"{plan.where}: its plan kept no inputs; needed some for the tables; plan with samples=True")
    bits = planes(plan.samples[placed.block.group][:, placed.inputs], plan.input.type)
    cells = tabulate(array.cells, placed.levels, bits.reshape(-1, bits.shape[2]))
    return replace(array, cells=cells, adc=(adc,) * len(array.adc), rounded=True)


def twin_network(built: ArrayNetwork) -> ArrayNetwork:
    """Return the same network on twins of its arrays; its plan must have kept samples. Raises as `twin_array`."""
    layers = {
        key: ArrayLayer(layer.plan, tuple(twin_array(layer, array) for array in layer.arrays), Conversions())
        for key, layer in built.layers.items()
    }
    return bind(built.plan, layers)


def tile_config(layer: ArrayLayer, array: Array, rows: int = 128, columns: int = 128) -> tuple[TwinConfig, IntArray]:
    """Return what a tile of rows x columns cells holds to be this twin: its configuration, its cells (rows, columns).

    Inputs are the group's of the array, in their order, and zeros up to `rows`; columns beyond the array's give 0.
    Raises InputError where the array does not fit.
    """
    cells, placed, adc = array.cells, array.placed, array.adc[0]
    used, filled = placed.levels.shape
    if not isinstance(cells, TableCells) or used > rows or filled > columns or len(cells.parts) > rows // 32:
        raise InputError(
            f"{layer.plan.where}: {type(cells).__name__} of {used} x {filled} cells in {len(cells.parts)} parts; "
            f"needed a twin's that fit {rows} x {columns} in {rows // 32} segments"
        )
    field = table_field(rows, len(cells.parts))
    table = np.zeros((columns, 2 * rows), np.int64)
    masks = np.zeros((len(cells.parts), rows), bool)
    for segment, (part, entries) in enumerate(zip(cells.parts, cells.tables, strict=True)):
        masks[segment, part] = True
        entries = entries[: 1 << field].T
        table[:filled, segment << field : (segment << field) + entries.shape[1]] = entries
    inputs, type_ = placed.inputs - placed.block.rows.start, layer.plan.input.type
    config = TwinConfig(
        permutation=np.concatenate([inputs, np.arange(used, rows)]),
        masks=masks,
        table=table,
        gain=np.pad(np.rint(array.gain * (1 << GAIN_BITS)).astype(np.int64), (0, columns - filled)),
        bits=type_.bits,
        signed=type_.signed,
        adc_scale=1 << (16 - TABLE_FRACTION - adc.log_step),
        adc_top=adc.top,
    )
    full = np.zeros((rows, columns), np.int64)
    full[:used, :filled] = placed.levels
    return config, full


@dataclass(frozen=True)
class TwinPoint:
    """How far twins are from the physics at one rho: accuracies as shares of images, distances in converter codes."""

    physics: float
    twin: float
    agree: float
    """Share of images that both give the same label."""
    differ: float
    """Share of conversions, each layer fed with exact inputs, whose codes differ."""
    rms: float
    worst: float
    rms_ideal: float
    """As `rms`, of cells without physics: what a twin without tables would be off."""


def compare_twins(
    network: Network,
    images: AnyArray,
    labels: IntArray,
    rho: Sequence[float],
    methods: Sequence[str],
    *,
    base: ArraySpec | None = None,
    physics: Physics | None = None,
    active_rows: int = 32,
    calibrate: int = 40,
    progress: Callable[[int], None] | None = None,
) -> dict[str, tuple[TwinPoint, ...]]:
    """Compare a network on arrays with the same on their twins, by method in the order of `rho`, with one seed.

    Arguments as in `sweep`; `progress` is told the points done, of len(rho) * len(methods). Raises InputError as
    `sweep` and `twin_array` do, and without calibration images.
    """
    base, physics = base or ArraySpec(), physics or Physics()
    chosen, rest = split(len(images), calibrate)
    tested, wanted = images[rest], labels[rest]
    codes = layer_inputs(network, tested[np.linspace(0, len(tested) - 1, min(len(tested), _IMAGES)).astype(np.intp)])
    found: dict[str, tuple[TwinPoint, ...]] = {}
    for method in methods:
        spec = method_spec(method, base, active_rows)
        across = physics.device.mode == "voltage"
        plan = plan_network(network, spec, images[chosen], columns=across, samples=True)
        points: list[TwinPoint] = []
        for value in rho:
            built = build_network(plan, replace(physics, rho=float(value)))
            twin = twin_network(built)
            first, second = (run(which.network, tested).labels for which in (built, twin))
            off = [_code_differences(layer, twin.layers[key], codes[key]) for key, layer in built.layers.items()]
            error, ideal = (np.concatenate([pair[i] for pair in off]) for i in (0, 1))
            points.append(
                TwinPoint(
                    float((first == wanted).mean()),
                    float((second == wanted).mean()),
                    float((first == second).mean()),
                    float((error != 0).mean()),
                    float(np.sqrt((error**2).mean())),
                    float(np.abs(error).max()),
                    float(np.sqrt((ideal**2).mean())),
                )
            )
            if progress is not None:
                progress(len(found) * len(rho) + len(points))
        found[method] = tuple(points)
    return found


def _code_differences(layer: ArrayLayer, twin: ArrayLayer, codes: IntArray) -> tuple[FloatArray, FloatArray]:
    """Codes of the twin, and of cells without physics, less those of the physics: flat, over some of the inputs."""
    plan = layer.plan
    every = plan.op.patches(codes.astype(plan.input.type.dtype))
    some = every[:, np.linspace(0, every.shape[1] - 1, min(every.shape[1], _VECTORS)).astype(np.intp)]
    errors, ideals = [], []
    for array, other in zip(layer.arrays, twin.arrays, strict=True):
        placed = array.placed
        bits = planes(some[placed.block.group][:, placed.inputs], plan.input.type)
        flat, step = bits.reshape(-1, bits.shape[2]), 2.0 ** other.adc[0].log_step
        physical = _codes(array.cells, array.adc, flat) / step
        errors.append((_codes(other.cells, other.adc, flat) / step - physical).ravel())
        ideals.append((_codes(ideal_cells(placed.levels, plan.spec), array.adc, flat) / step - physical).ravel())
    return np.concatenate(errors), np.concatenate(ideals)


def _codes(cells: Cells, adc: tuple[Adc, ...], bits: AnyArray) -> FloatArray:
    """Converted counts of all parts, (parts, V, C)."""
    found = []
    for read, part, converter in zip(cells.readers(), cells.parts, adc, strict=True):
        counts = read(np.ascontiguousarray(bits[:, part]))
        converter.convert(counts)
        found.append(counts)
    return np.stack(found)
