"""What the tests of a core share: frames sent, and results that must be the simulator's."""

import numpy as np

from crossloom.rtl.compiler.program import Folding
from crossloom.sim import run
from crossloom.sim.frames import Status, frame_layout, read_results

FOLDING = Folding(8, 8, 2, 4)
SHORT, LONG, BUSY, ADDRESS, VALUE, STALL = (1 << i for i in range(6))


def expected(network, codes):
    found = run(network, codes=codes, edges=list(network.edges))
    return found.logits, found.branch, found.fine


def is_exact(core, frames, codes, **how):
    """Results of whole frames are the simulator's."""
    answers = read_results(core.network, core.run_beats(frames, **how).beats)
    logits, branch, fine = expected(core.network, codes)
    np.testing.assert_array_equal(answers.logits, logits)
    np.testing.assert_array_equal(answers.branch, branch)
    np.testing.assert_array_equal(answers.fine, fine)


def send(core, beats, last, expect, **how):
    """Any beats with any TLAST; the results' statuses."""
    data = np.ascontiguousarray(beats.reshape(-1, 1)).view(np.uint32)
    size = frame_layout(core.network).result_beats
    got = core.model.stream(data, np.asarray(last), expect * size, limit=100_000, **how)
    results = np.ascontiguousarray(got.beats).view(np.uint64).reshape(-1, size)
    return [Status(int(header) >> 32) for header in results[:, 0]], results


def lasts(frames):
    return np.arange(frames.size) % frames.shape[1] == frames.shape[1] - 1
