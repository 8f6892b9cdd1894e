"""One Dense or Conv2d on arrays: planned once for its weights and inputs, then read through any physics."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from threading import Lock

import numpy as np

from ..errors import InputError
from ..ops import Edge, Linear
from ..types import EXACT_FLOAT64, AnyArray, IntArray
from .cells import Cells, Reader, ideal_cells, physical_cells
from .mapping import Block, blocks, place_values, planes
from .order import coupling, greedy_order, moments, swann_order
from .readout import FINEST_STEP, GAIN_BITS, Adc, calibrated_range, fitted_gain, full_range
from .spec import ArraySpec, Physics
from .tile import FloatArray

_log = logging.getLogger(__name__)

# Input vectors that a layer is calibrated with, taken evenly from those that there are.
CALIBRATION_VECTORS = 1024
# Bytes of a chunk's counts: with bits, table rows and copies about five times this is held.
_CHUNK_BYTES = 16 << 20


@dataclass(frozen=True, eq=False)
class PlacedBlock:
    """A block with its rows and columns where the wires are."""

    block: Block
    inputs: IntArray
    """(M,) of the group's inputs: which one drives the row at each position, the last at the sense end."""
    levels: AnyArray
    """(M, C) as placed."""
    combine: FloatArray
    """(C, outputs) as placed."""


@dataclass(frozen=True, eq=False)
class LayerPlan:
    """A layer cut into arrays and ordered, for any wires; `samples` are calibration inputs (groups, V, fan-in)."""

    where: str
    op: Linear
    input: Edge
    output: Edge
    spec: ArraySpec
    placed: tuple[PlacedBlock, ...]
    samples: IntArray | None

    @property
    def arrays(self) -> int:
        """How many arrays the layer takes."""
        return len(self.placed)


def plan_layer(
    where: str,
    op: Linear,
    edges: tuple[Edge, Edge],
    spec: ArraySpec,
    codes: IntArray | None,
    *,
    columns: bool,
    samples: bool = False,
) -> LayerPlan:
    """Cut and order one layer; `edges` are its input's and output's, `codes` (N, *shape) calibration inputs.

    `samples` keeps some of these in the plan even where `spec` does not need them. `columns` asks for an order of the
    columns as well, of use only where row wires carry current: the column with the largest expected current next to
    the drivers (ours; a heuristic). Raises InputError for missing or no calibration inputs where they are needed, and
    for cells that do not fit the weights.
    """
    seen = None
    if spec.calibrates or samples:
        if codes is None or len(codes) == 0:
            raise InputError(f"{where}: no inputs to calibrate with; needed at least one image")
        every = op.patches(codes.astype(edges[0].type.dtype))
        count = every.shape[1]
        seen = every[:, np.linspace(0, count - 1, min(count, CALIBRATION_VECTORS)).astype(np.intp)]
    placed = tuple(_place(block, edges[0], spec, seen, columns) for block in blocks(where, op, spec))
    return LayerPlan(where, op, *edges, spec, placed, seen)


def _place(block: Block, edge: Edge, spec: ArraySpec, samples: IntArray | None, columns: bool) -> PlacedBlock:
    rows, across = np.arange(len(block.levels)), np.arange(block.levels.shape[1])
    if spec.order != "none" and samples is not None:
        values = place_values(edge.type)
        second = moments(planes(samples[block.group, :, block.rows], edge.type), values)
        activity = np.diag(second)
        rows = swann_order(block.levels, activity)
        if spec.order == "greedy":
            h = coupling(block.levels, np.abs(block.combine).sum(axis=1), second)
            step = spec.active_rows or len(rows)
            parts = tuple(slice(at, min(at + step, len(rows))) for at in range(0, len(rows), step))
            rows = greedy_order(h, parts, rows)
        if columns:
            across = np.argsort(-(activity @ block.levels), kind="stable")
    levels = np.ascontiguousarray(block.levels[rows][:, across])
    return PlacedBlock(block, block.rows.start + rows, levels, block.combine[across])


@dataclass(frozen=True, eq=False)
class Array:
    """One array, ready to be read."""

    placed: PlacedBlock
    cells: Cells
    adc: tuple[Adc, ...]
    """One for each part of the rows: a short part has a smaller full range."""
    gain: FloatArray
    """(C,) multiples of 2^-15."""
    combine: FloatArray
    """(C, outputs): the gain times the factor of the placed block."""
    rounded: bool = False
    """Whether each column's sum leaves as 16 bits, in steps of its converter, as in the tile of `twin`."""

    def results(self, sums: FloatArray) -> FloatArray:
        """Return what the array adds to its outputs, (V, outputs), for sums of converted counts (V, C)."""
        if not self.rounded:
            return sums @ self.combine
        step = 2.0 ** self.adc[0].log_step
        y = np.clip(np.floor(sums / step * self.gain + 0.5), -(1 << 15), (1 << 15) - 1)
        result: FloatArray = y * step @ self.placed.combine
        return result


class Conversions:
    """How many conversions a layer made since it was built, and how many were clipped; counts from any thread.

    For non-linear cells also how many vectors were solved, and how many of these by Newton's method, where Anderson's
    iteration failed: logged at the first.
    """

    def __init__(self, where: str = "") -> None:
        self.where = where
        self.total = self.clipped = self.solved = self.newton = 0
        self._lock = Lock()

    def add_solved(self, solved: int, newton: int) -> None:
        """Count solutions of non-linear cells."""
        with self._lock:
            if newton and not self.newton:
                _log.warning("%s: Anderson's iteration failed for some inputs; Newton's method took over", self.where)
            self.solved += solved
            self.newton += newton

    def add(self, total: int, clipped: int) -> None:
        """Count a batch of them."""
        with self._lock:
            self.total += total
            self.clipped += clipped

    @property
    def share(self) -> float:
        """Share that was clipped."""
        return self.clipped / self.total if self.total else 0.0


