"""What a network does on given images, counted: the products with codes that are not 0."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .network import Network, Node
from .simulator import run
from .types import AnyArray, IntArray


def synaptic_operations(
    network: Network, images: AnyArray | None = None, *, codes: AnyArray | None = None, index: int | IntArray = 0
) -> Mapping[str, IntArray]:
    """Return int64 (N,) by layer: its products with codes that are not 0, all steps, padding that is 0 left out.

    Of spikes, that is what an event-driven machine adds up. The layers of a branch are those of the one that ran.
    `images`, `codes`, `index` and what is raised as in `run`.
    """
    readers: dict[str, list[Node]] = {}
    for node in network.producers.values():
        if node.op.macs(network.edges[node.name]):
            readers.setdefault(node.inputs[0], []).append(node)
    given = images if codes is None else codes
    count = 0 if given is None else len(given)
    found = {node.name: np.zeros(count, np.int64) for nodes in readers.values() for node in nodes}

    def sink(name: str, rows: IntArray, seen: AnyArray) -> None:
        # Branches differ in their weights alone, so that each image's counts are those of any bank.
        for node in readers[name]:
            every = node.op.synaptic_operations(seen.reshape(-1, *network.edges[name].shape))
            found[node.name][rows] = every.reshape(len(rows), -1).sum(1)

    run(network, images, codes=codes, edges=readers, sink=sink, index=index)
    return found
