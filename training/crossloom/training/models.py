"""The torch networks of a recipe: in floats with batch norm, and quantized by Brevitas with it folded."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol, TypeAlias

import torch
from brevitas.nn import QuantConv2d, QuantIdentity, QuantLinear, QuantReLU
from torch import Tensor, nn

from crossloom.sim.errors import ConfigError

from .batchnorm import fold_batch_norm, folded
from .config import Config, QuantizationConfig
from .inputs import input_values, to_float
from .plan import (
    AnswerStep,
    ConvStep,
    DenseStep,
    FlattenStep,
    NeuronStep,
    Plan,
    PoolStep,
    ResidualStep,
    Step,
    make_plan,
)
from .quantizers import BiasQuant, activation_quantizer, calibrate, weight_quantizer
from .spiking.fitting import encoder_of
from .spiking.layers import Count, First, Last, LIFLayer, SpikeInput, Sum
from .spiking.neurons import make_neurons
from .spiking.settings import SpikingConfig

__all__ = [
    "FloatAdd",
    "Network",
    "QuantAdd",
    "Residual",
    "build_float",
    "build_quantized",
    "fold_batch_norm",
    "input_values",
    "quantize",
    "to_float",
]

_ANSWERS = {"count": Count, "membrane": Last, "first": First}
CALIBRATION_VALUES = 1 << 18


class FloatAdd(nn.Module):
    """Sum of two tensors."""

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Return a + b."""
        return a + b


class QuantAdd(nn.Module):
    """Sum of two quantized tensors with power-of-two scales, which may differ; the quantizer after it rounds.

    Exact in float32: the sum is an integer of the smaller scale. (Brevitas' own `+` asks for equal scales.)
    """

    def forward(self, a: Any, b: Any) -> Tensor:
        """Return the values' sum as a plain tensor."""
        total: Tensor = a.value + b.value
        return total


class Residual(nn.Module):
    """`activation(add(main(x), x))`, or with `shortcut(x)` where there is a projection."""

    def __init__(self, main: nn.Module, shortcut: nn.Module | None, add: nn.Module, activation: nn.Module) -> None:
        super().__init__()
        self.main = main
        self.shortcut = shortcut
        self.add = add
        self.activation = activation

    def forward(self, x: Any) -> Any:
        """Return the block's output; which modules exist is fixed at construction, so torch.fx traces it."""
        other = x if self.shortcut is None else self.shortcut(x)
        return self.activation(self.add(self.main(x), other))


class Network(nn.Sequential):
    """Modules in the order of a plan; float32 (N, C, H, W) in, float32 logits (N, classes) out.

    A convolution `conv1` is followed by `conv1_relu` (QuantReLU) or `conv1_quant` (a signed QuantIdentity), an average
    pool `avgpool2` by `avgpool2_quant`; `quant_input` comes first (of spikes a SpikeInput); a float network has
    `conv1_bn` besides, and nn.Identity where the quantized one has a QuantIdentity. Of a spiking network, `conv1_lif`
    (LIFLayer) follows `conv1`, the rows of a batch are the images of one time step after the other from there on, and
    `answer` ends it.
    """

    def __init__(self, plan: Plan, modules: OrderedDict[str, nn.Module], quantized: bool) -> None:
        super().__init__(modules)
        self.plan = plan
        self.quantized = quantized

    def learned_parameters(self) -> list[nn.Parameter]:
        """Return the parameters to train: all but the range of the input, which is known from the images."""
        return [p for name, p in self.named_parameters() if not name.startswith("quant_input.")]


class Parts(Protocol):
    """What the float and the quantized network are made of."""

    def source(self, signed: bool, spikes: bool) -> nn.Module: ...
    def conv(self, step: ConvStep) -> list[tuple[str, nn.Module]]: ...
    def dense(self, step: DenseStep) -> list[tuple[str, nn.Module]]: ...
    def relu(self) -> nn.Module: ...
    def requant(self, signed: bool) -> nn.Module: ...
    def add(self, activation: str) -> nn.Module: ...
    def neurons(self, spiking: SpikingConfig, step: NeuronStep) -> LIFLayer: ...


