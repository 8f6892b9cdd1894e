"""LeakyReLU is exactly max(x, x / 2^k): in plain integers, at the borders of floats, in random networks."""

import hashlib
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import reference

from crossloom.sim import (
    Conv2d,
    Dense,
    Edge,
    Flatten,
    Input,
    LeakyReLU,
    MaxPool,
    NetworkError,
    QType,
    Requant,
    Rounding,
    SumPool,
    random_codes,
    random_network,
    run,
    structure_sha256,
    weights_sha256,
)
from crossloom.sim.builder import Section, finish
from crossloom.sim.random_networks import LEAKY_FROM

SEEDS = range(LEAKY_FROM, LEAKY_FROM + 40)


def evaluate(shift, edge, values):
    """Codes (N,) that the kernel makes of sums, and the output edge."""
    op = LeakyReLU(shift)
    output = op.infer("leaky", [edge], False)
    found = op.kernel([edge], output)(np.array(values).reshape(-1, *edge.shape).astype(edge.carrier))
    assert found.dtype == output.carrier
    codes = found.astype(np.int64)
    assert np.array_equal(codes, found)
    return codes.ravel().tolist(), output


@pytest.mark.parametrize("accumulator", [False, True])
@pytest.mark.parametrize(("lo", "hi"), [(-40, 40), (-9, -2), (3, 9), (0, 15), (-16, 0), (0, 0)])
@pytest.mark.parametrize("shift", range(1, 16))
def test_every_code_is_that_of_plain_fractions(shift, lo, hi, accumulator):
    values = list(range(lo, hi + 1))
    edge = Edge((1,), QType(lo, hi, 3), accumulator, 77 if accumulator else 0)
    codes, output = evaluate(shift, edge, values)
    assert codes == [reference.leaky_relu(value, shift) for value in values]
    real = [max(Fraction(v, 8), Fraction(v, 8) / 2**shift) for v in values]
    assert [Fraction(code, 2**output.type.frac) for code in codes] == real
    assert (output.type.lo, output.type.hi, output.type.frac) == (min(codes), max(codes), 3 + shift)
    assert output.accumulator and output.magnitude == (77 if accumulator else max(-lo, hi))


@pytest.mark.parametrize("shift", [1, 7, 15])
@pytest.mark.parametrize("top", [(1 << 24) - 1, 1 << 24, (1 << 47 - 15) - 1])
def test_sums_past_what_floats_of_24_bits_hold_are_exact(top, shift):
    values = [-top - 1, -top, -(1 << 24) - 1, -1, 0, 1, top - 1, top]
    values = [value for value in values if -top - 1 <= value]
    codes, _ = evaluate(shift, Edge((1,), QType(-top - 1, top), True, top + 1), values)
    assert codes == [reference.leaky_relu(value, shift) for value in values]


def test_a_scale_for_every_channel_stays_one():
    edge = Edge((2, 1, 3), QType(-8, 7, (1, -2, 5)), True, 8)
    codes, output = evaluate(2, edge, [[[[-8, 7, 0]], [[1, -1, 3]]]])
    assert output.type.frac == (3, 0, 7) and output.shape == (2, 1, 3)
    assert codes == [-8, 28, 0, 4, -1, 12]


@pytest.mark.parametrize("shift", [0, 16, -1, True, 1.0])
def test_a_shift_out_of_range_is_refused(shift):
    with pytest.raises(NetworkError, match=r"leakyrelu: shift: found .*; needed an integer in 1\.\.15"):
        LeakyReLU(shift)


def test_sums_that_would_grow_past_48_bits_are_refused():
    edge = Edge((1,), QType(-1, 1 << 40), True, 1 << 40)
    LeakyReLU(6).infer("leaky", [edge], False)
    with pytest.raises(NetworkError, match="leaky: the accumulator needs 49 bits"):
        LeakyReLU(7).infer("leaky", [edge], False)


@pytest.mark.parametrize("op", [MaxPool((1, 1), (1, 1)), SumPool((1, 1), (1, 1))])
def test_only_what_reads_sums_reads_it(op):
    section = Section.of_input(Input((2, 2, 1), QType(-2, 1), np.array([[-2], [1]])))
    section.add(LeakyReLU(1))
    with pytest.raises(NetworkError, match="reads an accumulator; put a Requant or Threshold before it"):
        section.add(op)


