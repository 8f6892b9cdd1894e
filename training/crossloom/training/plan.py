"""From a recipe's layers to named steps with every shape known, refusing what has no exact integer form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from crossloom.sim.errors import ConfigError

from .config import Config
from .layer_tables import AvgPool, Conv, Dense, Flatten, GlobalAvgPool, LayerConfig, MaxPool, Residual
from .spiking.settings import SpikingConfig

Shape: TypeAlias = tuple[int, ...]
"""(channels, height, width), or (features,)."""


@dataclass(frozen=True)
class ConvStep:
    """A 2-D convolution and what follows it: "relu", "none" (a signed quantizer), or "sum" (a step of neurons)."""

    name: str
    inputs: int
    outputs: int
    kernel: int
    stride: int
    padding: int
    groups: int
    activation: str


@dataclass(frozen=True)
class DenseStep:
    """A fully connected layer and what follows it.

    "relu", "none" (a signed quantizer), "logits" (nothing), "sum" (a step of neurons) or "readout" (a step of neurons
    that never spike, whose membranes are the logits).
    """

    name: str
    inputs: int
    outputs: int
    activation: str


@dataclass(frozen=True)
class PoolStep:
    """Max pooling, or average pooling with its quantizer, over windows of (height, width)."""

    name: str
    average: bool
    window: tuple[int, int]
    stride: tuple[int, int]
    padding: int
    signed: bool


@dataclass(frozen=True)
class FlattenStep:
    """Image to vector, in torch's order: channel, row, column."""

    name: str


@dataclass(frozen=True)
class ResidualStep:
    """`main` plus the input, or plus its 1x1 `projection`; then "relu", "none" (a signed quantizer) or "sum"."""

    name: str
    main: tuple[Step, ...]
    projection: ConvStep | None
    activation: str


@dataclass(frozen=True)
class NeuronStep:
    """Neurons on each of `channels` of the sums before it; `first`: what they read is the same at every step.

    A `readout` never spikes.
    """

    name: str
    channels: int
    first: bool
    readout: bool


@dataclass(frozen=True)
class AnswerStep:
    """All steps to one: by `loss` the "count" of spikes, the last "membrane", or the "first" spike's step."""

    name: str
    loss: str


Step: TypeAlias = ConvStep | DenseStep | PoolStep | FlattenStep | ResidualStep | NeuronStep | AnswerStep


@dataclass(frozen=True)
class Plan:
    """The steps of a network for images of `shape` (channels, height, width) and a number of classes."""

    config: Config
    shape: tuple[int, int, int]
    classes: int
    steps: tuple[Step, ...]
    macs: int
    """Multiplications of weights with inputs for one image; average pooling has none."""


@dataclass(frozen=True)
class HierarchyPlan:
    """The steps of a hierarchical network: trunk, coarse head (a row per super-class), and any of its branches.

    A branch has `rows` rows: all classes for a B-CNN's shared branch, else the capacity. Names of steps differ
    between the three parts.
    """

    config: Config
    shape: tuple[int, int, int]
    rows: int
    trunk: tuple[Step, ...]
    coarse: tuple[Step, ...]
    branch: tuple[Step, ...]


