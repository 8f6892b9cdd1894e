"""How wide a network's edges may be: accumulators of 48 bits, partial sums below 2^53."""

import numpy as np
import pytest
from handmade import routed_network

from crossloom.sim import Dense, Edge, Input, Network, NetworkError, Node, QType, Threshold, structure


def test_the_size_of_an_edge_never_wraps():
    assert Edge((3, 3, 1 << 61), QType(0, 1)).size == 9 << 61


def test_an_accumulator_of_49_bits_is_refused_and_one_of_48_is_not():
    edge = Edge((2,), QType(0, 1))
    most = (1 << 47) - 1
    op = Dense(np.array([[0, 1]]), np.array([most - 1]), QType(-7, 7), 48)
    assert op.infer("x", [edge], False).type.hi == most
    with pytest.raises(NetworkError, match=r"needs 49 bits .* at most 48 bits"):
        Dense(np.array([[1, 1]]), np.array([most - 1]), QType(-7, 7), 48).infer("x", [edge], False)


def test_partial_sums_past_2_to_the_53_are_refused():
    edge = Edge((1 << 8,), QType((1 << 31) - 2, (1 << 31) - 1))
    weight = np.array([[32767, -32767] * (1 << 7)])
    with pytest.raises(NetworkError, match=r"sums below 2\^53"):
        Dense(weight, np.array([0]), QType(-32767, 32767), 2).infer("x", [edge], False)


def test_the_coarse_head_and_branches_are_bounded_by_type_and_the_trunk_by_values():
    net = routed_network()
    assert net.head == {"coarse"}
    wide = 18 * 15 * 7 + (1 << 5)
    assert net.edges["coarse"].magnitude == wide
    assert net.edges["fine1"].magnitude == wide
    assert net.edges["conv"].magnitude < 9 * 3 * 7 + (1 << 4)


def test_a_threshold_one_past_the_widest_accumulator_has_49_bits():
    top = (1 << 47) - 1
    last = Dense(np.array([[1], [1]]), np.zeros(2, int), QType(-7, 7), 4)
    first = Dense(np.array([[1]]), np.array([top - 3]), QType(-7, 7), 48)
    net = Network(
        "wide",
        Input((1,), QType(0, 3), np.arange(4)[:, None]),
        (
            Node("a", first, ("input",)),
            Node("t", Threshold(np.array([[top + 1]]), 0, 1, 0), ("a",)),
            Node("fc", last, ("t",)),
        ),
        "fc",
        ("x", "y"),
    )
    # The accumulator is never negative, but it is added in two's complement, in 48 bits.
    assert structure(net)["nodes"][1]["threshold_bits"] == 49