def test_it_passes_sums_to_itself_to_flatten_and_to_the_logits():
    network_input = Input((1, 2, 1), QType(-2, 1), np.array([[-2], [1]]))
    section = Section.of_input(network_input)
    for op in (LeakyReLU(1), LeakyReLU(2), Flatten(), LeakyReLU(1)):
        section.add(op)
    network = finish("twice", network_input, section, ("a", "b"))
    assert run(network, codes=np.array([[[[-2], [1]]]])).logits.tolist() == [[-2, 16]]


def test_structure_knows_the_shift_and_no_scale():
    def network(shift, frac):
        network_input = Input((2,), QType(-2, 1, frac), np.array([[-2], [1]]))
        section = Section.of_input(network_input)
        section.add(LeakyReLU(shift))
        return finish("x", network_input, section, ("a", "b"))

    assert structure_sha256(network(1, 0)) == structure_sha256(network(1, 3)) != structure_sha256(network(2, 0))


def places(network):
    """What stands before and behind each LeakyReLU, where, and whether every channel has a scale of its own."""
    for index, nodes, edges in network.sections():
        kinds = {node.name: node.op.kind for node in nodes}
        for node in nodes:
            if isinstance(node.op, LeakyReLU):
                readers = {n.op.kind for n in nodes if node.name in n.inputs}
                where = "trunk" if index is None else "branch"
                frac = edges[node.name].type.frac
                yield kinds.get(node.inputs[0], "stream"), readers, where, isinstance(frac, tuple)


def test_random_networks_have_it_everywhere():
    before, behind, where, scales = zip(
        *(place for seed in range(1000, 1080) for place in places(random_network(seed))), strict=True
    )
    assert set(before) >= {"conv2d", "dense", "sumpool", "add", "requant", "maxpool", "stream"}
    assert set().union(*behind) == {"requant", "threshold"}
    assert set(where) == {"trunk", "branch"}
    assert set(scales) == {True, False}


@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_network_with_it_is_its_reference(seed):
    network = random_network(seed)
    codes = random_codes(network, seed, 4)
    found = run(network, codes=codes, edges=network.edges)
    for image in range(len(codes)):
        edges, label, branch = reference.network(network, codes[image].tolist())
        assert all(found.edges[name][image].tolist() == value for name, value in edges.items())
        assert label == found.labels[image] and (branch is None or branch == found.branch[image])


def test_the_networks_of_earlier_seeds_are_what_they_were():
    sums = hashlib.sha256("".join(weights_sha256(random_network(seed)) for seed in range(40)).encode())
    assert sums.hexdigest() == "2ea93216e519657ba93cc1998de688c21429170d691f1694ff8916f5509a6964"
    kinds = {node.op.kind for seed in range(40) for node in random_network(seed).producers.values()}
    assert "leakyrelu" not in kinds


def test_what_requant_makes_of_it_is_rounded_once():
    network_input = Input((1,), QType(-20, 20, 0), np.array([[-20], [20]]))
    section = Section.of_input(network_input)
    section.add(Dense(np.array([[1], [1]]), np.array([0, 0]), QType(-1, 1, 0), 1))
    section.add(LeakyReLU(3))
    section.add(Requant(np.array([4]), Rounding.HALF_EVEN, QType(-8, 7, -1)))
    network = finish("once", network_input, section, ("a", "b"))
    values = np.arange(-20, 21)
    found = run(network, codes=values[:, None]).logits[:, 0]
    wanted = [reference.rounded(max(Fraction(v), Fraction(v, 8)) / 2, "half_even") for v in values.tolist()]
    assert found.tolist() == np.clip(wanted, -8, 7).tolist()


def test_a_leaky_convolution_keeps_its_channels_apart():
    network_input = Input((1, 1, 1), QType(-3, 3, 0), np.array([[-3], [3]]))
    section = Section.of_input(network_input)
    section.add(Conv2d(np.array([1, -1]).reshape(2, 1, 1, 1), np.array([0, 0]), QType(-1, 1, (0, 2)), 1))
    leaky = section.add(LeakyReLU(1))
    requant = Requant(np.array([1, 3]), Rounding.FLOOR, QType(-8, 7, 0))
    section.add(requant)
    section.add(Flatten())
    network = finish("apart", network_input, section, ("a", "b"))
    assert section.edges[leaky].type.frac == (1, 3)
    assert run(network, codes=np.array([[[[-3]]], [[[2]]]])).logits.tolist() == [[-2, 0], [2, -1]]
    with pytest.raises(NetworkError, match="channel 1: input frac 3 minus shift 1"):
        replace(
            network,
            nodes=(*network.nodes[:2], replace(network.nodes[2], op=replace(requant, shift=[1, 1])), network.nodes[3]),
        )
