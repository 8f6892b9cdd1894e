"""A network: input table, operators in execution order, and for a hierarchy the routed bank of branches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

from .encoders import ENCODERS, RATE_ONE
from .errors import NetworkError
from .ops import Edge, Op
from .ops.lif import MAX_STEPS
from .ops.quantize import check_stream_type
from .types import IntArray, QType, check_identifier, check_int, check_network_name, frozen_ints

INPUT = "input"
MAX_NODES = 1024
MAX_BRANCHES = 256
MAX_CLASSES = 65536
MAX_CLASS_NAME = 80
MAX_SIDE = 4096
MAX_EDGE = 1 << 28


@dataclass(frozen=True, eq=False)
class Input:
    """The input edge and the table that makes its codes.

    `shape` (H, W, C) or (C,); `table` (levels, C) or (levels, 1) int32 codes of `type`: an image value u (uint8,
    below levels, 2 <= levels <= 256) of channel c becomes table[u, c]. `encoder` says what makes time steps of it:

    - direct: nothing, one step.
    - rate: codes 0 and 1, a spike at each of `steps` where a draw is below table[u, c], 0..65536; `seed`, of 32 bits,
      and the image's number give the draws (`crossloom.sim.encoders`).
    - latency: codes 0 and 1, one spike at step table[u, c], none where that is `steps`.
    - events: images come with `steps` of their own, (steps, *shape), each through the table.
    """

    shape: tuple[int, ...]
    type: QType
    table: IntArray
    encoder: str = "direct"
    steps: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.shape, tuple) or len(self.shape) not in (1, 3):
            raise NetworkError(f"input: shape {repr(self.shape)[:80]}; needed (H, W, C) or (C,)")
        for n in self.shape:
            check_int("input: shape", n, 1, MAX_SIDE)
        check_stream_type("input: type", self.type)
        table = frozen_ints("input: table", self.table, (None, None), "<i4")
        if not 2 <= len(table) <= 256 or table.shape[1] not in (1, self.shape[-1]):
            raise NetworkError(
                f"input: table has shape {list(table.shape)}; needed 2 to 256 levels by 1 or {self.shape[-1]} channels"
            )
        object.__setattr__(self, "table", table)
        if self.encoder not in ENCODERS:
            raise NetworkError(f"input: encoder {str(self.encoder)[:40]!r}; needed one of {', '.join(ENCODERS)}")
        check_int("input: steps", self.steps, 1, MAX_STEPS)
        check_int("input: seed", self.seed, 0, (1 << 32) - 1)
        if self.encoder == "direct" and self.steps > 1:
            raise NetworkError(f"input: {self.steps} steps; encoder 'direct' has one, which neurons see at every step")
        if self.encoder != "rate" and self.seed:
            raise NetworkError(f"input: seed {self.seed}; only encoder 'rate' draws, leave it out")
        spikes = {"rate": RATE_ONE, "latency": self.steps}
        if self.encoder not in spikes:
            self.type.check("input: table", table)
            return
        if (self.type.lo, self.type.hi) != (0, 1):
            raise NetworkError(
                f"input: type {self.type.lo}..{self.type.hi}; the codes of encoder {self.encoder!r} are 0 and 1"
            )
        QType(0, spikes[self.encoder]).check(f"input: table of encoder {self.encoder!r}", table)

    @property
    def levels(self) -> int:
        """Number of image values, 2 to 256."""
        return len(self.table)

    @property
    def edge(self) -> Edge:
        """The edge of its codes."""
        return Edge(self.shape, self.type, steps=self.steps)

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Shape of an image as it is given: `shape`, of events (steps, *shape) where there are several."""
        return self.edge.image_shape if self.encoder == "events" else self.shape


