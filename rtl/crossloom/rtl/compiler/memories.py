"""The words of the engine's memories: weights, parameters and threshold tables, shared ones and each branch's own."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from crossloom.sim.types import IntArray, signed_bits

from .passes import Pass, Source
from .sizes import Folding
from .thresholds import threshold_steps, threshold_table
from .words import Kind

# Cycles from one step of a neuron to its next, at least.
NEURON_CYCLES = 2


@dataclass(frozen=True, eq=False)
class Words:
    """Words of a memory that are made when somebody asks for them: `count` in each bank, as long as all (n, ...).

    `key` tells those of the first bank from other ones of the same number.
    """

    count: int
    key: Callable[[], bytes]
    make: Callable[[], list[IntArray]]


class BankedMemory:
    """A memory's words, each of shape `like`: what all branches share first, then each branch's own, all as long.

    Tables start at multiples of `align`, and so do branches.
    """

    def __init__(self, banks: int, like: tuple[int, ...], align: int = 1) -> None:
        self.banks, self.like, self.align = banks, like, align
        self._shared: list[tuple[int, Words]] = []
        self._own: list[tuple[int, Words]] = []
        self._found: dict[tuple[int, bytes], int] = {}
        self._next = [0, 0]  # shared and own

    def add(self, words: Words, banked: bool, align: int = 1, *, alone: bool = False) -> int:
        """Append the words of each bank, or of all alike; the first one's place, a multiple of `align`.

        Equal words of all are kept once, but for those that stand `alone`, since they may be rewritten.
        """
        at = -(-self._next[banked] // align) * align
        if not banked and not alone:
            place = self._found.setdefault((words.count, words.key()), at)
            if place != at:
                return place
        (self._own if banked else self._shared).append((at, words))
        self._next[banked] = at + words.count
        return at

    def first(self, branch: int) -> int:
        """The first word of a branch."""
        shared, own = (-(-count // self.align) * self.align for count in self._next)
        return shared + branch * own

    @property
    def size(self) -> int:
        """Words of the whole memory; there is one at least."""
        return max(1, self.first(self.banks) if self._own else self._next[0])

    @cached_property
    def content(self) -> IntArray:
        """The words themselves (size, *like), packed when this is read first."""
        memory = np.zeros((self.size, *self.like), np.int64)
        for at, words in self._shared:
            memory[at : at + words.count] = words.make()[0]
        for at, words in self._own:
            made = words.make()
            for bank in range(self.banks):
                start = self.first(bank) + at
                memory[start : start + words.count] = made[bank % len(made)]
        return memory


def made(banks: list[IntArray]) -> Words:
    """Words (n, ...) of each bank that are there already."""
    return Words(len(banks[0]), banks[0].tobytes, lambda: banks)


def _columns(
    weight: IntArray,
    same: bool,
    shape: tuple[int, int],
    at: tuple[int, int, int],
    dtype: np.dtype[np.signedinteger[Any]],
) -> IntArray:
    """Weights (out, kh, kw, in) of one block, (cols, kh * kw, blocks * rows), zeros where there is none.

    `shape` (cols, rows); `at` is the first output channel, the first input block of `rows` channels and the one after
    the last. `same`: the first tap's alone.
    """
    (cols, rows), (start, low, high) = shape, at
    part = weight[start : start + cols, :, :, low * rows : high * rows]
    if same:
        part = part[:, :1, :1]
    out, kh, kw, channels = part.shape
    full = np.zeros((cols, kh, kw, (high - low) * rows), dtype)
    full[:out, ..., :channels] = part
    return full.reshape(cols, kh * kw, -1)


def input_blocks(source: Source, start: int, folding: Folding) -> tuple[int, int] | None:
    """The first block of input channels that the output channels from `start` on read, and the one after the last."""
    inside = np.flatnonzero(source.mask[start : start + folding.cols].any(0)) // folding.rows
    return (int(inside[0]), int(inside[-1]) + 1) if len(inside) else None


def exponent_of(source: Source, w_bits: int) -> int:
    """The doublings that weights of `w_bits` can hold themselves; what was summed before is doubled by the rest.

    None where others have the same weights.
    """
    return 0 if source.same else min(source.doublings, w_bits - 2)


def search_steps(entry: Pass) -> int:
    """Steps of the search in a pass's thresholds, no fewer than a cell of neurons needs; 0 without any."""
    if entry.kind is not Kind.THRESHOLD:
        return 0
    steps = threshold_steps(entry.thresholds[0].shape[1])
    return max(steps, NEURON_CYCLES) if entry.hold else steps


def _blocks(entry: Pass, start: int, folding: Folding) -> Iterator[tuple[Source, tuple[int, int, int]]]:
    """The sources that the output channels from `start` on read, each with where in its weights: see `_columns`.

    Of those that all have the same weights the first one.
    """
    sources = entry.sums.sources
    for source in sources[:1] if sources[0].same else sources:
        blocks = input_blocks(source, start, folding)
        if blocks is not None:
            yield source, (start, *blocks)


