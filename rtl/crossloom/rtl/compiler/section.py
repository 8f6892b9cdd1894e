"""The trunk or all branches of a network at once, as the engine takes them apart: what lies where, and as what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from crossloom.sim.network import Network, Node
from crossloom.sim.ops import Edge, Op
from crossloom.sim.types import signed_bits

from .passes import Shape, Source, Sums, Window

Banks = Sequence[tuple[tuple[Node, ...], Mapping[str, Edge]]]


class Section:
    """One section, each node as every bank has it; edges are as bank 0 has them, which differ in their scales alone.

    `shapes` has every stored edge's shape, a flattened one as the image that it was, and grows with the passes.
    Edges of nodes of `moving` kinds are others reshaped.
    """

    def __init__(self, network: Network, banks: Banks, banked: bool, shapes: dict[str, Shape], moving: frozenset[str]):
        self.network, self.banked, self.shapes = network, banked, shapes
        self.edges = banks[0][1]
        self.order = [node.name for node in banks[0][0]]
        self.nodes = {name: [nodes[i] for nodes, _ in banks] for i, name in enumerate(self.order)}
        self.aliases: dict[str, str] = {}  # edges of the section before, by the edges that lie there
        self._moving = moving

    def node(self, name: str) -> Node:
        """The node of an edge of this section, as bank 0 has it."""
        return self.nodes[name][0]

    def ops(self, name: str) -> list[Op]:
        """A node's operator in every bank."""
        return [node.op for node in self.nodes[name]]

    def origin(self, edge: str) -> str:
        """The edge that is not another one reshaped."""
        while edge in self.nodes and self.node(edge).op.kind in self._moving:
            edge = self.node(edge).inputs[0]
        return edge

    def stored(self, edge: str) -> str:
        """The edge whose codes lie in the feature memory for this one."""
        origin = self.origin(edge)
        return self.aliases.get(origin, origin)

    def shape(self, edge: str) -> Shape:
        """An edge as it is stored."""
        return self.shapes[self.stored(edge)]

    def acc_bits(self, edge: str) -> int:
        """Width of an edge's sums in two's complement."""
        type_ = self.edges[edge].type
        return signed_bits(type_.lo, type_.hi)

    def identity(self, edges: Sequence[str], name: str, step: int = 0) -> Sums:
        """Edges one behind the other along the channels, as sums of single products; `name` is the edge they make.

        `step` is the first of their time steps that is read.
        """
        counts = [self.shape(edge)[2] for edge in edges]
        sources, bias = [], np.zeros(sum(counts), np.int64)
        for i, edge in enumerate(edges):
            at = sum(counts[:i])
            weights = np.zeros((sum(counts), 1, 1, counts[i]), np.int64)
            weights[at + np.arange(counts[i]), 0, 0, np.arange(counts[i])] = 1
            bias[at : at + counts[i]] += self.edges[edge].type.lo
            sources.append(Source(self.stored(edge), (weights,), weights[:, 0, 0] != 0, step=step))
        h, w, _ = self.shape(edges[0])
        return Sums(tuple(sources), Window(), 0, (h, w, sum(counts)), (bias,), self.acc_bits(name), 2)