@dataclass(frozen=True, eq=False)
class Node:
    """One operator; its output edge carries its name. `inputs` name nodes, or "input"."""

    name: str
    op: Op
    inputs: tuple[str, ...]

    def __post_init__(self) -> None:
        check_identifier("node", self.name)
        if self.name == INPUT:
            raise NetworkError(f"node: name {INPUT!r} is the network's input; choose another")
        least, most = self.op.arity
        if not isinstance(self.inputs, tuple) or not least <= len(self.inputs) <= most:
            wanted = str(least) if least == most else f"{least} to {most}"
            raise NetworkError(
                f"node {self.name!r}: {self.op.kind} reads {repr(self.inputs)[:80]}; needed {wanted} inputs"
            )
        for name in self.inputs:
            check_identifier(f"node {self.name!r}: input", name)

    def structure(self, edges: Mapping[str, Edge]) -> dict[str, Any]:
        """The operator as hardware sees it; the banks of a routed network must agree on it."""
        return {
            "name": self.name,
            "op": self.op.kind,
            "inputs": list(self.inputs),
            "edge": edges[self.name].structure(),
            **self.op.structure([edges[name] for name in self.inputs]),
        }


@dataclass(frozen=True, eq=False)
class Branch:
    """One bank of the routed layers: row i of its logits is class `classes[i]`; further rows are masked."""

    name: str
    classes: tuple[int, ...]
    nodes: tuple[Node, ...]

    def __post_init__(self) -> None:
        check_identifier("branch", self.name)
        if not self.classes or len(set(self.classes)) != len(self.classes):
            raise NetworkError(
                f"branch {self.name!r}: classes {list(self.classes[:20])}; needed at least one, no duplicate"
            )
        for label in self.classes:
            check_int(f"branch {self.name!r}: class", label, 0, MAX_CLASSES - 1)


@dataclass(frozen=True, eq=False)
class Route:
    """Coarse logits -> argmax (ties: lowest index) -> one branch only, reading edge `source`.

    Branches share node names, operators, shapes and types; each brings weights of its own. `output` names the
    branch edge with the fine logits, (capacity,).
    """

    source: str
    output: str
    capacity: int
    branches: tuple[Branch, ...]

    def __post_init__(self) -> None:
        check_int("route: capacity", self.capacity, 1, MAX_CLASSES)
        if not 2 <= len(self.branches) <= MAX_BRANCHES:
            raise NetworkError(f"route: {len(self.branches)} branches; needed 2 to {MAX_BRANCHES}")
        names = [b.name for b in self.branches]
        if len(set(names)) != len(names):
            raise NetworkError(f"route: branch names {repr(names)[:80]}; needed no duplicate")
        for branch in self.branches:
            if len(branch.classes) > self.capacity:
                raise NetworkError(
                    f"route: branch {branch.name!r} has {len(branch.classes)} classes; capacity is {self.capacity}"
                )


