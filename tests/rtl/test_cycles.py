"""The interval counts the cycles in which an image cannot be loaded, as the one before writes its codes."""

import numpy as np
from engine_model import EngineModel

from crossloom.rtl.compiler.program import Folding, compile_network
from crossloom.rtl.estimate import cycles
from crossloom.sim import random_codes, random_network


def test_chunks_that_wait_for_the_drain_count(monkeypatch):
    network = random_network(105, 3)
    compiled = compile_network(network, Folding(12, 6, 2, 3))
    codes = random_codes(network, 1, 1)
    model = EngineModel(compiled, optimize=0)
    found = model.run(np.repeat(codes, cycles.IMAGES, axis=0))
    model.close()
    expected = cycles.image_cycles(compiled, 0 if (branch := found.answers.branch) is None else int(branch[0]))
    assert found.last[0] - found.first[0] == expected.latency
    assert found.last[-1] - found.last[-2] == expected.interval
    monkeypatch.setattr(cycles, "_loaded", lambda begin, chunks, writes: begin + chunks)
    assert cycles.image_cycles(compiled).interval < expected.interval, "an image that never waits shows nothing"
