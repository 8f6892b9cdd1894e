"""Operators of a network as nodes of a NIR graph: which make one node, and the real numbers that it has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from crossloom.sim import (
    LIF,
    Conv2d,
    Count,
    Dense,
    Edge,
    First,
    Flatten,
    ForeignError,
    Last,
    MaxPool,
    Network,
    Node,
    Requant,
    SumPool,
    Threshold,
)
from crossloom.sim.network import INPUT
from crossloom.sim.ops import Op

from ..geometry import flat_order
from .chain import Reals


@dataclass(frozen=True, eq=False)
class Group:
    """A node of the class `kind` of nir, made of the operators with these names; `numbers` are its arguments.

    `said`: what its numbers do not say, for metadata.
    """

    name: str
    kind: str
    numbers: Mapping[str, Any]
    operators: tuple[str, ...] = ()
    said: Mapping[str, Any] = field(default_factory=dict)

    @property
    def metadata(self) -> Mapping[str, Any]:
        """As `said`; whoever writes a file adds integers."""
        return self.said

    def but(self, said: Mapping[str, Any]) -> Group:
        """The same node saying something else besides."""
        return replace(self, said=said)


def groups(network: Network, step: float) -> list[Group]:
    """Return the nodes of a flat network, from Input to Output, its time steps lasting `step` seconds.

    What an encoder makes of images, the graph reads. Raises ForeignError naming the operator that no node says: one
    that rounds or clips, branches, sums of edges.
    """
    if network.route is not None:
        raise ForeignError(f"{network.name}: a routed network; NIR has no decisions; needed a flat one")
    build = _Groups(network, step)
    while build.rest:
        build.take()
    build.found.append(Group("output", "Output", {"output_type": {"output": _shape(network.edges[build.at])}}))
    return build.found


def _shape(edge: Edge) -> Any:
    shape = edge.shape if len(edge.shape) == 1 else (edge.shape[2], edge.shape[0], edge.shape[1])
    return np.array(shape, dtype=np.int64)


class _Groups:
    """Goes along the nodes of a network; `order` (flat edges): code j is element order[j], channels first."""

    def __init__(self, network: Network, step: float) -> None:
        self.network, self.step, self.edges = network, step, network.edges
        self.rest, self.at = list(network.nodes), INPUT
        self.order: Any = None
        self.found = [Group("input", "Input", {"input_type": {"input": _shape(network.edges[INPUT])}})]

    def next(self) -> Node | None:
        """The operator that would be next."""
        return self.rest[0] if self.rest else None

    def pop(self) -> Node:
        """Take the next operator, which must read the last edge alone."""
        node = self.rest.pop(0)
        if node.inputs != (self.at,):
            raise ForeignError(
                f"node {node.name!r}: reads {', '.join(node.inputs)}; needed a chain, one after the other"
            )
        self.at = node.name
        return node

    def add(self, kind: str, numbers: Mapping[str, Any], *nodes: Node, **said: Any) -> None:
        """Append a node called like the first of its operators."""
        self.found.append(Group(nodes[0].name, kind, numbers, tuple(node.name for node in nodes), said))

    def take(self) -> None:
        """Make a node of the next operators."""
        source = self.edges[self.at]
        node = self.pop()
        op = node.op
        if isinstance(op, Dense):
            self._dense(node, op)
        elif isinstance(op, Conv2d):
            self._conv(node, op, source)
        elif isinstance(op, LIF):
            self._neurons(node, op, source)
        elif isinstance(op, SumPool):
            count = op.kernel_size[0] * op.kernel_size[1]
            self.add("AvgPool2d" if count & (count - 1) == 0 else "SumPool2d", _window(op), node)
        elif isinstance(op, MaxPool) and (source.type.lo, source.type.hi) == (0, 1) and not any(op.pad):
            # The greatest of zeros and ones is whether their sum is above a half.
            self.add("SumPool2d", _window(op), node)
            half = np.full(_shape(self.edges[self.at]), 0.5)
            self.found.append(Group(f"{node.name}.any", "Threshold", {"threshold": half}))
        elif isinstance(op, Flatten):
            order = flat_order(source.shape) if len(source.shape) == 3 else None
            self.order = None if order is None else np.argsort(order)
            self.add("Flatten", {"input_type": {"input": _shape(source)}, "start_dim": 0, "end_dim": -1}, node)
        elif self._changes_nothing(op, source):
            self._also(node)
        else:
            raise ForeignError(
                f"node {node.name!r} ({op.kind}): no NIR node says it; needed weights, neurons and pools"
            )

    def _also(self, node: Node) -> None:
        """Count an operator that changes no value to the node before it."""
        last = self.found[-1]
        self.found[-1] = replace(last, operators=(*last.operators, node.name))

    def _changes_nothing(self, op: Op, x: Edge) -> bool:
        """Whether an operator keeps all values, or makes the answer of them."""
        if isinstance(op, Count | First | Last):
            return not self.rest
        return isinstance(op, Requant) and len(self.found) > 1 and self._keeps(op, x)

    def _keeps(self, op: Requant, x: Edge) -> bool:
        """Whether codes are the sums themselves."""
        shift = op.shift
        whole = (shift <= 0).all() and len(set(shift.tolist())) == 1
        factor = 1 << -int(shift[0]) if whole else 1
        return bool(whole) and op.out.lo <= x.type.lo * factor and x.type.hi * factor <= op.out.hi

    def _bias(self, op: Dense | Conv2d, fracs: Any) -> Reals:
        return np.asarray(op.bias / 2.0**fracs)

    def _dense(self, node: Node, op: Dense) -> None:
        weight = op.weight / 2.0 ** np.asarray(op.weight_type.frac).reshape(-1, 1)
        weight = weight[:, self.order] if self.order is not None else weight
        self.order = None
        bias = self._bias(op, np.asarray(self.edges[node.name].type.frac))
        self.add("Affine", {"weight": np.ascontiguousarray(weight), "bias": bias}, node)

    def _conv(self, node: Node, op: Conv2d, source: Edge) -> None:
        top, bottom, left, right = op.pad
        if top != bottom or left != right or (any(op.pad) and op.pad_code != 0):
            raise ForeignError(
                f"node {node.name!r} (conv2d): padding {list(op.pad)}; NIR pads evenly with 0; needed that"
            )
        weight = op.weight / 2.0 ** np.asarray(op.weight_type.frac).reshape(-1, 1, 1, 1)
        numbers = {
            "input_shape": (source.shape[0], source.shape[1]),
            "weight": np.ascontiguousarray(weight.transpose(0, 3, 1, 2)),
            "stride": np.array(op.stride),
            "padding": np.array([top, left]),
            "dilation": np.array([1, 1]),
            "groups": op.groups,
            "bias": self._bias(op, np.asarray(self.edges[node.name].type.frac)),
        }
        self.add("Conv2d", numbers, node)

    def _neurons(self, node: Node, op: LIF, source: Edge) -> None:
        """A LIF with its Threshold, after one that nothing resets and that is its current; or one that is read."""
        edge, nodes, current = self.edges[node.name], [node], None
        after = self.next()
        if op.reset == "none" and after is not None and isinstance(after.op, LIF):
            current, node = op, self.pop()
            assert isinstance(node.op, LIF)
            op, edge = node.op, self.edges[node.name]
            nodes.append(node)
            after = self.next()
        spiking = after is not None and isinstance(after.op, Threshold)
        if spiking:
            nodes.append(self.pop())
        unit = 2.0 ** -np.asarray(edge.type.frac, dtype=np.float64)
        said = {"reset": op.reset, "when": op.when, "strict": op.strict, "most": op.most, "steps": op.steps}
        said["guard"] = op.guard
        full = self._full(edge)
        tau, zero = full(self.step * self._power(node, op)), full(np.zeros(1))
        theta = full(op.theta * unit)
        r = tau / self.step
        if current is not None:
            tau_syn = full(self.step * self._power(nodes[0], current))
            numbers: dict[str, Any] = {
                "tau_syn": tau_syn,
                "tau_mem": tau,
                "r": r,
                "v_leak": zero,
                "w_in": tau_syn / self.step,
            }
            if not spiking:
                raise ForeignError(
                    f"node {node.name!r} (lif): a current and membranes that never spike; needed neurons"
                )
            self.add("CubaLIF", {**numbers, "v_threshold": theta, "v_reset": zero}, *nodes, **said)
        elif not op.leak.any():
            each = full(np.full(1, 1 / self.step))
            if spiking:
                self.add("IF", {"r": each, "v_threshold": theta, "v_reset": zero}, *nodes, **said)
            else:
                self.add("I", {"r": each}, *nodes, **said)
        elif spiking:
            self.add("LIF", {"tau": tau, "r": r, "v_leak": zero, "v_threshold": theta, "v_reset": zero}, *nodes, **said)
        else:
            self.add("LI", {"tau": tau, "r": r, "v_leak": zero}, *nodes, **said)

    def _power(self, node: Node, op: LIF) -> Reals:
        """2^k of each leak: how many steps a time constant lasts."""
        if op.leak.any() and not op.leak.all():
            raise ForeignError(f"node {node.name!r} (lif): channels with a leak and without; needed one or the other")
        return np.asarray(2.0 ** op.leak.astype(np.float64))

    def _full(self, edge: Edge) -> Any:
        """A function from numbers of channels to one for each neuron, channels first."""
        shape = tuple(int(n) for n in _shape(edge))
        order = self.order

        def full(values: Any) -> Any:
            column = np.broadcast_to(np.asarray(values, dtype=np.float64), edge.channels)
            if order is not None:
                column = column[order]
            return np.ascontiguousarray(np.broadcast_to(column.reshape(-1, *(1,) * (len(shape) - 1)), shape))

        return full


def _window(op: SumPool | MaxPool) -> dict[str, Any]:
    return {
        "kernel_size": np.array(op.kernel_size),
        "stride": np.array(op.stride),
        "padding": np.array([0, 0]),
    }
