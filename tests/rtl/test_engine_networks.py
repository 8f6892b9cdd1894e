"""The engine in Verilator gives every edge, score and answer that the simulator gives, at any folding, when stalled."""

from dataclasses import asdict
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from engine_model import EngineModel
from whole_networks import made_whole, read_both_ways

from crossloom.rtl import RtlError
from crossloom.rtl.compiler.program import Folding, Sizes, compile_network
from crossloom.rtl.compiler.words import Kind, Reset
from crossloom.rtl.estimate.cycles import image_cycles
from crossloom.sim import compare, differing, input_codes, load, random_codes, random_network, run
from crossloom.sim.network import Input, Network, Node
from crossloom.sim.ops import Concat, Conv2d, Dense, Flatten, Requant, Threshold
from crossloom.sim.shapes import cifar_shape
from crossloom.sim.types import QType, Rounding

BITSTREAMS = Path(__file__).parents[2] / "bitstreams"
# One build of each runs every random network: the program is read at run time.
FOLDINGS = [Folding(8, 4, 2, 2), Folding(6, 3, 1, 3)]
SIZES = Sizes(
    x_bits=9,
    w_bits=16,
    acc_bits=33,
    code_bits=9,
    shift_min=-16,
    shift_max=47,
    features=1960,
    weights=1400,
    params=160,
    tables=4352,
    steps=9,
    scale_bits=2,
    results=6,
    sweeps=64,
    segments=170,
    branches=4,
    doubling=1,
    unroll=4,
    timed=1,
    neurons=40,
    mem_bits=41,
    mem_min=2,
    guard_min=0,
    guard_max=8,
    leak_min=0,
    leak_max=15,
    most=5,
    later=1,
)


def differences(model, codes, found, network, expected):
    """Codes, accumulators, scores and answers that are wrong."""
    wrong = 0
    for name, values in found.edges.items():
        branch = network.route and name in network.branch_edges[0]
        assert not branch or len(values) == len(codes)
        wrong += compare(network, expected.edges, {name: values}).total
    assert set(found.edges) == set(network.edges) - {"input"}
    return wrong + int(differing(expected, found.answers).sum())


def check(network, folding, codes, sizes=None, seed=0, stalled=True, optimize=1):
    """Run codes without pauses, with short ones, with long ones on both sides: all as in the simulator each time."""
    compiled = compile_network(network, folding, sizes)
    expected = run(network, codes=codes, edges=list(network.edges))
    model = EngineModel(compiled, seed=seed + 1, optimize=optimize)
    found = model.run(codes, limit=10_000_000)
    assert differences(model, codes, found, network, expected) == 0
    if stalled:
        rng = np.random.default_rng(seed)
        short = rng.random((2, 997)) < rng.choice([0.2, 0.5, 0.9], (2, 1))
        # Long ones, in which the next images finish while a result waits.
        long = np.repeat(rng.permuted(np.arange(18).reshape(2, 9) % 2 == 0, axis=1), 500, axis=1)
        for idle, stall in (short, long):
            again = model.run(codes, idle=idle, stall=stall, limit=4_000_000)
            assert differences(model, codes, again, network, expected) == 0
    model.close()
    return compiled, found


# 331 adds operands so far apart that the sums double; from 1000 on there is LeakyReLU, here where it fits SIZES; from
# 2000 on there are neurons and time steps.
SPIKING = [2001, 2002, 2006, 2007, 2010, 2014, 2016, 2021, 2023, 2024, 2029, 2041, 2049, 2053, 2059]
SEEDS = [*range(30), 331, 1001, 1002, 1004, 1009, 1011, 1015, *SPIKING]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_network_runs_exactly(seed):
    network = random_network(seed)
    check(network, FOLDINGS[seed % 3 == 0], random_codes(network, seed, 6), SIZES, seed)


# 5 and 13 have rows of an image side by side.
@pytest.mark.parametrize("seed", [*range(0, 30, 3), 5, 13, 1015, *SPIKING[::2]])
def test_the_cycles_are_those_of_the_model(seed):
    network = random_network(seed)
    compiled = compile_network(network, FOLDINGS[seed % 3 == 0], SIZES)
    model = EngineModel(compiled, seed=seed + 1)
    codes = random_codes(network, seed, 1)
    found = model.run(codes)
    branch = found.answers.branch
    cycles = image_cycles(compiled, 0 if branch is None else int(branch[0]))
    expected = np.array([(sweep.taps, sweep.first, sweep.last) for sweep in cycles.sweeps])
    assert (found.taps - [0, found.first[0], found.first[0]] == expected).all()
    assert found.last[0] - found.first[0] == cycles.latency
    again = model.run(np.repeat(codes, 4, axis=0))
    assert set(np.diff(again.last)) == {cycles.interval}
    model.close()


