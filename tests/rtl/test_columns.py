"""Columns of an image that lie side by side: the same answers from fewer cycles, and only where that is so."""

import numpy as np
import pytest
from engine_interpreter import differing
from spiking_networks import spiking_network
from test_engine_networks import FOLDINGS, SIZES, check

from crossloom.rtl.compiler import lowering
from crossloom.rtl.compiler.program import Folding, compile_network
from crossloom.rtl.estimate.cycles import image_cycles
from crossloom.sim import random_codes, random_network
from crossloom.sim.network import Input, Network, Node
from crossloom.sim.ops import Conv2d, Dense, Flatten, Requant
from crossloom.sim.types import QType, Rounding

WIDE = Folding(16, 8, 2, 4)


def two_convolutions(stride, pad, side=16, pad_code=1):
    """Convolutions of signed codes with any step and padding, and a dense layer."""
    rng = np.random.default_rng(side)
    table = rng.integers(-8, 8, (16, 2))
    nodes, source, channels, size = [], "input", 2, side
    for i in range(2):
        weight = rng.integers(-7, 8, (4, 3, 3, channels))
        conv = Conv2d(weight, rng.integers(-9, 9, 4), QType(-7, 7), 12, (stride, stride), (pad,) * 4, pad_code)
        nodes += [Node(f"sum{i}", conv, (source,))]
        nodes += [Node(f"codes{i}", Requant([5], Rounding.HALF_EVEN, QType(-8, 7, -5 * (i + 1))), (f"sum{i}",))]
        source, channels, size = f"codes{i}", 4, (size + 2 * pad - 3) // stride + 1
    nodes.append(Node("flat", Flatten(), (source,)))
    weight = rng.integers(-7, 8, (3, size * size * 4))
    nodes.append(Node("scores", Dense(weight, np.zeros(3, int), QType(-7, 7), 12), ("flat",)))
    return Network("columns", Input((side, side, 2), QType(-8, 7), table), tuple(nodes), "scores", tuple("abc"))


def columns_of(compiled):
    """Columns side by side of every edge that is an image still."""
    shapes = compiled.network.edges
    return {
        name: shapes[name].shape[1] // region.shape[1]
        for name, region in compiled.regions.items()
        if len(shapes[name].shape) == 3 and region.shape[0] == shapes[name].shape[0]
    }


def apart(network, folding, monkeypatch):
    """The same network without any columns side by side."""
    with monkeypatch.context() as patch:
        patch.setattr(lowering, "place_columns", lambda passes, shape, folding, steps: (shape, list(passes)))
        return compile_network(network, folding)


@pytest.mark.parametrize("folding", [WIDE, Folding(16, 16, 1, 4)])
@pytest.mark.parametrize(("stride", "pad"), [(1, 0), (1, 1), (2, 1), (2, 0), (4, 2)])
def test_any_step_and_padding_gives_the_same_codes(stride, pad, folding, monkeypatch):
    network = two_convolutions(stride, pad)
    compiled = compile_network(network, folding)
    assert differing(compiled, random_codes(network, 1, 3)) == 0
    without = apart(network, folding, monkeypatch)
    assert image_cycles(compiled).latency <= image_cycles(without).latency
    if stride < 4:
        assert max(columns_of(compiled).values()) > 1


def test_an_image_of_one_channel_is_loaded_several_columns_at_a_time(monkeypatch):
    network = spiking_network(28, [(8, 5, 2, 900, False), (16, 3, 2, 300, False)], steps=2, bits=2)
    compiled, without = (compile_network(network, WIDE), apart(network, WIDE, monkeypatch))
    assert columns_of(compiled)["input"] == 4 and columns_of(compiled)["spikes0"] == 2
    assert (compiled.config.height + 1) * (compiled.config.width + 1) * (compiled.config.chunks + 1) == 196
    assert 2 * image_cycles(compiled).interval < image_cycles(without).interval
    assert differing(compiled, random_codes(network, 1, 2)) == 0


@pytest.mark.parametrize(
    "network", [two_convolutions(2, 1), two_convolutions(2, 0), random_network(26)], ids=["pad", "none", "26"]
)
def test_an_engine_runs_them_in_the_modelled_cycles(network):
    codes = random_codes(network, 3, 3)
    compiled, found = check(network, FOLDINGS[0], codes, SIZES)
    assert max(columns_of(compiled).values()) > 1
    assert found.last[0] - found.first[0] == image_cycles(compiled).latency


def test_what_reads_pixels_one_by_one_keeps_its_columns_apart():
    network = spiking_network(16, [(4, 3, 1, 900, True), (4, 2, 1, 300, False)])
    columns = columns_of(compile_network(network, WIDE))
    assert columns["spikes0"] == columns["pool0"] == 1
