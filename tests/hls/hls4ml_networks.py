"""Small networks for the hls4ml flow, each with a shape of graph of its own, and parts to make more of."""

from dataclasses import replace

import numpy as np

from crossloom.sim import (
    Add,
    Branch,
    Concat,
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
    SumPool,
)

SIGNED = QType(-128, 127, 4)


def network_of(nodes, shape=(6, 6, 2), type_=SIGNED, classes=4, name="made"):
    table = np.linspace(type_.lo, type_.hi, 256).astype(int).reshape(256, 1)
    nodes = [Node(n, op, inputs) for n, op, inputs in nodes]
    return Network(name, Input(shape, type_, table), tuple(nodes), nodes[-1].name, tuple("abcdefghij"[:classes]))


def dense(out, width, seed=0, frac=0, bits=6):
    rng = np.random.default_rng(seed)
    half = 1 << (bits - 1)
    return Dense(rng.integers(-half, half, (out, width)), rng.integers(-99, 99, out), QType(-half, half - 1, frac), 8)


def conv(out, channels, seed=0, kernel=(3, 3), **fields):
    rng = np.random.default_rng(seed)
    weight = rng.integers(-8, 8, (out, *kernel, channels))
    return Conv2d(weight, rng.integers(-99, 99, out), QType(-8, 7, 2), 8, **fields)


def requant(shift, type_, frac, rounding=Rounding.HALF_EVEN):
    return Requant(np.atleast_1d(shift), rounding, replace(type_, frac=frac))


def identity(width):
    """Logits that are the codes."""
    return Dense(np.eye(width, dtype=int), np.zeros(width, int), QType(0, 1), 1)


def head(x, width, classes=4):
    return [("flat", Flatten(), (x,)), ("logits", dense(classes, width), ("flat",))]


def every_rounding():
    """All codes of 8 bits times 3, shifted by -2..9 in three roundings, clipped to three types, shown as logits."""
    shifts = np.arange(-2, 10)
    nodes = [
        (
            "times3",
            Dense(np.full((12, 1), 3), np.ones(12, int), QType(-4, 3, tuple(int(s) for s in shifts)), 2),
            ("input",),
        )
    ]
    shown = []
    for rounding in Rounding:
        for name, type_ in (("unsigned", QType(0, 15)), ("signed", QType(-16, 15)), ("narrow", QType(-7, 7))):
            shown.append(f"{rounding.value}_{name}")
            nodes.append((shown[-1], requant(shifts, type_, 4, rounding), ("times3",)))
    # An accumulator with nine readers is past what hls4ml copies: three layers, three readers each.
    first = nodes.pop(0)
    layers = [(f"times3_{i}", first[1], first[2]) for i in range(3)]
    nodes = [(n, op, (f"times3_{i // 3}",)) for i, (n, op, _) in enumerate(nodes)]
    nodes = [*layers, *nodes, ("all", Concat(), tuple(shown)), ("logits", identity(108), ("all",))]
    network = Network(
        "every-rounding",
        Input((1,), SIGNED, np.arange(-128, 128).reshape(256, 1)),
        tuple(Node(*node) for node in nodes),
        "logits",
        tuple(f"code {i}" for i in range(108)),
    )
    return network, np.arange(-128, 128).reshape(256, 1)


def corners():
    """Small networks, each with a shape of graph of its own."""
    small = QType(0, 15)
    yield network_of(
        [
            ("conv", conv(4, 2, kernel=(1, 1)), ("input",)),
            ("codes", requant(6, small, 0), ("conv",)),
            ("mean", SumPool((4, 4), (4, 4)), ("codes",)),
            ("logits", Flatten(), ("mean",)),
        ],
        shape=(4, 4, 2),
        name="flatten-is-the-output",
    )
    yield network_of(
        [
            ("double", Add(), ("input", "input")),
            ("doubled", requant(3, QType(-128, 127), 1, Rounding.FLOOR), ("double",)),
            ("again", requant(1, QType(-128, 127), 0, Rounding.HALF_UP), ("doubled",)),
            ("twice", Concat(), ("again", "again", "again")),
            *head("twice", 6 * 6 * 6),
        ],
        name="one-edge-read-twice",
    )
    yield network_of(
        [
            ("conv", conv(8, 1, groups=2, stride=(3, 2), pad=(2, 0, 1, 3)), ("input",)),
            ("low", requant(3, small, 3), ("conv",)),
            ("high", requant(5, QType(-8, 7), 1), ("conv",)),
            ("sum", Add(), ("low", "high")),
            ("codes", requant(0, QType(-31, 31), 3), ("sum",)),
            *head("codes", 2 * 4 * 8),
        ],
        name="two-readers-of-an-accumulator",
    )
    yield network_of(
        [
            ("codes", requant(4, small, 0), ("input",)),
            ("flat", Flatten(), ("codes",)),
            ("left", dense(5, 72, 1), ("flat",)),
            ("right", dense(5, 72, 2), ("flat",)),
            ("conv", conv(2, 2), ("codes",)),
            ("left_codes", requant(5, QType(-8, 7), -5), ("left",)),
            ("right_codes", requant(4, small, -4), ("right",)),
            ("sum", Add(), ("left_codes", "right_codes")),
            ("sum_codes", requant(0, QType(-63, 63), -4), ("sum",)),
            ("conv_codes", requant(6, QType(-63, 63), -4), ("conv",)),
            ("flat_conv", Flatten(), ("conv_codes",)),
            ("narrow", dense(5, 32, 3), ("flat_conv",)),
            ("narrow_codes", requant(5, QType(-63, 63), -9), ("narrow",)),
            ("wide_codes", requant(5, QType(-63, 63), -9), ("sum_codes",)),
            ("both", Concat(), ("wide_codes", "narrow_codes")),
            ("logits", dense(4, 10), ("both",)),
        ],
        name="a-flattened-edge-read-twice",
    )
    yield Network(
        "routed-from-a-flattened-edge",
        Input((2, 3, 2), SIGNED, np.arange(-128, 128).reshape(256, 1)),
        (
            Node("codes", requant(4, small, 0), ("input",)),
            Node("flat", Flatten(), ("codes",)),
            Node("coarse", dense(2, 12, 7), ("flat",)),
        ),
        "coarse",
        ("a", "b"),
        Route(
            "flat",
            "fine",
            1,
            tuple(Branch(f"b{i}", (i,), (Node("fine", dense(1, 12, i), ("flat",)),)) for i in range(2)),
        ),
    )
    branches = tuple(
        Branch(
            f"b{i}",
            (2 * i, 2 * i + 1),
            (Node("flat_b", Flatten(), ("input",)), Node("fine", dense(3, 8, i), ("flat_b",))),
        )
        for i in range(2)
    )
    yield Network(
        "routed-from-the-input",
        Input((2, 2, 2), SIGNED, np.arange(-128, 128).reshape(256, 1)),
        (Node("flat", Flatten(), ("input",)), Node("coarse", dense(2, 8, 7), ("flat",))),
        "coarse",
        ("a", "b", "c", "d"),
        Route("input", "fine", 3, branches),
    )
