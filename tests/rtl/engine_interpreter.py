"""Runs a program's program as the engine does, word for word and address for address, in numpy."""

from __future__ import annotations

import numpy as np
from neuron_model import FRESH, neuron_step

from crossloom.rtl.compiler.ops import LOWERED
from crossloom.rtl.compiler.words import Kind
from crossloom.sim import QType, Requant, Rounding, run
from crossloom.sim.ops import Edge

ROUNDINGS = list(Rounding)


def _signed(values, bits):
    return ((values + (1 << (bits - 1))) & ((1 << bits) - 1)) - (1 << (bits - 1))


class Interpreter:
    """N images at once; `edges` (N, *shape) and `scores` (N, coarse and fine) as the program makes them."""

    def __init__(self, program, codes, seed=0):
        self.program, self.count = program, len(codes)
        sizes, folding = program.sizes, program.folding
        rng = np.random.default_rng(seed)
        shape = (self.count, folding.ways, sizes.features, folding.rows)
        self.memory = rng.integers(0, 1 << sizes.x_bits, shape)  # what nobody wrote means nothing
        self.results = np.zeros((self.count, sizes.results, folding.lanes), np.int64)
        self.edges = {n: np.zeros((self.count, *e.image_shape), np.int64) for n, e in program.network.edges.items()}
        self.cycles = []  # of the array, a sweep
        self._load(codes)

    def _load(self, codes):
        config, rows, lanes = self.program.config, self.program.folding.rows, self.program.folding.lanes
        # Steps lie one below the other.
        image = codes.reshape(self.count, config.height + 1, config.width + 1, -1).astype(np.int64) - config.lo
        for y in range(config.height + 1):
            for x in range(config.width + 1):
                for chunk in range(config.chunks + 1):
                    part = image[:, y, x, chunk * lanes : (chunk + 1) * lanes]
                    word = config.base2 + y * config.row + x // self.program.folding.ways
                    self._write(word + chunk * lanes // rows * config.plane, x, chunk * lanes % rows, part)

    def _write(self, word, x, lane, part):
        self.memory[:, x % self.program.folding.ways, word, lane : lane + part.shape[1]] = part

    def run(self, branch=0):
        """Run the program with one branch for all images."""
        for index in range(len(self.program.sweeps)):
            self._sweep(index, branch)

    def run_routed(self):
        """The coarse scores' best branch, (N,): the program must run again with it."""
        lanes = self.program.folding.lanes
        coarse = self.results.reshape(self.count, -1)[:, : self.program.config.coarse]
        assert self.program.config.fine * lanes >= coarse.shape[1]
        return coarse.argmax(1)

    @property
    def scores(self):
        fine = self.program.config.fine * self.program.folding.lanes
        return self.results.reshape(self.count, -1)[:, fine : fine + self.program.config.scores]

    def _sweep(self, index, branch):
        program, sweep, drain = self.program, self.program.sweeps[index], self.program.drains[index]
        bank = program.banks[branch]
        self.cycles.append(0)
        weight_base = sweep.weights + (bank.weights if sweep.banked else 0)
        pix = 2 if sweep.paired else 1
        for oy in range(sweep.out_h + 1):
            for ox in range(0, sweep.out_w + 1, pix):
                time, begins, membranes = 0, True, {}
                for segment in program.segments[sweep.first_segment : sweep.last_segment + 1]:
                    if begins:
                        acc = np.zeros((pix, self.count, program.folding.cols), np.int64)
                        total = np.zeros((pix, self.count, 1), np.int64)
                        best = np.zeros((pix, self.count, program.folding.rows), np.int64)
                        at = 0
                    begins = bool(segment.stop)
                    for dy in range(sweep.kernel_h + 1):
                        for dx in range(sweep.kernel_w + 1):
                            at = 0 if sweep.hold else at
                            for block in range(segment.blocks + 1):
                                self.cycles[-1] += 1
                                if segment.shift:
                                    acc, total = acc << 1, total << 1
                                    continue
                                u = program.weights[(weight_base + at) % len(program.weights)]
                                at += 1
                                y = oy * sweep.step_y + sweep.y0 + dy
                                seen = []
                                for p in range(pix):
                                    x = (ox + p) * sweep.step_x + sweep.x0 + dx
                                    v, place = self._read(sweep, segment, y, x, block)
                                    seen.append(place)
                                    if sweep.unrolled:
                                        v = self._unrolled(sweep, segment, y, x, v)
                                    acc[p] += v @ u.T
                                    total[p] += v.sum(1, keepdims=True)
                                    best[p] = np.maximum(best[p], v)
                                assert len(seen) < 2 or None in seen or seen[0] != seen[1], "two pixels in a bank"
                    if not begins:
                        continue
                    acc -= total << (program.sizes.w_bits - 1)
                    for now in range(time, time + (drain.times + 1 if drain.hold else 1)):
                        for p in range(pix):
                            if ox + p <= sweep.out_w:
                                self._drain(index, drain, bank, (now, oy, ox + p), acc[p], best[p], membranes)
                    time += 1
                assert begins and time == (1 if drain.hold else drain.times + 1)

    def _read(self, sweep, segment, y, x, block):
        if not (0 <= y < sweep.height and 0 <= x < sweep.width):
            return np.full((self.count, self.program.folding.rows), sweep.pad), None
        base = segment.base + (self.program.config.base2 if segment.image else 0)
        banks = self.program.folding.ways
        return self.memory[:, x % banks, base + y * sweep.row + block * sweep.plane + x // banks], x % banks

    def _unrolled(self, sweep, segment, y, x, v):
        """Rows j * unroll ... are the first codes of pixel x + j; what follows means nothing."""
        unroll, v = self.program.sizes.unroll, v.copy()
        for j in range(min(self.program.folding.rows // unroll, self.program.folding.ways - 1)):
            v[:, j * unroll : (j + 1) * unroll] = self._read(sweep, segment, y, x + j, 0)[0][:, :unroll]
        return v

    def _drain(self, index, drain, bank, place, acc, best, membranes):
        program, lanes, sizes = self.program, self.program.folding.lanes, self.program.sizes
        entry, first, row = program.passes[index], program.channels[index], program.rows[index]
        time, oy, ox = place
        row += oy * entry.stack
        word, chunk = drain.base + time * drain.image + oy * drain.row + ox // program.folding.ways, drain.chunk
        for k in range(drain.chunks + 1):
            part = acc[:, k * lanes : (k + 1) * lanes]
            if drain.kind == Kind.POOL:
                y = best[:, k * lanes : (k + 1) * lanes]
            else:
                at = drain.params + k + (bank.params if drain.banked else 0)
                raw = _signed(part + program.bias[at], sizes.acc_bits)
                self._keep(entry, entry.raw, time, row, ox, first + k * lanes, raw)
                if drain.lif:
                    raw, spikes = self._neurons(
                        drain, k + drain.neurons + drain.banked * bank.neurons, raw, membranes, (ox, k)
                    )
                    self._keep(entry, entry.neurons.edge, time, row, ox, first + k * lanes, raw)
                if drain.kind == Kind.LOGITS:
                    self.results[:, drain.base + k] = raw
                    continue
                if drain.kind == Kind.REQUANT:
                    y = self._requant(drain, raw, program.shift[at])
                elif drain.kind == Kind.SPIKES:
                    y = spikes * drain.scale
                else:
                    table = drain.tables + (k << drain.steps) + (bank.tables if drain.banked else 0)
                    assert table % (1 << drain.steps) == 0, "the search ORs its place into the table's"
                    rows = program.tables[table : table + (1 << drain.steps) - 1]
                    y = (rows[None] <= raw[:, None]).sum(1) * drain.scale
            assert y.min() >= 0 and y.max() < 1 << sizes.x_bits
            self._write(word, ox, chunk * lanes, y)
            self._keep(entry, entry.codes, time, row, ox, first + k * lanes, y + entry.lo)
            chunk += 1
            if chunk * lanes == program.folding.rows:
                chunk, word = 0, word + drain.plane

    def _requant(self, drain, raw, shift):
        edge = Edge(raw.shape[1:], QType(-(1 << 47), (1 << 47) - 1), True, 1 << 47)
        op = Requant(shift, ROUNDINGS[drain.rounding], QType(drain.lo, drain.lo + drain.span))
        return op.kernel([edge], Edge(raw.shape[1:], op.out))(raw.astype(np.float64)).astype(np.int64) - drain.lo

    def _neurons(self, drain, word, acc, membranes, cell):
        """Membranes and spikes of a step; `membranes` keeps what is left for the next one."""
        theta, leak = self.program.neurons[word, :, 0], self.program.neurons[word, :, 1]
        v, spikes, membranes[cell] = neuron_step(drain, theta, leak, membranes.get(cell, FRESH), acc)
        return v, spikes

    def _keep(self, entry, name, time, oy, ox, channel, values):
        if name is None:
            return
        height, width, channels = entry.sums.shape
        steps = self.program.network.edges[name].steps
        here = self.edges[name].reshape(self.count, steps, height, width, channels)[:, min(time, steps - 1)]
        part = values[:, : max(0, channels - channel)]
        here[:, oy, ox, channel : channel + part.shape[1]] = part


def differing(compiled, codes):
    """Codes, accumulators and scores that the program gets wrong."""
    network = compiled.network
    expected = run(network, codes=codes, edges=list(network.edges))
    nodes = [n for _, nodes, _ in network.sections() for n in nodes]
    never = {n.name for n in nodes if LOWERED[n.op.kind].moves or LOWERED[n.op.kind].before}
    never |= {n.name for n in nodes if n.op.kind == "last" and network.edges[n.name].accumulator}
    wrong = 0
    for branch in range(len(compiled.banks)):
        rows = np.flatnonzero(expected.branch == branch) if network.route else np.arange(len(codes))
        if not len(rows):
            continue
        found = Interpreter(compiled, codes[rows])
        found.run(branch)
        if network.route:
            wrong += int((found.run_routed() != branch).sum())
        for name in network.edges.keys() - never - {"input"}:
            wrong += int((found.edges[name] != expected.edges[name][rows]).sum())
        wrong += int((found.scores != (expected.fine if network.route else expected.logits)[rows]).sum())
    return wrong
