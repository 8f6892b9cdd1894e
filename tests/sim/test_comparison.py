"""A difference is named by its first layer, image and index, both codes, and the inputs that made them."""

import numpy as np
import pytest
from handmade import dense, routed_network

from crossloom.sim import (
    Add,
    Concat,
    Conv2d,
    Edge,
    Flatten,
    Input,
    MaxPool,
    Network,
    Node,
    QType,
    Requant,
    Rounding,
    SumPool,
    compare,
    run,
)
from crossloom.sim.comparison import joined

# One image of 24 codes, 0, 1, 2, ..: the code at (h, w, c) is 6 h + 2 w + c.
SOURCE = Input((4, 3, 2), QType(0, 23), np.arange(24)[:, None])
IMAGE = np.arange(24).reshape(1, 4, 3, 2)


def ones(*shape, **fields):
    return Conv2d(np.ones(shape, int), np.zeros(shape[0], int), QType(-1, 1), 1, **fields)


def ended(*nodes):
    """A network of the nodes and what leads from the last of them to two logits."""
    nodes, edges = list(nodes), {"input": Edge(SOURCE.shape, SOURCE.type)}

    def infer(node):
        edges[node.name] = node.op.infer(node.name, [edges[name] for name in node.inputs], False)
        return edges[node.name]

    edge = [infer(node) for node in nodes][-1]
    if edge.accumulator:
        out = QType(0, 15, edge.type.frac)
        nodes.append(Node("end_q", Requant(np.array([0]), Rounding.FLOOR, out), (nodes[-1].name,)))
    if len(edge.shape) == 3:
        nodes.append(Node("end_flat", Flatten(), (nodes[-1].name,)))
    nodes.append(Node("end", dense(2, edge.size, 1), (nodes[-1].name,)))
    return Network("one", SOURCE, tuple(nodes), "end", ("a", "b"))


PADDED = ones(1, 2, 2, 2, pad=(3, 0, 1, 0))
SQUARE = (Node("flat", Flatten(), ("input",)), Node("n", dense(24, 24, 1), ("flat",)))


@pytest.mark.parametrize(
    ("nodes", "index", "inputs"),
    [
        ([Node("n", PADDED, ("input",))], (0, 0, 0), "input padding alone"),
        ([Node("n", PADDED, ("input",))], (2, 0, 0), "input 0, 1"),
        ([Node("n", PADDED, ("input",))], (3, 1, 0), "input 0, 1, 2, 3, 6, 7, 8, 9"),
        ([Node("n", ones(1, 2, 2, 2, stride=(2, 1)), ("input",))], (1, 1, 0), "input 14, 15, 16, 17, 20, 21, 22, 23"),
        ([Node("n", ones(4, 1, 2, 1, groups=2), ("input",))], (1, 0, 3), "input 7, 9"),
        ([Node("n", MaxPool((2, 2), (1, 1), (1, 0, 0, 0)), ("input",))], (0, 1, 1), "input 3, 5"),
        ([Node("n", SumPool((2, 3), (2, 1)), ("input",))], (1, 0, 0), "input 12, 14, 16, 18, 20, 22"),
        ([Node("n", Requant(np.array([0]), Rounding.FLOOR, QType(0, 63)), ("input",))], (3, 2, 1), "input 23"),
        ([Node("n", Flatten(), ("input",))], (7,), "input 7"),
        ([Node("n", Add(), ("input", "input"))], (1, 1, 0), "input 8; input 8"),
        ([Node("n", Concat(), ("input", "input"))], (1, 1, 3), "input 9"),
        (SQUARE, (5,), "flat 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, ... (24 codes)"),
    ],
)
def test_the_inputs_named_are_those_that_the_code_was_made_of(nodes, index, inputs):
    net = ended(*nodes)
    expected = run(net, codes=IMAGE, edges=net.edges).edges
    found = {name: codes.copy() for name, codes in expected.items()}
    found["n"][(0, *index)] += 1
    first = compare(net, expected, found).first
    assert (first.edge, first.op, first.image, first.index) == ("n", nodes[-1].op.kind, 0, index)
    assert (first.expected, first.found) == (expected["n"][(0, *index)], expected["n"][(0, *index)] + 1)
    assert first.inputs == inputs
    assert str(first).endswith(f"; made from {inputs}")


def test_the_first_layer_is_named_though_later_ones_differ_too_and_all_are_counted():
    net = routed_network()
    expected = run(net, np.zeros((5, 3, 3, 1), np.uint8), edges=net.edges).edges
    found = {name: codes.copy() for name, codes in expected.items() if name != "coarse"}
    found["fine"][0, 1] += 1
    found["conv_q"][2:4, 1, 1] += 1
    result = compare(net, expected, found, first_image=100)
    assert dict(result.differences) == {"conv_q": 4, "fine": 1}
    assert result.total == 5
    assert result.codes == sum(codes.size for codes in found.values())
    assert (result.first.edge, result.first.image, result.first.index) == ("conv_q", 102, (1, 1, 0))
    assert str(result.first).startswith("edge conv_q (requant), image 102, [1, 1, 0]: ")


def test_batches_joined_are_the_comparison_of_the_whole_set():
    net = routed_network()
    images = np.random.default_rng(1).integers(0, 4, (9, 3, 3, 1), dtype=np.uint8)
    expected = run(net, images, edges=net.edges).edges
    found = {name: codes.copy() for name, codes in expected.items()}
    found["fine"][1, 0] += 1  # a later layer in an earlier batch
    found["conv_q"][7, 2, 1] -= 1
    found["conv_q"][8] -= 1
    whole = compare(net, expected, found)
    for step in (1, 2, 4, 9):
        parts = [
            compare(
                net, *({n: c[start : start + step] for n, c in codes.items()} for codes in (expected, found)), start
            )
            for start in range(0, 9, step)
        ]
        assert joined(net, parts) == whole
    assert (whole.first.edge, whole.first.image, whole.first.index) == ("conv_q", 7, (2, 1, 0))


def test_an_input_that_differs_is_named_without_what_made_it():
    net = ended(Node("n", Flatten(), ("input",)))
    first = compare(net, {"input": IMAGE}, {"input": IMAGE[:, ::-1]}).first
    assert str(first) == "edge input (input), image 0, [0, 0, 0]: 18 instead of 0"


def test_equal_edges_have_no_difference():
    net = routed_network()
    edges = run(net, np.zeros((2, 3, 3, 1), np.uint8), edges=net.edges).edges
    result = compare(net, edges, edges)
    assert (result.total, dict(result.differences), result.first) == (0, {}, None)
    assert result.codes == 2 * sum(edge.size for edge in net.edges.values())