@dataclass(frozen=True, eq=False)
class Network:
    """A checked network: constructing one proves its graph, shapes, types and accumulator widths.

    `nodes` stand in execution order. `output` names the edge with the logits (classes,), or with a `route` the
    coarse logits (branches,). `classes` are the class names in label order.
    """

    name: str
    input: Input
    nodes: tuple[Node, ...]
    output: str
    classes: tuple[str, ...]
    route: Route | None = None

    def __post_init__(self) -> None:
        check_network_name(self.name)
        _check_class_names(self.classes)
        branch_nodes = self.route.branches[0].nodes if self.route else ()
        if not 1 <= len(self.nodes) + len(branch_nodes) <= MAX_NODES:
            raise NetworkError(f"network: {len(self.nodes) + len(branch_nodes)} nodes; needed 1 to {MAX_NODES}")
        _check_order(self.nodes, {INPUT})
        trunk_names = {n.name for n in self.nodes}
        if self.output not in trunk_names:
            raise NetworkError(f"network: output {self.output!r} is no node")
        used = {name for n in self.nodes for name in n.inputs} | {self.output}
        edges = self.edges
        logits = self._trunk_edges[self.output]
        if self.route is None:
            _check_logits("output", logits, len(self.classes), "one row per class")
        else:
            used.add(self.route.source)
            _check_logits("output (coarse logits)", logits, len(self.route.branches), "one row per branch")
            _check_branches(self.route, len(self.classes), trunk_names, edges)
            self._check_banks(self.route)
        for _, nodes, _ in self.sections():
            for node in nodes:
                node.op.check_readers(f"node {node.name!r}", [n.op for n in nodes if node.name in n.inputs])
        idle = [name for name in (INPUT, *(n.name for n in self.nodes)) if name not in used]
        if idle:
            raise NetworkError(f"network: nothing reads {idle[0]!r}; remove it or connect it")

    @cached_property
    def edges(self) -> Mapping[str, Edge]:
        """Every edge by name, in execution order; a branch edge appears once, as branch 0 has it."""
        edges = dict(self._trunk_edges)
        if self.route:
            edges.update(self.branch_edges[0])
        return MappingProxyType(edges)

    @cached_property
    def producers(self) -> Mapping[str, Node]:
        """The node of every edge but the input, by name, in execution order; of the branches the first one's."""
        nodes = (*self.nodes, *(self.route.branches[0].nodes if self.route else ()))
        return MappingProxyType({node.name: node for node in nodes})

    @cached_property
    def steps(self) -> int:
        """The most time steps that an edge has, 1 without time."""
        return max(edge.steps for edge in self.edges.values())

    @property
    def timed(self) -> str | None:
        """What makes this a network of time, as messages say it: its input of several steps, or a node; else None."""
        if self.edges[INPUT].steps > 1:
            return f"input of {self.edges[INPUT].steps} time steps"
        return next((f"node {n.name!r} ({n.op.kind})" for n in self.producers.values() if n.op.timed), None)

    @cached_property
    def _trunk_edges(self) -> Mapping[str, Edge]:
        edges = {INPUT: self.input.edge}
        _check_size("input", edges[INPUT])
        _infer(self.nodes, edges, self.head)
        return edges

    @cached_property
    def branch_edges(self) -> tuple[Mapping[str, Edge], ...]:
        """The edges of each branch; they differ in `frac` alone."""
        if self.route is None:
            return ()
        source = self._trunk_edges.get(self.route.source)
        if source is None:
            raise NetworkError(f"route: source {self.route.source!r} is no node of the trunk")
        if source.accumulator:
            raise NetworkError(
                f"route: source {self.route.source!r} is an accumulator; put a Requant or Threshold first"
            )
        found = []
        for branch in self.route.branches:
            edges = {self.route.source: source}
            _check_order(branch.nodes, set(edges), f"branch {branch.name!r}: ")
            _infer(branch.nodes, edges, {n.name for n in branch.nodes}, f"branch {branch.name!r}: ")
            del edges[self.route.source]
            found.append(MappingProxyType(edges))
        return tuple(found)

    @cached_property
    def head(self) -> frozenset[str]:
        """Trunk nodes that only the coarse logits need; as rewritable as a branch, so bounded by type."""
        if self.route is None:
            return frozenset()
        producers = {n.name: n for n in self.nodes}
        above, pending = set(), [self.route.source]
        while pending:
            name = pending.pop()
            if name in producers and name not in above:
                above.add(name)
                pending.extend(producers[name].inputs)
        return frozenset(producers) - above

    def sections(self) -> Iterator[tuple[int | None, tuple[Node, ...], Mapping[str, Edge]]]:
        """Yield (None, trunk nodes, their edges), then (index, nodes, edges) of each branch; edges include sources."""
        yield None, self.nodes, self._trunk_edges
        if self.route:
            source = {self.route.source: self._trunk_edges[self.route.source]}
            for index, branch in enumerate(self.route.branches):
                yield index, branch.nodes, {**source, **self.branch_edges[index]}

    def _check_banks(self, route: Route) -> None:
        """Raise NetworkError unless every branch asks for the same hardware as the first."""
        sections = [(nodes, edges) for index, nodes, edges in self.sections() if index is not None]
        first = [node.structure(sections[0][1]) for node in sections[0][0]]
        for branch, (nodes, edges) in zip(route.branches[1:], sections[1:], strict=True):
            if len(nodes) != len(first):
                raise NetworkError(f"branch {branch.name!r}: {len(nodes)} nodes; the first branch has {len(first)}")
            for node, wanted in zip(nodes, first, strict=True):
                found = node.structure(edges)
                for key in wanted:
                    if found.get(key) != wanted[key]:
                        raise NetworkError(
                            f"branch {branch.name!r}: node {node.name!r}: {key} is {found.get(key)}; "
                            f"the first branch has {wanted[key]}, and branches share everything but their tensors"
                        )

    @property
    def hierarchy(self) -> dict[str, list[str]] | None:
        """Class names by branch name, or None for a flat network."""
        if self.route is None:
            return None
        return {b.name: [self.classes[c] for c in b.classes] for b in self.route.branches}


