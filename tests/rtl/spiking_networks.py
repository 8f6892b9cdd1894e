"""Spiking networks of realistic shapes with random weights."""

import numpy as np

from crossloom.sim.network import Input, Network, Node
from crossloom.sim.ops import LIF, Conv2d, Dense, Flatten, Last, MaxPool, Threshold
from crossloom.sim.types import QType

WEIGHTS = QType(-7, 7)


def spiking_network(side, convolutions, steps=3, bits=4, seed=0):
    """Images of `side` x `side` codes of `bits`; convolutions (channels, kernel, stride, theta, pooled); ten sums."""
    rng = np.random.default_rng(seed)
    top = (1 << bits) - 1
    table = np.minimum(np.arange(17) * (top + 1) // 16, top)[:, None]
    nodes, source, shape = [], "input", (side, side, 1)

    def linear(kind, *size, **how):
        weight = rng.integers(WEIGHTS.lo, WEIGHTS.hi, size, endpoint=True)
        return kind(weight, rng.integers(-9, 10, size[0]), WEIGHTS, 12, **how)

    def neurons(theta, reset):
        return LIF(np.array([theta]), np.array([2]), 3, reset, "now", False, 1, 18, steps)

    for i, (channels, kernel, stride, theta, pooled) in enumerate(convolutions):
        conv = linear(Conv2d, channels, kernel, kernel, shape[2], stride=(stride, stride))
        op = neurons(theta, "subtract")
        nodes.append(Node(f"sum{i}", conv, (source,)))
        nodes.append(Node(f"membrane{i}", op, (f"sum{i}",)))
        nodes.append(Node(f"spikes{i}", Threshold(op.levels, 0, 1, 0), (f"membrane{i}",)))
        source, size = f"spikes{i}", (shape[0] - kernel) // stride + 1
        if pooled:
            nodes.append(Node(f"pool{i}", MaxPool((2, 2), (2, 2)), (source,)))
            source, size = f"pool{i}", size // 2
        shape = size, size, channels
    nodes.append(Node("flat", Flatten(), (source,)))
    nodes.append(Node("sum", linear(Dense, 10, int(np.prod(shape))), ("flat",)))
    nodes.append(Node("membrane", neurons(1, "none"), ("sum",)))
    nodes.append(Node("scores", Last(), ("membrane",)))
    classes = tuple("0123456789")
    return Network("spiking", Input((side, side, 1), QType(0, top), table), tuple(nodes), "scores", classes)


def spiking_digits():
    """As `digits-snn`: 8x8 codes of 4 bits, two convolutions, pooled spikes, three steps."""
    return spiking_network(8, [(8, 3, 1, 900, True), (12, 2, 1, 150, False)])
