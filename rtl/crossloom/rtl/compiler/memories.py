"""The words of the engine's memories: weights, parameters and threshold tables, shared ones and each branch's own."""

from __future__ import annotations

import numpy as np

from crossloom.sim.types import IntArray, signed_bits

from .passes import Pass, Source
from .sizes import Folding
from .thresholds import threshold_table


class BankedMemory:
    """Words of a memory: what all branches share first, then each branch's own, all as long."""

    def __init__(self, banks: int) -> None:
        self.shared: list[IntArray] = []
        self.own: list[list[IntArray]] = [[] for _ in range(banks)]
        self.found: dict[bytes, int] = {}
        self.start = [0, 0]  # next word, shared and own

    def add(self, banks: list[IntArray], banked: bool, align: int = 1, *, alone: bool = False) -> int:
        """Append the words (n, ...) of each bank, or of all alike; the first one's place, a multiple of `align`.

        Equal words of all are kept once, but for those that stand `alone`, since they may be rewritten.
        """
        at = -(-self.start[banked] // align) * align
        space = at - self.start[banked]
        if space:
            banks = [np.concatenate([np.zeros((space, *words.shape[1:]), np.int64), words]) for words in banks]
        if banked and len(banks) == 1:
            banks = banks * len(self.own)
        if banked:
            for own, words in zip(self.own, banks, strict=True):
                own.append(words)
        elif alone:
            self.shared.append(banks[0])
        else:
            key = banks[0][space:].tobytes() + str(banks[0][space:].shape).encode()
            if key in self.found:
                return self.found[key]
            self.found[key] = at
            self.shared.append(banks[0])
        self.start[banked] += len(banks[0])
        return at

    def content(self, like: tuple[int, ...], align: int = 1) -> tuple[IntArray, int, int]:
        """The memory, the first word of branch 0, and the distance of two branches; both multiples of `align`."""
        first = -(-self.start[0] // align) * align
        stride = -(-self.start[1] // align) * align
        banks = len(self.own) if self.start[1] else 0
        memory = np.zeros((max(1, first + banks * stride if banks else self.start[0]), *like), np.int64)
        parts = [(0, self.shared), *((first + i * stride, own) for i, own in enumerate(self.own) if banks)]
        for at, words in parts:
            if words:
                joined = np.concatenate(words)
                memory[at : at + len(joined)] = joined
        return memory, first, stride


def weight_words(
    weight: IntArray, same: bool, shape: tuple[int, int], at: tuple[int, int, int], exponent: int, offset: int
) -> IntArray:
    """Words (taps * blocks, cols, rows) of weights (out, kh, kw, in) in the order in which the array reads them.

    `shape` (cols, rows); `at` is the first output channel, the first input block of `rows` channels and the one after
    the last. Weights times 2^exponent, plus `offset`, which makes them unsigned. `same`: the first tap's alone.
    """
    (cols, rows), (start, low, high) = shape, at
    part = weight[start : start + cols, :, :, low * rows : high * rows]
    if same:
        part = part[:, :1, :1]
    out, kh, kw, channels = part.shape
    full = np.zeros((cols, kh, kw, (high - low) * rows), np.int64)
    full[:out, ..., :channels] = part
    words = full.reshape(cols, kh * kw, high - low, rows).transpose(1, 2, 0, 3).reshape(-1, cols, rows)
    return (words << exponent) + offset


def input_blocks(source: Source, start: int, folding: Folding) -> tuple[int, int] | None:
    """The first block of input channels that the output channels from `start` on read, and the one after the last."""
    inside = np.flatnonzero(source.mask[start : start + folding.cols].any(0)) // folding.rows
    return (int(inside[0]), int(inside[-1]) + 1) if len(inside) else None


def exponent_of(source: Source, w_bits: int) -> int:
    """The doublings that weights of `w_bits` can hold themselves; what was summed before is doubled by the rest."""
    return min(source.doublings, w_bits - 2)


def block_words(entry: Pass, start: int, folding: Folding, w_bits: int) -> list[IntArray]:
    """Words (n, cols, rows) of weights of each bank, for the output channels from `start` on."""
    parts: list[list[IntArray]] = [[] for _ in entry.sums.sources[0].weights]
    for source in entry.sums.sources:
        blocks = input_blocks(source, start, folding)
        if blocks is None:
            continue
        shape, exponent, offset = (folding.cols, folding.rows), exponent_of(source, w_bits), 1 << (w_bits - 1)
        for weights, words in zip(source.weights, parts, strict=True):
            words.append(weight_words(weights, source.same, shape, (start, *blocks), exponent, offset))
    return [np.concatenate(words) for words in parts]


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
    for shift in shifts if not least <= 0 <= most else ():
        bias = least << shift if shift >= 0 else -(-least >> -shift)
        code = bias >> shift if shift >= 0 else bias << -shift
        if least <= code <= most and signed_bits(bias, bias) <= entry.sums.acc_bits:
            return bias, shift
    return 0, shifts[0]


def table_words(entry: Pass, start: int, chunks: int, lanes: int, bits: int) -> list[IntArray]:
    """Threshold tables (chunks * 2^steps, lanes) of each bank, words of `bits`, for the channels from `start` on."""
    banks = []
    for thresholds in entry.thresholds:
        part = thresholds[start : start + chunks * lanes]
        rows = np.zeros((chunks * lanes, thresholds.shape[1]), np.int64)
        rows[: len(part)] = part
        table = threshold_table(rows, bits)
        banks.append(table.reshape(chunks, lanes, -1).transpose(0, 2, 1).reshape(-1, lanes))
    return banks
