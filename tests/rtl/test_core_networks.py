"""Cores as they are generated, at a network's own widths: every edge and answer is the simulator's."""

import contextlib
from pathlib import Path

import numpy as np
import pytest
from other_banks import other_banks
from whole_networks import perceptron

from crossloom.host import find_design
from crossloom.rtl import build_model
from crossloom.rtl.compiler.program import Folding, compile_network
from crossloom.rtl.core.generate import generate, listed_sources
from crossloom.rtl.core.simulation import CoreModel
from crossloom.rtl.core.tops import WRAPPER
from crossloom.sim import compare, differing, input_codes, load, random_codes, random_network, run
from crossloom.sim.frames import frame_beats, frame_layout, read_results

FOLDINGS = [Folding(8, 4, 2, 2), Folding(6, 3, 1, 3), Folding(4, 8, 2, 4), Folding(4, 8, 2, 2, 9)]
# Thresholds, sums that double, one pixel, many branches, neurons in these; the rest takes long.
QUICK = [1, 8, 17, 2002]
SEEDS = [
    pytest.param(seed, marks=[] if seed in QUICK else pytest.mark.long)
    for seed in [*range(24), 331, *range(1000, 1012), *range(2000, 2012)]
]


def right(answers, expected):
    """Whether answers are the simulator's."""
    assert not differing(expected, answers).any()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_network_in_its_own_core_is_exact_on_every_edge(seed):
    network = random_network(seed)
    codes = random_codes(network, seed, 6)
    expected = run(network, codes=codes, edges=list(network.edges))
    compiled = compile_network(network, FOLDINGS[seed % len(FOLDINGS)])
    frames, rng = frame_beats(network, codes), np.random.default_rng(seed)
    with contextlib.closing(CoreModel(compiled, seed=seed + 1, optimize=0, trace=True)) as model:
        for idle, stall in [(None, None), *(rng.random((2, 2, 997)) < [[[0.3], [0.6]], [[0.8], [0.1]]])]:
            found = model.run_beats(frames, idle=idle, stall=stall)
            right(read_results(network, found.beats), expected)
            edges = model.edges()
            assert set(edges) == set(network.edges) - {"input"}
            compared = compare(network, expected.edges, edges)
            assert (compared.total, compared.first) == (0, None)
            assert compared.codes == sum(len(codes) * network.edges[name].image_size for name in edges)
        if network.route:  # weights, parameters, thresholds and rows of every bank, written by the driver
            other = other_banks(network, seed, 0)
            model.load(other)
            right(model.run(codes)[0], run(other, codes=codes))


def test_frames_of_an_image_that_is_read_whole_are_what_they_were():
    network = perceptron((5, 7, 3), (6, 3))
    codes = random_codes(network, 1, 6)
    assert frame_layout(network).frame_beats == 14  # 105 codes of 5 bits, in fields of 8
    expected = run(network, codes=codes, edges=list(network.edges))
    with contextlib.closing(CoreModel(compile_network(network, FOLDINGS[2]), optimize=0, trace=True)) as model:
        right(read_results(network, model.run_beats(frame_beats(network, codes)).beats), expected)
        assert compare(network, expected.edges, model.edges()).total == 0


@pytest.mark.parametrize(
    "name", ["digits-cnn", 9, *(pytest.param(name, marks=pytest.mark.long) for name in ("digits-sha", 3, 12, 14))]
)
def test_a_generated_top_answers_as_the_simulator_does(name, tmp_path, monkeypatch):
    if isinstance(name, int):
        network = random_network(name)
        codes = random_codes(network, name, 20)
    else:
        artifact = load(find_design(name))
        network = artifact.network
        codes = input_codes(network.input, artifact.golden.inputs[:24])  # more of them: test_engine_networks.py
        ends = network.input.type.lo, network.input.type.hi
        codes = np.concatenate([*(np.full_like(codes[:1], end) for end in ends), codes])
    generate(compile_network(network, FOLDINGS[0]), tmp_path)
    monkeypatch.chdir(tmp_path)
    frames, layout = frame_beats(network, codes), frame_layout(network)
    lasts = np.tile(np.arange(frames.shape[1]) == frames.shape[1] - 1, len(frames))
    with build_model(WRAPPER, sources=listed_sources(Path()), optimize=0) as model:
        got = model.stream(
            frames.reshape(-1, 1).view(np.uint32), lasts, len(codes) * layout.result_beats, limit=100_000_000
        )
    beats = np.ascontiguousarray(got.beats).view(np.uint64).reshape(len(codes), layout.result_beats)
    right(read_results(network, beats), run(network, codes=codes))