class FloatParts:
    """Plain torch layers, batch norm after each but the last."""

    def neurons(self, spiking: SpikingConfig, step: NeuronStep) -> LIFLayer:
        return make_neurons(spiking, step.channels, step.first, step.readout, rounds=False)

    def source(self, signed: bool, spikes: bool) -> nn.Module:
        return nn.Identity()

    def conv(self, step: ConvStep) -> list[tuple[str, nn.Module]]:
        layer = nn.Conv2d(
            step.inputs, step.outputs, step.kernel, step.stride, step.padding, groups=step.groups, bias=False
        )
        return [(step.name, layer), (f"{step.name}_bn", nn.BatchNorm2d(step.outputs))]

    def dense(self, step: DenseStep) -> list[tuple[str, nn.Module]]:
        if step.activation in ("logits", "readout"):
            return [(step.name, nn.Linear(step.inputs, step.outputs))]
        layer = nn.Linear(step.inputs, step.outputs, bias=False)
        return [(step.name, layer), (f"{step.name}_bn", nn.BatchNorm1d(step.outputs))]

    def relu(self) -> nn.Module:
        return nn.ReLU()

    def requant(self, signed: bool) -> nn.Module:
        return nn.Identity()

    def add(self, activation: str) -> nn.Module:
        return FloatAdd()


class QuantParts:
    """Brevitas layers; every edge a QuantTensor, every bias at the accumulator's scale."""

    def __init__(self, widths: QuantizationConfig) -> None:
        self.widths = widths

    def neurons(self, spiking: SpikingConfig, step: NeuronStep) -> LIFLayer:
        return make_neurons(spiking, step.channels, step.first, step.readout, rounds=True)

    def source(self, signed: bool, spikes: bool) -> nn.Module:
        if spikes:
            return SpikeInput()
        layer: nn.Module = QuantIdentity(activation_quantizer(self.widths.input_bits, signed), return_quant_tensor=True)
        return layer

    def _weights(self, last: bool) -> Any:
        # The logits leave through one common scale.
        return weight_quantizer(self.widths.weight_bits, self.widths.weight_scaling == "channel" and not last)

    def conv(self, step: ConvStep) -> list[tuple[str, nn.Module]]:
        layer = QuantConv2d(
            step.inputs,
            step.outputs,
            step.kernel,
            step.stride,
            step.padding,
            groups=step.groups,
            bias=True,
            weight_quant=self._weights(step.activation == "logits"),
            bias_quant=BiasQuant,
            return_quant_tensor=step.activation == "sum",
        )
        return [(step.name, layer)]

    def dense(self, step: DenseStep) -> list[tuple[str, nn.Module]]:
        layer = QuantLinear(
            step.inputs,
            step.outputs,
            bias=True,
            weight_quant=self._weights(step.activation in ("logits", "readout")),
            bias_quant=BiasQuant,
            return_quant_tensor=step.activation in ("sum", "readout"),
        )
        return [(step.name, layer)]

    def relu(self) -> nn.Module:
        layer: nn.Module = QuantReLU(activation_quantizer(self.widths.activation_bits, False), return_quant_tensor=True)
        return layer

    def requant(self, signed: bool) -> nn.Module:
        layer: nn.Module = QuantIdentity(
            activation_quantizer(self.widths.activation_bits, signed), return_quant_tensor=True
        )
        return layer

    def add(self, activation: str) -> nn.Module:
        return Sum() if activation == "sum" else QuantAdd()


def build_float(config: Config, shape: tuple[int, int, int], classes: int, seed: int | None = None) -> Network:
    """Return the float network of a recipe for images of `shape` (C, H, W), initialised from `seed`.

    torch's global generator is left as it was. Raises ConfigError where the layers do not fit.
    """
    plan = make_plan(config, shape, classes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.training.seed if seed is None else seed)
        return _assemble(plan, FloatParts(), False)


def build_quantized(config: Config, shape: tuple[int, int, int], classes: int) -> Network:
    """Return the Brevitas network of a recipe, its weights and scales not set yet: `load_state_dict` or `quantize`."""
    plan = make_plan(config, shape, classes)
    with torch.random.fork_rng(devices=[]):
        return _assemble(plan, QuantParts(config.quantization), True)


def _assemble(plan: Plan, parts: Parts, quantized: bool) -> Network:
    return Network(plan, with_input(plan.config, plan.steps, parts), quantized)


def with_input(config: Config, steps: tuple[Step, ...], parts: Parts) -> OrderedDict[str, nn.Module]:
    """Return the named modules of the steps that read the image, behind its quantizer."""
    signed = config.quantization.normalization == "standard"
    source = parts.source(signed, encoder_of(config).spikes)
    return OrderedDict([("quant_input", source), *modules_of(steps, parts, config.spiking)])