def one_sweep(seed=0):
    """A flattened image and one dense layer, all of whose rows are columns of the array."""
    rng = np.random.default_rng(seed)
    table = rng.integers(-8, 8, (16, 3))
    dense = Dense(rng.integers(-7, 8, (4, 18)), rng.integers(-50, 50, 4), QType(-7, 7), 12)
    nodes = Node("flat", Flatten(), ("input",)), Node("scores", dense, ("flat",))
    return Network("one-sweep", Input((2, 3, 3), QType(-8, 7), table), nodes, "scores", tuple("abcd"))


def test_a_flattened_input_is_an_edge():
    network = one_sweep()
    compiled, found = check(network, FOLDINGS[0], random_codes(network, 1, 5), SIZES)
    assert len(compiled.sweeps) == 1 and found.edges["flat"].shape == (5, 18)


def flattened_first(seed=0):
    """Codes and sums of images that are flattened before they are quantized."""
    rng = np.random.default_rng(seed)

    def linear(name, source, *shape):
        weight, bias = rng.integers(-7, 8, shape), rng.integers(-50, 50, shape[0])
        return Node(name, (Dense if len(shape) == 2 else Conv2d)(weight, bias, QType(-7, 7), 12), (source,))

    def quantize(name, source, shift, frac):
        return Node(name, Requant([shift], Rounding.HALF_EVEN, QType(-8, 7, frac)), (source,))

    levels = np.sort(rng.integers(-100, 100, (1, 5)), axis=1)
    nodes = (
        Node("image", Flatten(), ("input",)),
        quantize("codes", "image", 1, -1),
        linear("first", "codes", 4, 30),
        quantize("few", "first", 4, -5),
        linear("sums", "input", 3, 1, 1, 5),
        Node("flat_sums", Flatten(), ("sums",)),
        quantize("quantized", "flat_sums", 3, -3),
        linear("second", "quantized", 4, 18),
        quantize("some", "second", 2, -5),
        linear("others", "input", 3, 1, 1, 5),
        Node("flat_others", Flatten(), ("others",)),
        Node("levels", Threshold(levels, -2, 1, 0), ("flat_others",)),
        linear("third", "levels", 4, 18),
        quantize("more", "third", 5, -5),
        Node("all", Concat(), ("few", "some", "more")),
        linear("scores", "all", 3, 12),
    )
    table = rng.integers(-8, 8, (16, 5))
    return Network("flattened-first", Input((2, 3, 5), QType(-8, 7), table), nodes, "scores", tuple("abc"))


def test_edges_that_are_quantized_when_flattened_are_shown_as_they_are():
    network = flattened_first()
    _, found = check(network, FOLDINGS[0], random_codes(network, 1, 5), SIZES)
    assert found.edges["codes"].shape == (5, 30) and found.edges["quantized"].shape == (5, 18)


def test_edges_that_are_read_as_a_whole_run_exactly():
    image = one_sweep()
    compiled, _ = check(image, FOLDINGS[0], random_codes(image, 1, 5), SIZES)
    assert compiled.regions["input"].shape == (1, 1, 18)
    for folding, how in zip(FOLDINGS, ("maxpool", "threshold"), strict=True):
        rows = made_whole((12, 7, 1), 2, 6, how)
        compiled, found = check(rows, folding, random_codes(rows, 1, 4), SIZES)
        assert max(entry.stack for entry in compiled.passes) > 1
        cycles = image_cycles(compiled)
        assert found.last[0] - found.first[0] == cycles.latency
        assert {cycles.interval} == set(np.diff(found.last[2:]))
    both = read_both_ways()
    compiled, _ = check(both, FOLDINGS[0], random_codes(both, 1, 5), SIZES)
    assert compiled.regions["input"].shape == (7, 5, 1)


@pytest.mark.parametrize("network", [one_sweep(), random_network(1)], ids=lambda network: network.name)
def test_taps_are_those_of_the_last_image(network):
    model = EngineModel(compile_network(network, FOLDINGS[0], SIZES))
    codes = random_codes(network, 1, 4)
    one, many = model.run(codes[-1:]), model.run(codes)
    # Sweeps of an image wait for the one before; the last sweep and the result follow each other as ever.
    assert (many.taps[:, 0] == one.taps[:, 0]).all() and (many.taps[:, 1] > many.first[-1]).all()
    np.testing.assert_array_equal(many.taps[-1, 1:] - many.last[-1], one.taps[-1, 1:] - one.last[-1])
    model.close()


def test_no_images_give_empty_answers():
    network = random_network(1)
    model = EngineModel(compile_network(network, FOLDINGS[0], SIZES))
    codes = random_codes(network, 1, 2)
    some, none = model.run(codes), model.run(codes[:0])
    assert {name: edge.shape[1:] for name, edge in none.edges.items()} == {
        name: edge.shape[1:] for name, edge in some.edges.items()
    }
    assert {len(edge) for edge in (*none.edges.values(), none.beats, none.first, none.last)} == {0}
    assert none.answers.scores.shape == (0, *some.answers.scores.shape[1:])
    assert none.taps.shape == some.taps.shape and not none.taps.any()
    model.close()


