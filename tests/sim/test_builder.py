"""What the builder appends is what a network would check, and what it refuses leaves no trace."""

from dataclasses import replace

import numpy as np
import pytest
from handmade import SOURCE, dense, flat_network, routed_network, trunk

from crossloom.sim import Add, Flatten, MaxPool, NetworkError, QType, Requant, Rounding, weights_sha256
from crossloom.sim.builder import Section, finish, finish_routed


def filled(section, nodes):
    for node in nodes:
        section.add(node.op, *node.inputs, name=node.name)
    return section


def built_trunk():
    return filled(Section.of_input(SOURCE), trunk())


def test_a_flat_network_is_the_one_written_by_hand():
    section = built_trunk()
    assert section.add(dense(3, 18, 1), name="fc") == "fc" == section.last
    network = finish("hand-made", SOURCE, section, ["a", "b", "c"])
    assert weights_sha256(network) == weights_sha256(flat_network())
    assert section.edges == dict(network.edges)


def test_a_routed_network_is_the_one_written_by_hand():
    wanted = routed_network()
    section = built_trunk()
    head = filled(section.head("head_"), wanted.nodes[3:])
    route = wanted.route
    branches = {b.name: (b.classes, filled(section.branch(route.source, "fine_"), b.nodes)) for b in route.branches}
    network = finish_routed("hand-routed", SOURCE, section, head, branches, wanted.classes, route.source)
    assert weights_sha256(network) == weights_sha256(wanted)
    assert [dict(edges) for edges in network.branch_edges] == [
        {name: edge for name, edge in own.edges.items() if name != route.source} for _, own in branches.values()
    ]
    assert section.edges.keys() == {
        "input",
        "conv",
        "conv_q",
        "flat",
    }  # the trunk alone, whatever head and branches add


def test_the_widths_of_a_banked_section_follow_from_types_and_not_from_values():
    section = built_trunk()
    head = section.head("head_")
    values, types = section.add(dense(2, 18, 9)), head.add(dense(2, 18, 9))
    assert section.edges[values].type.hi < head.edges[types].type.hi


def test_nodes_without_a_name_are_called_prefix_kind_and_number():
    section = built_trunk()
    head, fine = section.head("head_"), section.branch("flat", "fine_")
    assert section.add(dense(2, 18, 0)) == "dense3"
    assert [head.add(dense(2, 18, 0)), fine.add(dense(4, 18, 0))] == ["head_dense0", "fine_dense0"]


def test_a_node_reads_the_last_edge_unless_told_otherwise():
    section = built_trunk()
    section.add(dense(2, 18, 0))
    section.add(dense(2, 18, 0), "flat")
    assert [node.inputs for node in section.nodes] == [("input",), ("conv",), ("conv_q",), ("flat",), ("flat",)]


def test_a_taken_name_is_counted_on():
    section = built_trunk()
    assert [section.unused(name) for name in ("fc", "flat", "input")] == ["fc", "flat_2", "input_2"]
    section.add(dense(2, 18, 0), name="flat_2")
    assert section.unused("flat") == "flat_3"


def test_the_last_node_can_be_swapped_under_its_name():
    section = built_trunk()
    section.add(dense(2, 18, 0), name="fc")
    wide = replace(dense(2, 18, 0), weight_type=QType(-7, 7, 5))
    section.swap_last(wide)
    assert [node.name for node in section.nodes].count("fc") == 1
    assert section.nodes[-1].op is wide and section.edges["fc"].type.frac == 5 + SOURCE.type.frac + 1


@pytest.mark.parametrize(
    ("op", "inputs", "options", "message"),
    [
        (Flatten(), ("conv_q",), {"name": "flat"}, r"node 'flat' \(flatten\): the name is used twice"),
        (Flatten(), ("conv_q",), {"name": "input"}, r"node 'input' \(flatten\): the name is used twice"),
        (Flatten(), ("nothing",), {}, r"node 'flatten3' \(flatten\): input 'nothing' is missing"),
        (Add(), ("flat",), {}, r"node 'add3': add reads \('flat',\); needed 2 inputs"),
        (MaxPool((2, 2), (2, 2)), ("conv",), {}, r"node 'maxpool3' \(maxpool\): maxpool reads an accumulator"),
        (MaxPool((9, 9), (1, 1)), ("conv_q",), {"where": "pool.1"}, r"pool\.1: kernel \[9, 9\] is larger"),
        (Requant(np.array([0]), Rounding.FLOOR, QType(0, 1)), ("conv",), {"name": "Bad"}, "'Bad'"),
    ],
)
def test_what_does_not_fit_is_refused_and_leaves_the_section_as_it_was(op, inputs, options, message):
    section = built_trunk()
    nodes, edges = list(section.nodes), dict(section.edges)
    with pytest.raises(NetworkError, match=message):
        section.add(op, *inputs, **options)
    assert (section.nodes, section.edges) == (nodes, edges)


def test_a_branch_reads_nothing_but_its_source():
    section = built_trunk()
    with pytest.raises(NetworkError, match="input 'conv_q' is missing"):
        section.branch("flat", "fine_").add(Flatten(), "conv_q")
