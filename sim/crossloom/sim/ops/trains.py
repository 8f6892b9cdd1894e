"""Spike trains of neurons that get the same input at every step, and the sums that a Dense layer makes of them.

Such a train follows from one accumulator. The operator itself makes the trains of all accumulators once; each is kept
in a few words, float64 integers whose digits are steps. Words times weights has the sums of several steps as digits, so
that one product of matrices does for four steps or so what it else does for one, and no neuron is stepped at all.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..types import EXACT_FLOAT32, EXACT_FLOAT64, AnyArray, IntArray
from .base import Edge, Kernel
from .lif import LIF
from .linear import Dense

MAX_ENTRIES = 1 << 21  # of 2 bytes
MAX_TRAINS = 1 << 16
MAX_WORD_BYTES = 8 << 20
# A table is made when it has as many entries as so many times the accumulators that were met without it.
PATIENCE = 4
ROWS = 1 << 13  # accumulators at once while a table is made
BLOCK_BYTES = 1 << 19  # of words at once, which then stay in the processor's second cache


@dataclass(frozen=True)
class _Digits:
    """`count` digits of `bits` in a word; in a product with weights each is a step's sum, less its output's `low`."""

    bits: int
    count: int
    low: IntArray

    @staticmethod
    def of(dense: Dense, most: int) -> _Digits:
        """As many as float64 holds exactly, for codes 0..most."""
        # Codes being 0 or more, every partial sum lies between that of all negative and that of all positive terms.
        weight = dense.weight.astype(np.int64) * most
        low, high = np.minimum(weight, 0).sum(1), np.maximum(weight, 0).sum(1)
        bits, count = max(1, int((high - low).max()).bit_length()), 1
        reach = max(int(high.max()), int(-low.min()), most)
        while reach * sum(1 << bits * i for i in range(count + 1)) < EXACT_FLOAT64:
            count += 1
        return _Digits(bits, count, low)

    def words(self, steps: int) -> int:
        """Words for so many steps."""
        return -(-steps // self.count)


@dataclass(frozen=True)
class _Table:
    """The train of accumulator a of channel c is row `entries[c * span + a - lo]` of `words`."""

    entries: AnyArray
    words: AnyArray

    @staticmethod
    def make(lif: LIF, x: Edge, digits: _Digits) -> _Table | None:
        """Of all accumulators of edge `x`; None where their trains are too many to be kept."""
        span, each = x.type.hi - x.type.lo + 1, digits.words(lif.steps)
        # Row 0 has no spike: that of 0 and less, which never lift a membrane above 0, where thresholds are.
        entries, found, known = np.zeros(_entries(lif, x), np.uint16), [np.zeros((1, each))], 1
        for channel in range(len(entries) // span):
            theta, leak = (row[channel % len(row) :][:1] for row in (lif.theta, lif.leak))
            walk = replace(lif, theta=theta, leak=leak).walk(replace(x, shape=(1,)))
            before = np.full((1, each), -1.0)
            for start in range(max(x.type.lo, 1), x.type.hi + 1, ROWS):
                some = np.arange(start, min(start + ROWS, x.type.hi + 1))
                words = np.zeros((each, len(some)))
                for step, (_, codes) in enumerate(walk(some[:, None])):
                    words[step // digits.count] += np.ldexp(1.0, digits.bits * (step % digits.count)) * codes[:, 0]
                # Neighbours mostly have the same train.
                rows = words.T
                new = (rows != np.concatenate([before, rows[:-1]])).any(1)
                at = channel * span + start - x.type.lo
                numbers = known - 1 + np.cumsum(new)
                known, before = int(numbers[-1]) + 1, rows[-1:]
                if known > MAX_TRAINS or known * each * 8 > MAX_WORD_BYTES:
                    return None
                entries[at : at + len(some)] = numbers
                found.append(rows[new])
        return _Table(entries, np.concatenate(found))


def _entries(lif: LIF, x: Edge) -> int:
    """How many a table has."""
    return max(len(lif.theta), len(lif.leak)) * (x.type.hi - x.type.lo + 1)


def dense_of_trains(lif: LIF, dense: Dense, x: Edge, spikes: Edge, output: Edge) -> Kernel | None:
    """Return the kernel of LIF, Threshold of its own levels, Flatten and Dense, from edge `x` to `output`.

    `spikes` is the edge that the Dense reads. None where the table would be too large, or words no gain.
    """
    digits, entries = _Digits.of(dense, lif.most), _entries(lif, x)
    reach = (1 << digits.bits) + int(np.abs(dense.bias + digits.low).max())
    exact = reach < EXACT_FLOAT32 or output.carrier == np.float64
    if x.steps > 1 or lif.steps == 1 or digits.count == 1 or entries > MAX_ENTRIES or not exact:
        return None
    spiking, product = lif.spikes([x], replace(spikes, shape=x.shape)), dense.batch_kernel([spikes], output)
    steps, each, channels = lif.steps, digits.words(lif.steps), max(len(lif.theta), len(lif.leak))
    first = np.tile(np.arange(channels) * (entries // channels) - x.type.lo, x.size // channels)[:, None]
    weight, bias = dense.weight.astype(np.float64), (dense.bias + digits.low).astype(output.carrier)[:, None]
    lift = -digits.low[:, None] * sum(1 << digits.bits * i for i in range(digits.count))
    mask, images = (1 << digits.bits) - 1, max(1, BLOCK_BYTES // (8 * each * x.size))
    table: _Table | None = None
    waiting = entries

    def run(acc: AnyArray) -> AnyArray:
        nonlocal table, waiting
        if table is None and waiting > 0:
            waiting -= PATIENCE * acc.size
            if waiting <= 0:
                table = _Table.make(lif, x, digits)
        known = table  # read once: another thread may put one there at any time
        if known is None:
            found: AnyArray = product(spiking(acc).reshape(len(acc), *spikes.image_shape))
            return found
        sums = np.empty((each, len(weight), len(acc)), np.int64)
        for start in range(0, len(acc), images):
            # Neurons first, so that the words that meet a weight lie in one row.
            index = acc[start : start + images].reshape(-1, x.size).T.astype(np.intp, order="C")
            index += first
            words = np.take(known.words, np.take(known.entries, index), axis=0)
            some = (weight @ words.reshape(x.size, -1)).reshape(len(weight), -1, each)
            np.copyto(sums[:, :, start : start + images], some.transpose(2, 0, 1), casting="unsafe")
        sums += lift
        y = np.empty((each, digits.count, *sums.shape[1:]), output.carrier)
        for digit in range(digits.count):
            y[:, digit] = sums >> digit * digits.bits & mask
        y += bias
        return y.reshape(-1, *sums.shape[1:])[:steps].transpose(2, 0, 1)

    return run


def scratch(lif: LIF, dense: Dense, x: Edge, spikes: Edge, output: Edge) -> int:
    """Bytes for one image of what `dense_of_trains` has beside its input and output, with a table or without."""
    each = _Digits.of(dense, lif.most).words(lif.steps)
    with_table = 8 * (2 * x.size + each * (x.size + 2 * output.size))
    without = spikes.image_size * spikes.carrier.itemsize + dense.scratch([spikes], output) * lif.steps
    return max(with_table, without + lif.scratch([x], spikes))
