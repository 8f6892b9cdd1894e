"""The solver finds the best array within a budget, the same anywhere, and says what does not fit."""

from pathlib import Path

import numpy as np
import pytest
from whole_networks import perceptron

from crossloom.rtl import RtlError
from crossloom.rtl.compiler import memories
from crossloom.rtl.compiler.lowering import lower
from crossloom.rtl.compiler.program import compile_network
from crossloom.rtl.estimate import choice
from crossloom.rtl.estimate.choice import choose_folding, estimate
from crossloom.rtl.estimate.cycles import image_cycles, least_cycles
from crossloom.rtl.estimate.resources import estimate_lut, least_weights
from crossloom.sim import Dense, Flatten, Input, InputError, Network, Node, QType, cost, load, random_network
from crossloom.sim.shapes import cifar_shape

BITSTREAMS = Path(__file__).parents[2] / "bitstreams"


@pytest.fixture
def small(monkeypatch):
    """A solver with few arrays to try: every one of them can be looked at."""
    monkeypatch.setattr(choice, "_SIDES", (4, 8, 16))
    monkeypatch.setattr(choice, "CANDIDATES", sum(1 for _ in choice._candidates(0)))


@pytest.mark.parametrize("target", ["latency", "throughput"])
@pytest.mark.parametrize("lut", [3_000, 6_000, 47_000])
def test_no_array_within_the_budget_is_faster(small, target, lut):
    network = load(BITSTREAMS / "digits-cnn" / "digits-cnn.loom").network
    found = choose_folding(network, target, lut=lut, dsp=40)
    every = [estimate(compile_network(network, f)) for f in choice._candidates(40)]
    inside = [e for e in every if e.lut <= lut and e.bram36 <= 140 and e.dsp <= 40]
    key = (lambda e: e.latency) if target == "latency" else (lambda e: e.interval)
    assert key(found) == min(map(key, inside))
    assert found.lut == min(e.lut for e in inside if key(e) == key(found))
    assert found in inside
    assert len(inside) < len(every) or lut == 47_000


def test_a_larger_budget_is_never_slower(small):
    network = random_network(2)
    cycles = [choose_folding(network, lut=lut).latency for lut in (10_000, 20_000, 47_000)]
    assert cycles == sorted(cycles, reverse=True)


def test_a_cifar_sized_network_fits_the_chip_within_28000_cycles():
    found = choose_folding(cifar_shape(), lut=27_000)
    assert found.latency <= 28_000 and found.lut <= 27_000 and found.bram36 <= 140 and found.dsp <= 220
    assert found == choose_folding(cifar_shape(), lut=27_000)


def test_no_budget_is_more_than_the_chip(small):
    network = load(BITSTREAMS / "digits-cnn" / "digits-cnn.loom").network
    found = choose_folding(network, lut=1_000_000, bram36=1_000, dsp=1_000)
    assert found == choose_folding(network, lut=53_200, bram36=140, dsp=220)


def test_what_fits_nowhere_is_refused_with_the_resource(small):
    network = random_network(2)
    message = r"smallest array takes about [\d,]+ LUT, .* BRAM36 .*layer '\w+': memory of \w+.*; the budget is 500 LUT"
    with pytest.raises(RtlError, match=message + r".*: give it more \(an xc7z020 has 53,200 LUT"):
        choose_folding(network, lut=500)
    with pytest.raises(InputError, match="needed one of latency, throughput"):
        choose_folding(network, "area")


def dense_network(classes):
    """256 codes of 4 bits to `classes` scores, weights of 8 bits."""
    weight = np.random.default_rng(0).integers(-127, 127, (classes, 256))
    dense = Dense(weight, np.zeros(classes, np.int64), QType(-128, 127, 0), 8)
    nodes = (Node("flat", Flatten(), ("input",)), Node("wide", dense, ("flat",)))
    shape = Input((8, 8, 4), QType(0, 15, 4), np.zeros((256, 1), np.int64))
    return Network("large", shape, nodes, "wide", tuple(f"c{i}" for i in range(classes)))


def test_weights_that_fit_no_array_are_refused_at_once(monkeypatch):
    monkeypatch.setattr(choice, "compile_network", None)
    with pytest.raises(RtlError, match=r"^layer 'wide': weights: at least \d+.* BRAM36 .*large.* has 140; ") as caught:
        choose_folding(dense_network(4000))
    assert "give it more" not in str(caught.value) and "narrower or fewer weights" in str(caught.value)
    with pytest.raises(RtlError, match=r"the budget is 20 \(an xc7z020 has 140\); give it more, or "):
        choose_folding(dense_network(1000), bram36=20)
    # LUTs could hold these weights beside the largest array, which takes more LUTs than there are.
    assert least_weights(dense_network(1000)).bram36(64, 64) == 0


