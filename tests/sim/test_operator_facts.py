"""What an operator says of itself is so: its tensors, their widths, and what each code is made from."""

import numpy as np
import pytest

from crossloom.sim import Dense, QType, Requant, Rounding, cost, random_codes, random_network, run
from crossloom.sim.ops import OPERATORS
from crossloom.sim.ops.base import parameters

SEEDS = [
    *range(25),
    *range(1000, 1005),
    *range(2001, 2010),
    2014,
]  # from 1000 on with LeakyReLU, from 2000 on with time


def placed(seed):
    """Every node of a random network once, its input edges and its own, and codes of 4 images on its inputs.

    Where the operator sees each time step as an image, they are so.
    """
    network = random_network(seed)
    found = run(network, codes=random_codes(network, seed, 4), edges=network.edges).edges
    for name, node in network.producers.items():
        inputs, edge = [network.edges[i] for i in node.inputs], network.edges[name]
        codes = {i: found[i] if node.op.timed else found[i].reshape(-1, *network.edges[i].shape) for i in node.inputs}
        yield network, node, inputs, edge, codes


def test_these_networks_have_every_operator():
    assert {node.op.kind for seed in SEEDS for _, node, *_ in placed(seed)} == set(OPERATORS)


@pytest.mark.parametrize("seed", SEEDS)
def test_tensors_are_all_of_an_operators_arrays_and_hold_every_value_at_their_width(seed):
    for _, node, inputs, _, _ in placed(seed):
        tensors = {tensor.name: tensor for tensor in node.op.tensors(inputs)}
        arrays = {name: v for name, v in parameters(node.op).items() if isinstance(v, np.ndarray)}
        assert tensors.keys() == arrays.keys()
        for name, values in arrays.items():
            bits, signed = tensors[name].bits, tensors[name].signed
            assert tensors[name].shape == values.shape
            assert values.min() >= (-(1 << (bits - 1)) if signed else 0)
            assert values.max() < 1 << (bits - signed)


def test_a_weight_has_the_sign_of_its_type_and_a_shift_is_a_byte():
    weight = Dense(np.array([[15]]), np.array([0]), QType(0, 15), 5).tensors([])[0]
    assert (weight.bits, weight.signed) == (4, False)
    (shift,) = Requant(np.array([-16, 47]), Rounding.FLOOR, QType(0, 1)).tensors([])
    assert (shift.bits, shift.signed) == (8, True)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_code_depends_on_nothing_that_it_is_not_said_to_read(seed):
    rng = np.random.default_rng(seed)
    for _, node, inputs, edge, codes in placed(seed):
        kernel = node.op.kernel(inputs, edge)
        # Not what the network has there: another branch may have run.
        expected = kernel(
            *(codes[name].astype(source.carrier) for name, source in zip(node.inputs, inputs, strict=True))
        )
        for _ in range(5):
            index = tuple(int(rng.integers(n)) for n in (edge.image_shape if node.op.timed else edge.shape))
            batches = []
            for name, source, read in zip(node.inputs, inputs, node.op.reads(index, inputs), strict=True):
                other = rng.integers(source.type.lo, source.type.hi, codes[name].shape, endpoint=True)
                if read is not None:
                    other[(slice(None), *read)] = codes[name][(slice(None), *read)]
                batches.append(other.astype(source.carrier))
            at = (slice(None), *index)
            assert np.array_equal(kernel(*batches)[at], expected[at]), (node.name, index)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_code_reads_as_many_codes_as_its_products_take(seed):
    for _, node, inputs, edge, codes in placed(seed):
        if not node.op.macs(edge):
            continue
        index = tuple(n // 2 for n in edge.shape)
        (read,) = node.op.reads(index, inputs)
        window = node.op.window(inputs)
        most = node.op.macs(edge) // edge.image_size
        inside = codes[node.inputs[0]][0][read].size
        assert inside == most or (window is not None and any(window.pad) and inside < most)


@pytest.mark.parametrize("seed", SEEDS)
def test_memory_is_the_tensors_at_their_widths_but_for_shifts(seed):
    for network, node, inputs, _, _ in placed(seed):
        banks = 1 if node in network.nodes else len(network.route.branches)
        bits = {tensor.name: 6 if tensor.name == "shift" else tensor.bits for tensor in node.op.tensors(inputs)}
        wanted = banks * sum(bits[t.name] * t.count for t in node.op.tensors(inputs))
        assert next(layer for layer in cost(network).layers if layer.name == node.name).memory_bits == wanted
