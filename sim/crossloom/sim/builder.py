"""The one way to append checked nodes to a network under construction, section by section."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from .errors import NetworkError
from .network import INPUT, Branch, Input, Network, Node, Route
from .ops import Edge, Op


@dataclass
class Section:
    """All of a flat network under construction, or the trunk, the coarse head or one branch of a routed one.

    `edges` are what its nodes may read: what the section starts from, and one for each of its own `nodes`. A `banked`
    section can be rewritten: its widths follow from the types of weights and biases, not from their values. Nodes
    without a name of their own are called `prefix`, kind and number.
    """

    edges: dict[str, Edge]
    prefix: str = ""
    banked: bool = False
    nodes: list[Node] = field(default_factory=list)

    @classmethod
    def of_input(cls, network_input: Input) -> Section:
        """An empty section that reads the image."""
        return cls({INPUT: network_input.edge})

    def head(self, prefix: str) -> Section:
        """The coarse head of this trunk, empty; it may read any edge of the trunk."""
        return Section(dict(self.edges), prefix, True)

    def branch(self, source: str, prefix: str) -> Section:
        """A branch of this trunk, empty; it may read the edge `source` alone."""
        return Section({source: self.edges[source]}, prefix, True)

    @property
    def last(self) -> str:
        """Name of the edge that was added last, or that the section starts from."""
        return next(reversed(self.edges))

    def add(self, op: Op, *inputs: str, name: str | None = None, where: str | None = None) -> str:
        """Append an operator that reads the edges `inputs`, or else the last one; return its edge's name.

        Raises NetworkError for a name that is taken, an edge that is not there, and an operator that does not fit
        what it reads; `where` is said instead of the node's name and kind.
        """
        name = f"{self.prefix}{op.kind}{len(self.nodes)}" if name is None else name
        where = f"node {name!r} ({op.kind})" if where is None else where
        inputs = inputs or (self.last,)
        if name in self.edges:
            raise NetworkError(f"{where}: the name is used twice; needed unique names")
        for source in inputs:
            if source not in self.edges:
                raise NetworkError(f"{where}: input {source!r} is missing; needed one of the nodes before it")
        node = Node(name, op, inputs)
        self.edges[name] = op.output_edge(where, [self.edges[source] for source in inputs], self.banked)
        self.nodes.append(node)
        return name

    def swap_last(self, op: Op) -> None:
        """Put another operator in the place of the last node, under the same name and with the same inputs."""
        node = self.nodes.pop()
        del self.edges[node.name]
        self.add(op, *node.inputs, name=node.name)

    def unused(self, name: str) -> str:
        """Return `name`, or where it is taken the first of name_2, name_3, ... that is not."""
        found, number = name, 1
        while found in self.edges or found == INPUT:
            number += 1
            found = f"{name}_{number}"
        return found


def finish(name: str, network_input: Input, section: Section, classes: Sequence[str], output: str = "") -> Network:
    """Return the flat network of a section; its logits are the edge `output`, or else the last one.

    Raises NetworkError where the whole does not hold.
    """
    return Network(name, network_input, tuple(section.nodes), output or section.last, tuple(classes))


def finish_routed(
    name: str,
    network_input: Input,
    trunk: Section,
    head: Section,
    branches: Mapping[str, tuple[Sequence[int], Section]],
    classes: Sequence[str],
    source: str,
    *,
    coarse: str = "",
    fine: str = "",
) -> Network:
    """Return the routed network of a trunk, its coarse head, and branches by name that read the edge `source`.

    With each branch come the class indices of its first rows; its capacity is the length of its fine logits. `coarse`
    and `fine` name the edges with the logits, or else they are the last ones. Raises NetworkError where the whole
    does not hold.
    """
    banks = tuple(Branch(bank, tuple(own), tuple(section.nodes)) for bank, (own, section) in branches.items())
    first = next(section for _, section in branches.values())
    fine = fine or first.last
    route = Route(source, fine, first.edges[fine].size, banks)
    return Network(name, network_input, (*trunk.nodes, *head.nodes), coarse or head.last, tuple(classes), route)
