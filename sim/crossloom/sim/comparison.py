"""Compares the edges of two implementations and names the first code that differs, with the inputs that made it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .network import Network, Node
from .types import AnyArray

MAX_SHOWN = 12


@dataclass(frozen=True)
class Difference:
    """One code that differs: `index` is (h, w, c) or (c,) on `edge` of image number `image`.

    `step` is the time step, None on an edge without time.
    """

    edge: str
    op: str
    image: int
    index: tuple[int, ...]
    expected: int
    found: int
    inputs: str
    step: int | None = None

    def __str__(self) -> str:
        at = ", ".join(map(str, self.index))
        place = f"image {self.image}, [{at}]" if self.step is None else f"image {self.image}, step {self.step}, [{at}]"
        made = f"; made from {self.inputs}" if self.inputs else ""
        return f"edge {self.edge} ({self.op}), {place}: {self.found} instead of {self.expected}{made}"


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
    """Compare the edges (N, *image_shape) that `found` has with `expected`, in execution order.

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
            image, *at = (int(i) for i in np.unravel_index(int(np.argmax(wrong)), wrong.shape))
            index = tuple(at)
            step = index[0] if network.edges[name].steps > 1 else None
            node = network.producers.get(name)
            first = Difference(
                name,
                node.op.kind if node else "input",
                first_image + image,
                index if step is None else index[1:],
                int(expected[name][(image, *index)]),
                int(found[name][(image, *index)]),
                _inputs(network, node, {k: v[image] for k, v in expected.items()}, index) if node else "",
                step,
            )
    return Comparison(codes, differences, first)


def joined(network: Network, parts: Sequence[Comparison]) -> Comparison:
    """Return one comparison of batches in order; its first difference is the one that the whole set would give."""
    differences: dict[str, int] = {}
    for part in parts:
        for name, count in part.differences.items():
            differences[name] = differences.get(name, 0) + count
    order = {name: place for place, name in enumerate(network.edges)}
    firsts = [part.first for part in parts if part.first is not None]
    first = min(firsts, key=lambda found: order[found.edge], default=None)
    return Comparison(sum(part.codes for part in parts), differences, first)


def _inputs(network: Network, node: Node, codes: Mapping[str, AnyArray], index: tuple[int, ...]) -> str:
    """The input codes that a node reads for one output position (in its image), shortened."""
    sources = [network.edges[name] for name in node.inputs]
    step: tuple[int, ...] = ()
    if network.edges[node.name].steps > 1 and not node.op.timed:
        step, index = index[:1], index[1:]
    parts = []
    for name, read in zip(node.inputs, node.op.reads(index, sources), strict=True):
        if name not in codes or read is None:
            continue
        flat = np.ravel(codes[name][(*step, *read)]).tolist()
        shown = ", ".join(map(str, flat[:MAX_SHOWN])) + (f", ... ({len(flat)} codes)" if len(flat) > MAX_SHOWN else "")
        parts.append(f"{name} {shown or 'padding alone'}")
    return "; ".join(parts)
