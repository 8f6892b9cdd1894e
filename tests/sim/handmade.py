"""Small networks built by hand, so that tests can break one thing at a time."""

from dataclasses import replace

import numpy as np

from crossloom.sim import (
    LIF,
    Artifact,
    Branch,
    Conv2d,
    Dense,
    Flatten,
    Input,
    Last,
    Network,
    Node,
    QType,
    Requant,
    Rounding,
    Route,
    Threshold,
    make_golden,
)

SOURCE = Input((3, 3, 1), QType(0, 3, 2), np.array([0, 1, 3, 2])[:, None])


def dense(rows, columns, seed, bias_bits=6):
    """A 4-bit dense layer with weights from a formula, the same under any numpy."""
    index = np.arange(rows * columns).reshape(rows, columns)
    weight = (index * index * 7 + index + seed) % 15 - 7
    return Dense(weight, np.arange(rows) - 1, QType(-7, 7, 3), bias_bits)


def trunk():
    """Conv -> conv_q -> flat (18,)."""
    weight = (np.arange(18).reshape(2, 3, 3, 1) * 4) % 15 - 7
    return (
        Node("conv", Conv2d(weight, np.array([3, -2]), QType(-7, 7, 3), 5, pad=(1, 1, 1, 1)), ("input",)),
        Node("conv_q", Requant(np.array([2]), Rounding.HALF_EVEN, QType(0, 15, 3)), ("conv",)),
        Node("flat", Flatten(), ("conv_q",)),
    )


def flat_network(**changes):
    """A flat network of three classes."""
    nodes = (*trunk(), Node("fc", dense(3, 18, 1), ("flat",)))
    return replace(Network("hand-made", SOURCE, nodes, "fc", ("a", "b", "c")), **changes)


def branch(index, classes, seed=None):
    """One bank: fine1 -> fine1_q -> fine."""
    seed = 3 + index if seed is None else seed
    return Branch(
        f"branch{index}",
        classes,
        (
            Node("fine1", dense(4, 18, seed), ("flat",)),
            Node(
                "fine1_q", Requant(np.array([3 + index % 2]), Rounding.FLOOR, QType(-8, 7, 3 - index % 2)), ("fine1",)
            ),
            Node("fine", dense(3, 4, seed + 2), ("fine1_q",)),
        ),
    )


def routed_network(**changes):
    """Two branches, capacity three; branch 0 holds classes 2 and 0, branch 1 holds 1, 3 and 4."""
    nodes = (*trunk(), Node("coarse", dense(2, 18, 9), ("flat",)))
    route = Route("flat", "fine", 3, (branch(0, (2, 0)), branch(1, (1, 3, 4))))
    return replace(Network("hand-routed", SOURCE, nodes, "coarse", tuple("abcde"), route), **changes)


def spiking_network(**changes):
    """Conv -> neurons at three steps -> spikes -> flat -> fc -> membranes -> the last of them."""
    first, _, flat = trunk()
    neurons = LIF(np.array([20, 31]), np.array([0, 2]), 1, "subtract", "next", True, 1, 9, 3)
    scores = LIF(np.array([40]), np.array([3]), 2, "none", "now", False, 1, 10, 3)
    nodes = (
        first,
        Node("neurons", neurons, ("conv",)),
        Node("spikes", Threshold(neurons.levels, 0, 1, 0), ("neurons",)),
        replace(flat, inputs=("spikes",)),
        Node("fc", dense(3, 18, 1), ("flat",)),
        Node("membranes", scores, ("fc",)),
        Node("scores", Last(), ("membranes",)),
    )
    return replace(Network("hand-spiking", SOURCE, nodes, "scores", ("a", "b", "c")), **changes)


MADE = {"flat": flat_network, "routed": routed_network, "spiking": spiking_network}


def with_branches(*branches):
    """The routed network with other branches."""
    return routed_network(route=replace(routed_network().route, branches=branches))


def with_node(network, at, /, **fields):
    """The network with one trunk node's fields, or its operator's where the node has none such, replaced."""
    nodes = []
    for node in network.nodes:
        if node.name == at:
            own = {k: v for k, v in fields.items() if k in ("name", "op", "inputs")}
            inner = {k: v for k, v in fields.items() if k not in own}
            node = replace(node, **own, **({"op": replace(node.op, **inner)} if inner else {}))
        nodes.append(node)
    return replace(network, nodes=tuple(nodes))


def made(name):
    """A small artifact with info and golden vectors, the same under any numpy."""
    net = MADE[name]()
    images = (np.arange(5 * 9) * 7 % 4).reshape(5, 3, 3, 1).astype(np.uint8)
    golden = make_golden(net, "hand test", images, np.arange(5) % 3)
    return Artifact(net, {"accuracy": {"value": 0.5, "origin": "measured"}, "note": "ü"}, golden)
