"""Edges that are read as a whole alone, as Dense reads an image: how they lie so that few words have them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from crossloom.sim.network import INPUT
from crossloom.sim.types import IntArray

from .passes import Pass, Shape, Source, Window
from .sizes import Folding
from .words import Config, Kind, Segment, Sweep, widths

# What one sweep more costs an image, about: the gap that the drain needs.
_SWEEP = 10
_CHUNKS, _BLOCKS = 1 << widths(Config)["chunks"], 1 << widths(Segment)["blocks"]
_STEP = (1 << widths(Sweep)["step_y"]) - 1


def place_whole(passes: Sequence[Pass], shape: Shape, folding: Folding) -> tuple[Shape, list[Pass]]:
    """The shape in which the input is stored, and the passes, where edges that are read as a whole fill their words.

    The input, `shape` as an image, becomes the vector that its codes are in their order, or a column of them where the
    program has no room for that. Of others as many rows of the image lie side by side in the channels (`Pass.stack`)
    as save more taps than the sweeps cost that write them apart. Sums are the same: whatever else lies in a word has
    weights of 0.
    """
    found = list(passes)
    readers = _readers(found, INPUT, shape)
    if readers:
        stored = _columns(shape, folding)
        for i in readers:
            weights = tuple(w.reshape(len(w), *stored) for w in found[i].sums.sources[0].weights)
            found[i] = _reading(found[i], weights)
        shape = stored
    for i, entry in enumerate(found):
        readers = _readers(found, entry.codes, entry.sums.shape) if entry.codes else []
        if not readers:
            continue
        pitch = -(-entry.sums.shape[2] // folding.lanes) * folding.lanes
        outputs = [found[reader].sums.shape[2] for reader in readers]
        stack = _stack(entry, pitch, sum(-(-count // folding.cols) for count in outputs), folding)
        if stack == 1:
            continue
        found[i] = replace(entry, stack=stack, pitch=pitch)
        for reader in readers:
            weights = tuple(_stacked(w, stack, pitch) for w in found[reader].sums.sources[0].weights)
            found[reader] = _reading(found[reader], weights)
    return shape, found


def _readers(passes: Sequence[Pass], edge: str, shape: Shape) -> list[int]:
    """The passes that read an edge of several pixels, where all do so by one window as large as it is; else none."""
    found = [i for i, entry in enumerate(passes) if any(source.edge == edge for source in entry.sums.sources)]
    whole = shape[:2] != (1, 1) and all(_is_whole(passes[i], shape) for i in found)
    return found if whole else []


def _is_whole(entry: Pass, shape: Shape) -> bool:
    source, window = entry.sums.sources[0], entry.sums.window
    one = entry.kind is not Kind.POOL and len(entry.sums.sources) == 1 and entry.sums.shape[:2] == (1, 1)
    return one and window.kernel == shape[:2] and window.pad == (0, 0) and not source.same and bool(source.mask.all())


def _reading(entry: Pass, weights: tuple[IntArray, ...]) -> Pass:
    """The pass with other weights (out, kh, kw, in) on an edge that lies as they do."""
    out, kh, kw, channels = weights[0].shape
    source = Source(entry.sums.sources[0].edge, weights, np.ones((out, channels), bool))
    return replace(entry, sums=replace(entry.sums, sources=(source,), window=Window((kh, kw))))


def _columns(shape: Shape, folding: Folding) -> Shape:
    """The image as a column of vectors of whole rows, of fewest words; the shortest one if alike."""
    h, w, channels = shape
    shapes = [(h // rows, 1, rows * w * channels) for rows in range(h, 0, -1) if h % rows == 0]
    inside = [s for s in shapes if s[2] <= folding.lanes * _CHUNKS and s[2] <= folding.rows * _BLOCKS]
    return min([*inside, shape], key=lambda s: s[0] * s[1] * -(-s[2] // folding.rows))


def _stack(entry: Pass, pitch: int, blocks: int, folding: Folding) -> int:
    """Rows side by side of a pass's image, `pitch` channels each, that `blocks` blocks of outputs read soonest."""
    h, w, channels = entry.sums.shape
    sweeps = -(-channels // (folding.rows if entry.kind is Kind.POOL else folding.cols))

    def cycles(rows: int) -> int:
        taps = -(-h // rows) * w * -(-(rows * pitch if rows > 1 else channels) // folding.rows)
        return blocks * taps + (rows - 1) * sweeps * _SWEEP

    most = min(h, _STEP // entry.sums.window.stride[0], folding.rows * _BLOCKS // pitch)
    return min(range(1, max(most, 1) + 1), key=cycles)


def _stacked(weight: IntArray, stack: int, pitch: int) -> IntArray:
    """Weights (out, kh, kw, in) of an image whose rows lie side by side, `stack` of them, `pitch` channels each."""
    out, h, w, channels = weight.shape
    full = np.zeros((out, -(-h // stack) * stack, w, pitch), weight.dtype)
    full[:, :h, :, :channels] = weight
    return full.reshape(out, -1, stack, w, pitch).transpose(0, 1, 3, 2, 4).reshape(out, -1, w, stack * pitch)
