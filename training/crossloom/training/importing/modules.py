"""From a torch model with a library's neurons to a chain of layers: its containers, or its torch.fx graph."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import fx, nn
from torch.nn import functional as F

from crossloom.sim import ForeignError

from ..arguments import bare
from ..batchnorm import folded
from ..geometry import convolution_pads, pair
from .chain import Chain, Flat, Layer, Neuron, Pool, Weights
from .libraries.common import Library
from .libraries.known import is_neuron, library_of, neuron
from .shapes import after, wide_kernel

IDENTITIES = (nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)
CONTAINERS = ("SequentialState", "SeqToANNContainer", "MultiStepContainer", "Lift", "Repeat")


@dataclass(frozen=True, eq=False)
class Model:
    """A model as a chain, with the library, the modules of its neurons in order, and how often a call calls each."""

    module: nn.Module
    chain: Chain
    origin: Library
    neurons: tuple[nn.Module, ...]
    calls: int


@dataclass(frozen=True)
class _Step:
    """One layer on the way of the data: its name, and the module, or a function with its settings."""

    name: str
    module: nn.Module | None
    made: Layer | None = None


def model_chain(model: Any, shape: tuple[int, ...]) -> Model:
    """Return a model as a chain of layers on images `shape` (H, W, C), or (C,) features.

    Raises ForeignError naming the layer that has no integer form.
    """
    module = bare("model", model)
    found = [m for m in module.modules() if is_neuron(m)]
    libraries = {library.name: library for m in module.modules() if (library := library_of(m)) and m is not module}
    own = [library_of(m) for m in found]
    if not own or own[0] is None:
        strange = ", ".join(sorted(libraries)) or "none of snnTorch, SpikingJelly, sinabs and norse"
        raise ForeignError(f"model: no layer of neurons that has an integer form, of {strange}; needed one")
    steps, calls = (_sequence(module), 1) if _container(module) else _traced(module)
    layers: list[Layer] = []
    neurons: list[nn.Module] = []
    current = shape
    for step in steps:
        layer = step.made if step.module is None else _layer(step.name, step.module, layers, current)
        if layer is None:
            continue
        if isinstance(layer, Neuron):
            assert step.module is not None
            neurons.append(step.module)
        current = after(layer, current)
        layers.append(layer)
    if len({id(m) for m in neurons}) != len(neurons):
        raise ForeignError("model: a layer of neurons stands twice; needed each once: it has one state")
    return Model(module, Chain(own[0].package, shape, tuple(layers)), own[0], tuple(neurons), calls)


def _container(module: nn.Module) -> bool:
    return type(module) is nn.Sequential or type(module).__name__ in CONTAINERS


def _sequence(module: nn.Module, path: str = "") -> list[_Step]:
    """The layers of a container, those inside other containers too."""
    found: list[_Step] = []
    for name, child in module._modules.items():  # a child that stands twice, twice
        if child is None:
            continue
        place = f"{path}.{name}" if path else name
        found += _sequence(child, place) if _container(child) else [_Step(place, child)]
    return found


class _Tracer(fx.Tracer):
    """Keeps every layer of torch and of a spiking library whole."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Return whether `m` is one node of the graph."""
        own = isinstance(m, nn.Linear | nn.Conv2d | nn.Flatten) or library_of(m) is not None
        return (own and m is not self.root) or super().is_leaf_module(m, module_qualified_name)


def _traced(module: nn.Module) -> tuple[list[_Step], int]:
    """The layers that a forward calls one after the other, and how often it calls each: once, or at every step."""
    try:
        graph = _Tracer().trace(module)
    except Exception as error:  # torch.fx raises several kinds, all of them about the user's forward
        text = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise ForeignError(
            f"model: torch.fx cannot trace its forward ({text[:160]}); needed one path for an image: write it "
            "as nn.Sequential, or loop over a number of steps"
        ) from None
    output = next(node for node in graph.nodes if node.op == "output")
    named = dict(module.named_modules())
    ends = _ends(output.args[0])
    chains = [_path(end, named) for end in ends]
    keys = [[step.name for step in chain] for chain in chains]
    for other in keys[1:]:
        if other != keys[0]:
            raise ForeignError("model: its steps do not go through the same layers; needed equal steps")
    return chains[0], max(len(ends), _repeats(graph))


