"""Every rule that a network must keep, broken one at a time; each refusal is one clear line."""

import time
from dataclasses import replace

import numpy as np
import pytest
from handmade import branch, dense, flat_network, routed_network, trunk, with_branches, with_node

from crossloom.sim import (
    Add,
    Concat,
    Dense,
    Edge,
    Flatten,
    Input,
    MaxPool,
    NetworkError,
    Node,
    QType,
    Requant,
    Rounding,
    Route,
    SumPool,
    Threshold,
)


def requant(shift=2, lo=0, hi=15, frac=3):
    return Requant(np.array([shift]), Rounding.FLOOR, QType(lo, hi, frac))


def extended(*nodes, output="fc"):
    """The hand-made network with nodes before its end."""
    return flat_network(nodes=(*trunk(), *nodes), output=output)


CASES = {
    "a cycle": (
        lambda: extended(
            Node("a", Add(), ("flat", "b")), Node("b", requant(), ("a",)), Node("fc", dense(3, 18, 1), ("b",))
        ),
        "input 'b' depends on 'a' itself: the graph has a cycle",
    ),
    "a node that reads itself": (lambda: with_node(flat_network(), "flat", inputs=("flat",)), "cycle"),
    "a missing input": (lambda: with_node(flat_network(), "fc", inputs=("nowhere",)), "input 'nowhere' is missing"),
    "a node before what it reads": (
        lambda: flat_network(nodes=(trunk()[1], trunk()[0], *flat_network().nodes[2:])),
        "'conv' comes later; list the nodes in execution order",
    ),
    "a name used twice": (lambda: with_node(flat_network(), "conv_q", name="conv"), "the name is used twice"),
    "a node nobody reads": (
        lambda: extended(Node("idle", Flatten(), ("conv_q",)), flat_network().nodes[-1]),
        "nothing reads 'idle'",
    ),
    "an output that is no node": (lambda: flat_network(output="nowhere"), "output 'nowhere' is no node"),
    "no nodes": (lambda: flat_network(nodes=()), "0 nodes"),
    "an upper-case name": (lambda: Node("Conv", Flatten(), ("input",)), "'Conv' is no identifier"),
    "a name with a path": (lambda: Node("../x", Flatten(), ("input",)), "is no identifier"),
    "a name that begins with a digit": (lambda: Node("1x", Flatten(), ("input",)), "is no identifier"),
    "a name of 65 letters": (lambda: Node("x" * 65, Flatten(), ("input",)), "at most 64 characters"),
    "a node named input": (lambda: Node("input", Flatten(), ("conv",)), "'input' is the network's input"),
    "an input that is no identifier": (lambda: Node("x", Flatten(), ("a b",)), "is no identifier"),
    "a network name with a space": (lambda: flat_network(name="a b"), "network: name 'a b'"),
    "a network name that ends in a hyphen": (lambda: flat_network(name="a-"), "network: name 'a-'"),
    "too many inputs": (lambda: Node("x", Flatten(), ("a", "b")), "needed 1 inputs"),
    "one class": (lambda: flat_network(classes=("a",)), "1 classes; needed 2"),
    "duplicate classes": (lambda: flat_network(classes=("a", "b", "a")), "class name 'a' is used twice"),
    "a class name with a line break": (lambda: flat_network(classes=("a", "b\n", "c")), "printable"),
    "an empty class name": (lambda: flat_network(classes=("a", "", "c")), "class name ''"),
    "more classes than logits": (
        lambda: flat_network(classes=tuple("abcd")),
        "has shape [3]; needed [4], one row per class",
    ),
    "dense on an image": (
        lambda: with_node(flat_network(), "fc", inputs=("conv_q",)),
        "reads shape [3, 3, 2]; the weights need [18]",
    ),
    "conv on a vector": (
        lambda: extended(Node("c2", trunk()[0].op, ("flat",)), flat_network().nodes[-1]),
        "needed (H, W, C)",
    ),
    "conv with the wrong channels": (
        lambda: with_node(flat_network(), "conv", weight=np.ones((2, 3, 3, 2), int)),
        "reads 1 channels",
    ),
    "a kernel larger than the image": (
        lambda: with_node(flat_network(), "conv", pad=(0, 0, 0, 0), weight=np.ones((2, 4, 4, 1), int)),
        "kernel [4, 4] is larger",
    ),
    "a pad code outside the type": (
        lambda: with_node(flat_network(), "conv", pad_code=4),
        "pad_code 4 is no code of the input; needed 0..3",
    ),
    "groups that do not divide": (
        lambda: with_node(flat_network(), "conv", groups=2, weight=np.ones((3, 3, 3, 1), int), bias=np.zeros(3, int)),
        "do not divide into 2 groups",
    ),
    "a layer on an accumulator": (
        lambda: with_node(flat_network(), "flat", inputs=("conv",)),
        "reads an accumulator; put a Requant",
    ),
    "a pool on an accumulator": (
        lambda: extended(Node("p", MaxPool((1, 1), (1, 1)), ("conv",)), flat_network().nodes[-1]),
        "reads an accumulator",
    ),
    "a frac that the shift does not explain": (
        lambda: with_node(flat_network(), "conv_q", shift=np.array([3])),
        "channel 0: input frac 5 minus shift 3 is 2; the output type has frac 3",
    ),
    "shifts of the wrong length": (
        lambda: with_node(flat_network(), "conv_q", shift=np.array([2, 2, 2])),
        "3 shifts; 2 channels need 1 or 2",
    ),
    "logits with a frac per channel": (
        lambda: with_node(flat_network(), "fc", weight_type=QType(-7, 7, (3, 4, 3))),
        "logits need one common frac",
    ),
    "thresholds that fall": (
        lambda: Threshold(np.array([[3, 2]]), 0, 1, 0),
        "channel 0: T[0] = 3 is above T[1] = 2; needed sorted rows",
    ),
    "a threshold out of reach": (
        lambda: with_node(flat_network(), "conv_q", op=Threshold(np.array([[10**6]]), 0, 1, 3)),
        "for never",
    ),
    "a step of 0": (lambda: Threshold(np.array([[3]]), 0, 0, 0), "threshold: step"),
    "a shift of 48": (lambda: requant(48), "code 48 at [0]; the type holds -16..47"),
    "a float weight": (
        lambda: Dense(np.ones((2, 2)), np.zeros(2, int), QType(-7, 7), 4),
        "dtype float64; needed integers",
    ),
    "a weight outside its type": (
        lambda: Dense(np.array([[8], [0]]), np.zeros(2, int), QType(-7, 7), 4),
        "weight: code 8 at [0, 0]; the type holds -7..7",
    ),
    "a bias wider than its bits": (
        lambda: Dense(np.ones((2, 2), int), np.array([0, 8]), QType(-7, 7), 4),
        "bias of 4 bits: code 8 at [1]; the type holds -8..7",
    ),
    "a bias of the wrong length": (
        lambda: Dense(np.ones((2, 2), int), np.zeros(3, int), QType(-7, 7), 4),
        "bias: shape [3]; needed [2]",
    ),
    "fracs of the wrong length": (
        lambda: Dense(np.ones((2, 2), int), np.zeros(2, int), QType(-7, 7, (1, 2, 3)), 4),
        "3 fracs; 2 output channels need 1 or 2",
    ),
    "weights of 17 bits": (
        lambda: Dense(np.ones((2, 2), int), np.zeros(2, int), QType(-65536, 7), 4),
        "weights of 17 bits",
    ),
    "a pool that pads a whole window": (lambda: MaxPool((2, 2), (2, 2), (2, 0, 0, 0)), "without a pixel"),
    "a stride of 0": (lambda: SumPool((2, 2), (0, 1)), "needed an integer in 1..255"),
    "an add of different shapes": (
        lambda: extended(Node("a", Add(), ("conv_q", "flat")), flat_network().nodes[-1]),
        "adds shapes [3, 3, 2] and [18]",
    ),
    "a concat of different fracs": (
        lambda: extended(
            Node("q2", Requant(np.array([0]), Rounding.FLOOR, QType(0, 3, 2)), ("input",)),
            Node("c", Concat(), ("conv_q", "q2")),
            flat_network().nodes[-1],
        ),
        "joins fracs [3, 2]",
    ),
    "a type with lo above hi": (lambda: QType(3, 2), "type: hi: found 2; needed an integer in 3.."),
    "a frac out of range": (lambda: QType(0, 1, 65), "type: frac: found 65"),
    "operands 32 bits apart": (
        lambda: Add().infer("sum", [Edge((1,), QType(0, 1, 0)), Edge((1,), QType(0, 1, 32))], False),
        "sum: operands with fracs 0 and 32; they may differ by 31 bits",
    ),
    "images of different size side by side": (
        lambda: Concat().infer("join", [Edge((2, 2, 1), QType(0, 1)), Edge((2, 3, 1), QType(0, 1))], False),
        "join: joins shapes [[2, 2, 1], [2, 3, 1]]; needed equal shapes but for the channels",
    ),
    "an image beside a vector": (
        lambda: Concat().infer("join", [Edge((2, 2, 1), QType(0, 1)), Edge((1,), QType(0, 1))], False),
        "needed equal shapes but for the channels",
    ),
    "a sum with a frac per channel made flat": (
        lambda: Flatten().infer("flat", [Edge((1, 1, 2), QType(0, 9, (1, 2)), True, 9)], False),
        "flat: flattens an accumulator with one frac per channel; put a Requant before it",
    ),
    "65,536 thresholds": (
        lambda: Threshold(np.zeros((1, 65536), int), 0, 1, 0),
        "65536 thresholds a channel; at most 65535",
    ),
    "thresholds of other channels": (
        lambda: with_node(flat_network(), "conv_q", op=Threshold(np.zeros((3, 1), int), 0, 1, 3)),
        "thresholds of 3 channels; 2 channels need 1 or 2",
    ),
    "a stream with a frac per channel": (
        lambda: Requant(np.array([1, 2]), Rounding.FLOOR, QType(0, 3, (1, 2))),
        "one frac per channel; a stream edge has one frac",
    ),
    "a threshold output of 33 bits": (
        lambda: Threshold(np.zeros((1, 65535), int), (1 << 31) - 1, 1 << 16, 0),
        "33 bits; a stream edge has at most 32",
    ),
    "no frac at all": (lambda: QType(0, 3, ()), "frac is an empty tuple; needed one int, or one per channel"),
    "a bias of more than 64 bits": (
        lambda: Dense(np.ones((1, 1), int), np.array([1 << 63], np.uint64), QType(-7, 7), 48),
        "bias: a value does not fit int64",
    ),
    "a branch node named as a trunk node": (
        lambda: with_branches(*(_renamed(i, c, "fine1", "coarse") for i, c in ((0, (2, 0)), (1, (1, 3, 4))))),
        "node 'coarse' stands in the trunk and in a branch; needed unique names",
    ),
    "a branch node nobody reads": (
        lambda: with_branches(*(_with_idle(i, c) for i, c in ((0, (2, 0)), (1, (1, 3, 4))))),
        "nothing in the branches reads 'idle'; remove it or connect it",
    ),
    "a cycle in a branch": (
        lambda: with_branches(
            *(_renamed(i, c, "fine1_q", "fine1_q", ("fine",)) for i, c in ((0, (2, 0)), (1, (1, 3, 4))))
        ),
        "branch 'branch0': node 'fine1_q': input 'fine' depends on 'fine1_q' itself: the graph has a cycle",
    ),
    "branches of other roundings": (
        lambda: with_branches(
            branch(0, (2, 0)), _swapped(1, replace(branch(1, (1,)).nodes[1].op, rounding=Rounding.HALF_EVEN))
        ),
        "rounding is half_even; the first branch has floor",
    ),
    "branches of other weight types": (
        lambda: with_branches(branch(0, (2, 0)), _swapped(0, replace(dense(4, 18, 4), weight_type=QType(-8, 7, 3)))),
        "branch 'branch1': node 'fine1': ",
    ),
    "a numpy integer for a number": (
        lambda: QType(0, np.int64(3)),
        "type: hi: found numpy's int64 3; needed a Python integer, int(...)",
    ),
    "a numpy integer for a stride": (
        lambda: MaxPool((2, 2), (1, np.int8(1))),
        "maxpool: stride: found numpy's int8 1",
    ),
    "a numpy integer for a class": (lambda: branch(0, (2, np.int64(0))), "branch 'branch0': class: found numpy's"),
    "a negative class": (lambda: branch(0, (2, -1)), "branch 'branch0': class: found -1; needed an integer in 0.."),
    "a bool for a class": (lambda: branch(0, (2, True)), "branch 'branch0': class: found True"),
    "an edge of more codes than memory": (
        lambda: extended(
            Node("c0", Concat(), ("conv_q", "conv_q")),
            *(Node(f"c{i}", Concat(), (f"c{i - 1}",) * 64) for i in range(1, 12)),
            flat_network().nodes[-1],
        ),
        "node 'c4' (concat): 603979776 codes per image, [3, 3, 67108864]; at most 268435456 are supported",
    ),
    "an input of more codes than memory": (
        lambda: flat_network(input=replace(flat_network().input, shape=(4096, 4096, 17))),
        "input: 285212672 codes per image, [4096, 4096, 17]; at most 268435456 are supported",
    ),
    "a bool for a number": (lambda: QType(False, 1), "type: lo: found False"),
    "an input table outside its type": (
        lambda: Input((2, 2, 1), QType(0, 3), np.array([[0], [4]])),
        "input: table: code 4",
    ),
    "an input table with too many columns": (
        lambda: Input((2, 2, 1), QType(0, 3), np.zeros((4, 2), int)),
        "needed 2 to 256 levels by 1 or 1 channels",
    ),
    "an input table of 257 levels": (
        lambda: Input((2, 2, 1), QType(0, 3), np.zeros((257, 1), int)),
        "needed 2 to 256 levels",
    ),
    "an input of two dimensions": (
        lambda: Input((2, 2), QType(0, 3), np.zeros((4, 1), int)),
        "needed (H, W, C) or (C,)",
    ),
    "one branch": (lambda: Route("flat", "fine", 3, (branch(0, (0, 1)),)), "1 branches; needed 2"),
    "more classes than capacity": (
        lambda: Route("flat", "fine", 1, (branch(0, (0, 1)), branch(1, (2,)))),
        "has 2 classes; capacity is 1",
    ),
    "branches of one name": (
        lambda: Route("flat", "fine", 2, (branch(0, (0,)), branch(0, (1,)))),
        "needed no duplicate",
    ),
    "a branch without classes": (lambda: branch(0, ()), "needed at least one"),
    "a class in two branches": (
        lambda: with_branches(branch(0, (0, 1)), branch(1, (1, 3, 4))),
        "branches cover classes [0, 1, 1, 3, 4]; needed 0..4, each once",
    ),
    "a class in two branches beside all others": (
        lambda: with_branches(branch(0, (0, 1, 2)), branch(1, (2, 3, 4))),
        "branches cover classes [0, 1, 2, 2, 3, 4]; needed 0..4, each once",
    ),
    "coarse logits of another number": (
        lambda: with_node(routed_network(), "coarse", op=dense(3, 18, 1)),
        "one row per branch",
    ),
    "a source that does not exist": (
        lambda: routed_network(route=replace(routed_network().route, source="nowhere")),
        "source 'nowhere' is no node of the trunk",
    ),
    "a source that is a sum": (
        lambda: routed_network(route=replace(routed_network().route, source="conv")),
        "source 'conv' is an accumulator",
    ),
    "a branch that reads the trunk elsewhere": (
        lambda: with_branches(
            replace(
                branch(0, (2, 0)),
                nodes=(replace(branch(0, (0,)).nodes[0], inputs=("conv_q",)), *branch(0, (0,)).nodes[1:]),
            ),
            branch(1, (1, 3, 4)),
        ),
        "input 'conv_q' is missing",
    ),
    "branches of different width": (
        lambda: with_branches(branch(0, (2, 0)), _swapped(0, dense(4, 18, 1, 7))),
        "bias_bits is 7; the first branch has 6",
    ),
    "branches of different length": (
        lambda: with_branches(
            branch(0, (2, 0)),
            replace(branch(1, (1, 3, 4)), nodes=(branch(1, (1,)).nodes[0], Node("fine", dense(3, 18, 2), ("flat",)))),
        ),
        "2 nodes; the first branch has 3",
    ),
    "a branch output that is no node": (
        lambda: routed_network(route=replace(routed_network().route, output="flat")),
        "output 'flat' is no node of the branches",
    ),
    "a capacity unlike the logits": (
        lambda: routed_network(route=replace(routed_network().route, capacity=4)),
        "needed [4], one row per place of the capacity",
    ),
}


