"""Compares the edges of two implementations and names the first code that differs, with the inputs that made it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .network import Network, Node
from .ops import Conv2d, Dense, MaxPool, SumPool
from .types import AnyArray

MAX_SHOWN = 12


@dataclass(frozen=True)
class Difference:
    """One code that differs: `index` is (h, w, c) or (c,) on `edge` of image number `image`."""

    edge: str
    op: str
    image: int
    index: tuple[int, ...]
    expected: int
    found: int
    inputs: str

    def __str__(self) -> str:
        at = ", ".join(map(str, self.index))
        made = f"; made from {self.inputs}" if self.inputs else ""
        return (
            f"edge {self.edge} ({self.op}), image {self.image}, [{at}]: {self.found} instead of {self.expected}{made}"
        )


@dataclass(frozen=True)
class Comparison:
    """Codes that differ per edge (edges without any are left out), how many were compared, and the first."""

    codes: int
    differences: Mapping[str, int]
    first: Difference | None

    @property
    def total(self) -> int:
        """Codes that differ on all edges."""
        return sum(self.differences.values())


def compare(
    network: Network, expected: Mapping[str, AnyArray], found: Mapping[str, AnyArray], first_image: int = 0
) -> Comparison:
    """Compare the edges (N, *shape) that `found` has with `expected`, in execution order.

    `first_image` is the number of the batch's first image in the whole set. The inputs of a difference are taken
    from `expected`, where it has them.
    """
    codes, differences = 0, {}
    first: Difference | None = None
    for name in network.edges:
        if name not in found:
            continue
        wrong = expected[name] != found[name]
        codes += wrong.size
        if not wrong.any():
            continue
        differences[name] = int(wrong.sum())
        if first is None:
            image, *at = (int(i) for i in np.argwhere(wrong)[0])
            index = tuple(at)
            node = _producer(network, name)
            first = Difference(
                name,
                node.op.kind if node else "input",
                first_image + image,
                index,
                int(expected[name][(image, *index)]),
                int(found[name][(image, *index)]),
                _inputs(node, {k: v[image] for k, v in expected.items()}, index) if node else "",
            )
    return Comparison(codes, differences, first)


def _producer(network: Network, edge: str) -> Node | None:
    return next((n for _, nodes, _ in network.sections() for n in nodes if n.name == edge), None)


def _inputs(node: Node, edges: Mapping[str, AnyArray], index: tuple[int, ...]) -> str:
    """The input codes that a node reads for one output position, shortened."""
    parts = []
    for name in node.inputs:
        codes = edges.get(name)
        if codes is None:
            continue
        if isinstance(node.op, Conv2d | MaxPool | SumPool):
            kernel = node.op.weight.shape[1:3] if isinstance(node.op, Conv2d) else node.op.kernel_size
            top, left = (0, 0) if isinstance(node.op, SumPool) else (node.op.pad[0], node.op.pad[2])
            y, x = index[0] * node.op.stride[0] - top, index[1] * node.op.stride[1] - left
            window = codes[max(y, 0) : max(y + kernel[0], 0), max(x, 0) : max(x + kernel[1], 0)]
            codes = window[..., _channels_read(node.op, index[2])]
        elif not isinstance(node.op, Dense) and codes.size == edges[node.name].size:
            codes = codes.reshape(edges[node.name].shape)[index]
        flat = np.ravel(codes).tolist()
        shown = ", ".join(map(str, flat[:MAX_SHOWN])) + (f", ... ({len(flat)} codes)" if len(flat) > MAX_SHOWN else "")
        parts.append(f"{name} {shown or 'padding alone'}")
    return "; ".join(parts)


def _channels_read(op: Conv2d | MaxPool | SumPool, channel: int) -> slice:
    """The input channels that one output channel reads."""
    if not isinstance(op, Conv2d):
        return slice(channel, channel + 1)
    out, *_, per_group = op.weight.shape
    first = channel // (out // op.groups) * per_group
    return slice(first, first + per_group)
