"""What a network costs, counted from its structure alone: parameters, products, widths and memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from .network import INPUT, Network


@dataclass(frozen=True)
class LayerCost:
    """One operator, for one image.

    `parameters` and `memory_bits` count all banks; `macs` one run of the layer. `bits` is the width of the output
    edge, `weight_bits` that of a weight (0 where there is none). `memory_bits`: weights, biases, shifts and
    thresholds at their declared widths; `membrane_bits` what neurons keep from step to step, one bank's.
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
    membrane_bits: int = 0


@dataclass(frozen=True)
class Cost:
    """The layers and their sums; `macs` is per image: the trunk, the coarse head and one branch.

    What the same layers would take without routing: `macs_flat` counts the trunk without the coarse head, and one
    tail shaped like a branch whose output has exactly one row per class, none spare; for a network without route it
    is `macs`. `macs_bcnn` counts trunk, coarse head and that tail, as a B-CNN (arXiv 1709.09890) computes every level
    for every image; None without route.
    """

    layers: tuple[LayerCost, ...]
    parameters: int
    macs: int
    memory_bits: int
    weight_bits: int
    activation_bits: int
    macs_flat: int
    macs_bcnn: int | None
    membrane_bits: int = 0

    @property
    def saved_flat(self) -> float | None:
        """Fraction of `macs_flat` that routing saves, negative where it takes more; None without route."""
        return None if self.macs_bcnn is None else _saved(self.macs, self.macs_flat)

    @property
    def saved_bcnn(self) -> float | None:
        """Fraction of `macs_bcnn` that routing saves, negative where it takes more; None without route."""
        return None if self.macs_bcnn is None else _saved(self.macs, self.macs_bcnn)

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
            sources = [edges[name] for name in node.inputs]
            tensors = op.tensors(sources)
            layers.append(
                LayerCost(
                    node.name,
                    op.kind,
                    edge.shape,
                    edge.type.bits,
                    next((tensor.bits for tensor in tensors if tensor.name == "weight"), 0),
                    sum(tensor.count for tensor in tensors if tensor.parameter) * copies,
                    op.macs(edge),
                    op.memory_bits(sources) * copies,
                    copies,
                    op.state_bits(edge),
                )
            )
    macs_flat, macs_bcnn = _unrouted(network, {layer.name: layer.macs for layer in layers})
    streams = [edge.type.bits for name, edge in network.edges.items() if name != INPUT and not edge.accumulator]
    return Cost(
        tuple(layers),
        sum(layer.parameters for layer in layers),
        sum(layer.macs for layer in layers),
        sum(layer.memory_bits for layer in layers),
        max((layer.weight_bits for layer in layers), default=0),
        max(streams, default=network.input.type.bits),
        macs_flat,
        macs_bcnn,
        sum(layer.membrane_bits for layer in layers),
    )


def _saved(macs: int, baseline: int) -> float:
    return 1 - macs / baseline if baseline else 0.0


def _unrouted(network: Network, macs: Mapping[str, int]) -> tuple[int, int | None]:
    """Return `Cost.macs_flat` and `Cost.macs_bcnn`, given the products of every layer."""
    route = network.route
    if route is None:
        return sum(macs.values()), None
    head = sum(macs[name] for name in network.head)
    trunk = sum(macs[node.name] for node in network.nodes) - head
    nodes = {node.name: node for node in route.branches[0].nodes}
    # The rows of the logits are made by the last layer with products: the output itself, or what a Requant or
    # Flatten passes on to it.
    last, pending = set(), [route.output]
    while pending:
        name = pending.pop()
        if name not in nodes or name in last:
            continue
        if macs[name]:
            last.add(name)
        else:
            pending.extend(nodes[name].inputs)
    rows = sum(macs[name] for name in last)
    # Exact where every row costs the same, which a Dense layer's do; else rounded up.
    tail = sum(macs[name] for name in nodes) - rows - (-rows * len(network.classes) // route.capacity)
    return trunk + tail, trunk + head + tail