def weight_count(steps: Sequence[Step]) -> int:
    """Return how many weights the steps have, without biases."""
    count = 0
    for step in steps:
        match step:
            case ConvStep():
                count += step.outputs * (step.inputs // step.groups) * step.kernel**2
            case DenseStep():
                count += step.outputs * step.inputs
            case ResidualStep():
                count += weight_count([*step.main, *([step.projection] if step.projection else [])])
    return count


@dataclass
class _Walk:
    """Where the walk along the layers stands."""

    source: str
    classes: int
    shape: Shape
    signed: bool
    spiking: SpikingConfig | None = None
    timed: bool = False
    macs: int = 0

    def refuse(self, where: str, key: str | None, found: str, needed: str, advice: str) -> ConfigError:
        at = f"{self.source}: [{where}]" + (f" key {key!r}" if key else "")
        return ConfigError(f"{at}: {found}; needed {needed}; {advice}")

    def neurons(self, name: str, readout: bool = False) -> NeuronStep:
        first, self.timed, self.signed = not self.timed, True, False
        return NeuronStep(f"{name}_lif", self.shape[0], first, readout)

    def image(self, where: str) -> tuple[int, int, int]:
        if len(self.shape) != 3:
            raise self.refuse(where, None, "its input is flat", "an image", "move it before flatten or global_avgpool")
        c, h, w = self.shape
        return c, h, w

    def window(self, where: str, kernel: int, stride: int, padding: int) -> tuple[int, int]:
        _, h, w = self.image(where)
        out = tuple((n + 2 * padding - kernel) // stride + 1 for n in (h, w))
        if min(h, w) + 2 * padding < kernel:
            raise self.refuse(
                where, "kernel", f"{kernel} on an image of {h}x{w}", "a window that fits", "make it smaller"
            )
        return out[0], out[1]


def make_plan(config: Config, shape: tuple[int, int, int], classes: int) -> Plan:
    """Return the steps of `config` for images of `shape` (channels, height, width) and `classes` classes.

    Raises ConfigError naming layer and key where shapes do not fit, an averaged window is no power of two, or the
    last layer is not a dense one with a row per class.
    """
    walk = _Walk(config.source, classes, shape, config.quantization.normalization == "standard", config.spiking)
    walk.timed = config.spiking is not None and config.spiking.encoder != "direct"
    _check_last(walk, config.layers, "layers")
    steps = _steps(walk, config.layers, "layers", top=True)
    return Plan(config, shape, classes, steps, walk.macs)


def make_hierarchy_plan(config: Config, shape: tuple[int, int, int], superclasses: int, rows: int) -> HierarchyPlan:
    """Return the steps of a hierarchical `config`; raises ConfigError as `make_plan` does, naming the section."""
    walk = _Walk(config.source, superclasses, shape, config.quantization.normalization == "standard", config.spiking)
    trunk = _steps(walk, config.layers, "layers")
    after, signed, timed = walk.shape, walk.signed, walk.timed
    _check_last(walk, config.coarse, "coarse")
    coarse = _steps(walk, config.coarse, "coarse", top=True, prefix="coarse_")
    walk.classes, walk.shape, walk.signed, walk.timed = rows, after, signed, timed
    _check_last(walk, config.branch, "branch")
    branch = _steps(walk, config.branch, "branch", top=True, prefix="branch_")
    return HierarchyPlan(config, shape, rows, trunk, coarse, branch)


def _check_last(walk: _Walk, layers: Sequence[LayerConfig], section: str) -> None:
    """Refuse layers that do not end in a dense one with `walk.classes` rows."""
    last = layers[-1]
    where = f"{section}[{len(layers) - 1}] {last.type}"
    if not isinstance(last, Dense):
        raise walk.refuse(where, None, "it is the last layer", "a dense layer last", 'add one with type = "dense"')
    if last.units not in (None, walk.classes):
        raise walk.refuse(where, "units", f"found {last.units}", f"{walk.classes} rows here", "leave units out")


def _steps(
    walk: _Walk, layers: Sequence[LayerConfig], section: str, top: bool = False, prefix: str = ""
) -> tuple[Step, ...]:
    steps: list[Step] = []
    for i, layer in enumerate(layers):
        where = f"{section}[{i}] {layer.type}"
        final = top and i == len(layers) - 1
        match layer:
            case Conv():
                steps.append(_conv(walk, layer, where, f"{prefix}conv{i + 1}"))
                if layer.activation == "lif":
                    steps.append(walk.neurons(f"{prefix}conv{i + 1}"))
            case Dense():
                steps.append(_dense(walk, layer, where, f"{prefix}dense{i + 1}", final))
                if final and walk.spiking is not None:
                    readout = walk.spiking.loss == "membrane"
                    steps += [
                        walk.neurons(f"{prefix}dense{i + 1}", readout),
                        AnswerStep(f"{prefix}answer", walk.spiking.loss),
                    ]
                elif layer.activation == "lif":
                    steps.append(walk.neurons(f"{prefix}dense{i + 1}"))
            case MaxPool():
                steps.append(_max_pool(walk, layer, where, f"{prefix}maxpool{i + 1}"))
            case AvgPool():
                steps.append(_avg_pool(walk, layer, where, f"{prefix}avgpool{i + 1}"))
            case GlobalAvgPool():
                c, h, w = walk.image(where)
                _power_of_two(walk, where, None, h, w)
                walk.shape = (c,)
                steps.append(PoolStep(f"{prefix}avgpool{i + 1}", True, (h, w), (h, w), 0, walk.signed))
                steps.append(FlattenStep(f"{prefix}flatten{i + 1}"))
            case Flatten():
                c, h, w = walk.image(where)
                walk.shape = (c * h * w,)
                steps.append(FlattenStep(f"{prefix}flatten{i + 1}"))
            case Residual():
                steps.append(_residual(walk, layer, where, f"{prefix}residual{i + 1}"))
                if layer.activation == "lif":
                    steps.append(walk.neurons(f"{prefix}residual{i + 1}"))
    return tuple(steps)


def _power_of_two(walk: _Walk, where: str, key: str | None, h: int, w: int) -> None:
    if (h * w) & (h * w - 1):
        found = f"a window of {h}x{w} = {h * w} pixels"
        raise walk.refuse(
            where, key, found, "a power of two (its mean is a shift)", "change the window, or use maxpool"
        )


def _conv(walk: _Walk, layer: Conv, where: str, name: str) -> ConvStep:
    inputs, _, _ = walk.image(where)
    outputs = layer.channels
    if outputs is None:
        if not layer.depthwise:
            raise walk.refuse(where, "channels", "missing", "an integer in 1..65536", "write channels = 16")
        outputs = inputs
    if layer.depthwise and layer.groups != 1:
        raise walk.refuse(where, "groups", f"found {layer.groups} beside depthwise", "one of them", "remove groups")
    groups = inputs if layer.depthwise else layer.groups
    if inputs % groups or outputs % groups:
        key = "channels" if layer.depthwise else "groups"
        found = f"{groups} groups of {inputs} input and {outputs} output channels"
        raise walk.refuse(where, key, found, "groups that divide both", "change channels or groups")
    padding = layer.kernel // 2 if layer.padding is None else layer.padding
    if padding >= layer.kernel:
        raise walk.refuse(
            where, "padding", f"found {padding}", f"less than the kernel {layer.kernel}", "make it smaller"
        )
    size = walk.window(where, layer.kernel, layer.stride, padding)
    walk.shape = (outputs, *size)
    walk.signed = layer.activation == "none"
    walk.macs += size[0] * size[1] * outputs * (inputs // groups) * layer.kernel**2
    return ConvStep(name, inputs, outputs, layer.kernel, layer.stride, padding, groups, _after(layer))


def _after(layer: Conv | Dense | Residual) -> str:
    """What follows a layer; neurons are a step of their own."""
    return "sum" if layer.activation == "lif" else layer.activation


def _dense(walk: _Walk, layer: Dense, where: str, name: str, final: bool) -> DenseStep:
    if len(walk.shape) != 1:
        raise walk.refuse(where, None, "its input is an image", "a vector", "put flatten or global_avgpool before it")
    units = walk.classes if final else layer.units
    if units is None:
        raise walk.refuse(where, "units", "missing", "an integer in 1..65536", "write units = 64")
    inputs = walk.shape[0]
    walk.shape = (units,)
    walk.signed = layer.activation == "none"
    walk.macs += inputs * units
    if not final:
        return DenseStep(name, inputs, units, _after(layer))
    if walk.spiking is None:
        return DenseStep(name, inputs, units, "logits")
    return DenseStep(name, inputs, units, "readout" if walk.spiking.loss == "membrane" else "sum")


def _max_pool(walk: _Walk, layer: MaxPool, where: str, name: str) -> PoolStep:
    if 2 * layer.padding > layer.kernel:
        raise walk.refuse(
            where, "padding", f"found {layer.padding}", f"at most half the kernel {layer.kernel}", "make it smaller"
        )
    stride = layer.stride or layer.kernel
    walk.shape = (walk.image(where)[0], *walk.window(where, layer.kernel, stride, layer.padding))
    return PoolStep(name, False, (layer.kernel, layer.kernel), (stride, stride), layer.padding, walk.signed)


def _avg_pool(walk: _Walk, layer: AvgPool, where: str, name: str) -> PoolStep:
    _power_of_two(walk, where, "kernel", layer.kernel, layer.kernel)
    stride = layer.stride or layer.kernel
    walk.shape = (walk.image(where)[0], *walk.window(where, layer.kernel, stride, 0))
    return PoolStep(name, True, (layer.kernel, layer.kernel), (stride, stride), 0, walk.signed)


def _residual(walk: _Walk, layer: Residual, where: str, name: str) -> ResidualStep:
    c, h, w = walk.image(where)
    timed = walk.timed
    main = _steps(walk, layer.layers, f"{where}.layers")
    if walk.timed and not timed:
        found = "the first neurons stand inside, so that its input has no time"
        raise walk.refuse(where, "layers", found, "neurons before it", 'write activation = "lif" in a layer before it')
    after = walk.image(where)
    projection = None
    if layer.projection or (layer.projection is None and after != (c, h, w)):
        strides = [s for s in range(1, max(h, w) + 1) if ((h - 1) // s + 1, (w - 1) // s + 1) == after[1:]]
        if not strides:
            found = f"the layers make {h}x{w} into {after[1]}x{after[2]}"
            raise walk.refuse(
                where, "projection", found, "a size that a 1x1 conv with a stride makes too", "change padding or stride"
            )
        projection = ConvStep("projection", c, after[0], 1, strides[0], 0, 1, "none")
        walk.macs += after[0] * after[1] * after[2] * c
    elif after != (c, h, w):
        found = f"false, but the layers make {[c, h, w]} into {list(after)}"
        raise walk.refuse(where, "projection", found, "equal shapes", "write projection = true")
    walk.signed = layer.activation == "none"
    return ResidualStep(name, main, projection, _after(layer))