def _renamed(index, classes, old, new, inputs=None):
    """A branch with one node renamed, in what reads it too, and perhaps reading something else."""
    nodes = []
    for node in branch(index, classes).nodes:
        reads = inputs if inputs and node.name == old else tuple(new if n == old else n for n in node.inputs)
        nodes.append(replace(node, name=new if node.name == old else node.name, inputs=reads))
    return replace(branch(index, classes), nodes=tuple(nodes))


def _with_idle(index, classes):
    nodes = branch(index, classes).nodes
    return replace(branch(index, classes), nodes=(*nodes, Node("idle", dense(2, 4, 1), ("fine1_q",))))


def _swapped(index, op):
    bank = branch(1, (1, 3, 4))
    nodes = list(bank.nodes)
    nodes[index] = replace(nodes[index], op=op)
    return replace(bank, nodes=tuple(nodes))


@pytest.mark.parametrize("name", CASES)
def test_a_broken_rule_is_refused_in_one_line(name):
    build, words = CASES[name]
    with pytest.raises(NetworkError) as caught:
        build()
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "build",
    [
        lambda: branch(0, (7,) * 500_000),
        lambda: replace(trunk()[0].op, stride=(1,) * 500_000),
        lambda: replace(flat_network().input, shape=(1,) * 500_000),
        lambda: Node("x", Concat(), ("input",) * 500_000),
        lambda: Route("flat", "fine", 3, (branch(0, (2, 0)), *[replace(branch(1, (1,)), name="b" * 64)] * 256)),
        lambda: Route("flat", "fine", 3, (*[replace(branch(1, (1,)), name="b" * 64)] * 256,)),
        lambda: flat_network(classes=("c" * 10_000, "d", "e")),
        lambda: Node("x" * 10_000, Flatten(), ("input",)),
        lambda: QType(0, [1] * 10_000),
    ],
)
def test_what_is_wrong_is_said_in_few_words_however_long_it_is(build):
    with pytest.raises(NetworkError) as caught:
        build()
    assert len(str(caught.value)) < 300
    assert "\n" not in str(caught.value)


def test_a_class_name_used_twice_among_very_many_is_found_at_once():
    names = tuple(f"c{i}" for i in range(65_535))
    start = time.perf_counter()
    with pytest.raises(NetworkError, match="class name 'c65534' is used twice"):
        flat_network(classes=(*names, names[-1]))
    assert time.perf_counter() - start < 5


def test_tensors_are_copied_and_cannot_be_written():
    weight = np.ones((2, 2), int)
    op = Dense(weight, np.zeros(2, int), QType(-7, 7), 4)
    weight[0, 0] = 5
    assert op.weight[0, 0] == 1
    with pytest.raises(ValueError, match="read-only"):
        op.weight[0, 0] = 2
