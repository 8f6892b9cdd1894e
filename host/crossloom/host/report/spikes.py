"""Figures of a network with time, from the run over the test images that every other figure is from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from crossloom.sim import Network
from crossloom.sim import run as simulate
from crossloom.sim.activity import Activity, neurons
from crossloom.sim.stopping import Stopping
from crossloom.sim.types import AnyArray, IntArray

from ..energy import Estimate, estimate, reads_spikes

SAMPLES = 3
BINS = 20  # of the rates 0..1 of a histogram
SATURATED = 0.99  # a neuron is, that spikes at so many of its steps, over all images
ADDERS = 256
"""Of the event-driven machine whose cycles are estimated: additions, or products, in a cycle."""


@dataclass(frozen=True)
class LayerActivity:
    """A layer of neurons: spikes of an image on average, and the rates (spikes a step) of its neurons over all images.

    `histogram` counts neurons by rate, `BINS` equal bins of 0..1; neurons with several spikes a step are in the last.
    """

    name: str
    neurons: int
    per_image: float
    rate: float
    silent: float
    saturated: float
    histogram: tuple[int, ...]


@dataclass(frozen=True)
class Work:
    """A layer with products: those of one step and of all, its synaptic operations, and whether it reads spikes."""

    name: str
    once: int
    macs: int
    operations: float
    adds: bool


@dataclass(frozen=True, eq=False)
class Sample:
    """One test image, right or not, with its codes (*image_shape) of the input and of every layer of neurons.

    `scores` float (steps, classes) if the network stopped after each step, in the logits' units; none where stopping
    has no meaning.
    """

    image: int
    label: int
    predicted: int
    edges: dict[str, AnyArray]
    scores: AnyArray | None


@dataclass(frozen=True, eq=False)
class SpikeFigures:
    """What the report shows of time.

    `right` and `settled`: fractions of the test images answered right if the network stopped after each step, and whose
    answer doesn't change from there on; empty where stopping has no meaning. `spikes`, `operations`, `cycles` int64
    (N,) of each image.
    """

    steps: int
    encoder: str
    layers: tuple[LayerActivity, ...]
    work: tuple[Work, ...]
    right: tuple[float, ...]
    settled: tuple[float, ...]
    spikes: IntArray
    operations: IntArray
    cycles: IntArray
    samples: tuple[Sample, ...]
    energy: Estimate

    def to_json(self) -> dict[str, Any]:
        """Plain data by stable keys."""
        return {
            "steps": self.steps,
            "encoder": self.encoder,
            "spikes_mean": float(self.spikes.mean()),
            "synaptic_operations_mean": float(self.operations.mean()),
            "accuracy_by_step": list(self.right),
            "settled_by_step": list(self.settled),
            "layers": {
                one.name: {
                    "neurons": one.neurons,
                    "spikes_mean": one.per_image,
                    "rate": one.rate,
                    "silent": one.silent,
                    "saturated": one.saturated,
                }
                for one in self.layers
            },
            "cycles": {"mean": float(self.cycles.mean()), "adders": ADDERS, "origin": "estimated, at least"},
            "energy_estimate": self.energy.to_json(),
        }


class SpikeWatch:
    """Counts while the simulator runs over labelled images: give it `edges` and `sink`."""

    def __init__(self, network: Network, labels: IntArray) -> None:
        self.network, self._labels = network, labels
        self._activity = Activity(network, len(labels))
        self._stopping = Stopping(network)
        self._held: dict[str, AnyArray] = {}
        self._right = np.zeros(self._stopping.steps, np.int64)
        self._settled = np.zeros(self._stopping.steps, np.int64)
        self.edges = tuple(dict.fromkeys([*self._activity.edges, *self._stopping.edges]))

    def sink(self, name: str, rows: IntArray, codes: AnyArray) -> None:
        """Take some images' codes on an edge; the edges of the same images come together."""
        if name in self._activity.edges:
            self._activity.sink(name, rows, codes)
        if name not in self._stopping.edges:
            return
        self._held[name] = codes
        if len(self._held) == len(self._stopping.edges):
            answers = self._stopping.scores(self._held).argmax(2)
            self._right += (answers == self._labels[rows, None]).sum(0)
            same = answers == answers[:, -1:]
            self._settled += np.logical_and.accumulate(same[:, ::-1], axis=1)[:, ::-1].sum(0)
            self._held = {}

    def figures(self, images: AnyArray, predicted: IntArray) -> SpikeFigures:
        """Return the figures, once all images (N, ...) and their answers (N,) are through."""
        network, counted, count = self.network, self._activity, len(self._labels)
        macs = {name: node.op.macs(network.edges[name]) for name, node in network.producers.items()}
        work = tuple(
            Work(
                name,
                macs[name] // network.edges[name].steps,
                macs[name],
                float(done.mean()),
                reads_spikes(network, name),
            )
            for name, done in counted.operations.items()
        )
        zero = np.zeros(count, np.int64)
        return SpikeFigures(
            network.steps,
            network.input.encoder,
            tuple(_layer(counted, name) for name in counted.layers),
            work,
            tuple((self._right / count).tolist()),
            tuple((self._settled / count).tolist()),
            sum(counted.spikes.values(), zero),
            sum(counted.operations.values(), zero),
            estimated_cycles(work, counted.operations, count),
            self._samples(images, predicted),
            estimate(network, {one.name: one.operations for one in work}),
        )

    def _samples(self, images: AnyArray, predicted: IntArray) -> tuple[Sample, ...]:
        """The first image, answered right where there is one, of a few classes far apart."""
        labels, network = self._labels, self.network
        present = np.unique(labels)
        places = np.unique(np.linspace(0, len(present) - 1, SAMPLES).round().astype(np.int64))
        chosen = []
        for label in present[places]:
            own = np.flatnonzero(labels == label)
            right = own[predicted[own] == label]
            chosen.append(int(right[0] if len(right) else own[0]))
        rows = np.array(chosen)
        wanted = ["input", *(name for one in neurons(network) for name in (one.membrane, one.spikes) if name)]
        wanted += [name for name in self._stopping.edges if name not in wanted]
        # One by one: the codes of every step of a large network are many. A branch that does not run shows nothing.
        found = []
        for row in rows.tolist():
            edges = _codes_of(network, images[row : row + 1], row, wanted)
            scores: AnyArray | None = None
            if self._stopping.steps:
                logits = self._stopping.scores({name: edges[name][None] for name in self._stopping.edges})[0]
                scores = logits * 2.0 ** -(network.edges[network.output].type.common_frac or 0)
            found.append(Sample(row, int(labels[row]), int(predicted[row]), edges, scores))
        return tuple(found)


