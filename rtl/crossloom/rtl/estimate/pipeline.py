"""What a pipeline of layers with as many multipliers would take at best: an estimate beside the shared array."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crossloom.sim import Network, cost
from crossloom.sim.network import INPUT, Node
from crossloom.sim.ops import Edge


@dataclass(frozen=True)
class Streaming:
    """Cycles of an ideal pipeline, `latency` of one image and `interval` between images; estimated."""

    latency: int
    interval: int


def streaming(network: Network, multipliers: int) -> Streaming:
    """An ideal pipeline, every layer with its share of the multipliers by its products, all always busy.

    The interval is products / multipliers. A layer starts when the rows of its first window are there, which delays
    what follows; a window as high as the image delays until the layer before has ended, which the interval counts. A
    branch starts when the trunk has ended. Memory, rounding to whole multipliers and control would add to it.
    """
    interval = -(-cost(network).macs // multipliers)
    sections = list(network.sections())
    latency = 0.0
    # Branches are alike: one of them runs.
    for _, nodes, edges in sections[:2]:
        latency += interval * _share(network, nodes) * (1 + _lag(nodes, edges))
    return Streaming(round(latency), interval)


def _share(network: Network, nodes: Sequence[Node]) -> float:
    """A section runs for the whole interval unless it has nothing to multiply."""
    macs = {layer.name: layer.macs for layer in cost(network).layers}
    return 1.0 if any(macs[node.name] for node in nodes) else 0.0


def _lag(nodes: Sequence[Node], edges: Mapping[str, Edge]) -> float:
    """The longest sum of row lags through a section, as shares of an image."""
    lags: dict[str, float] = {INPUT: 0.0}
    for node in nodes:
        own, sources = 0.0, [edges[name] for name in node.inputs]
        window, height = node.op.window(sources), sources[0].shape[0]
        if window and window.kernel[0] - window.pad[0] < height:
            own = (window.kernel[0] - window.pad[0]) / height
        lags[node.name] = max(lags.get(name, 0.0) for name in node.inputs) + own
    return max(lags.values())
