"""The identities of a network: what changes its structure, and what its weights alone."""

from dataclasses import replace

import numpy as np
import pytest
from handmade import branch, dense, flat_network, routed_network, with_branches, with_node

from crossloom.sim import Input, Node, QType, Rounding, Threshold, structure, structure_sha256, weights_sha256


def _ids(net):
    return structure_sha256(net), weights_sha256(net)


def test_renaming_changes_neither_identity():
    assert _ids(routed_network(name="other")) == _ids(routed_network())


def test_a_banks_weights_change_the_weights_identity_alone():
    changed = with_branches(branch(0, (2, 0)), branch(1, (1, 3, 4), seed=8))
    assert _ids(changed)[0] == _ids(routed_network())[0]
    assert _ids(changed)[1] != _ids(routed_network())[1]


def test_the_coarse_heads_weights_change_the_weights_identity_alone():
    changed = with_node(routed_network(), "coarse", op=dense(2, 18, 4))
    assert _ids(changed)[0] == _ids(routed_network())[0]
    assert _ids(changed)[1] != _ids(routed_network())[1]


def test_class_names_and_scales_change_the_weights_identity_alone():
    steps = with_node(flat_network(), "conv_q", op=Threshold(np.array([[0, 9]]), 0, 1, 3))
    for base, changed in (
        (routed_network(), routed_network(classes=tuple("vwxyz"))),
        (flat_network(), with_node(flat_network(), "fc", weight_type=QType(-7, 7, 9))),
        (steps, with_node(steps, "conv_q", frac=5)),
    ):
        assert _ids(changed)[0] == _ids(base)[0]
        assert _ids(changed)[1] != _ids(base)[1]


def test_a_class_added_within_capacity_keeps_the_structure():
    branches = (branch(0, (2, 0, 5)), branch(1, (1, 3, 4)))
    grown = routed_network(classes=tuple("abcdef"), route=replace(routed_network().route, branches=branches))
    assert _ids(grown)[0] == _ids(routed_network())[0]
    assert _ids(grown)[1] != _ids(routed_network())[1]


@pytest.mark.parametrize(
    "change",
    [
        lambda net: with_node(net, "conv_q", rounding=Rounding.HALF_UP),
        lambda net: with_node(net, "conv", pad_code=1),
        lambda net: with_node(net, "conv_q", out=QType(0, 14, 3)),
        lambda net: with_node(net, "conv", bias_bits=6),
        lambda net: with_node(net, "conv_q", op=Threshold(np.arange(15)[None], 0, 1, 3)),
        lambda net: with_node(net, "fc", weight_type=QType(-8, 7, 3)),
        lambda net: with_node(net, "conv_q", shift=np.array([2, 2])),
        lambda net: replace(
            net, nodes=(*net.nodes[:-1], Node("fc", dense(4, 18, 1), ("flat",))), classes=tuple("abcd")
        ),
        lambda net: replace(
            net,
            input=replace(net.input, shape=(3, 4, 1)),
            nodes=(*net.nodes[:-1], Node("fc", dense(3, 24, 1), ("flat",))),
        ),
        lambda net: replace(net, input=Input((3, 3, 1), QType(0, 3, 2), np.array([0, 1, 3, 2, 2])[:, None])),
        lambda net: replace(net, nodes=(*net.nodes[:-1], replace(net.nodes[-1], name="last")), output="last"),
    ],
)
def test_what_hardware_depends_on_changes_the_structure(change):
    assert structure_sha256(change(flat_network())) != structure_sha256(flat_network())


def test_a_routes_capacity_and_banks_belong_to_the_structure():
    base = routed_network()
    more = replace(branch(0, (5,)), name="branch2")
    coarse = replace(base.nodes[-1], op=dense(3, 18, 9))
    third = replace(
        base,
        nodes=(*base.nodes[:-1], coarse),
        classes=tuple("abcdef"),
        route=replace(base.route, branches=(*base.route.branches, more)),
    )
    wide = []
    for bank in base.route.branches:
        wide.append(replace(bank, nodes=(*bank.nodes[:-1], replace(bank.nodes[-1], op=dense(4, 4, 5)))))
    larger = replace(base, route=replace(base.route, capacity=4, branches=tuple(wide)))
    assert len({_ids(net)[0] for net in (base, third, larger)}) == 3


def test_the_order_of_classes_in_a_branch_changes_the_weights_identity_alone():
    changed = with_branches(branch(0, (0, 2)), branch(1, (1, 3, 4)))
    assert _ids(changed)[0] == _ids(routed_network())[0]
    assert _ids(changed)[1] != _ids(routed_network())[1]


def test_a_hierarchy_names_classes_by_branch_and_a_flat_network_has_none():
    assert routed_network().hierarchy == {"branch0": ["c", "a"], "branch1": ["b", "d", "e"]}
    assert flat_network().hierarchy is None
    assert flat_network().branch_edges == ()


def test_the_structure_names_widths_and_no_values():
    plain = structure(flat_network())
    conv = plain["nodes"][0]
    assert conv["weight"] == [2, 3, 3, 1]
    assert conv["edge"] == {"shape": [3, 3, 2], "bits": flat_network().edges["conv"].type.bits, "signed": True}
    assert "frac" not in str(plain)
