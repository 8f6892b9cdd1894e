"""What a network costs, counted from its structure alone: parameters, products, widths and memory."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from .network import INPUT, Network
from .ops import Conv2d, Dense, Requant, Threshold
from .ops.quantize import MAX_SHIFT, MIN_SHIFT
from .structure import node_structure

# One bit more than the range needs would be waste: -16..47 is an offset of 6 bits.
SHIFT_BITS = (MAX_SHIFT - MIN_SHIFT).bit_length()


@dataclass(frozen=True)
class LayerCost:
    """One operator, for one image.

    `parameters` and `memory_bits` count all banks; `macs` one run of the layer. `bits` is the width of the output
    edge, `weight_bits` that of a weight (0 where there is none). `memory_bits`: weights, biases, shifts and
    thresholds at their declared widths.
    """

    name: str
    op: str
    shape: tuple[int, ...]
    bits: int
    weight_bits: int
    parameters: int
    macs: int
    memory_bits: int
    banks: int


@dataclass(frozen=True)
class Cost:
    """The layers and their sums; `macs` is per image: the trunk, the coarse head and one branch."""

    layers: tuple[LayerCost, ...]
    parameters: int
    macs: int
    memory_bits: int
    weight_bits: int
    activation_bits: int

    def to_json(self) -> dict[str, Any]:
        """Plain data, with the origin of the figures."""
        return {**asdict(self), "origin": "estimated from the network's structure"}


def cost(network: Network) -> Cost:
    """Count a network's cost; `weight_bits` and `activation_bits` are the widest after the input edge."""
    layers = []
    banks = len(network.route.branches) if network.route else 1
    for index, nodes, edges in network.sections():
        if index not in (None, 0):
            continue
        for node in nodes:
            op, edge, copies = node.op, edges[node.name], 1 if index is None else banks
            parameters = memory = weight_bits = 0
            if isinstance(op, Conv2d | Dense):
                weight_bits = op.weight_type.bits
                parameters = int(op.weight.size + op.bias.size)
                memory = int(op.weight.size) * weight_bits + int(op.bias.size) * op.bias_bits
            elif isinstance(op, Requant):
                memory = int(op.shift.size) * SHIFT_BITS
            elif isinstance(op, Threshold):
                memory = int(op.thresholds.size) * int(node_structure(node, edges)["threshold_bits"])
            layers.append(
                LayerCost(
                    node.name,
                    op.kind,
                    edge.shape,
                    edge.type.bits,
                    weight_bits,
                    parameters * copies,
                    op.macs(edge),
                    memory * copies,
                    copies,
                )
            )
    streams = [edge.type.bits for name, edge in network.edges.items() if name != INPUT and not edge.accumulator]
    return Cost(
        tuple(layers),
        sum(layer.parameters for layer in layers),
        sum(layer.macs for layer in layers),
        sum(layer.memory_bits for layer in layers),
        max((layer.weight_bits for layer in layers), default=0),
        max(streams, default=network.input.type.bits),
    )