def _repeats(graph: fx.Graph) -> int:
    """How often a forward repeats its image along a new first axis, as models over all steps at once do; else 1."""
    for node in graph.nodes:
        if node.target in ("repeat", "expand") and all(isinstance(n, int) for n in node.args[1:2]):
            return int(node.args[1])
    return 1


def _ends(value: Any) -> list[fx.Node]:
    """The outputs of the last layer that an answer is made of, one for each step.

    An answer may be a list of the steps, a tuple with what answers first, or their sum, mean or stack.
    """
    while isinstance(value, tuple):
        value = value[0]
    if isinstance(value, list):
        return [end for item in value for end in _ends(item)]
    if not isinstance(value, fx.Node):
        raise ForeignError(f"model: its forward returns {type(value).__name__}; needed what its last layer gives")
    before = value.args[0] if value.args else None
    if value.target in (torch.stack, torch.cat) and isinstance(before, tuple | list):
        return _ends(list(before))
    if value.target in ("sum", "mean", torch.sum, torch.mean) or value.target in (operator.truediv, operator.mul):
        return _ends(before)
    if value.target in (operator.add, torch.add) and all(isinstance(a, fx.Node) for a in value.args[:2]):
        return _ends(list(value.args[:2]))
    return [value]


def _path(end: fx.Node, named: Mapping[str, nn.Module]) -> list[_Step]:
    """The layers from the image to a node, backwards along the first argument of each."""
    steps: list[_Step] = []
    node = end
    while node.op != "placeholder":
        step, node = _back(node, named)
        steps += step
    return steps[::-1]


def _back(node: fx.Node, named: Mapping[str, nn.Module]) -> tuple[list[_Step], fx.Node]:
    """The layers, last first, that a node stands for, and the node before them."""
    before = node.args[0] if node.args else None
    if not isinstance(before, fx.Node):
        raise ForeignError(f"model: {node.name} reads no value of another layer; needed one chain from the image")
    if node.op == "call_module":
        module = named[str(node.target)]
        inner = _sequence(module, str(node.target)) if _container(module) else [_Step(str(node.target), module)]
        return inner[::-1], before
    if node.target is operator.getitem:
        if node.args[1] != 0:
            raise ForeignError(
                f"model: {node.name} takes result {node.args[1]} of a layer; needed its spikes, the first"
            )
        return [], before
    if node.target in ("unsqueeze", torch.unsqueeze) and node.args[1:] == (0,):
        return [], before
    if node.target in ("repeat", "expand") and _repeats(node.graph) > 1:
        return [], before
    made = _FUNCTIONS.get(node.target)
    if made is None:
        what = getattr(node.target, "__name__", str(node.target))
        raise ForeignError(f"model: {what} has no place between spiking layers; needed layers of torch, or a flatten")
    return [_Step(node.name, None, made(node))], before


def _flat(node: fx.Node) -> Layer:
    """A view of the images as vectors."""
    given = list(node.args[1:]) + list(node.kwargs.values())
    sizes = given[0] if given and isinstance(given[0], tuple | list) else given
    if node.target in ("flatten", torch.flatten):
        if list(sizes) not in ([1], [1, -1]):
            raise ForeignError(f"model: {node.name}: flatten from axis {list(sizes)}; needed from 1 to the last")
    elif len(list(sizes)) != 2:
        raise ForeignError(f"model: {node.name}: a view with {len(list(sizes))} axes; needed (images, values)")
    return Flat(node.name)


_PLAIN: dict[str, tuple[Any, ...]] = {
    "padding": (0, (0, 0)),
    "dilation": (1, (1, 1)),
    "ceil_mode": (False,),
    "return_indices": (False,),
    "count_include_pad": (True,),
    "divisor_override": (None,),
}
"""ImportSettings of a pooling function that change nothing."""