def unpacked(monkeypatch):
    """No words are packed from here on."""
    monkeypatch.setattr(memories, "block_words", None)
    monkeypatch.setattr(memories.BankedMemory, "content", property(lambda _: pytest.fail("a memory is packed")))


def test_an_array_for_a_million_weights_is_chosen_without_packing_one(monkeypatch):
    network = perceptron((28, 28, 1), (1024, 256, 10))
    assert cost(network).parameters > 1_000_000
    unpacked(monkeypatch)
    found = choose_folding(network)
    assert found.bram36 <= 140 and found == estimate(compile_network(network, found.folding))
    # As fast as a vector, which it is refused without.
    assert found == choose_folding(perceptron((1, 1, 784), (1024, 256, 10)))


def test_a_refusal_counts_no_cycles_and_packs_nothing(monkeypatch):
    network = perceptron((28, 28, 1), (1024, 256, 10))
    unpacked(monkeypatch)
    monkeypatch.setattr(choice, "image_cycles", None)
    lowered = []
    monkeypatch.setattr(choice, "lower", lambda network: lowered.append(network) or lower(network))
    with pytest.raises(RtlError, match=r"the smallest array takes about .*; the budget is 500 LUT"):
        choose_folding(network, lut=500)
    assert lowered == [network]


@pytest.mark.parametrize("name", ["digits-cnn", "digits-sha"])
def test_cycles_are_counted_for_few_of_the_arrays_tried(monkeypatch, name):
    network, counted = load(BITSTREAMS / name / f"{name}.loom").network, []
    monkeypatch.setattr(choice, "estimate", lambda compiled: counted.append(compiled) or estimate(compiled))
    choose_folding(network)
    assert 0 < len(counted) < choice.CANDIDATES / 8


@pytest.mark.parametrize("seed", range(12))
def test_no_latency_and_no_interval_is_below_the_bound(seed):
    compiled = compile_network(random_network(seed), choice.Folding(8, 4, 2, 2))
    found, sweeps = estimate(compiled), image_cycles(compiled).sweeps
    working = sum(sweep.last - sweep.first + 1 for sweep in sweeps)
    assert least_cycles(compiled) <= working <= min(found.latency, found.interval)


def test_the_bound_is_what_one_sweep_takes():
    compiled = compile_network(perceptron((5, 4, 3), (4,)), choice.Folding(8, 4, 1, 2))
    (sweep,) = image_cycles(compiled).sweeps
    assert least_cycles(compiled) == sweep.last - sweep.first + 1 == 8


def test_a_layer_that_takes_most_block_ram_is_named_where_weights_alone_would_fit(small):
    network = load(BITSTREAMS / "digits-cnn" / "digits-cnn.loom").network
    message = (
        r"2 of them for layer 'conv4_relu': memory of weights; the budget is 47,000 LUT, 0 BRAM36, .*: give it more"
    )
    with pytest.raises(RtlError, match=message):
        choose_folding(network, bram36=0)


@pytest.mark.parametrize("seed", range(6))
def test_no_plan_has_fewer_words_of_weights_than_the_bound(seed):
    network = random_network(seed)
    weights = least_weights(network)
    for side in ((4, 4, 1, 2), (8, 4, 2, 4), (4, 16, 1, 2), (32, 16, 2, 16)):
        compiled = compile_network(network, choice.Folding(*side))
        assert weights.words(side[0], side[1]) <= compiled.sizes.weights
        assert weights.bits <= compiled.sizes.w_bits


def test_an_array_with_few_words_of_weights_pays_for_them_in_luts():
    # What test_estimates_are_near_what_yosys_takes measured; LUTs hold 47 words of 2,048 bits of weights.
    compiled = compile_network(
        load(BITSTREAMS / "digits-cnn" / "digits-cnn.loom").network, choice.Folding(32, 16, 2, 16, 220)
    )
    assert estimate_lut(compiled) == pytest.approx(10579, rel=0.05)


@pytest.mark.long
@pytest.mark.parametrize(("rows", "cols", "lanes", "dsp"), [(8, 8, 4, 0), (16, 16, 8, 40), (32, 16, 16, 220)])
def test_estimates_are_near_what_yosys_takes(tmp_path, rows, cols, lanes, dsp):
    from crossloom.rtl.core.generate import generate, listed_sources
    from crossloom.rtl.yosys.synth import synthesize

    compiled = compile_network(
        load(BITSTREAMS / "digits-cnn" / "digits-cnn.loom").network, choice.Folding(rows, cols, 2, lanes, dsp)
    )
    generate(compiled, tmp_path)
    found = synthesize("top", sources=listed_sources(tmp_path), memories=tmp_path)
    assert found.lut == pytest.approx(estimate_lut(compiled), rel=0.2)
    assert found.dsp == estimate(compiled).dsp
