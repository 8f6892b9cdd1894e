"""Takes a network apart into the layers of hls4ml projects, each type named, or refuses what hls4ml cannot compute."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from crossloom.sim.network import INPUT, Network, Node
from crossloom.sim.ops import Edge, Requant

from .hls4ml_layers import LAYERS, Given, Layer
from .hls4ml_types import edge_type, refused, requant_type

MAX_READERS = 7  # of hls4ml's clone_stream


@dataclass(frozen=True, eq=False)
class Project:
    """What becomes one hls4ml project: from one edge to another, layers in execution order."""

    name: str
    input: Edge
    output: Edge
    layers: tuple[Layer, ...]


@dataclass(frozen=True, eq=False)
class Parts:
    """A network as projects: one, or an optional trunk, a coarse head and each branch."""

    trunk: Project | None
    head: Project | None = None
    branches: tuple[Project, ...] = ()

    @property
    def projects(self) -> tuple[Project, ...]:
        """All of them, in order."""
        return tuple(p for p in (self.trunk, self.head, *self.branches) if p is not None)


def take_apart(network: Network) -> Parts:
    """The projects of a network.

    Raises HlsError, naming the node and why, for what hls4ml does not compute exactly.
    """
    edges = network.edges
    if network.route is None:
        return Parts(_project("network", network.nodes, edges, INPUT, network.output, f"{network.name}: "))
    route, where = network.route, f"{network.name}: "
    trunk_nodes = tuple(n for n in network.nodes if n.name not in network.head)
    head_nodes = tuple(n for n in network.nodes if n.name in network.head)
    if network.output not in network.head:
        raise refused(f"{where}node {network.output!r}", "the branches' source depends on the coarse logits")
    inside = {route.source, *network.head}
    for node in head_nodes:
        for name in node.inputs:
            if name not in inside:
                raise refused(
                    f"{where}node {node.name!r} ({node.op.kind})",
                    f"a coarse head that reads {name!r} besides the branches' source {route.source!r}",
                )
    trunk = None
    if trunk_nodes:
        trunk = _project("trunk", trunk_nodes, edges, INPUT, route.source, where)
    head = _project("head", head_nodes, edges, route.source, network.output, where)
    branches = tuple(
        _project(f"branch{i}", nodes, own, route.source, route.output, f"{where}branch {route.branches[i].name!r}: ")
        for i, nodes, own in network.sections()
        if i is not None
    )
    return Parts(trunk, head, branches)


def _project(
    name: str, nodes: Sequence[Node], edges: Mapping[str, Edge], source: str, output: str, prefix: str
) -> Project:
    builder = _Builder(edges, source, output, Counter(i for n in nodes for i in n.inputs))
    for edge, count in builder.readers.items():
        if count > MAX_READERS:
            raise refused(f"{prefix}edge {edge!r}", f"{count} readers; hls4ml copies a stream to {MAX_READERS}")
    for node in nodes:
        builder.add(f"{prefix}node {node.name!r} ({node.op.kind})", node, nodes)
    return Project(name, edges[source], edges[output], tuple(builder.layers))


class _Builder:
    """Appends layers; `values` says which layer computes an edge."""

    def __init__(self, edges: Mapping[str, Edge], source: str, output: str, readers: Counter[str]) -> None:
        self.edges, self.output, self.readers = edges, output, readers
        self.values = {source: INPUT}
        self.layers: list[Layer] = []

    def append(self, kind: str, inputs: Sequence[str], types: Mapping[str, str], **fields: object) -> str:
        name = f"{kind}{len(self.layers)}"  # users' names could be anything that fx or hls4ml gives a meaning
        self.layers.append(Layer(name, kind, tuple(inputs), types, **fields))  # type: ignore[arg-type]
        return name

    def add(self, where: str, node: Node, nodes: Sequence[Node]) -> None:
        if node.name in self.values:  # swallowed
            return
        result, name, reader = self._result(where, node, nodes)
        given = Given(
            where=where,
            op=node.op,
            inputs=tuple(self.values[i] for i in node.inputs),
            sources=tuple(self.edges[i] for i in node.inputs),
            edge=self.edges[node.name],
            result=result,
            reader=reader,
            readers=tuple(n.op.kind for n in nodes if node.name in n.inputs),
            output=node.name == self.output,
        )
        if node.op.kind not in LAYERS:
            raise refused(where, f"operator {node.op.kind}")
        self.values[node.name] = self.values[name] = LAYERS[node.op.kind](given, self.append)

    def _result(self, where: str, node: Node, nodes: Sequence[Node]) -> tuple[str, str, Requant | None]:
        """The type that a layer writes, the edge that it makes, and the Requant that it swallows as its one reader.

        An accumulator with a FIFO of its own would cost memory, and hls4ml rounds into any type on writing.
        """
        edge = self.edges[node.name]
        if edge.accumulator and self.readers[node.name] == 1 and node.name != self.output:
            reader = next(n for n in nodes if node.name in n.inputs)
            if isinstance(reader.op, Requant):
                where = where[: where.rindex("node ")] + f"node {reader.name!r} ({reader.op.kind})"
                return requant_type(where, reader.op, edge), reader.name, reader.op
        return edge_type(edge), node.name, None
