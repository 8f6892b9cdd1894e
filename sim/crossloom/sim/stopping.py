"""The scores that a network with time would give if it stopped after each of its steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from .network import Network
from .types import AnyArray, IntArray


class Stopping:
    """What ends time in a network, ready to end it earlier: give `edges` of a run to `scores`.

    `steps` is how many there are to stop after, 0 where stopping has no meaning: without time steps at the output's
    sources, with time again after they ended, or with branches, of which a coarse answer chooses one.
    """

    def __init__(self, network: Network) -> None:
        self.network = network
        edges = network.edges
        after: set[str] = set()
        steps: set[int] = set()
        for node in network.nodes:
            ends = edges[node.name].steps == 1 and any(edges[name].steps > 1 for name in node.inputs)
            if ends or after.intersection(node.inputs):
                after.add(node.name)
                steps.update(edges[name].steps for name in node.inputs if edges[name].steps > 1)
        needed, pending = set(), [network.output]
        while pending:
            name = pending.pop()
            if name in after and name not in needed:
                needed.add(name)
                pending.extend(network.producers[name].inputs)
        self._nodes = [node for node in network.nodes if node.name in needed]
        again = any(edges[node.name].steps > 1 for node in self._nodes)
        self.steps = max(steps, default=0) if self._nodes and network.route is None and not again else 0
        read = dict.fromkeys(name for node in self._nodes for name in node.inputs if name not in needed)
        self.edges = tuple(read) if self.steps else ()

    def scores(self, codes: Mapping[str, AnyArray]) -> IntArray:
        """Return the logits int64 (N, steps, classes) after each step, of codes (N, *image_shape) of `edges`.

        The last are the network's. A sum over steps ends with the step, and First counts from there.
        """
        edges = self.network.edges
        rows = len(next(iter(codes.values())))
        found = np.empty((rows, self.steps, edges[self.network.output].size), np.int64)
        given = {name: codes[name].astype(edges[name].carrier) for name in self.edges}
        for step in range(1, self.steps + 1):
            values = {n: x[:, :step] if edges[n].steps > 1 else x for n, x in given.items()}
            for node in self._nodes:
                sources = [replace(e, steps=min(e.steps, step)) for e in (edges[name] for name in node.inputs)]
                kernel = node.op.batch_kernel(sources, edges[node.name])
                values[node.name] = kernel(*(values[name] for name in node.inputs))
            found[:, step - 1] = values[self.network.output]
        return found
