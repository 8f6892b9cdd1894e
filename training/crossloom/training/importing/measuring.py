"""What an import changes: spikes of the original beside those of the integers, layer by layer, on real images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from crossloom.sim import run
from crossloom.sim.encoders import rate_codes
from crossloom.sim.types import AnyArray, IntArray

from .chain import Chain, Neuron, Reals
from .integers import Converted, ImportSettings
from .rules import Neurons, forward

BATCH = 50

Spikes = Mapping[str, AnyArray]
"""Of each layer of neurons, (steps, N, *shape) with channels first."""


@dataclass(frozen=True)
class Original:
    """What the integers are compared with: `run` gives its spikes, and its answer (N, classes) or None.

    It reads the values (1 or steps, N, *shape), channels first, float64, of a batch of images.
    """

    name: str
    run: Callable[[Reals], tuple[Spikes, AnyArray | None]]


@dataclass(frozen=True)
class LayerSpikes:
    """Of a layer of neurons: spikes of the original, those that differ, the guard bits of its membranes."""

    name: str
    spikes: int
    differing: int
    guard: int


@dataclass(frozen=True)
class Measured:
    """Spikes over `images`; accuracies where labels are known, None where not; what was compared with."""

    layers: tuple[LayerSpikes, ...]
    images: int
    original: float | None
    integers: float | None
    against: str

    @property
    def spikes(self) -> int:
        """Of the original, all layers."""
        return sum(layer.spikes for layer in self.layers)

    @property
    def differing(self) -> int:
        """Neurons and steps at which the number of spikes is another, all layers."""
        return sum(layer.differing for layer in self.layers)


def values_of(images: AnyArray, settings: ImportSettings, first: int) -> Reals:
    """Return what the original reads of uint8 images (N, H, W, C) or (N, C): (1 or steps, N, *shape), channels first.

    Events are (N, steps, H, W, C) or (N, steps, C). `first` is the number of the first image, from which rates draw.
    """
    values = images / np.float64(settings.divisor)
    if settings.encoder == "rate":
        levels = np.rint(values * 65536).astype(np.int64)
        index = np.arange(first, first + len(images))
        values = rate_codes(levels, settings.steps, settings.seed, index).swapaxes(0, 1).astype(np.float64)
    else:
        values = values.swapaxes(0, 1) if settings.encoder == "events" and settings.steps > 1 else values[None]
    return values.transpose(0, 1, 4, 2, 3) if values.ndim == 5 else values


def by_rule(chain: Chain, settings: ImportSettings, neurons: Neurons | None = None, name: str = "") -> Original:
    """Return a chain's own layers in float64, its neurons by their stated rules, or by `neurons` in their place."""

    def computed(values: Reals) -> tuple[Spikes, AnyArray | None]:
        found: dict[str, AnyArray] = {}
        answer: AnyArray | None = None
        for layer, x in forward(chain, values, settings.steps, neurons):
            if isinstance(layer, Neuron) and layer.spikes:
                found[layer.name] = x
            answer = x
        assert answer is not None
        last = chain.layers[-1]
        if isinstance(last, Neuron) and not last.spikes:
            return found, answer[-1].reshape(answer.shape[1], -1)
        return found, _read(answer, settings, isinstance(last, Neuron))

    return Original(name or "its rule in float64", computed)


def _read(out: AnyArray, settings: ImportSettings, spikes: bool) -> AnyArray | None:
    """The answer (N, classes) of what the last layer gave at every step."""
    flat = out.reshape(*out.shape[:2], -1)
    if spikes and settings.readout == "last":
        return None
    if spikes and settings.readout == "first":
        return np.where(flat.any(0), len(flat) - (flat > 0).argmax(0), 0)
    total: AnyArray = flat.sum(0)
    return total if len(flat) > 1 else total * settings.steps


def measure(
    original: Original,
    converted: Converted,
    chain: Chain,
    settings: ImportSettings,
    images: AnyArray,
    labels: IntArray | None,
    progress: Callable[[int], None] | None = None,
) -> Measured:
    """Run the original and the integers on uint8 images (N, *shape) and count what differs."""
    network = converted.network
    counts = {name: [0, 0] for name in converted.spikes}
    right = [0, 0]
    compared = True
    late = _lateness(chain)
    for start in range(0, len(images), BATCH):
        rows = images[start : start + BATCH]
        found = run(network, rows, edges=tuple(converted.spikes.values()), index=start)
        wanted, answer = original.run(values_of(rows, settings, start))
        for name, edge in converted.spikes.items():
            ours = _channels_first(found.edges[edge], network.edges[edge].steps)
            theirs = np.asarray(wanted[name])[late[name] : late[name] + len(ours)]
            if name in converted.orders:
                theirs = theirs[..., list(converted.orders[name])]
            counts[name][0] += int(theirs.sum())
            counts[name][1] += int((theirs.reshape(ours.shape) != ours).sum())
        if labels is not None:
            part = labels[start : start + BATCH]
            right[1] += int((found.labels == part).sum())
            compared &= answer is not None
            right[0] += 0 if answer is None else int((answer.argmax(1) == part).sum())
        if progress is not None:
            progress(start + len(rows))
    layers = tuple(
        LayerSpikes(name, counts[name][0], counts[name][1], converted.guards[name]) for name in converted.spikes
    )
    known = labels is not None and len(images) > 0
    accuracies = [count / len(images) if known else None for count in right]
    return Measured(layers, len(images), accuracies[0] if compared else None, accuracies[1], original.name)


def _lateness(chain: Chain) -> dict[str, int]:
    """How many steps later than ours the spikes of each layer come in the original."""
    found, late = {}, 0
    for neuron in chain.neurons:
        late += neuron.late
        found[neuron.name] = late
    return found


def _channels_first(codes: AnyArray, steps: int) -> AnyArray:
    """(steps, N, *shape) with channels first, of an edge's codes (N, steps, *shape)."""
    timed = codes if steps > 1 else codes[:, None]
    moved = timed.swapaxes(0, 1)
    return moved.transpose(0, 1, 4, 2, 3) if moved.ndim == 5 else moved


def listed(measured: Measured) -> Iterator[dict[str, Any]]:
    """The layers as plain data."""
    for layer in measured.layers:
        yield {"name": layer.name, "spikes": layer.spikes, "differing": layer.differing, "guard": layer.guard}