@dataclass(frozen=True, eq=False)
class ArrayLayer:
    """A layer in its arrays; `accumulate` is what they compute."""

    plan: LayerPlan
    arrays: tuple[Array, ...]
    conversions: Conversions

    def accumulate(self, x: AnyArray) -> AnyArray:
        """Return accumulators (N, *shape) in the output's carrier, for codes x (N, *shape).

        The sum of all arrays is rounded to the nearest integer (halves up), gets the bias, and saturates at the
        proven bounds of the accumulator, which a gain can pass. Memory beyond input, patches and result is bounded
        by chunks of vectors.
        """
        plan = self.plan
        every = plan.op.patches(x.astype(plan.input.type.dtype))
        total = np.zeros((every.shape[1], plan.output.channels))
        for array in self.arrays:
            self._add(array, every[array.placed.block.group], total)
        total += 0.5
        np.floor(total, out=total)
        total += plan.op.bias
        np.clip(total, plan.output.type.lo, plan.output.type.hi, out=total)
        return total.reshape(len(x), *plan.output.shape).astype(plan.output.carrier)

    def _add(self, array: Array, every: IntArray, total: FloatArray) -> None:
        outputs = array.placed.block.outputs
        readers = array.cells.readers()
        for rows in _chunks(len(every), array.placed, self.plan.input):
            bits = planes(every[rows][:, array.placed.inputs], self.plan.input.type)
            sums, clipped = _sums(readers, array.cells.parts, array.adc, bits, place_values(self.plan.input.type))
            total[rows, outputs] += array.results(sums)
            self.conversions.add(sums.size * len(bits) * len(readers), clipped)


def _chunks(count: int, placed: PlacedBlock, edge: Edge) -> Iterator[slice]:
    size = max(1, _CHUNK_BYTES // (8 * edge.type.bits * placed.levels.shape[1]))
    return (slice(start, min(start + size, count)) for start in range(0, count, size))


def _sums(
    readers: list[Reader], parts: tuple[slice, ...], adc: tuple[Adc, ...], bits: AnyArray, values: FloatArray
) -> tuple[FloatArray, int]:
    """Return (V, C): converted counts of all parts of the rows, added with the worth of their plane; and the clips."""
    depth, vectors, rows = bits.shape
    flat = bits.reshape(depth * vectors, rows)
    total, clips = None, 0
    for read, part, converter in zip(readers, parts, adc, strict=True):
        counts = read(np.ascontiguousarray(flat[:, part]))
        clips += converter.convert(counts)
        counts = counts.reshape(depth, vectors, -1)
        for value, plane in zip(values, counts, strict=True):
            plane *= value
            total = plane if total is None else np.add(total, plane, out=total)
    assert total is not None  # a type has at least one bit, an array at least one row
    return total, clips


def build_layer(plan: LayerPlan, physics: Physics | None, rng: np.random.Generator) -> ArrayLayer:
    """Program the arrays of a plan, set their converters and gains; None is cells without physics.

    Raises InputError for more bits than the device's cells keep, and for sums that float64 cannot carry exactly.
    """
    spec = plan.spec
    if physics is not None and spec.cell_bits > physics.device.cell_bits.value:
        raise InputError(
            f"{plan.where}: {spec.cell_bits} bits a cell; {physics.device.name} keeps at most "
            f"{physics.device.cell_bits.value:.0f}; needed fewer bits a cell or another device"
        )
    finest = (FINEST_STEP if spec.adc_range == "calibrated" else 0) - (GAIN_BITS if spec.gain else 0)
    if plan.output.magnitude * 2.0 ** (2 - finest) >= EXACT_FLOAT64:
        raise InputError(
            f"{plan.where}: sums up to {plan.output.magnitude} with {-finest} bits of fraction do not fit 53 bits; "
            "needed full ranges without gain, or a narrower layer"
        )
    conversions = Conversions(plan.where)
    arrays = tuple(_array(plan, placed, physics, rng, conversions) for placed in plan.placed)
    return ArrayLayer(plan, arrays, conversions)


def _array(
    plan: LayerPlan, placed: PlacedBlock, physics: Physics | None, rng: np.random.Generator, conversions: Conversions
) -> Array:
    spec, type_ = plan.spec, plan.input.type
    levels = placed.levels
    if physics is None:
        cells = ideal_cells(levels, spec)
    else:
        cells = physical_cells(levels, spec, physics, rng, conversions.add_solved)
    top = (1 << spec.cell_bits) - 1
    full = [(part.stop - part.start) * top for part in cells.parts]
    adc = tuple(full_range(rows, spec.adc_bits) for rows in full)
    gain = np.ones(levels.shape[1])
    if plan.samples is not None and (spec.gain or spec.adc_range == "calibrated"):
        codes, readers = plan.samples[placed.block.group][:, placed.inputs], cells.readers()
        bits = planes(codes, type_)
        if spec.adc_range == "calibrated":
            flat = bits.reshape(-1, bits.shape[2])
            seen = [read(np.ascontiguousarray(flat[:, part])) for read, part in zip(readers, cells.parts, strict=True)]
            adc = tuple(calibrated_range([counts], rows, spec) for counts, rows in zip(seen, full, strict=True))
        if spec.gain:
            found, _ = _sums(readers, cells.parts, adc, bits, place_values(type_))
            gain = fitted_gain(codes.astype(np.float64) @ levels, found)
    return Array(placed, cells, adc, gain, gain[:, None] * placed.combine)
