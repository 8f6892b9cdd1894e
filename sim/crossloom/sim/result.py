"""What a batch of images gave, wherever it ran: in the integer simulator, in a core's simulation, on a board."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from .memo import once_per_network
from .network import Network
from .types import AnyArray, IntArray


@dataclass(frozen=True, eq=False)
class Result:
    """What one batch of N images gave.

    `logits` int64 (N, classes), or with a route the coarse logits (N, branches). With a route, `branch` int64 (N,)
    is the branch that ran and `fine` int64 (N, capacity) its logits, else both are None. `labels` int64 (N,).
    `scores` (N, classes) int64; with a route a masked array, classes of branches that did not run being masked.
    `macs` int64 (N,): multiply-accumulates really done for each image. `edges`: the requested codes, (N, *shape), as
    far as the place that ran shows them. `cycles` int64 (N,): clock cycles that each image took by itself, from first
    input beat to last output beat; None where nothing clocked ran, or where images ran close behind each other.
    """

    logits: IntArray
    branch: IntArray | None
    fine: IntArray | None
    labels: IntArray
    scores: AnyArray
    macs: IntArray
    edges: Mapping[str, AnyArray] = field(default_factory=dict)
    cycles: IntArray | None = None


def decide(
    network: Network, logits: IntArray, branch: IntArray | None, fine: IntArray | None
) -> tuple[IntArray, AnyArray]:
    """Return labels and scores, as `Result` has them; ties go to the lowest index, rows past a class count are masked.

    `logits` int64 (N, classes); with a route coarse logits (N, branches), `branch` int64 (N,) and `fine` int64
    (N, capacity), else None both.
    """
    if network.route is None or branch is None or fine is None:
        return np.argmax(logits, axis=1), logits
    labels = np.empty(len(logits), np.int64)
    shape = len(logits), len(network.classes)
    values, absent = np.zeros(shape, np.int64), np.ones(shape, bool)
    for index in np.unique(branch).tolist():
        rows, classes = np.flatnonzero(branch == index)[:, None], np.array(network.route.branches[index].classes)
        own = fine[rows[:, 0], : len(classes)]
        labels[rows[:, 0]] = classes[np.argmax(own, axis=1)]
        values[rows, classes], absent[rows, classes] = own, False
    return labels, np.ma.MaskedArray(values, mask=absent)


def joined(parts: Sequence[Result]) -> Result:
    """Return what batches in order gave as one; cycles where all of them have some."""
    if len(parts) == 1:
        return parts[0]

    def together(values: Sequence[Any]) -> Any:
        if any(value is None for value in values):
            return None
        return (np.ma if isinstance(values[0], np.ma.MaskedArray) else np).concatenate(values)

    names = ("logits", "branch", "fine", "labels", "scores", "macs", "cycles")
    edges = {name: together([part.edges[name] for part in parts]) for name in parts[0].edges}
    return Result(edges=edges, **{name: together([getattr(part, name) for part in parts]) for name in names})


@once_per_network
def macs_of(network: Network) -> int:
    """Multiply-accumulates of one image; all branches have as many."""
    return sum(
        node.op.macs(edges[node.name])
        for index, nodes, edges in network.sections()
        if index in (None, 0)
        for node in nodes
    )


def differing(expected: Result, found: Result) -> npt.NDArray[np.bool_]:
    """Which images (N,) have another label, another branch or other logits."""
    wrong = np.zeros(len(expected.labels), bool)
    for name in ("labels", "branch", "logits", "fine"):
        a, b = getattr(expected, name), getattr(found, name)
        if (a is None) != (b is None):
            return np.ones(len(expected.labels), bool)
        if a is not None:
            wrong |= (a != b).any(axis=tuple(range(1, a.ndim)))
    return wrong