def modules_of(
    steps: tuple[Step, ...], parts: Parts, spiking: SpikingConfig | None = None
) -> list[tuple[str, nn.Module]]:
    """Return the named modules of some steps, activations and batch norms among them; with time as `spiking` says."""
    modules: list[tuple[str, nn.Module]] = []
    for step in steps:
        match step:
            case ConvStep():
                modules += [*parts.conv(step), *_activation(step.name, step.activation, parts)]
            case DenseStep():
                modules += [*parts.dense(step), *_activation(step.name, step.activation, parts)]
            case PoolStep(average=True):
                modules.append((step.name, nn.AvgPool2d(step.window, step.stride)))
                modules.append((f"{step.name}_quant", parts.requant(step.signed)))
            case PoolStep():
                modules.append((step.name, nn.MaxPool2d(step.window, step.stride, step.padding)))
            case FlattenStep():
                modules.append((step.name, nn.Flatten()))
            case ResidualStep():
                modules.append((step.name, _residual(step, parts, spiking)))
            case NeuronStep():
                assert spiking is not None
                modules.append((step.name, parts.neurons(spiking, step)))
            case AnswerStep():
                assert spiking is not None
                modules.append((step.name, _ANSWERS[step.loss](spiking.steps)))
    return modules


def _activation(name: str, activation: str, parts: Parts) -> list[tuple[str, nn.Module]]:
    if activation in ("logits", "sum", "readout"):
        return []
    return [(f"{name}_relu", parts.relu())] if activation == "relu" else [(f"{name}_quant", parts.requant(True))]


def _residual(step: ResidualStep, parts: Parts, spiking: SpikingConfig | None) -> nn.Module:
    main = nn.Sequential(OrderedDict(modules_of(step.main, parts, spiking)))
    shortcut = nn.Sequential(OrderedDict(modules_of((step.projection,), parts))) if step.projection else None
    found = _activation(step.name, step.activation, parts)
    return Residual(main, shortcut, parts.add(step.activation), found[0][1] if found else nn.Identity())


def quantize(model: Network, images: Tensor) -> Network:
    """Return the Brevitas network of a trained float `model`: batch norm folded, scales set from `images`.

    `images` are some training images (N, C, H, W) float32 from `to_float`. Each activation's range is the power of
    two that represents the float network's values with the least squared error. `model` is not changed.
    """
    if model.quantized:
        raise ConfigError("quantize: the network is quantized already; needed the float network; build_float makes one")
    quantized = build_quantized(model.plan.config, model.plan.shape, model.plan.classes)
    transfer(model, quantized, images, lambda name: (name, None))
    return quantized.eval()


Twin: TypeAlias = Callable[[str], tuple[str, Sequence[int] | None]]
"""For a quantized layer's name, that of its float source, and which of its rows to take (None: all, in order)."""


def transfer(model: nn.Module, quantized: nn.Module, images: Tensor, twin: Twin) -> None:
    """Set the weights, neurons and scales of `quantized` from the float `model`, whose batch norm is folded on the way.

    Rows of a layer that its source has none for become zero. `images` (N, C, H, W) float32 go through `model`.
    """
    sources = dict(model.named_modules())
    targets = dict(quantized.named_modules())
    handles = []
    for name, layer in targets.items():
        if isinstance(layer, QuantConv2d | QuantLinear):
            origin, rows = twin(name)
            source: Any = sources[origin]
            norm: Any = sources.get(f"{origin}_bn")
            weight, bias = (source.weight, source.bias) if norm is None else folded(source.weight, source.bias, norm)
            with torch.no_grad():
                layer.weight.zero_()
                layer.bias.zero_()
                chosen = list(range(len(weight)) if rows is None else rows)
                layer.weight[: len(chosen)] = weight[chosen]
                layer.bias[: len(chosen)] = bias[chosen]
        if isinstance(layer, LIFLayer):
            origin, rows = twin(name)
            _copy_neurons(sources[origin], layer, rows)
        if isinstance(layer, QuantReLU | QuantIdentity):
            handles.append(sources[twin(name)[0]].register_forward_hook(partial(_calibrate, layer)))
    training = model.training
    try:
        model.eval()
        with torch.no_grad():
            model(images)
    finally:
        model.train(training)
        for handle in handles:
            handle.remove()


def _copy_neurons(source: nn.Module, layer: LIFLayer, rows: Sequence[int] | None) -> None:
    """Set thresholds and leaks; those of rows that the source has none for stay."""
    for name, value in source.state_dict().items():
        held = layer.get_buffer(name) if name not in layer.learn else layer.get_parameter(name)
        with torch.no_grad():
            if rows is None or not value.dim():
                held.copy_(value)
            else:
                held[: len(rows)] = value[list(rows)]


def _calibrate(layer: nn.Module, source: nn.Module, inputs: tuple[Tensor, ...], values: Tensor) -> None:
    """Set the scale of `layer` from the float values that its counterpart `source` just made (a forward hook)."""
    flat = values.reshape(-1)
    calibrate(layer, flat[:: -(-flat.numel() // CALIBRATION_VALUES)])
