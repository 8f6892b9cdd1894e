"""First weights from a finished run of the same layers, for spikes too: thresholds then balance its activations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import zip_longest
from typing import Any, NamedTuple, NoReturn

import numpy as np
import torch
from torch import Tensor, nn

from .models import CALIBRATION_VALUES, Network
from .plan import AnswerStep, ConvStep, DenseStep, FlattenStep, NeuronStep, PoolStep, ResidualStep, Step
from .rules import refuse
from .runs import TrainedModel
from .spiking.layers import LIFLayer

PERCENTILE = 99.9
"""Of a layer's activations, the one that is one spike a step: the greatest alone would be an outlier's."""
_CONVERTED = (("relu", "sum"), ("logits", "sum"), ("logits", "readout"))


class _Layer(NamedTuple):
    """A layer of both networks by its path, with what follows it there and here."""

    path: str
    there: str
    here: str


def start_from(model: Network, source: TrainedModel, folder: str, images: Tensor, values: np.ndarray[Any, Any]) -> None:
    """Set the weights of a float network, in place, to what a finished run's network of the same layers computes.

    `images` (N, C, H, W) float32, `values` their input table. Batch norms get the statistics of the images and undo
    them. Where neurons stand in place of a ReLU, weights are balanced layer by layer, after Diehl (2015) with the
    robust maximum of Rueckauer (2017): what is `PERCENTILE` of the activations there makes as many spikes at every step
    as a step may have, by w' = w * before / own and b' = b / own, times the recipe's threshold; a readout over all
    steps is divided by their number. Raises ConfigError naming the layer and the shapes that do not fit.
    """
    config, plan = model.plan.config, model.plan

    def misfit(found: str, needed: str = "a run of the same layers") -> NoReturn:
        advice = "name another folder, or make the layers equal"
        refuse(config.source, "training", "init", f"{folder}: {found}", needed, advice)

    other = source.model
    if not isinstance(other, Network):
        misfit("a hierarchical network", "a flat one")
    if plan.shape != other.plan.shape or not np.array_equal(source.values, values):
        found = f"input: {list(plan.shape)} here, {list(other.plan.shape)} there, or other levels or normalization"
        misfit(found, "the same images")
    layers = list(_pairs(other.plan.steps, plan.steps, misfit))
    peaks = _peaks(other, images, [layer for layer in layers if (layer.there, layer.here) in _CONVERTED])
    there, here = dict(other.named_modules()), dict(model.named_modules())
    reads = 1.0  # what a code that a layer reads stands for: 1, or what a spike stands for
    handles = []
    for layer in layers:
        given: Any = there[layer.path]
        target: Any = here[layer.path]
        gain, makes = 1.0, 1.0
        if config.spiking is not None and layer.there != layer.here:
            if layer.here == "sum":
                makes = peaks[layer.path] / config.spiking.most
                gain = config.spiking.theta / makes
            else:
                gain = 1.0 / config.spiking.steps
        norm = here.get(f"{layer.path}_bn")
        with torch.no_grad():
            target.weight.copy_(given.weight * (reads * gain))
            (target if norm is None else norm).bias.copy_(given.bias * gain)
        if norm is not None:
            handles.append(norm.register_forward_pre_hook(_undone))
        reads = makes
    for path, neurons in here.items():
        if isinstance(neurons, LIFLayer) and path in there:
            _same_neurons(path, there[path], neurons, misfit)
    training = model.training
    try:
        with torch.no_grad():
            model.eval()(images)
    finally:
        model.train(training)
        for handle in handles:
            handle.remove()


def _pairs(
    there: Sequence[Step], here: Sequence[Step], misfit: Callable[[str], NoReturn], path: str = "", spikes: bool = False
) -> Iterator[_Layer]:
    """Go along two networks and yield their layers with weights; refuse the first step that is another one."""
    bare = [[s for s in steps if not isinstance(s, NeuronStep | AnswerStep)] for steps in (there, here)]
    for old, new in zip_longest(*bare):
        name = path + (new or old).name
        if old is None or new is None or _shape(old) != _shape(new):
            misfit(f"layer {name!r}: {_shape(new)} here, {_shape(old)} there")
        if isinstance(old, ResidualStep) and isinstance(new, ResidualStep):
            if spikes:
                misfit(f"layer {name!r}: a residual behind neurons that stand for ReLUs cannot be balanced")
            inner = f"{name}."
            for layer in _pairs(old.main, new.main, misfit, f"{inner}main."):
                if layer.there != layer.here:
                    misfit(f"layer {layer.path!r}: neurons in a residual here, {layer.there!r} there")
                yield layer
            if old.projection and new.projection:
                yield from _pairs([old.projection], [new.projection], misfit, f"{inner}shortcut.")
        if isinstance(old, ConvStep | DenseStep) and isinstance(new, ConvStep | DenseStep):
            if old.activation != new.activation and (old.activation, new.activation) not in _CONVERTED:
                words = {"sum": "neurons", "readout": "a readout"}
                shown = [words.get(a, a) for a in (new.activation, old.activation)]
                misfit(f"layer {name!r}: followed by {shown[0]} here, by {shown[1]} there")
            spikes = (old.activation, new.activation) == ("relu", "sum")
            yield _Layer(name, old.activation, new.activation)


def _shape(step: Step | None) -> str:
    """What must be equal of a step, in words."""
    match step:
        case ConvStep():
            weights = [step.outputs, step.inputs // step.groups, step.kernel, step.kernel]
            return f"conv {weights} stride {step.stride} padding {step.padding}"
        case DenseStep():
            return f"dense {[step.outputs, step.inputs]}"
        case PoolStep():
            mean = "mean" if step.average else "max"
            return f"{mean} pool {list(step.window)} stride {list(step.stride)} padding {step.padding}"
        case FlattenStep():
            return "flatten"
        case ResidualStep():
            return f"residual with{'' if step.projection else 'out'} projection, then {step.activation}"
    return "nothing"


def _peaks(network: Network, images: Tensor, layers: Sequence[_Layer]) -> dict[str, float]:
    """The percentile of what follows each layer, on the images; 1 where all of it is 0."""
    found: dict[str, float] = {}
    modules, handles = dict(network.named_modules()), []

    def look(path: str, module: nn.Module, inputs: Any, output: Any) -> None:
        values = getattr(output, "value", output).reshape(-1)
        some = values[:: -(-values.numel() // CALIBRATION_VALUES)].numpy()
        found[path] = float(np.percentile(some, PERCENTILE))
        if found[path] <= 0:  # hardly ever any
            found[path] = float(some.max()) if some.max() > 0 else 1.0

    for layer in layers:
        shown = modules[layer.path if layer.there == "logits" else f"{layer.path}_relu"]
        handles.append(shown.register_forward_hook(partial(look, layer.path)))
    with torch.no_grad():
        network.eval()(images)
    for handle in handles:
        handle.remove()
    return found


def _undone(norm: Any, inputs: tuple[Tensor, ...]) -> None:
    """Give a batch norm the statistics of what it reads, and have it undo them; its bias is then the layer's."""
    (x,) = inputs
    axes = [axis for axis in range(x.dim()) if axis != 1]
    variance, mean = torch.var_mean(x, axes, correction=0)
    with torch.no_grad():
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        norm.weight.copy_((variance + norm.eps).sqrt())
        norm.bias.add_(mean)


def _same_neurons(path: str, given: Any, target: Any, misfit: Callable[[str], NoReturn]) -> None:
    """Take over what neurons have learned, where these learn it too."""
    assert isinstance(given, LIFLayer) and isinstance(target, LIFLayer)
    for name in given.learn:
        if name not in target.learn:
            misfit(f"layer {path!r}: {name!r} is learned there, and not here")
    with torch.no_grad():
        for name in target.learn:
            getattr(target, name).copy_(getattr(given, name))
