"""Columns of an image side by side in its channels, so that few channels fill the array's rows and columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from crossloom.sim.network import INPUT
from crossloom.sim.types import IntArray

from .passes import Pass, Shape, Source, Window
from .sizes import Folding
from .words import Kind

_SIDES = (1, 2, 4, 8)
# What one sweep more costs an image, about; and the share of its cycles that must be won.
_SWEEP, _WORTH = 10, 0.03


def place_columns(passes: Sequence[Pass], shape: Shape, folding: Folding, steps: int) -> tuple[Shape, list[Pass]]:
    """The shape in which the input is stored, and the passes, with columns side by side where that saves cycles.

    An image (h, w, c) with n columns side by side is (h, w / n, n * c), its codes in the same order. Who reads it by a
    convolution has its kernel spread over words of n columns, zeros where the window is not; who writes it computes n
    columns at once, as so many more channels. `shape` and time `steps` are the input's. Which edges have how many is
    found by going through them once more as long as cycles fall.
    """
    edges = {INPUT: shape, **{p.codes: p.sums.shape for p in passes if p.codes}}
    options = {edge: _options(passes, edge, of) for edge, of in edges.items()}
    sides = dict.fromkeys(edges, 1)
    plan = _Plan(tuple(passes), edges, folding, steps)
    best = first = plan.cycles(sides) or 0
    changed = True
    while changed:
        changed = False
        # Of two edges, one behind the other, often both must change.
        for one, other in [(e, plan.next.get(e, e)) for e in edges if len(options[e]) > 1]:
            for pair in product(options[one], options[other]):
                tried = sides | dict(zip((one, other), pair, strict=True))
                cycles = plan.cycles(tried)
                if cycles is not None and cycles < best:
                    best, sides, changed = cycles, tried, True
    if best > (1 - _WORTH) * first:
        return shape, list(passes)
    found = [_spread(p, sides[p.sums.sources[0].edge], sides.get(p.codes or "", 1), edges) for p in passes]
    return _beside(shape, sides[INPUT]), found


def _beside(shape: Shape, side: int) -> Shape:
    return shape[0], shape[1] // side, shape[2] * side


def _is_plain(entry: Pass) -> bool:
    """Whether it is one convolution of one edge, whose weights are any."""
    source = entry.sums.sources[0]
    alone = len(entry.sums.sources) == 1 and entry.kind is not Kind.POOL
    return alone and not source.same and source.step == 0 and bool(source.mask.all())


def _options(passes: Sequence[Pass], edge: str, shape: Shape) -> list[int]:
    """How many columns of an edge may lie side by side."""
    readers = [p for p in passes if any(source.edge == edge for source in p.sums.sources)]
    writers = [p for p in passes if p.codes == edge]
    if not readers or not all(map(_is_plain, [*readers, *writers])):
        return [1]
    return [side for side in _SIDES if shape[1] % side == 0]


def _kernel(entry: Pass, side: int, made: int) -> tuple[int, int, int, int] | None:
    """Of a pass that makes `made` columns at once from `side` columns a word: words of its window, step and padding.

    And columns before the window in its first word. None where outputs would not all begin alike in a word.
    """
    window, width = entry.sums.window, entry.sums.shape[1]
    step, left = window.stride[1] * made, window.pad[1]
    if step % side and width != made:
        return None
    pad = -(-left // side)
    before = pad * side - left
    return -(-(before + step - window.stride[1] + window.kernel[1]) // side), max(1, step // side), pad, before


@dataclass(frozen=True)
class _Plan:
    passes: tuple[Pass, ...]
    edges: dict[str, Shape]
    folding: Folding
    steps: int

    @property
    def next(self) -> dict[str, str]:
        """The edge that is made of each."""
        return {p.sums.sources[0].edge: p.codes for p in self.passes if p.codes}

    def cycles(self, sides: dict[str, int]) -> int | None:
        """About the cycles of an image, its loading included; None where some pass cannot run so."""
        h, w, c = _beside(self.edges[INPUT], sides[INPUT])
        total = h * w * -(-c // self.folding.lanes) * self.steps
        for entry in self.passes:
            if not _is_plain(entry):
                continue
            found = self._pass(entry, sides[entry.sums.sources[0].edge], sides.get(entry.codes or "", 1))
            if found is None:
                return None
            total += found
        return total

    def _pass(self, entry: Pass, side: int, made: int) -> int | None:
        kernel, f = _kernel(entry, side, made), self.folding
        if kernel is None:
            return None
        words, step, _, _ = kernel
        source = entry.sums.sources[0]
        h, w, channels = _beside(entry.sums.shape, made)
        depth = _beside(self.edges[source.edge], side)[2]
        rows = entry.sums.window.kernel[0]
        taps = rows * words * -(-depth // f.rows)
        if source.edge == INPUT and f.pix == 2 and unrolls(words, step, depth, depth, w, f):
            taps = rows
        paired = 2 if f.pix == 2 and step % f.ways and w > 1 else 1
        cool = -(-min(channels, f.cols) // f.lanes) * paired * (entry.times if entry.hold else 1)
        outputs = h * -(-w // paired) * entry.steps
        return -(-channels // f.cols) * (outputs * max(taps, cool) + _SWEEP)


def _spread(entry: Pass, side: int, made: int, edges: dict[str, Shape]) -> Pass:
    """The pass where `side` columns of what it reads lie side by side, and `made` of what it writes."""
    if side == made == 1:
        return entry
    kernel = _kernel(entry, side, made)
    assert kernel is not None
    words, step, pad, before = kernel
    sums, source = entry.sums, entry.sums.sources[0]
    window = Window((sums.window.kernel[0], words), (sums.window.stride[0], step), (sums.window.pad[0], pad))

    def spread(weight: IntArray) -> IntArray:
        out, kh, kw, channels = weight.shape
        full = np.zeros((made, out, kh, words * side, channels), weight.dtype)
        for column in range(made):
            at = before + column * sums.window.stride[1]
            full[column, :, :, at : at + kw] = weight
        return full.reshape(made * out, kh, words, side * channels)

    def beside(rows: IntArray) -> IntArray:
        return np.concatenate([rows] * made)

    weights = tuple(spread(weight) for weight in source.weights)
    wide = Source(source.edge, weights, np.ones((len(weights[0]), weights[0].shape[3]), bool))
    bias = tuple(beside(bank) for bank in sums.bias)
    neurons = entry.neurons and replace(
        entry.neurons,
        theta=tuple(beside(bank) for bank in entry.neurons.theta),
        leak=tuple(beside(bank) for bank in entry.neurons.leak),
    )
    return replace(
        entry,
        sums=replace(sums, sources=(wide,), window=window, shape=_beside(sums.shape, made), bias=bias),
        shift=tuple(beside(bank) for bank in entry.shift),
        thresholds=tuple(beside(bank) for bank in entry.thresholds),
        neurons=neurons,
    )


def unrolls(kernel: int, stride: int, channels: int, unroll: int, outputs: int, folding: Folding) -> bool:
    """Whether the columns of a window fit the rows and ways: of the input, by rows of `unroll` channels each.

    A dense layer has one output, whose columns would save nothing worth a mask.
    """
    fits = 1 < kernel < folding.ways and channels <= unroll and kernel * unroll <= folding.rows
    return fits and stride == 1 and outputs > 1


def unrolled(entry: Pass, folding: Folding, unroll: int) -> Pass:
    """The pass with its window's columns side by side in the array's rows, `unroll` rows each; as it is if it cannot.

    It can where it is a convolution of the network's input, step 1, with one group, and all columns fit rows and ways.
    """
    source = entry.sums.sources[0]
    weights = source.weights[0]
    (kh, kw), stride = entry.sums.window.kernel, entry.sums.window.stride
    if (
        (entry.kind is Kind.POOL or len(entry.sums.sources) > 1 or source.edge != INPUT or source.same)
        or not unrolls(kw, stride[1], weights.shape[3], unroll, entry.sums.shape[1], folding)
        or not source.mask.all()
    ):
        return entry
    wide = []
    for bank in source.weights:
        full = np.zeros((len(bank), kh, kw, unroll), np.int64)
        full[..., : bank.shape[3]] = bank
        wide.append(full.reshape(len(bank), kh, 1, kw * unroll))
    mask = np.ones((len(weights), kw * unroll), bool)
    window = Window((kh, 1), stride, entry.sums.window.pad)
    sums = replace(entry.sums, sources=(Source(source.edge, tuple(wide), mask),), window=window)
    return replace(entry, sums=sums, unrolled=True)
