"""What a network does on given images, counted: spikes of its neurons, and products with codes that are not 0."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .network import Network, Node
from .ops import Edge
from .simulator import run
from .types import AnyArray, IntArray


@dataclass(frozen=True)
class Neurons:
    """A layer of neurons: the edge of its membranes and that of its spikes, None where it only integrates.

    A code of the spikes' edge stands for `(code - low) // step` spikes.
    """

    membrane: str
    spikes: str | None
    low: int = 0
    step: int = 1


def neurons(network: Network) -> tuple[Neurons, ...]:
    """The layers of neurons in execution order, of branches the first one's."""
    found = []
    for node in network.producers.values():
        if node.op.state_bits(network.edges[node.name]):
            firing = (_spikes(network, reader) for reader in network.producers.values() if node.name in reader.inputs)
            found.append(next((one for one in firing if one is not None), Neurons(node.name, None)))
    return tuple(found)


def _spikes(network: Network, reader: Node) -> Neurons | None:
    """The neurons whose membranes a node compares with thresholds; None where it does something else."""
    tensors = {tensor.name: tensor for tensor in reader.op.tensors([network.edges[name] for name in reader.inputs])}
    if "thresholds" not in tensors:
        return None
    type_ = network.edges[reader.name].type
    return Neurons(reader.inputs[0], reader.name, type_.lo, (type_.hi - type_.lo) // tensors["thresholds"].shape[1])


class Activity:
    """Counts of a run over `count` images: give `edges` and `sink` to `run`, then read.

    `spikes` int64 (N,) by layer of neurons, all steps; `fired` int64 (neurons,) by layer, over all images; `seen`, how
    many images ran the layer, fewer than all in a branch; `operations` int64 (N,) by layer with products: those with
    codes that are not 0, all steps, padding that is 0 left out. Layers go by the edges of membranes and of sums.
    """

    def __init__(self, network: Network, count: int) -> None:
        self.network = network
        self.layers = {one.membrane: one for one in neurons(network) if one.spikes is not None}
        self.spikes = {name: np.zeros(count, np.int64) for name in self.layers}
        self.fired = {name: np.zeros(network.edges[name].size, np.int64) for name in self.layers}
        self.seen = dict.fromkeys(self.layers, 0)
        self._reach: dict[str, list[tuple[str, AnyArray, int]]] = {}
        for node in network.producers.values():
            if node.op.macs(network.edges[node.name]):
                source = network.edges[node.inputs[0]]
                self._reach.setdefault(node.inputs[0], []).append((node.name, *_reach(node, source)))
        readers = [name for found in self._reach.values() for name, *_ in found]
        self.operations = {name: np.zeros(count, np.int64) for name in network.producers if name in readers}
        self._of_spikes = {one.spikes: one for one in self.layers.values()}

    @property
    def edges(self) -> tuple[str, ...]:
        """The edges that `sink` counts on."""
        return tuple(dict.fromkeys([*self._reach, *(name for name in self._of_spikes if name is not None)]))

    def sink(self, name: str, rows: IntArray, codes: AnyArray) -> None:
        """Take the codes (n, *image_shape) of some images on an edge; other edges are passed over."""
        edge = self.network.edges[name]
        every = codes.reshape(len(rows), edge.steps, edge.size)
        active = np.count_nonzero(every, axis=1) if name in self._reach else None
        for reader, reach, border in self._reach.get(name, ()):
            # Branches differ in their weights alone, so that each image's counts are those of any bank.
            assert active is not None
            # Below 2^53, as products are, floats are exact.
            self.operations[reader][rows] = (active @ reach).astype(np.int64) + border * edge.steps
        layer = self._of_spikes.get(name)
        if layer is None:
            return
        if active is not None and (layer.low, edge.type.hi) == (0, 1):
            fired: AnyArray = active
        else:
            fired = ((every.astype(np.int64) - layer.low) // layer.step).sum(1)
        self.spikes[layer.membrane][rows] = fired.sum(1)
        self.fired[layer.membrane] += fired.sum(0)
        self.seen[layer.membrane] += len(rows)

    def rates(self, layer: str) -> AnyArray:
        """Spikes of each neuron and step, float64 (neurons,), over the images that ran the layer."""
        found: AnyArray = self.fired[layer] / max(self.seen[layer] * self.network.edges[layer].steps, 1)
        return found


def _reach(node: Node, source: Edge) -> tuple[AnyArray, int]:
    """How many products read each code of one step, float64 (size,); and how many read padding that is not 0."""
    weights = next(t for t in node.op.tensors([source]) if t.name == "weight").count
    window = node.op.window([source])
    if window is None:
        return np.full(source.size, weights / source.size), 0
    height, width, channels = source.shape
    taps = window.kernel[0] * window.kernel[1]
    each = weights // (taps * channels)  # outputs that read a code of the window
    covers = [
        _cover(*place)
        for place in zip(
            (height, width), window.padded(source.shape), window.kernel, window.stride, window.pad[::2], strict=True
        )
    ]
    places = np.outer(covers[0][0], covers[1][0])
    outside = covers[0][1] * covers[1][1] * taps - int(places.sum())
    border = outside * channels * each if window.pad_code else 0
    return np.repeat(places.ravel() * float(each), channels), border


def _cover(size: int, padded: int, kernel: int, stride: int, before: int) -> tuple[IntArray, int]:
    """How many windows lie over each place of an axis (size,), and how many there are."""
    count = (padded - kernel) // stride + 1
    cover = np.zeros(padded, np.int64)
    for start in range(0, count * stride, stride):
        cover[start : start + kernel] += 1
    return cover[before : before + size], count


def synaptic_operations(
    network: Network, images: AnyArray | None = None, *, codes: AnyArray | None = None, index: int | IntArray = 0
) -> Mapping[str, IntArray]:
    """Return int64 (N,) by layer: its products with codes that are not 0, all steps, padding that is 0 left out.

    Of spikes, that is what an event-driven machine adds up. The layers of a branch are those of the one that ran.
    `images`, `codes`, `index` and what is raised as in `run`.
    """
    return activity(network, images, codes=codes, index=index).operations


def activity(
    network: Network,
    images: AnyArray | None = None,
    *,
    codes: AnyArray | None = None,
    index: int | IntArray = 0,
) -> Activity:
    """Run a batch and count; arguments, and what is raised, as in `run`."""
    given = images if codes is None else codes
    found = Activity(network, 0 if given is None else len(given))
    run(network, images, codes=codes, edges=found.edges, sink=found.sink, index=index)
    return found
