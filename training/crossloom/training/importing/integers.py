"""A chain of real layers as a network of exact integers: scales, thresholds, leaks, and what had to be rounded."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from crossloom.sim import (
    Conv2d,
    Count,
    Dense,
    Edge,
    First,
    Flatten,
    ForeignError,
    Input,
    Last,
    MaxPool,
    Network,
    NetworkError,
    QType,
    Requant,
    Rounding,
    SumPool,
    Threshold,
)
from crossloom.sim.builder import Section, finish
from crossloom.sim.types import MAX_ACC_BITS, MAX_CODE_BITS, signed_bits

from ..geometry import flat_order
from .chain import Chain, Flat, Layer, Neuron, Pool, Reals, Weights
from .grids import on_grid
from .leaks import leaks
from .membranes import Membranes, counted, membranes

READOUTS = ("count", "last", "first")
ENCODERS = ("direct", "rate", "events")
GUARD = 16
MOST = 15
"""Spikes a step that are kept of neurons that may make any number."""


@dataclass(frozen=True)
class ImportSettings:
    """How a chain becomes integers.

    `steps` of time; `encoder` direct, rate, whose draws follow from `seed`, or events, which bring their steps; a value
    u of an image is `u / divisor` at the network's input. `guard` bits of membranes below the sums, fewer where
    48 bits hold no more; `weight_bits` of weights at most (16 where None: fewer are cheaper, and change more spikes);
    `nearest`: decays that no shift makes are rounded. `readout`: count of spikes, last membrane, or first spike;
    sums and integrators without spikes are read at the last step. `most` spikes a step of neurons that may make any
    number.
    """

    steps: int
    encoder: str = "direct"
    seed: int = 0
    divisor: float = 255.0
    guard: int = GUARD
    weight_bits: int | None = None
    nearest: bool = False
    readout: str = "count"
    most: int = MOST


@dataclass(frozen=True, eq=False)
class Converted:
    """The network; by layer of neurons its edge of spikes and guard bits; what was rounded and assumed, in words.

    `orders`, of layers behind a flatten: code j of their edge is neuron order[j] of the original.
    """

    network: Network
    spikes: dict[str, str]
    guards: dict[str, int]
    orders: dict[str, tuple[int, ...]]
    rounded: tuple[str, ...]
    assumed: tuple[str, ...]


def convert(chain: Chain, settings: ImportSettings, name: str, classes: Sequence[str] = ()) -> Converted:
    """Return the network of integers of a chain.

    `classes` are "0", "1", ... where none are given. Raises ForeignError naming the layer that has no integer form.
    """
    _check_settings(settings)
    build = _Build(chain, settings)
    try:
        for index in range(len(chain.layers)):
            build.add(index)
        build.end()
        rows = build.edge.channels
        names = tuple(classes) or tuple(str(i) for i in range(rows))
        if len(names) != rows:
            raise ForeignError(f"classes: {len(names)} names; the network's answer has {rows}; name each")
        network = finish(name, build.input, build.section, names)
    except NetworkError as error:
        raise ForeignError(f"{chain.writer} network: {error}") from error
    assumed = (*chain.assumed, *build.assumed)
    return Converted(network, build.spikes, build.guards, build.orders, tuple(build.rounded), assumed)


def _check_settings(settings: ImportSettings) -> None:
    known = (("encoder", settings.encoder, ENCODERS), ("readout", settings.readout, READOUTS))
    for what, found, names in known:
        if found not in names:
            raise ForeignError(f"{what}: {str(found)[:40]!r}; needed one of {', '.join(names)}")
    if settings.weight_bits is not None and not 2 <= settings.weight_bits <= 16:
        raise ForeignError(f"weight bits: {settings.weight_bits}; needed 2 to 16")
    if not (settings.divisor > 0 and np.isfinite(settings.divisor)):
        raise ForeignError(f"divisor: {settings.divisor}; needed a number above 0: 255 where images are 0 to 1")
    if not 1 <= settings.most <= 255:
        raise ForeignError(f"most: {settings.most} spikes a step; needed 1 to 255")


class _Build:
    """The network under construction: its last edge `x` stands for `factor` times what it says.

    `order` (flat edges): code j of the edge is element order[j] of the original, which flattens channels first.
    """

    def __init__(self, chain: Chain, settings: ImportSettings) -> None:
        late = sum(neuron.late for neuron in chain.neurons)
        self.chain, self.settings, self.steps = chain, settings, settings.steps - late
        if not chain.neurons:
            raise ForeignError(
                f"{chain.writer} network: no layer of neurons; needed one; train it as a network without"
            )
        if self.steps < 1:
            raise ForeignError(
                f"steps: {settings.steps}; spikes leave one step late in {late} layers: needed at least {late + 1}"
            )
        if late and settings.encoder == "events":
            raise ForeignError("encoder: 'events' before spikes that leave one step late; needed direct or rate")
        self.rounded: list[str] = []
        self.assumed: list[str] = []
        self.spikes: dict[str, str] = {}
        self.guards: dict[str, int] = {}
        self.orders: dict[str, tuple[int, ...]] = {}
        self.input, self.factor = self._input()
        self.section = Section.of_input(self.input)
        self.order: tuple[int, ...] | None = None
        self.delayed = False

    def _input(self) -> tuple[Input, float]:
        settings, shape = self.settings, self.chain.shape
        values = np.arange(256, dtype=np.float64) / settings.divisor
        if settings.encoder != "rate":
            frac = round(np.log2(settings.divisor))
            table, steps = np.arange(256)[:, None], self.steps if settings.encoder == "events" else 1
            given = Input(shape, QType(0, 255, frac), table, settings.encoder, steps)
            return given, 2.0**frac / settings.divisor
        levels = np.rint(values * 65536)
        if levels.max() > 65536:
            raise ForeignError(f"divisor: {settings.divisor}; a rate is at most 1: needed 255 or more")
        if (levels != values * 65536).any():
            self.rounded.append("input: rates to 2^-16")
        table = levels.astype(np.int64)[:, None]
        return Input(shape, QType(0, 1), table, "rate", self.steps, settings.seed), 1.0

    @property
    def x(self) -> str:
        return self.section.last

    @property
    def edge(self) -> Edge:
        return self.section.edges[self.x]

    def named(self, name: str, more: str = "") -> str:
        """An unused identifier for a node of the layer `name`."""
        plain = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:40] or "layer"
        return self.section.unused((plain if plain[0].isalpha() else f"n{plain}") + more)

    def add(self, index: int) -> None:
        """Append the operators of a layer."""
        layer = self.chain.layers[index]
        after: Layer | None = self.chain.layers[index + 1] if index + 1 < len(self.chain.layers) else None
        if isinstance(layer, Weights):
            self._weights(layer, after)
        elif isinstance(layer, Pool):
            self._pool(layer)
        elif isinstance(layer, Flat):
            self._flatten(layer.name)
        else:
            self._neurons(layer, after is None)

    def _flatten(self, name: str) -> None:
        if len(self.edge.shape) == 1:
            return
        self._stream(name)
        self.order = flat_order(self.edge.shape)
        self.section.add(Flatten(), name=self.named(name))

    def _stream(self, name: str) -> None:
        """Make codes of sums, all bits kept."""
        edge = self.edge
        if not edge.accumulator:
            return
        frac = edge.type.common_frac
        if frac is None or edge.type.bits > MAX_CODE_BITS:
            found = f"sums of {edge.type.bits} bits" if frac is not None else "sums of several scales"
            raise ForeignError(
                f"layer {name!r}: reads {found}; needed one scale and at most {MAX_CODE_BITS} bits: fewer weight bits"
            )
        out = QType(edge.type.lo, edge.type.hi, frac)
        self.section.add(Requant(np.array([0]), Rounding.FLOOR, out), name=self.named(name, "_codes"))

    def _weights(self, layer: Weights, after: Layer | None) -> None:
        if layer.weight.ndim == 2:
            self._flatten(f"{layer.name}_flat")
        if self.edge.accumulator and not isinstance(self._before(layer), Pool):
            raise ForeignError(
                f"layer {layer.name!r}: weights right after weights; needed neurons between; multiply them out"
            )
        self._stream(layer.name)
        if self.delayed and layer.bias.any():
            raise ForeignError(
                f"layer {layer.name!r}: a bias behind neurons whose spikes leave one step late, which it does not wait "
                "for; needed none"
            )
        x = self.edge
        weight = layer.weight * self.factor
        weight = weight[:, list(self.order)] if self.order is not None else weight
        weight = weight.transpose(0, 2, 3, 1) if weight.ndim == 4 else weight
        # Several scales where neurons compare each channel by itself, and only there.
        grid = on_grid(weight, self.settings.weight_bits, not (isinstance(after, Neuron) and self._compares(after)))
        if grid.off:
            each = "one power of two a channel" if isinstance(grid.type.frac, tuple) else "one power of two"
            self.rounded.append(
                f"layer {layer.name!r}: weights to {grid.type.bits} bits, {each}, by at most {grid.off:.3g}"
            )
        assert isinstance(x.type.frac, int)
        fracs = np.asarray(grid.type.frac) + x.type.frac
        scaled = layer.bias * 2.0**fracs
        bias = np.rint(scaled)
        if np.abs(bias).max(initial=0) >= 1 << (MAX_ACC_BITS - 2):
            raise ForeignError(
                f"layer {layer.name!r}: a bias of {np.abs(layer.bias).max():.6g}; needed one that 48 bits hold"
            )
        off = np.abs(bias / 2.0**fracs - layer.bias).max(initial=0.0)
        if off:
            self.rounded.append(f"layer {layer.name!r}: biases to the scale of its sums, by at most {off:.3g}")
        codes = bias.astype(np.int64)
        bits = signed_bits(int(codes.min(initial=0)), int(codes.max(initial=0)))
        name = self.named(layer.name)
        if weight.ndim == 2:
            self.section.add(Dense(grid.codes, codes, grid.type, bits), name=name)
        else:
            conv = Conv2d(grid.codes, codes, grid.type, bits, layer.stride, layer.pad, 0, layer.groups)
            self.section.add(conv, name=name)
        self.factor, self.order = 1.0, None

    def _before(self, layer: Layer) -> Layer | None:
        index = self.chain.layers.index(layer)
        return self.chain.layers[index - 1] if index else None

    def _compares(self, neuron: Neuron) -> bool:
        """Whether a layer of neurons is not read by its membranes."""
        last = neuron is self.chain.layers[-1] and self.settings.readout == "last"
        return neuron.spikes and not last

    def _pool(self, layer: Pool) -> None:
        self._stream(layer.name)
        if layer.kind == "max":
            self.section.add(MaxPool(layer.kernel, layer.stride, (0, 0, 0, 0)), name=self.named(layer.name))
            return
        count = layer.kernel[0] * layer.kernel[1]
        self.section.add(SumPool(layer.kernel, layer.stride), name=self.named(layer.name))
        mean = count & (count - 1) == 0  # its edge stands for the mean, else for the sum
        if layer.kind == "sum":
            self.factor *= count if mean else 1
        else:
            self.factor /= 1 if mean else count

    def _neurons(self, layer: Neuron, last: bool) -> None:
        if not layer.spikes and not last:
            raise ForeignError(
                f"layer {layer.name!r}: an integrator without spikes before other layers; needed it at the end"
            )
        x = self.edge
        found = self._membranes(layer, x)
        if found.synapse is not None:
            self.section.add(found.synapse, name=self.named(layer.name, "_current"))
        self.section.add(found.lif, name=self.named(layer.name, "_membrane"))
        self.guards[layer.name] = found.guard
        if found.guard < self.settings.guard:
            self.assumed.append(f"layer {layer.name!r}: {found.guard} guard bits; its membranes have 48 bits with them")
        if self._compares(layer):
            name = self.named(layer.name)
            self.section.add(Threshold(found.lif.levels, 0, 1, 0), name=name)
            self.spikes[layer.name] = name
            if self.order is not None:
                self.orders[layer.name] = self.order
        self.factor = 1.0
        self.delayed |= layer.late

    def _membranes(self, layer: Neuron, x: Edge) -> Membranes:
        where = f"layer {layer.name!r}"
        ordered = [self._ordered(value) for value in (layer.decay, layer.theta, layer.gain)]
        decay, theta, gain = ordered
        if not (gain > 0).all():
            raise ForeignError(f"{where}: an input gain of {float(gain.min()):.6g}; needed one above 0")
        if not (theta > 0).all():
            raise ForeignError(f"{where}: threshold {float(theta.min()):.6g}; needed one above 0")
        for what, value in (("decays", decay), ("thresholds", theta), ("input gains", gain)):
            if len(value) not in (1, x.channels):
                raise ForeignError(f"{where}: {len(value)} {what}; it reads {x.channels} channels; needed 1 or as many")
        leak = leaks(where, decay, "decay", self.settings.nearest, self.rounded)
        synapse = None
        if layer.synapse is not None and layer.synapse.any():
            synapse = leaks(
                where, self._ordered(layer.synapse), "decay of its current", self.settings.nearest, self.rounded
            )
            if not synapse.all():
                raise ForeignError(f"{where}: a current that never decays; needed a decay below 1")
        most = layer.most
        if most is None:
            most = self.settings.most
            self.assumed.append(f"{where}: at most {most} spikes a step")
        if layer.normed:
            if not leak.all():
                raise ForeignError(f"{where}: no leak, and an input that counts by 1 - decay: never; needed a leak")
            gain = gain * 2.0**-leak
        level = theta / (gain * self.factor)
        found = membranes(where, x, layer, level, leak, synapse, self.steps, self.settings.guard, most)
        if found.off:
            self.rounded.append(f"{where}: thresholds to 2^-{found.finest}, by at most {found.off:.3g}")
        return found

    def _ordered(self, values: Reals) -> Reals:
        """Numbers of channels in the order of a flat edge."""
        return values[list(self.order)] if self.order is not None and len(values) > 1 else values

    def end(self) -> None:
        """Append what makes one answer of all steps."""
        last = self.chain.layers[-1]
        if not isinstance(last, Neuron):
            name = last.name
            if self.edge.accumulator and self.edge.type.common_frac is None:
                raise ForeignError(f"layer {name!r}: sums of several scales at the end; needed one")
            self.assumed.append(f"layer {name!r}: its sums over all steps are the answer")
            self.section.add(counted(f"layer {name!r}", self.edge, self.steps), name=self.named(name, "_sum"))
            self.section.add(Last(), name=self.named(name, "_last"))
        elif not last.spikes:
            self.section.add(Last(), name=self.named(last.name, "_last"))
        elif self.settings.readout == "last":
            membrane = next(n.name for n in reversed(self.section.nodes) if n.op.kind == "lif")
            self.section.add(Last(), membrane, name=self.named(last.name, "_last"))
        else:
            op = Count() if self.settings.readout == "count" else First()
            self.section.add(op, name=self.named(last.name, "_answer"))
        if len(self.edge.shape) != 1:
            if self.edge.shape[:2] != (1, 1):
                raise ForeignError(
                    f"layer {last.name!r}: an answer of shape {list(self.edge.shape)}; needed one number a class"
                )
            self._stream(last.name)
            self.section.add(Flatten(), name=self.named(last.name, "_flat"))
        elif self.order is not None:
            raise ForeignError(f"layer {last.name!r}: a flattened image at the end; needed one number a class")
