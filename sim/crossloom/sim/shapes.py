"""Networks of realistic size with random weights, for measuring speed, memory and hardware cost."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .builder import Section, finish, finish_routed
from .network import Input, Network
from .ops import Conv2d, Dense, Flatten, MaxPool, Requant, SumPool
from .types import QType, Rounding

CODE_FRAC = 4
CODES = QType(0, 15, CODE_FRAC)
WEIGHT_FRAC = 3
WEIGHTS = QType(-7, 7, WEIGHT_FRAC)
IMAGE = Input((32, 32, 3), CODES, (np.arange(256) // 16)[:, None])
CLASSES = tuple(f"class {i}" for i in range(10))


@dataclass
class _Layers:
    """Layers in order, each reading the one before; activations of 4 bits that neither vanish nor saturate."""

    rng: np.random.Generator
    section: Section
    channels: int = 3
    frac: int = CODE_FRAC

    def _quantize(self, name: str, shift: int) -> None:
        out = QType(CODES.lo, CODES.hi, self.frac)
        self.section.add(Requant(np.array([shift]), Rounding.HALF_EVEN, out), name=name)

    def conv(self, name: str, outputs: int) -> None:
        weight = self.rng.integers(WEIGHTS.lo, WEIGHTS.hi, (outputs, 3, 3, self.channels), np.int64, endpoint=True)
        # A sum of k random products of 4-bit codes and weights spreads over about 40 * sqrt(k).
        shift = max(1, round(np.log2(40 * np.sqrt(9 * self.channels) / 8)))
        bias = self.rng.integers(0, 4 << shift, outputs)
        self.section.add(Conv2d(weight, bias, WEIGHTS, 16, pad=(1, 1, 1, 1)), name=name)
        self.frac += WEIGHT_FRAC - shift
        self._quantize(f"{name}_q", shift)
        self.channels = outputs

    def stage(self, number: int, width: int) -> None:
        for i in (1, 2):
            self.conv(f"conv{number}_{i}", width)

    def pool(self, name: str) -> None:
        self.section.add(MaxPool((2, 2), (2, 2)), name=name)

    def classify(self, prefix: str, rows: int) -> None:
        """Global mean of 8x8 pixels, dense."""
        self.section.add(SumPool((8, 8), (8, 8)), name=f"{prefix}mean")
        self._quantize(f"{prefix}mean_q", 6)
        self.section.add(Flatten(), name=f"{prefix}flat")
        weight = self.rng.integers(WEIGHTS.lo, WEIGHTS.hi, (rows, self.channels), np.int64, endpoint=True)
        self.section.add(Dense(weight, self.rng.integers(-128, 128, rows), WEIGHTS, 8), name=f"{prefix}logits")


def _trunk(seed: int) -> _Layers:
    """3x3 convolutions 32-32-pool-64-64-pool."""
    layers = _Layers(np.random.default_rng(seed), Section.of_input(IMAGE))
    for number, width in enumerate((32, 64)):
        layers.stage(number, width)
        layers.pool(f"pool{number}")
    return layers


def cifar_shape(seed: int = 0) -> Network:
    """Return a 32x32x3 network of 38.6 million products.

    3x3 convolutions 32-32-pool-64-64-pool-128-128, global mean, dense 10. Weights of 4 bits, drawn from `seed`;
    activations of 4 bits, scaled so that they neither vanish nor saturate.
    """
    layers = _trunk(seed)
    layers.stage(2, 128)
    layers.classify("", 10)
    return finish("cifar-shape", IMAGE, layers.section, CLASSES)


def cifar_sha_shape(seed: int = 0) -> Network:
    """Return the hierarchical sister of `cifar_shape`: the same trunk up to the second pool, then one of 4 branches.

    The coarse head there is a global mean and dense 4; each branch has 128-128, global mean and dense for its share of
    the 10 classes, with two rows to spare. 38.6 million products an image.
    """
    trunk = _trunk(seed)
    source = trunk.section.last
    head = replace(trunk, section=trunk.section.head(""))
    head.classify("coarse_", 4)
    shares = [tuple(int(c) for c in part) for part in np.array_split(np.arange(10), 4)]
    branches = {}
    for i, classes in enumerate(shares):
        bank = replace(trunk, section=trunk.section.branch(source, ""))
        bank.stage(2, 128)
        bank.classify("fine_", len(shares[0]) + 2)
        branches[f"branch{i}"] = classes, bank.section
    return finish_routed("cifar-sha-shape", IMAGE, trunk.section, head.section, branches, CLASSES, source)
