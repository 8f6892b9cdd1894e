"""Every figure of the report, from one run of the integer simulator over labelled test images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from crossloom.sim import Artifact, Cost, InputError, Network, cost
from crossloom.sim import run as simulate
from crossloom.sim.identity import structure_sha256, weights_sha256
from crossloom.sim.text import printable
from crossloom.sim.types import AnyArray, IntArray

from ..summary import accuracy_of
from ..tables import percent
from .records import Baseline, Grown, read_baselines, read_grown
from .spikes import SpikeFigures, SpikeWatch


@dataclass(frozen=True)
class ClassFigures:
    """One class: `images` of it in the test set, `right` of them labelled so, `predicted` images of any class."""

    name: str
    branch: int | None
    images: int
    right: int
    predicted: int

    @property
    def accuracy(self) -> float | None:
        """Fraction of its images labelled right; None where there are none."""
        return self.right / self.images if self.images else None


@dataclass(frozen=True)
class BranchFigures:
    """One branch: `images` of its classes, `right` of them sent here, `routed` images of any class sent here."""

    name: str
    classes: tuple[int, ...]
    images: int
    right: int
    routed: int

    @property
    def accuracy(self) -> float | None:
        """Coarse accuracy: fraction of its images routed right; None where there are none."""
        return self.right / self.images if self.images else None


@dataclass(frozen=True)
class Mistake:
    """An image that went wrong: the true class, the answer, the branch that ran (None without route).

    `margin`: by how much the chosen logit beats the right one, coarse logits where there is a route, in real units.
    """

    image: int
    label: int
    predicted: int
    sent: int | None
    margin: float


@dataclass(frozen=True, eq=False)
class Figures:
    """What the report shows.

    `classes` in label order, `order` their indices branch by branch; `confusion` (true, predicted, images) of every
    pair that occurs, sparse because networks may have 65,536 classes. `mistakes`: images sent to a wrong branch, or
    without a route all wrong answers, most confident first; `wrong` counts wrong answers of both kinds.
    `spikes` is None without time steps.
    """

    artifact: Artifact
    cost: Cost
    images: AnyArray
    dataset: str
    right: int
    classes: tuple[ClassFigures, ...]
    branches: tuple[BranchFigures, ...]
    order: tuple[int, ...]
    confusion: tuple[tuple[int, int, int], ...]
    mistakes: tuple[Mistake, ...]
    grown: tuple[Grown, ...]
    baselines: dict[str, Baseline]
    notes: tuple[str, ...]
    spikes: SpikeFigures | None

    @property
    def network(self) -> Network:
        """The network that ran."""
        return self.artifact.network

    @property
    def accuracy(self) -> float:
        """Fraction of the test images answered right."""
        return self.right / len(self.images)

    @property
    def coarse_accuracy(self) -> float | None:
        """Fraction of the test images sent to the branch of their class; None without a route."""
        return sum(b.right for b in self.branches) / len(self.images) if self.branches else None

    @property
    def origin(self) -> str:
        """Where the accuracies come from."""
        return f"measured by the integer simulator on {len(self.images):,} images of '{printable(self.dataset)}'"

    def to_json(self) -> dict[str, Any]:
        """Plain data by stable keys; confusion lists [true, predicted, images] by class index."""
        total, network = self.cost, self.network
        return {
            "name": network.name,
            "sha256": self.artifact.sha256,
            "structure_sha256": structure_sha256(network),
            "weights_sha256": weights_sha256(network),
            "dataset": self.dataset,
            "images": len(self.images),
            "accuracy": self.accuracy,
            "coarse_accuracy": self.coarse_accuracy,
            "accuracy_origin": self.origin,
            "macs": total.macs,
            "macs_flat": total.macs_flat,
            "macs_bcnn": total.macs_bcnn,
            "saved_flat": total.saved_flat,
            "saved_bcnn": total.saved_bcnn,
            "macs_origin": "counted",
            "parameters": total.parameters,
            "memory_bits": total.memory_bits,
            "weight_bits": total.weight_bits,
            "activation_bits": total.activation_bits,
            "classes": [
                {
                    "name": c.name,
                    "branch": None if c.branch is None else self.branches[c.branch].name,
                    "images": c.images,
                    "predicted": c.predicted,
                    "accuracy": c.accuracy,
                }
                for c in self.classes
            ],
            "branches": [
                {
                    "name": b.name,
                    "classes": [self.classes[c].name for c in b.classes],
                    "images": b.images,
                    "routed": b.routed,
                    "accuracy": b.accuracy,
                }
                for b in self.branches
            ],
            "confusion": [list(entry) for entry in self.confusion],
            "wrong": len(self.images) - self.right,
            "coarse_errors": len(self.mistakes) if self.branches else None,
            "grown": [asdict(record) for record in self.grown],
            "baselines": {key: asdict(record) for key, record in self.baselines.items()},
            "notes": list(self.notes),
            "spikes": None if self.spikes is None else self.spikes.to_json(),
        }


def measure(
    artifact: Artifact, images: AnyArray, labels: IntArray, progress: Callable[[int], None] | None = None
) -> Figures:
    """Run the integer simulator over images uint8 (N, *shape) with labels int (N,), and count.

    Raises InputError for no images, labels that are no class, or images that the network does not take.
    """
    network, route = artifact.network, artifact.network.route
    count = len(network.classes)
    if not len(images) or labels.shape != (len(images),):
        raise InputError(f"report: {len(images)} test images and labels {list(labels.shape)}; needed one label each")
    if labels.min() < 0 or labels.max() >= count:
        raise InputError(
            f"report: labels {labels.min()}..{labels.max()} for {count} classes; needed 0..{count - 1}; "
            "export the design with its own test set"
        )
    watch = SpikeWatch(network, labels) if network.timed else None
    edges, sink = (watch.edges, watch.sink) if watch else ((), None)
    result = simulate(network, images, edges=edges, sink=sink, progress=progress)
    predicted, right = result.labels, result.labels == labels
    home = np.zeros(count, np.int64)  # the branch of each class; one for all where there is no route
    for index, branch in enumerate(route.branches if route else ()):
        home[list(branch.classes)] = index
    sent = home[predicted] if result.branch is None else result.branch
    of_class = [np.bincount(x, minlength=count) for x in (labels, labels[right], predicted)]
    pairs, times = np.unique(labels * count + predicted, return_counts=True)
    grown, notes = read_grown(artifact.info, network)
    baselines, more = read_baselines(artifact.info)
    stated, measured = accuracy_of(artifact), float(right.mean())
    if stated is not None and abs(stated - measured) > 5e-5:
        more += (f"The artifact states an accuracy of {percent(stated)}; here it is {percent(measured)}.",)
    return Figures(
        artifact,
        cost(network),
        images,
        artifact.golden.dataset if artifact.golden else "images without a name",
        int(right.sum()),
        tuple(
            ClassFigures(name, int(home[i]) if route else None, *(int(n[i]) for n in of_class))
            for i, name in enumerate(network.classes)
        ),
        tuple(
            BranchFigures(
                branch.name,
                branch.classes,
                int((home[labels] == index).sum()),
                int(((home[labels] == index) & (sent == index)).sum()),
                int((sent == index).sum()),
            )
            for index, branch in enumerate(route.branches if route else ())
        ),
        tuple(c for branch in route.branches for c in branch.classes) if route else tuple(range(count)),
        tuple((int(p) // count, int(p) % count, int(n)) for p, n in zip(pairs, times, strict=True)),
        _mistakes(network, result.logits, labels, predicted, home if route else None, sent),
        grown,
        baselines,
        (*notes, *more),
        watch.figures(images, predicted) if watch else None,
    )


def _mistakes(
    network: Network, logits: IntArray, labels: IntArray, predicted: IntArray, home: IntArray | None, sent: IntArray
) -> tuple[Mistake, ...]:
    wanted, chosen = (labels, predicted) if home is None else (home[labels], sent)
    frac = network.edges[network.output].type.common_frac
    assert frac is not None  # logits have one scale, the network has checked
    rows = np.flatnonzero(wanted != chosen)
    margins = (logits[rows, chosen[rows]] - logits[rows, wanted[rows]]) * 2.0**-frac
    return tuple(
        Mistake(
            int(row), int(labels[row]), int(predicted[row]), None if home is None else int(sent[row]), float(margin)
        )
        for row, margin in sorted(zip(rows, margins, strict=True), key=lambda pair: (-pair[1], pair[0]))
    )