def _pooled(kind: str) -> Callable[[fx.Node], Layer]:
    def made(node: fx.Node) -> Layer:
        given = dict(zip(("kernel_size", "stride", "padding"), node.args[1:], strict=False)) | dict(node.kwargs)
        odd = [key for key, value in given.items() if value not in _PLAIN.get(key, (value,))]
        if odd:
            raise ForeignError(f"model: {node.name}: pooling with {odd[0]} {given[odd[0]]}; needed none")
        kernel = pair(given["kernel_size"])
        return Pool(node.name, kind, kernel, pair(given.get("stride") or kernel))

    return made


_FUNCTIONS: dict[Any, Callable[[fx.Node], Layer]] = {
    "view": _flat,
    "reshape": _flat,
    "flatten": _flat,
    torch.flatten: _flat,
    torch.reshape: _flat,
    F.max_pool2d: _pooled("max"),
    F.avg_pool2d: _pooled("avg"),
    torch.max_pool2d: _pooled("max"),
}


def _layer(name: str, module: nn.Module, before: list[Layer], shape: tuple[int, ...]) -> Layer | None:
    """Return a module as a layer; None where it changes nothing, or is absorbed by the weights before it."""
    where = f"layer {name!r}"
    if isinstance(module, IDENTITIES):
        return None
    if isinstance(module, nn.Linear):
        return Weights(name, _array(module.weight), _bias(module))
    if isinstance(module, nn.Conv2d):
        return _conv(name, module, shape)
    if isinstance(module, nn.Flatten):
        return Flat(name)
    if isinstance(module, nn.BatchNorm2d | nn.BatchNorm1d):
        _absorb(where, module, before)
        return None
    if isinstance(module, nn.MaxPool2d | nn.AvgPool2d) or type(module).__name__ == "SumPool2d":
        return _pool(name, module)
    if library_of(module) is None:
        raise ForeignError(
            f"{where}: a {type(module).__name__} has no place in an imported network; needed layers of torch"
        )
    return neuron(name, module)


def _array(tensor: torch.Tensor) -> Any:
    return tensor.detach().double().numpy()


def _bias(module: nn.Linear | nn.Conv2d) -> Any:
    return np.zeros(len(module.weight)) if module.bias is None else _array(module.bias)


def _conv(name: str, module: nn.Conv2d, shape: tuple[int, ...]) -> Layer:
    if module.padding_mode != "zeros":
        raise ForeignError(f"layer {name!r}: padding_mode {module.padding_mode!r}; needed 'zeros'")
    weight = wide_kernel(_array(module.weight), pair(module.dilation))
    kernel = weight.shape[2], weight.shape[3]
    pad = convolution_pads(module, kernel, (shape[0], shape[-2]))
    return Weights(name, weight, _bias(module), pair(module.stride), pad, module.groups)


def _absorb(where: str, module: nn.BatchNorm2d | nn.BatchNorm1d, before: list[Layer]) -> None:
    """Multiply a batch norm into the weights before it."""
    if not before or not isinstance(before[-1], Weights) or module.running_var is None:
        raise ForeignError(
            f"{where}: a batch norm that follows no weights, or keeps no statistics; needed it right behind weights"
        )
    last = before[-1]
    weight, bias = folded(torch.from_numpy(last.weight), torch.from_numpy(last.bias), module)
    before[-1] = replace(last, weight=weight.numpy(), bias=bias.numpy())


def _pool(name: str, module: Any) -> Layer:
    where = f"layer {name!r}"
    if pair(getattr(module, "padding", 0)) != (0, 0):
        raise ForeignError(f"{where}: padding {module.padding}; needed 0")
    if getattr(module, "ceil_mode", False) or getattr(module, "divisor_override", None) is not None:
        raise ForeignError(f"{where}: ceil_mode or divisor_override; needed neither")
    if pair(getattr(module, "dilation", 1)) != (1, 1):
        raise ForeignError(f"{where}: dilation {module.dilation}; needed 1")
    kind = "max" if isinstance(module, nn.MaxPool2d) else "avg" if isinstance(module, nn.AvgPool2d) else "sum"
    kernel = pair(module.kernel_size)
    return Pool(name, kind, kernel, pair(kernel if module.stride is None else module.stride))