def _codes_of(network: Network, image: AnyArray, index: int, wanted: list[str]) -> dict[str, AnyArray]:
    """Codes (*image_shape) of one image on the wanted edges, as far as it passed them."""
    found: dict[str, AnyArray] = {}

    def sink(name: str, _: IntArray, codes: AnyArray) -> None:
        found[name] = codes[0]

    simulate(network, image, edges=wanted, sink=sink, index=index)
    return found


def _layer(counted: Activity, name: str) -> LayerActivity:
    rates = counted.rates(name)
    found, _ = np.histogram(np.minimum(rates, 1.0), BINS, (0.0, 1.0))
    return LayerActivity(
        name,
        len(rates),
        float(counted.spikes[name].sum() / max(counted.seen[name], 1)),
        float(rates.mean()),
        float((rates == 0).mean()),
        float((rates >= SATURATED).mean()),
        tuple(found.tolist()),
    )


def estimated_cycles(work: tuple[Work, ...], operations: dict[str, IntArray], count: int) -> IntArray:
    """Return the least cycles int64 (N,) in which `ADDERS` units do each layer's operations, one layer after another.

    Layers that read spikes do those with spikes alone, others all of their products. No stall, no overhead.
    """
    found = np.zeros(count, np.int64)
    for one in work:
        found += -(-(operations[one.name] if one.adds else np.full(count, one.macs)) // ADDERS)
    return found