def block_words(entry: Pass, start: int, folding: Folding, w_bits: int) -> list[IntArray]:
    """Words (n, cols, rows) of weights of each bank, for the output channels from `start` on.

    The array reads them in this order. Weights times 2^exponent, plus an offset that makes them unsigned.
    """
    parts: list[list[IntArray]] = [[] for _ in entry.sums.sources[0].weights]
    shape, offset = (folding.cols, folding.rows), 1 << (w_bits - 1)
    for source, at in _blocks(entry, start, folding):
        for weights, words in zip(source.weights, parts, strict=True):
            columns = _columns(weights, source.same, shape, at, np.dtype(np.int64))
            taps = columns.reshape(folding.cols, -1, folding.rows).transpose(1, 0, 2)
            words.append((taps << exponent_of(source, w_bits)) + offset)
    return [np.concatenate(words) for words in parts]


def weight_words(entry: Pass, start: int, folding: Folding, w_bits: int) -> Words:
    """What `block_words` makes, counted and told apart without making it."""
    shape = folding.cols, folding.rows
    # As few bytes as hold any weight, so that telling a million of them apart takes milliseconds.
    dtype: np.dtype[np.signedinteger[Any]] = np.min_scalar_type(-1 << (w_bits - 1))

    def key() -> bytes:
        digest = hashlib.sha256()
        for source, at in _blocks(entry, start, folding):
            columns = _columns(source.weights[0], source.same, shape, at, dtype) << exponent_of(source, w_bits)
            # Tap by tap, which is the same whatever sources they are of.
            digest.update(columns.reshape(folding.cols, -1, folding.rows).transpose(1, 0, 2).astype(dtype).tobytes())
        return digest.digest()

    count = sum(
        (1 if source.same else source.weights[0][0, ..., 0].size) * (high - low)
        for source, (_, low, high) in _blocks(entry, start, folding)
    )
    return Words(count, key, lambda: block_words(entry, start, folding, w_bits))


def param_words(entry: Pass, start: int, chunks: int, lanes: int) -> list[IntArray]:
    """Words (chunks, lanes, 2) of bias and shift of each bank, for the channels from `start` on."""
    banks = []
    for bank in range(max(len(entry.sums.bias), len(entry.shift))):
        words = np.zeros((chunks * lanes, 2), np.int64)
        part = entry.sums.bias[bank % len(entry.sums.bias)][start : start + chunks * lanes]
        words[: len(part), 0] = part
        if entry.shift:
            words[len(part) :] = _absent(entry, bank)
            words[: len(part), 1] = entry.shift[bank][start : start + len(part)]
        banks.append(words.reshape(chunks, lanes, 2))
    return banks


def _absent(entry: Pass, bank: int) -> tuple[int, int]:
    """Bias and shift of a lane without a channel, which sums nothing: by a shift that the lanes are built for.

    Its code must not count as clipped, unless no shift of the layer can give one that is not.
    """
    shifts, least, most = [int(s) for s in entry.shift[bank]], entry.lo, entry.lo + entry.span
    for shift in shifts if not (least <= 0 <= most or entry.neurons) else ():
        bias = least << shift if shift >= 0 else -(-least >> -shift)
        code = bias >> shift if shift >= 0 else bias << -shift
        if least <= code <= most and signed_bits(bias, bias) <= entry.sums.acc_bits:
            return bias, shift
    return 0, shifts[0]


def neuron_words(entry: Pass, start: int, chunks: int, lanes: int) -> list[IntArray]:
    """Words (chunks, lanes, 2) of threshold and leak of each bank, for the channels from `start` on.

    A lane without a channel never spikes, as its membrane stays 0.
    """
    banks = []
    for theta, leak in zip(entry.neurons.theta, entry.neurons.leak, strict=True) if entry.neurons else ():
        words = np.tile([1, 0], (chunks * lanes, 1))
        part = slice(start, start + chunks * lanes)
        words[: len(theta[part])] = np.stack([theta[part], leak[part]], axis=1)
        banks.append(words.reshape(chunks, lanes, 2))
    return banks


def table_words(entry: Pass, start: int, chunks: int, lanes: int, bits: int) -> list[IntArray]:
    """Threshold tables (chunks * 2^steps, lanes) of each bank, words of `bits`, for the channels from `start` on."""
    steps = search_steps(entry)
    banks = []
    for thresholds in entry.thresholds:
        part = thresholds[start : start + chunks * lanes]
        rows = np.zeros((chunks * lanes, thresholds.shape[1]), np.int64)
        rows[: len(part)] = part
        table = threshold_table(rows, bits, steps)
        banks.append(table.reshape(chunks, lanes, -1).transpose(0, 2, 1).reshape(-1, lanes))
    return banks
