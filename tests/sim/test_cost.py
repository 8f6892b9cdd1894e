"""Cost is counted by hand for a network small enough to count by hand."""

import numpy as np

from crossloom.sim import (
    Branch,
    Conv2d,
    Dense,
    Flatten,
    Input,
    Network,
    Node,
    QType,
    Requant,
    Rounding,
    Route,
    Threshold,
    cost,
)

INPUT = Input((4, 4, 2), QType(0, 3), np.arange(4)[:, None])


def _dense(rows, columns, bits=2):
    top = (1 << (bits - 1)) - 1
    return Dense(np.ones((rows, columns), int), np.zeros(rows, int), QType(-top, top), 5)


def _trunk():
    conv = Conv2d(np.ones((3, 3, 3, 2), int), np.zeros(3, int), QType(-1, 1), 6, pad=(1, 1, 1, 1))
    return (
        Node("conv", conv, ("input",)),
        Node("conv_q", Requant(np.array([0, 0, 0]), Rounding.FLOOR, QType(0, 15)), ("conv",)),
        Node("flat", Flatten(), ("conv_q",)),
    )


def test_a_flat_network_is_counted_by_hand():
    nodes = (*_trunk(), Node("fc", _dense(2, 48, 3), ("flat",)))
    found = cost(Network("flat", INPUT, nodes, "fc", ("a", "b")))
    by_name = {layer.name: layer for layer in found.layers}
    assert (by_name["conv"].parameters, by_name["conv"].macs) == (3 * 18 + 3, 16 * 3 * 18)
    assert by_name["conv"].memory_bits == 54 * 2 + 3 * 6
    assert by_name["conv"].shape == (4, 4, 3)
    assert by_name["conv_q"].memory_bits == 3 * 6
    assert by_name["fc"].memory_bits == 96 * 3 + 2 * 5
    assert found.macs == 16 * 54 + 96
    assert found.parameters == 57 + 98
    assert (found.weight_bits, found.activation_bits) == (3, 4)
    assert found.memory_bits == sum(layer.memory_bits for layer in found.layers)


def test_branches_count_every_bank_in_memory_and_one_in_products():
    branches = tuple(Branch(f"b{i}", (2 * i, 2 * i + 1), (Node("fine", _dense(3, 48), ("flat",)),)) for i in range(2))
    nodes = (*_trunk(), Node("coarse", _dense(2, 48), ("flat",)))
    network = Network("sha", INPUT, nodes, "coarse", tuple("abcd"), Route("flat", "fine", 3, branches))
    found = cost(network)
    fine = found.layers[-1]
    assert (fine.name, fine.banks, fine.macs) == ("fine", 2, 144)
    assert fine.parameters == 2 * (144 + 3)
    assert fine.memory_bits == 2 * (144 * 2 + 3 * 5)
    assert found.macs == 16 * 54 + 96 + 144


def test_thresholds_are_counted_at_their_own_width():
    nodes = (
        Node("fc0", _dense(4, 32), ("flat",)),
        Node("t", Threshold(np.tile([0, 1, 97], (4, 1)), 0, 1, 0), ("fc0",)),
        Node("fc", _dense(2, 4), ("t",)),
    )
    network = Network("t", INPUT, (Node("flat", Flatten(), ("input",)), *nodes), "fc", ("a", "b"))
    # fc0 reaches 0..96, 7 bits unsigned; "never" is 97
    assert {layer.name: layer.memory_bits for layer in cost(network).layers}["t"] == 12 * 7
