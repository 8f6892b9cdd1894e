"""Array cycles whose codes are all 0, counted from a network's edges, are those that the program reads as 0."""

import numpy as np
import pytest
from engine_interpreter import Interpreter

from crossloom.host import find_design
from crossloom.rtl.compiler.program import Folding, compile_network
from crossloom.rtl.estimate.cycles import outputs_of_row, times_of
from crossloom.rtl.estimate.zeros import live_taps
from crossloom.sim import input_codes, load, random_codes, random_network, run


class Reader(Interpreter):
    """Keeps whether each read gives 0 alone; lanes without a channel write 0."""

    lanes = None  # that have a channel, of what a drain has still to write

    def __init__(self, program, codes):
        super().__init__(program, codes)
        self.memory[:] = 0
        self._load(codes)
        self.reads = []

    def _drain(self, index, drain, bank, place, acc, best, membranes):
        self.lanes = self.program.passes[index].sums.shape[2] - self.program.channels[index]
        super()._drain(index, drain, bank, place, acc, best, membranes)
        self.lanes = None

    def _write(self, word, x, lane, part):
        if self.lanes is not None:
            part = np.where(np.arange(part.shape[1]) < self.lanes, part, 0)
            self.lanes -= part.shape[1]
        if lane == 0:  # what another edge left in the word is none of this one's channels
            self.memory[:, x % self.program.folding.ways, word] = 0
        super()._write(word, x, lane, part)

    def _sweep(self, index, branch):
        self.reads.append([])
        super()._sweep(index, branch)

    def _read(self, sweep, segment, y, x, block):
        v, place = super()._read(sweep, segment, y, x, block)
        self.reads[-1].append((v == 0).all(1))
        return v, place

    def live(self, index):
        """Cycles of a sweep in which something is read that is not 0, (N, steps x outputs)."""
        program, sweep = self.program, self.program.sweeps[index]
        pixels, steps = 1 + sweep.paired, times_of(program, sweep)
        shape = self.count, sweep.out_h + 1, outputs_of_row(sweep), steps, -1, pixels
        zero = np.array(self.reads[index]).T.reshape(*shape, self._columns(sweep)).all(-1)
        if sweep.paired and sweep.out_w % 2 == 0:
            zero[:, :, -1, ..., 1] = True
        return (~zero.all(-1)).sum(-1).reshape(self.count, -1, steps).transpose(0, 2, 1).reshape(self.count, -1)

    def _columns(self, sweep):
        rows, ways, unroll = self.program.folding.rows, self.program.folding.ways, self.program.sizes.unroll
        return 1 + min(rows // unroll, ways - 1) if sweep.unrolled else 1


def check(network, codes, folding):
    """Compare every sweep of images that take the first branch, and give the share of what is skipped."""
    expected = run(network, codes=codes, edges=list(network.edges))
    rows = np.flatnonzero(expected.branch == 0) if network.route else np.arange(len(codes))
    program = compile_network(network, folding)
    reader = Reader(program, codes[rows])
    reader.run()
    skipped = cycles = 0
    found = list(live_taps(program, {name: edge[rows] for name, edge in expected.edges.items()}))
    assert len(found) == len(program.sweeps)
    for index, live in enumerate(found):
        read = reader.live(index)
        segments = program.segments[program.sweeps[index].first_segment : program.sweeps[index].last_segment + 1]
        if not any(segment.shift for segment in segments):
            np.testing.assert_array_equal(live.taps, read)
        assert live.taps.size * live.most == reader.cycles[index] * len(rows)
        assert (live.taps <= live.grouped).all() and (live.grouped <= live.most).all()
        assert live.scanned <= live.now and live.by_group <= live.now
        skipped, cycles = skipped + int((live.most - live.taps).sum()), cycles + live.taps.size * live.most
    return skipped / cycles


@pytest.mark.parametrize("folding", [Folding(8, 4, 2, 2), Folding(6, 3, 1, 3)])
@pytest.mark.parametrize("seed", [5, 9, 13, 331, 1004, 2001, 2006, 2014, 2029])
def test_cycles_that_read_nothing_but_0_are_counted_from_the_edges(seed, folding):
    network = random_network(seed)
    check(network, random_codes(network, seed, 6), folding)


def test_spikes_leave_much_to_skip():
    artifact = load(find_design("digits-snn"))
    codes = input_codes(artifact.network.input, artifact.golden.inputs[:4])
    assert check(artifact.network, codes, Folding(8, 8, 1, 4)) > 0.4
