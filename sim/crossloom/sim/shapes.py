"""Networks of realistic size with random weights, for measuring speed, memory and hardware cost."""

from __future__ import annotations

import numpy as np

from .network import INPUT, Branch, Input, Network, Node, Route
from .ops import Conv2d, Dense, Flatten, MaxPool, Requant, SumPool
from .ops.base import Op
from .types import QType, Rounding

CODE_FRAC = 4
CODES = QType(0, 15, CODE_FRAC)
WEIGHT_FRAC = 3
WEIGHTS = QType(-7, 7, WEIGHT_FRAC)


class _Builder:
    """Layers in order, each reading the one before; activations of 4 bits that neither vanish nor saturate."""

    def __init__(self, rng: np.random.Generator, x: str, channels: int, frac: int) -> None:
        self.rng, self.x, self.channels, self.frac = rng, x, channels, frac
        self.nodes: list[Node] = []

    def add(self, name: str, op: Op) -> None:
        self.nodes.append(Node(name, op, (self.x,)))
        self.x = name

    def _quantize(self, name: str, shift: int) -> None:
        out = QType(CODES.lo, CODES.hi, self.frac)
        self.add(name, Requant(np.array([shift]), Rounding.HALF_EVEN, out))

    def conv(self, name: str, outputs: int) -> None:
        weight = self.rng.integers(WEIGHTS.lo, WEIGHTS.hi, (outputs, 3, 3, self.channels), endpoint=True)
        # A sum of k random products of 4-bit codes and weights spreads over about 40 * sqrt(k).
        shift = max(1, round(np.log2(40 * np.sqrt(9 * self.channels) / 8)))
        bias = self.rng.integers(0, 4 << shift, outputs)
        self.add(name, Conv2d(weight, bias, WEIGHTS, 16, pad=(1, 1, 1, 1)))
        self.frac += WEIGHT_FRAC - shift
        self._quantize(f"{name}_q", shift)
        self.channels = outputs

    def stage(self, number: int, width: int) -> None:
        for i in (1, 2):
            self.conv(f"conv{number}_{i}", width)

    def pool(self, name: str) -> None:
        self.add(name, MaxPool((2, 2), (2, 2)))

    def classify(self, prefix: str, rows: int) -> None:
        """Global mean of 8x8 pixels, dense."""
        self.add(f"{prefix}mean", SumPool((8, 8), (8, 8)))
        self._quantize(f"{prefix}mean_q", 6)
        self.add(f"{prefix}flat", Flatten())
        weight = self.rng.integers(WEIGHTS.lo, WEIGHTS.hi, (rows, self.channels), endpoint=True)
        self.add(f"{prefix}logits", Dense(weight, self.rng.integers(-128, 128, rows), WEIGHTS, 8))


def _trunk(seed: int) -> _Builder:
    """3x3 convolutions 32-32-pool-64-64-pool."""
    builder = _Builder(np.random.default_rng(seed), INPUT, 3, CODE_FRAC)
    for number, width in enumerate((32, 64)):
        builder.stage(number, width)
        builder.pool(f"pool{number}")
    return builder


def _network(name: str, nodes: list[Node], output: str, route: Route | None = None) -> Network:
    network_input = Input((32, 32, 3), CODES, (np.arange(256) // 16)[:, None])
    return Network(name, network_input, tuple(nodes), output, tuple(f"class {i}" for i in range(10)), route)


def cifar_shape(seed: int = 0) -> Network:
    """Return a 32x32x3 network of 38.6 million products.

    3x3 convolutions 32-32-pool-64-64-pool-128-128, global mean, dense 10. Weights of 4 bits, drawn from `seed`;
    activations of 4 bits, scaled so that they neither vanish nor saturate.
    """
    builder = _trunk(seed)
    builder.stage(2, 128)
    builder.classify("", 10)
    return _network("cifar-shape", builder.nodes, builder.x)


def cifar_sha_shape(seed: int = 0) -> Network:
    """Return the hierarchical sister of `cifar_shape`: the same trunk up to the second pool, then one of 4 branches.

    The coarse head there is a global mean and dense 4; each branch has 128-128, global mean and dense for its share of
    the 10 classes, with two rows to spare. 38.6 million products an image.
    """
    trunk = _trunk(seed)
    source, edge = trunk.x, (trunk.channels, trunk.frac)
    trunk.classify("coarse_", 4)
    shares = [tuple(int(c) for c in part) for part in np.array_split(np.arange(10), 4)]
    branches, output = [], ""
    for i, classes in enumerate(shares):
        builder = _Builder(trunk.rng, source, *edge)
        builder.stage(2, 128)
        builder.classify("fine_", len(shares[0]) + 2)
        branches.append(Branch(f"branch{i}", classes, tuple(builder.nodes)))
        output = builder.x
    route = Route(source, output, len(shares[0]) + 2, tuple(branches))
    return _network("cifar-sha-shape", trunk.nodes, trunk.x, route)
