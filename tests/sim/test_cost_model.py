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
    # fc0 reaches 0..96 and "never" is 97: 8 bits in two's complement, in which accumulators are added
    assert {layer.name: layer.memory_bits for layer in cost(network).layers}["t"] == 12 * 8


def test_without_route_the_flat_baseline_is_the_network_itself():
    network = Network("flat", INPUT, (*_trunk(), Node("fc", _dense(2, 48), ("flat",))), "fc", ("a", "b"))
    found = cost(network)
    assert (found.macs_flat, found.macs_bcnn, found.saved_flat, found.saved_bcnn) == (found.macs, None, None, None)


def _deep(last):
    """Branches of a hidden layer, 48 -> 5, and logits for three classes at most; seven classes in three branches."""
    classes = ((0, 1, 2), (3, 4), (5, 6))
    hidden = (
        Node("fine0", _dense(5, 48), ("flat",)),
        Node("fine0_q", Requant(np.array([2]), Rounding.FLOOR, QType(0, 15, -2)), ("fine0",)),
    )
    branches = tuple(Branch(f"b{i}", own, (*hidden, *last)) for i, own in enumerate(classes))
    nodes = (
        *_trunk(),
        Node("coarse0", _dense(6, 48), ("flat",)),
        Node("coarse0_q", Requant(np.array([2]), Rounding.FLOOR, QType(0, 15, -2)), ("coarse0",)),
        Node("coarse", _dense(3, 6), ("coarse0_q",)),
    )
    return Network("deep", INPUT, nodes, "coarse", tuple("abcdefg"), Route("flat", last[-1].name, 3, branches))


def test_the_baselines_of_a_routed_network_are_counted_by_hand():
    found = cost(_deep((Node("fine", _dense(3, 5), ("fine0_q",)),)))
    trunk, head = 16 * 3 * 18, 48 * 6 + 6 * 3
    assert found.macs == trunk + head + 48 * 5 + 5 * 3 == 1425
    assert found.macs_flat == trunk + 48 * 5 + 5 * 7 == 1139  # seven rows, one per class: no coarse head, no spare row
    assert found.macs_bcnn == trunk + head + 48 * 5 + 5 * 7 == 1445
    assert found.saved_bcnn == 1 - 1425 / 1445
    assert found.saved_flat == 1 - 1425 / 1139 < 0  # so small a tail is not worth a coarse head
    assert found.to_json()["macs_flat"] == 1139
    assert found.to_json()["macs_bcnn"] == 1445


def test_rows_of_logits_that_a_requant_passes_on_scale_too():
    narrow = Requant(np.array([0]), Rounding.FLOOR, QType(-99, 99, -2))
    found = cost(_deep((Node("fine", _dense(3, 5), ("fine0_q",)), Node("fine_q", narrow, ("fine",)))))
    assert (found.macs, found.macs_flat, found.macs_bcnn) == (1425, 1139, 1445)