def _infer(nodes: Sequence[Node], edges: dict[str, Edge], banked: Iterable[str], prefix: str = "") -> None:
    banked = set(banked)
    for node in nodes:
        where = f"{prefix}node {node.name!r} ({node.op.kind})"
        try:
            edges[node.name] = node.op.output_edge(where, [edges[name] for name in node.inputs], node.name in banked)
        except NetworkError as error:
            raise error if str(error).startswith(where) else NetworkError(f"{where}: {error}") from None
        _check_size(where, edges[node.name])


def _check_size(where: str, edge: Edge) -> None:
    if edge.image_size > MAX_EDGE:
        raise NetworkError(
            f"{where}: {edge.image_size} codes per image, {list(edge.image_shape)}; at most {MAX_EDGE} are supported"
        )


def _check_order(nodes: Sequence[Node], known: set[str], prefix: str = "") -> None:
    """Raise NetworkError for a duplicate name, a missing input, a cycle, or a node before what it reads."""
    producers = {n.name: n for n in nodes}
    seen = set(known)
    for node in nodes:
        if node.name in seen:
            raise NetworkError(f"{prefix}node {node.name!r}: the name is used twice; needed unique names")
        for name in node.inputs:
            if name in seen:
                continue
            where = f"{prefix}node {node.name!r}: input {name!r}"
            if name not in producers:
                raise NetworkError(f"{where} is missing; needed one of the nodes before it")
            if _reaches(producers, name, node.name):
                raise NetworkError(f"{where} depends on {node.name!r} itself: the graph has a cycle")
            raise NetworkError(f"{where} comes later; list the nodes in execution order")
        seen.add(node.name)


def _reaches(producers: Mapping[str, Node], start: str, goal: str) -> bool:
    pending, seen = [start], set()
    while pending:
        name = pending.pop()
        if name == goal:
            return True
        if name in producers and name not in seen:
            seen.add(name)
            pending.extend(producers[name].inputs)
    return False


def _check_class_names(classes: tuple[str, ...]) -> None:
    if not 2 <= len(classes) <= MAX_CLASSES:
        raise NetworkError(f"network: {len(classes)} classes; needed 2 to {MAX_CLASSES}")
    for name in classes:
        if not isinstance(name, str) or not 1 <= len(name) <= MAX_CLASS_NAME or not name.isprintable():
            raise NetworkError(
                f"network: class name {str(name)[:MAX_CLASS_NAME]!r}; needed 1 to {MAX_CLASS_NAME} printable characters"
            )
    if len(set(classes)) != len(classes):
        counts = Counter(classes)
        twice = next(name for name in classes if counts[name] > 1)
        raise NetworkError(f"network: class name {twice!r} is used twice; needed unique names")


def _check_logits(what: str, edge: Edge, rows: int, meaning: str) -> None:
    if edge.image_shape != (rows,):
        raise NetworkError(f"network: {what} has shape {list(edge.image_shape)}; needed [{rows}], {meaning}")
    if edge.type.common_frac is None:
        raise NetworkError(f"network: {what} has one frac per channel; logits need one common frac")


def _check_branches(route: Route, classes: int, trunk: set[str], edges: Mapping[str, Edge]) -> None:
    covered = [c for b in route.branches for c in b.classes]
    if sorted(covered) != list(range(classes)):
        raise NetworkError(f"route: branches cover classes {sorted(covered)[:20]}; needed 0..{classes - 1}, each once")
    first = route.branches[0]
    names = {n.name for n in first.nodes}
    if names & trunk:
        raise NetworkError(
            f"route: node {min(names & trunk)!r} stands in the trunk and in a branch; needed unique names"
        )
    if route.output not in names:
        raise NetworkError(f"route: output {route.output!r} is no node of the branches")
    read = {name for n in first.nodes for name in n.inputs} | {route.output}
    idle = [name for name in (route.source, *(n.name for n in first.nodes)) if name not in read]
    if idle:
        raise NetworkError(f"route: nothing in the branches reads {idle[0]!r}; remove it or connect it")
    _check_logits("branch output", edges[route.output], route.capacity, "one row per place of the capacity")