@pytest.mark.parametrize("seed", [1, 2, 9])
def test_a_reset_in_the_middle_of_an_image_leaves_nothing_behind(seed):
    network = random_network(seed)
    codes = random_codes(network, seed, 3)
    expected = run(network, codes=codes, edges=list(network.edges))
    compiled = compile_network(network, FOLDINGS[seed % 3 == 0], SIZES)
    model = EngineModel(compiled, seed=seed)
    latency = image_cycles(compiled).latency
    for cycles in np.linspace(1, 2 * latency, 12).astype(int):
        with pytest.raises(RtlError, match="beats in"):
            model.run(codes, limit=int(cycles))
        model.model.reset(cycles=8)
        assert differences(model, codes, model.run(codes), network, expected) == 0
    model.close()


def test_the_shared_engines_meet_every_way_of_reading_and_writing():
    plans = [compile_network(random_network(seed), FOLDINGS[seed % 3 == 0], SIZES) for seed in SEEDS]
    sweeps = [sweep for compiled in plans for sweep in compiled.sweeps]
    for flag in ("sync", "result", "banked", "pool", "hold", "unrolled", "paired"):
        assert {bool(getattr(sweep, flag)) for sweep in sweeps} == {True, False}, flag
    assert {drain.kind for compiled in plans for drain in compiled.drains} == set(Kind)
    assert any(segment.shift for compiled in plans for segment in compiled.segments)
    assert any(entry.stack > 1 for compiled in plans for entry in compiled.passes)
    assert any(drain.scale > 1 for compiled in plans for drain in compiled.drains)
    drains = [drain for compiled in plans for drain in compiled.drains if drain.times and drain.lif]
    for flag in ("hold", "later", "strict", "paired", "banked"):
        assert {bool(getattr(drain, flag)) for drain in drains} == {True, False}, flag
    assert {drain.reset for drain in drains} == set(Reset)
    assert {drain.kind for drain in drains} == set(Kind) - {Kind.POOL}
    assert any(drain.most > 1 for drain in drains)


# One build for both designs.
DESIGNS = {"digits-cnn": Folding(8, 8, 2, 4), "digits-sha": Folding(8, 8, 2, 4)}


@cache
def design(name):
    artifact = load(BITSTREAMS / name / f"{name}.loom")
    return artifact.network, artifact.golden


def design_sizes():
    least = [asdict(compile_network(design(name)[0], folding).sizes) for name, folding in DESIGNS.items()]
    return Sizes(**{key: (min if key.endswith("_min") else max)(s[key] for s in least) for key in least[0]})


@pytest.mark.parametrize("name", DESIGNS)
@pytest.mark.parametrize(
    "images", [slice(90), pytest.param(slice(90, None), marks=pytest.mark.long)], ids=["90", "rest"]
)
def test_a_shipped_design_runs_exactly_on_its_test_images(name, images):
    network, golden = design(name)
    codes = input_codes(network.input, golden.inputs[images])
    assert len(golden.inputs) == 360
    compiled, found = check(network, DESIGNS[name], codes, design_sizes(), stalled=False, optimize=2)
    branches = np.zeros(len(codes), int) if found.answers.branch is None else found.answers.branch
    for branch in np.unique(branches):
        cycles = image_cycles(compiled, int(branch))
        same = np.flatnonzero((branches[1:] == branch) & (branches[:-1] == branch)) + 1
        assert set(np.diff(found.last)[same[same > 2] - 1]) <= {cycles.interval}


@pytest.mark.parametrize("folding", [Folding(16, 8, 2, 8), Folding(8, 16, 1, 2), Folding(1, 1, 2, 1)])
@pytest.mark.long
def test_a_design_runs_exactly_at_other_foldings(folding):
    network, golden = design("digits-sha")
    check(network, folding, input_codes(network.input, golden.inputs[:6]))


@pytest.mark.parametrize("seed", [*range(30, 230), *range(2000, 2050)])
@pytest.mark.long
def test_many_random_networks_run_exactly(seed):
    network = random_network(seed)
    check(network, FOLDINGS[seed % 3 == 0], random_codes(network, seed, 6), SIZES, seed)


@pytest.mark.long
def test_cifar_shape_runs_exactly_and_keeps_the_array_busy():
    network = cifar_shape()
    codes = np.random.default_rng(0).integers(0, 16, (2, 32, 32, 3)).astype(np.int32)
    compiled, found = check(network, Folding(32, 32, 2, 16, 220), codes, stalled=False, optimize=2)
    cycles = image_cycles(compiled)
    assert found.last[0] - found.first[0] == cycles.latency <= 28_000
    bottleneck = [i for i, entry in enumerate(compiled.passes) if entry.name == "conv0_2_q"]
    taps, first, last = found.taps[bottleneck[0]]
    assert taps >= 0.9 * (last - first + 1)
