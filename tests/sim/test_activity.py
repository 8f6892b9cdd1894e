"""Synaptic operations are counted product by product, and membranes bit by bit."""

import numpy as np
import pytest
from handmade import spiking_network

from crossloom.sim import Conv2d, cost, input_codes, random_codes, random_network, run, synaptic_operations
from crossloom.sim.activity import activity, neurons
from crossloom.sim.ops import Linear


def by_hand(op, x):
    """Products with codes that are not 0 of one image, position by position."""
    if not isinstance(op, Conv2d):
        return int((x != 0).sum()) * len(op.weight)
    top, bottom, left, right = op.pad
    height, width, channels = x.shape
    padded = np.full((height + top + bottom, width + left + right, channels), op.pad_code)
    padded[top : top + height, left : left + width] = x
    _, kh, kw, _ = op.weight.shape
    found = 0
    for y in range(0, padded.shape[0] - kh + 1, op.stride[0]):
        for z in range(0, padded.shape[1] - kw + 1, op.stride[1]):
            found += int((padded[y : y + kh, z : z + kw] != 0).sum()) * (len(op.weight) // op.groups)
    return found


@pytest.mark.parametrize("seed", [3, 7, 12, 2003, 2005, 2014])
def test_products_with_codes_other_than_0_are_counted_at_every_step(seed):
    network = random_network(seed)
    codes = random_codes(network, seed, 9)
    found = synaptic_operations(network, codes=codes)
    edges = run(network, codes=codes, edges=network.edges).edges
    layers = {name: node for name, node in network.producers.items() if isinstance(node.op, Linear)}
    assert found.keys() == layers.keys()
    for name, node in layers.items():
        (source,) = node.inputs
        every = edges[source].reshape(9, -1, *network.edges[source].shape)
        assert found[name].tolist() == [sum(by_hand(node.op, step) for step in image) for image in every], name
        assert (found[name] <= node.op.macs(network.edges[name])).all()


def test_images_are_counted_as_their_codes():
    network = spiking_network()
    images = np.random.default_rng(0).integers(0, 4, (5, 3, 3, 1), dtype=np.uint8)
    found, wanted = (
        synaptic_operations(network, images),
        synaptic_operations(network, codes=input_codes(network.input, images)),
    )
    assert {name: counts.tolist() for name, counts in found.items()} == {n: c.tolist() for n, c in wanted.items()}
    # The convolution sees the image once, fc the spikes of three steps.
    spikes = run(network, images, edges=["spikes"]).edges["spikes"]
    assert found["fc"].tolist() == (3 * (spikes != 0).sum((1, 2, 3, 4))).tolist()


def test_a_membrane_is_kept_for_every_neuron():
    found = cost(spiking_network())
    assert {layer.name: layer.membrane_bits for layer in found.layers if layer.membrane_bits} == {
        "neurons": 18 * 9,
        "membranes": 3 * 10,
    }
    assert found.membrane_bits == 18 * 9 + 3 * 10


@pytest.mark.parametrize("seed", [2003, 2005, 2014, 2019, 2026])
def test_spikes_are_the_thresholds_that_membranes_reach(seed):
    network = random_network(seed)
    codes = random_codes(network, seed, 9)
    found = activity(network, codes=codes)
    edges = run(network, codes=codes, edges=network.edges).edges
    assert found.layers
    for name, layer in found.layers.items():
        op, edge = network.producers[name].op, network.edges[name]
        assert network.producers[layer.spikes].inputs == (name,)
        membranes = edges[name].reshape(9, edge.steps, *edge.shape).astype(np.int64)
        spikes = (membranes[..., None] >= op.levels).sum(-1).reshape(9, edge.steps, edge.size)
        assert found.spikes[name].tolist() == spikes.sum((1, 2)).tolist()
        assert found.fired[name].tolist() == spikes.sum((0, 1)).tolist()
        assert found.rates(name) == pytest.approx(spikes.mean((0, 1)), rel=1e-12)


def test_neurons_that_only_integrate_have_no_spikes():
    layers = neurons(spiking_network())
    assert [(one.membrane, one.spikes) for one in layers] == [("neurons", "spikes"), ("membranes", None)]
