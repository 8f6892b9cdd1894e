"""Operators in a row that run as one kernel where nobody asks for the edges between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .base import Edge, Kernel
from .join import Flatten
from .lif import LIF
from .linear import Dense
from .quantize import Threshold
from .reduce import Count
from .trains import dense_of_trains, scratch

if TYPE_CHECKING:
    from ..network import Node


@dataclass(frozen=True)
class Fused:
    """`count` nodes as one kernel, from the first one's input to the last one's edge; `scratch` bytes for an image."""

    count: int
    kernel: Kernel
    scratch: int


def fusions(nodes: Sequence[Node], edges: Mapping[str, Edge], kept: set[str]) -> Iterator[Fused]:
    """Yield what the nodes from the first one on can be fused to, the longest first; edges `kept` stay."""
    row = list(_row(nodes, kept))
    lif = row[0].op
    if not isinstance(lif, LIF) or len(row) < 2 or not _makes_spikes(lif, row[1].op):
        return
    x, spikes = edges[row[0].inputs[0]], edges[row[1].name]
    after = 2
    while after < len(row) and isinstance(row[after].op, Flatten):
        after += 1
    if after < len(row):
        reader, output = row[after].op, edges[row[after].name]
        if isinstance(reader, Dense):
            flat = edges[row[after].inputs[0]]
            kernel = dense_of_trains(lif, reader, x, flat, output)
            if kernel is not None:
                yield Fused(after + 1, kernel, scratch(lif, reader, x, flat, output))
        elif isinstance(reader, Count) and after == 2:
            yield Fused(3, lif.counts([x], output), lif.scratch([x], spikes))
    yield Fused(2, lif.spikes([x], spikes), lif.scratch([x], spikes))


def _row(nodes: Sequence[Node], kept: set[str]) -> Iterator[Node]:
    """The first node, and those after it as long as each alone reads the one before."""
    for i, node in enumerate(nodes):
        yield node
        readers = [later for later in nodes[i + 1 :] if node.name in later.inputs]
        if node.name in kept or len(readers) != 1 or readers[0] is not nodes[i + 1] or len(readers[0].inputs) != 1:
            return


def _makes_spikes(lif: LIF, reader: object) -> bool:
    """Whether the reader's codes are the spikes with which the neurons are reset."""
    return isinstance(reader, Threshold) and (reader.base, reader.step) == (0, 1) and lif.fits(reader)
