"""The energy estimate, counted by hand from the published figures."""

import numpy as np
import pytest
from handmade import spiking_network

from crossloom.host.energy import ADD, MEMORY, MULTIPLY, access_pj, add_pj, estimate, multiply_pj, reads_spikes, shown
from crossloom.sim import cost, random_network, synaptic_operations


def test_published_figures_are_given_back_for_their_own_widths():
    assert [add_pj(bits) for bits in ADD] == pytest.approx(list(ADD.values()))
    # In proportion to the bits of both factors: the published 32 x 32 is 3 % below.
    assert [multiply_pj(bits, bits) for bits in MULTIPLY] == pytest.approx(list(MULTIPLY.values()), rel=0.04)
    assert [access_pj(64, size) for size in MEMORY] == list(MEMORY.values())
    assert access_pj(64, (8 << 13) + 1) == 20.0 and access_pj(64, 1 << 40) == 100.0


def test_the_estimate_of_a_small_network_is_that_counted_by_hand():
    network = spiking_network()
    images = np.random.default_rng(0).integers(0, 4, (5, 3, 3, 1), dtype=np.uint8)
    operations = {name: float(counts.mean()) for name, counts in synaptic_operations(network, images).items()}
    found = estimate(network, operations)
    layers = {layer.name: layer for layer in cost(network).layers}
    assert not reads_spikes(network, "conv") and reads_spikes(network, "fc")
    conv, fc = layers["conv"], layers["fc"]
    code = network.input.type.bits
    # conv multiplies codes, once; fc adds a weight for each spike of three steps.
    spiking = conv.macs * (multiply_pj(conv.weight_bits, code) + add_pj(conv.bits)) + operations["fc"] * add_pj(fc.bits)
    weights = (conv.macs * conv.weight_bits + operations["fc"] * fc.weight_bits) * 10 / 64
    neurons = {"neurons": 18 * 3, "membranes": 3 * 3}
    spiking += sum(3 * count * add_pj(layers[name].bits) for name, count in neurons.items())
    membranes = sum(2 * count * layers[name].bits * 10 / 64 for name, count in neurons.items())
    assert found.spiking.arithmetic == pytest.approx(spiking)
    assert found.spiking.weights == pytest.approx(weights)
    assert found.spiking.membranes == pytest.approx(membranes)
    assert found.spiking.total == pytest.approx(spiking + weights + membranes)
    # The CNN takes one step, with codes as wide as fc's weights, and a wider sum for them.
    cnn = conv.macs * (multiply_pj(conv.weight_bits, code) + add_pj(conv.bits))
    wide = fc.weight_bits
    cnn += fc.macs // 3 * (multiply_pj(wide, wide) + add_pj(fc.bits + wide - 1))
    assert found.cnn.arithmetic == pytest.approx(cnn)
    assert found.cnn.weights == pytest.approx((conv.macs * conv.weight_bits + fc.macs // 3 * wide) * 10 / 64)
    assert found.cnn.membranes == 0


@pytest.mark.parametrize("seed", range(2000, 2012))
def test_fewer_spikes_take_less_energy_and_the_cnn_none_of_it(seed):
    network = random_network(seed)
    macs = {name: node.op.macs(network.edges[name]) for name, node in network.producers.items()}
    full, none = estimate(network, macs), estimate(network, dict.fromkeys(macs, 0))
    assert full.cnn == none.cnn
    adds = [name for name in macs if macs[name] and reads_spikes(network, name)]
    assert (full.spiking.total > none.spiking.total) == bool(adds)
    assert full.spiking.membranes == none.spiking.membranes


def test_json_says_unit_origin_and_source():
    data = estimate(spiking_network(), {"conv": 1.0, "fc": 2.0}).to_json()
    assert (data["unit"], data["origin"]) == ("pJ per image", "estimated")
    assert "Horowitz" in data["source"]
    for key in ("spiking", "cnn_same_shapes"):
        parts = data[key]
        assert parts["total"] == pytest.approx(parts["arithmetic"] + parts["weights"] + parts["membranes"])


def test_energies_are_shown_with_three_digits():
    assert [shown(x) for x in (0.0, 9.99, 99.9, 1000.0, 1e6, 2.5e8)] == [
        "0.00 pJ", "9.99 pJ", "99.9 pJ", "1.00 nJ", "1.00 uJ", "250 uJ",
    ]  # fmt: skip
