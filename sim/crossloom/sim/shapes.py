"""Networks of realistic size with random weights, for measuring speed, memory and hardware cost."""

from __future__ import annotations

import numpy as np

from .network import INPUT, Input, Network, Node
from .ops import Conv2d, Dense, Flatten, MaxPool, Requant, SumPool
from .types import QType, Rounding

CODES = QType(0, 15, 4)
WEIGHT_FRAC = 3
WEIGHTS = QType(-7, 7, WEIGHT_FRAC)


def cifar_shape(seed: int = 0) -> Network:
    """Return a 32x32x3 network of 38.6 million products.

    3x3 convolutions 32-32-pool-64-64-pool-128-128, global mean, dense 10. Weights of 4 bits, drawn from `seed`;
    activations of 4 bits, scaled so that they neither vanish nor saturate.
    """
    rng = np.random.default_rng(seed)
    nodes: list[Node] = []
    frac = 4

    def conv(name: str, source: str, inputs: int, outputs: int) -> str:
        nonlocal frac
        weight = rng.integers(WEIGHTS.lo, WEIGHTS.hi, (outputs, 3, 3, inputs), endpoint=True)
        # A sum of k random products of 4-bit codes and weights spreads over about 40 * sqrt(k).
        shift = max(1, round(np.log2(40 * np.sqrt(9 * inputs) / 8)))
        bias = rng.integers(0, 4 << shift, outputs)
        layer = Conv2d(weight, bias, WEIGHTS, 16, pad=(1, 1, 1, 1))
        frac += WEIGHT_FRAC - shift
        out = QType(CODES.lo, CODES.hi, frac)
        nodes.append(Node(name, layer, (source,)))
        nodes.append(Node(f"{name}_q", Requant(np.array([shift]), Rounding.HALF_EVEN, out), (name,)))
        return f"{name}_q"

    x, channels = INPUT, 3
    for stage, width in enumerate((32, 64, 128)):
        for i in (1, 2):
            x = conv(f"conv{stage}_{i}", x, channels, width)
            channels = width
        if stage < 2:
            nodes.append(Node(f"pool{stage}", MaxPool((2, 2), (2, 2)), (x,)))
            x = f"pool{stage}"
    out = QType(CODES.lo, CODES.hi, frac)
    nodes += [
        Node("mean", SumPool((8, 8), (8, 8)), (x,)),
        Node("mean_q", Requant(np.array([6]), Rounding.HALF_EVEN, out), ("mean",)),
        Node("flat", Flatten(), ("mean_q",)),
        Node(
            "logits",
            Dense(
                rng.integers(WEIGHTS.lo, WEIGHTS.hi, (10, 128), endpoint=True),
                rng.integers(-128, 128, 10),
                WEIGHTS,
                8,
            ),
            ("flat",),
        ),
    ]
    table = (np.arange(256) // 16)[:, None]
    network_input = Input((32, 32, 3), CODES, table)
    return Network("cifar-shape", network_input, tuple(nodes), "logits", tuple(f"class {i}" for i in range(10)))
