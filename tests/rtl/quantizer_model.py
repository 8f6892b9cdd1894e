"""What a program's parameters and thresholds make of sums, also when banks are written."""

import random

import numpy as np
from neuron_model import FRESH, neuron_step
from testbench_engine_arithmetic import packed, requantize, signed_range

from crossloom.rtl.compiler.bank_layout import PART_BITS
from crossloom.rtl.compiler.engine_package import ROUNDINGS
from crossloom.rtl.compiler.memory_files import SHIFT_BITS
from crossloom.rtl.compiler.words import Kind
from crossloom.sim.ops import Edge, Threshold
from crossloom.sim.types import QType


class Parameters:
    """The quantizer's memories as a model: bias, shift and thresholds, rewritten as the banks' port does."""

    def __init__(self, compiled):
        self.program, self.bits = compiled, compiled.sizes.acc_bits
        lanes = compiled.folding.lanes
        self.params = [
            [(int(s) % (1 << SHIFT_BITS), int(b) % (1 << self.bits)) for s, b in zip(*row, strict=True)]
            for row in zip(compiled.shift, compiled.bias, strict=True)
        ]
        self.neurons = compiled.neurons.copy()
        self.left = {}  # of each cell, for its next step
        self.tables = [[int(v) for v in compiled.tables[:, lane]] for lane in range(lanes)]

    def bias(self, at):
        return [bias - (bias >> self.bits - 1 << self.bits) for _, bias in self.params[at]]

    def shift(self, at):
        return [shift - (shift >> SHIFT_BITS - 1 << SHIFT_BITS) for shift, _ in self.params[at]]

    def table(self, drain, branch, chunk):
        """The first word of a chunk's table."""
        return drain.tables + (chunk << drain.steps) + (self.program.banks[branch].tables if drain.banked else 0)

    def thresholds(self, drain, at, lane):
        return self.tables[lane][at : at + (1 << drain.steps) - 1]

    def param_writes(self):
        """Writes (memory, address, part, data) of some parts of a word, and what they leave in it."""
        at, sizes, wide = random.randrange(len(self.params)), self.program.sizes, self.bits + SHIFT_BITS
        low, high = signed_range(self.bits)
        new = [
            (
                random.randint(sizes.shift_min, sizes.shift_max) % (1 << SHIFT_BITS),
                random.choice((low, high, 0, random.randint(low, high))) % (1 << self.bits),
            )
            for _ in self.params[at]
        ]
        old, value = (packed([s << self.bits | b for s, b in lanes], wide) for lanes in (self.params[at], new))
        parts = list(range(-(-len(new) * wide // PART_BITS)))
        random.shuffle(parts)
        writes = []
        while parts:
            part = parts.pop()
            chosen = (1 << PART_BITS) - 1 << PART_BITS * part
            old = old & ~chosen | value & chosen
            writes.append((1, at, part, value >> PART_BITS * part & (1 << PART_BITS) - 1))
            fields = [old >> wide * lane & (1 << wide) - 1 for lane in range(len(new))]
            self.params[at] = [(field >> self.bits, field & (1 << self.bits) - 1) for field in fields]
            # The lanes are built for some shifts alone: a word may stay half written if those are such.
            if all(sizes.shift_min <= s <= sizes.shift_max for s in self.shift(at)) and random.random() < 0.3:
                break
        return writes

    def table_writes(self):
        """Two writes of a threshold that lies between its neighbours."""
        drain = random.choice([d for d in self.program.drains if d.kind == Kind.THRESHOLD])
        at = self.table(drain, random.randrange(len(self.program.banks)), random.randrange(drain.chunks + 1))
        lane, i = random.randrange(len(self.tables)), random.randrange((1 << drain.steps) - 1)
        low, never = signed_range(self.bits + 1)
        row = [low, *self.thresholds(drain, at, lane), never]
        value = random.choice((row[i], row[i + 2], random.randint(row[i], row[i + 2])))
        self.tables[lane][at + i] = value
        bits = value % (1 << self.bits + 1)
        return [(2, at + i, 2 * lane, bits % (1 << PART_BITS)), (2, at + i, 2 * lane + 1, bits >> PART_BITS)]

    def sums(self, drain, branch, chunk, total):
        """Sums, a lane each, whose values are corners, of any size, or where codes change."""
        sizes, most = self.program.sizes, 1 << self.bits
        at = self.word_of(drain, branch, chunk)
        low, high = signed_range(self.bits)
        found = []
        for lane, (bias, shift) in enumerate(zip(self.bias(at), self.shift(at), strict=True)):
            size = random.randrange(1, self.bits)
            values = [low, high, random.randint(-1, 0), random.randint(-(1 << size), 1 << size)]
            if drain.kind == Kind.THRESHOLD:
                border = random.choice(self.thresholds(drain, self.table(drain, branch, chunk), lane))
                values += [border - random.randrange(2)] * 4
            elif drain.kind == Kind.REQUANT:
                border = 2 * random.randint(drain.lo - 1, drain.lo + drain.span + 1) + random.randint(0, 1)
                border = border << shift - 1 if shift > 0 else border >> 1 - shift
                values += [border, border + random.randint(-1, 1)] * 2
            raw = min(max(random.choice(values), low), high)
            found.append((raw - bias + (total << sizes.w_bits - 1)) % most)
        return found

    def word_of(self, drain, branch, chunk):
        """The word of a chunk's parameters; for maxima one that nothing reads."""
        if drain.kind == Kind.POOL:
            return 0
        return drain.params + chunk + (self.program.banks[branch].params if drain.banked else 0)

    def membranes(self, drain, branch, chunk, acc, time, pixel):
        """Membranes and spikes of a cell's next step, and how many of them saturate."""
        at = drain.neurons + chunk + (self.program.banks[branch].neurons if drain.banked else 0)
        theta, leak = self.neurons[at, :, 0], self.neurons[at, :, 1]
        left = self.left.get((pixel, chunk), FRESH) if time else FRESH
        acc = np.array(acc)
        v, spikes, self.left[pixel, chunk] = neuron_step(drain, theta, leak, left, acc)
        limit, free = 1 << drain.limit - 1, left[0] + (acc << drain.guard)
        clipped = ~np.asarray(left[1]) & ((free < -limit) | (free >= limit))
        return v.tolist(), spikes, int(clipped.sum())

    def result(self, drain, branch, chunk, sums, time=0, pixel=0):
        """What the simulator makes of sums: accumulators, what of them or of membranes is read, codes, and clips.

        These are codes or membranes that a range replaced.
        """
        at = self.word_of(drain, branch, chunk)
        raw = [(s + b) % (1 << self.bits) for s, b in zip(sums, self.bias(at), strict=True)]
        raw = acc = [value - (value >> self.bits - 1 << self.bits) for value in raw]
        saturated = 0
        if drain.lif:
            raw, spikes, saturated = self.membranes(drain, branch, chunk, raw, time, pixel)
            if drain.kind == Kind.SPIKES:
                return acc, raw, (spikes * drain.scale).tolist(), saturated
        if drain.kind == Kind.LOGITS:
            return acc, raw, None, saturated
        read = np.array([raw])
        if drain.kind == Kind.THRESHOLD:
            place = self.table(drain, branch, chunk)
            rows = np.array([self.thresholds(drain, place, lane) for lane in range(len(raw))])
            low, high = signed_range(self.bits)
            op = Threshold(np.clip(rows, low, high + 1), 0, drain.scale, 0)
            source = Edge((len(raw),), QType(low, high), True, -low)
            codes = op.kernel([source], op.infer("bench", [source], False))(read)
            return acc, raw, codes.astype(int)[0].tolist(), saturated
        rounding, shift, high = ROUNDINGS[drain.rounding], self.shift(at), drain.lo + drain.span
        codes = requantize(read, shift, rounding, drain.lo, high)[0]
        free = requantize(read, shift, rounding, *signed_range(32))[0]
        return acc, raw, (codes - drain.lo).tolist(), saturated + int(((free < drain.lo) | (free > high)).sum())
