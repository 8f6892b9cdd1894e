"""What a core would save that skips array cycles whose codes are all 0: counted from the codes of real images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from crossloom.sim.network import INPUT
from crossloom.sim.types import AnyArray, IntArray

from ..compiler.passes import Mask
from ..compiler.program import Program
from ..compiler.words import Segment, Sweep
from .cycles import outputs_of_row

SCANNED = 4  # taps that a scanner looks at in a cycle


@dataclass(frozen=True, eq=False)
class Live:
    """Array cycles of a sweep that have a code other than 0: `taps` of `most`, int64 (N, steps x outputs).

    `grouped` counts those of a window's row and block of channels of which any column has one; there are `groups`.
    Draining a step of an output takes `cool`.
    """

    taps: IntArray
    grouped: IntArray
    most: int
    groups: int
    cool: int

    @property
    def now(self) -> int:
        """Cycles of all images as they are: no output leaves faster than the drain takes."""
        return self.taps.size * max(self.most, self.cool)

    @property
    def scanned(self) -> int:
        """Those where a scanner looks at SCANNED taps in a cycle and what is all 0 is skipped."""
        return int(np.maximum(self.taps, max(self.cool, -(-self.most // SCANNED))).sum())

    @property
    def by_group(self) -> int:
        """Those where it looks at one row of a window and block of channels in a cycle."""
        return int(np.maximum(self.grouped, max(self.cool, self.groups)).sum())


def live_taps(program: Program, edges: Mapping[str, AnyArray]) -> Iterator[Live]:
    """Of each sweep; `edges` (N, *image_shape) has the codes of the input and of every edge that a pass writes.

    Rows without a channel count as 0, whatever they hold in the core today.
    """
    maps: dict[str, Mask] = {}
    for index, sweep in enumerate(program.sweeps):
        for source in program.passes[index].sums.sources:
            if source.edge not in maps:
                maps[source.edge] = _zero_words(program, source.edge, edges[source.edge])
        yield _sweep(program, index, sweep, maps)


def _zero_words(program: Program, edge: str, codes: AnyArray) -> Mask:
    """Which words of the feature memory are all 0: (N, time steps, height, width, blocks) of an edge's region."""
    region, rows = program.regions[edge], program.folding.rows
    steps, count = program.network.edges[edge].steps, len(codes)
    if edge == INPUT:
        stored = (codes != program.config.lo).reshape(count, steps, *region.shape)
    else:
        entry = next(entry for entry in program.passes if entry.codes == edge)
        height, width, channels = entry.sums.shape
        stored = (codes != entry.lo).reshape(count, steps, height, width, channels)
        if entry.stack > 1:
            beside = np.zeros((count, steps, -(-height // entry.stack) * entry.stack, width, entry.pitch), np.bool_)
            beside[:, :, :height, :, :channels] = stored
            beside = beside.reshape(count, steps, -1, entry.stack, width, entry.pitch)
            stored = beside.transpose(0, 1, 2, 4, 3, 5).reshape(count, steps, *region.shape)
    channels = region.shape[2]
    stored = np.pad(stored, [(0, 0)] * 4 + [(0, -channels % rows)])
    zero: Mask = ~stored.reshape(*stored.shape[:4], -1, rows).any(-1)
    return zero


def _sweep(program: Program, index: int, sweep: Sweep, maps: Mapping[str, Mask]) -> Live:
    taps: list[IntArray] = []
    grouped: list[IntArray] = []
    most = groups = 0
    begins = True
    for segment in program.segments[sweep.first_segment : sweep.last_segment + 1]:
        if begins:
            count = len(next(iter(maps.values())))
            outputs = (sweep.out_h + 1) * outputs_of_row(sweep)
            taps.append(np.zeros((count, outputs), np.int64))
            grouped.append(np.zeros((count, outputs), np.int64))
            most = groups = 0
        begins = bool(segment.stop)
        size = (sweep.kernel_h + 1) * (sweep.kernel_w + 1) * (segment.blocks + 1)
        most, groups = most + size, groups + size // (sweep.kernel_w + 1)
        if segment.shift:  # doubles the sums, whatever the codes are
            taps[-1] += size
            grouped[-1] += size
            continue
        live = ~_segment(program, index, sweep, segment, maps)
        taps[-1] += live.sum(axis=(2, 3, 4))
        grouped[-1] += live.any(axis=3).sum(axis=(2, 3)) * (sweep.kernel_w + 1)
    return Live(np.concatenate(taps, axis=1), np.concatenate(grouped, axis=1), most, groups, sweep.cool)


def _segment(program: Program, index: int, sweep: Sweep, segment: Segment, maps: Mapping[str, Mask]) -> Mask:
    """Which taps read nothing but 0: (N, outputs, rows of the window, columns, blocks)."""
    for source in program.passes[index].sums.sources:
        region = program.regions[source.edge]
        at = segment.base - region.base
        if bool(segment.image) == (source.edge == INPUT) and 0 <= at < region.plane * maps[source.edge].shape[4]:
            break
    low, time = at // region.plane, at % region.plane // region.image
    words = maps[source.edge][:, time, :, :, low : low + segment.blocks + 1]
    unroll = program.sizes.unroll
    columns = min(program.folding.rows // unroll, program.folding.ways - 1) if sweep.unrolled else 1
    y = sweep.y0 + sweep.step_y * np.arange(sweep.out_h + 1)
    outputs = np.arange(0, sweep.out_w + 1, 2 if sweep.paired else 1)
    shape = (len(words), len(y), len(outputs), sweep.kernel_h + 1, sweep.kernel_w + 1, segment.blocks + 1)
    found = np.ones(shape, np.bool_)
    for dy in range(sweep.kernel_h + 1):
        for dx in range(sweep.kernel_w + 1):
            for pixel in range(2 if sweep.paired else 1):
                for column in range(columns):
                    x = sweep.x0 + sweep.step_x * (outputs + pixel) + dx + column
                    read = _read(words, y + dy, x, sweep)
                    read[:, :, outputs + pixel > sweep.out_w] = True  # a second pixel beyond the row's end
                    found[:, :, :, dy, dx] &= read
    return found.reshape(len(words), -1, *shape[3:])


def _read(words: Mask, y: IntArray, x: IntArray, sweep: Sweep) -> Mask:
    """Whether words at rows y and columns x are all 0, (N, len(y), len(x), blocks): outside is the pad code."""
    inside = ((y >= 0) & (y < sweep.height))[:, None] & ((x >= 0) & (x < sweep.width))
    found = words[:, y.clip(0, sweep.height - 1)[:, None], x.clip(0, sweep.width - 1)]
    return np.where(inside[:, :, None], found, sweep.pad == 0)
