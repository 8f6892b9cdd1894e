"""The plain torch module of an hls4ml project, and what hls4ml's front end has to learn to read it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from crossloom.sim.network import INPUT

from .hls4ml_layers import Layer
from .hls4ml_model import Project

if TYPE_CHECKING:
    import torch

_OURS = "Crossloom"  # prefix of the modules that hls4ml's front end learns from us


def torch_module(project: Project) -> torch.nn.Module:
    """A plain float64 torch module of a project: de-quantized weights, channels first, no rounding.

    Layers that torch lacks, or hls4ml's front end does not know, are modules of our own: Requant is the identity (the
    rounding is the type that hls4ml writes), Flatten is channels last, Add and Concat take two inputs.
    """
    import torch
    from hls4ml.utils.torch import HLS4MLModule

    class CrossloomRequant(HLS4MLModule):  # type: ignore[misc]  # hls4ml has no types
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x

    class CrossloomFlatten(HLS4MLModule):  # type: ignore[misc]
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.permute(0, 2, 3, 1).flatten(1)

    class CrossloomAdd(HLS4MLModule):  # type: ignore[misc]
        def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
            return a + b

    class CrossloomConcat(HLS4MLModule):  # type: ignore[misc]
        def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
            return torch.cat((a, b), dim=1)

    plain: dict[str, Callable[[], torch.nn.Module]] = {
        "requant": CrossloomRequant,
        "flatten": CrossloomFlatten,
        "add": CrossloomAdd,
        "concat": CrossloomConcat,
    }

    def module_of(layer: Layer) -> torch.nn.Module:
        if layer.kind in plain:
            return plain[layer.kind]()
        if layer.kind == "maxpool":
            return torch.nn.MaxPool2d(layer.window, layer.stride)
        if layer.kind == "avgpool":
            return torch.nn.AvgPool2d(layer.window, layer.stride)
        if layer.kind == "pad":
            top, bottom, left, right = layer.pad
            return torch.nn.ConstantPad2d((left, right, top, bottom), 0)
        assert layer.weight is not None and layer.bias is not None
        made: torch.nn.Linear | torch.nn.Conv2d
        if layer.kind == "dense":
            out, width = layer.weight.shape
            made, weight = torch.nn.Linear(width, out, device="meta"), layer.weight
        else:
            out, kh, kw, channels = layer.weight.shape
            made = torch.nn.Conv2d(channels, out, (kh, kw), layer.stride, device="meta")
            weight = layer.weight.transpose(0, 3, 1, 2)
        made.weight = torch.nn.Parameter(torch.from_numpy(np.ascontiguousarray(weight)))
        made.bias = torch.nn.Parameter(torch.from_numpy(layer.bias.copy()))
        return made

    class Plain(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            for layer in project.layers:
                self.add_module(layer.name, module_of(layer))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            values = {INPUT: x}
            for layer in project.layers:
                values[layer.name] = getattr(self, layer.name)(*(values[i] for i in layer.inputs))
            return values[project.layers[-1].name]

    return Plain().eval()


def teach_front_end() -> None:
    """Register our modules with hls4ml's PyTorch front end, once a process."""
    from hls4ml.converters.pytorch_to_hls import get_supported_pytorch_layers, register_pytorch_layer_handler

    def entry(name: str, inputs: list[str], class_name: str, **fields: object) -> dict[str, object]:
        return {"name": name, "inputs": inputs, "class_name": class_name, **fields}

    # What hls4ml passes: operation, layer_name, input_names, input_shapes, node, class_object, reader, config.
    def requant(_: str, name: str, inputs: list[str], shapes: list[list[Any]], *__: object) -> object:
        return entry(name, inputs, "Activation", activation="linear"), list(shapes[0])

    def flatten(_: str, name: str, inputs: list[str], shapes: list[list[Any]], *__: object) -> object:
        batch, *rest = shapes[0]
        count = int(np.prod(rest))
        return entry(name, inputs, "Reshape", target_shape=[count]), [batch, count]

    def add(_: str, name: str, inputs: list[str], shapes: list[list[Any]], *__: object) -> object:
        return entry(name, inputs, "Merge", op="add"), list(shapes[0])

    def concat(_: str, name: str, inputs: list[str], shapes: list[list[Any]], *__: object) -> object:
        (batch, a, *rest), (_same, b, *_rest) = shapes
        op = f"concatenate{len(shapes[0]) - 1}d"
        return entry(name, inputs, "Concatenate", op=op, axis=1), [batch, a + b, *rest]

    known = get_supported_pytorch_layers()
    for own, handler in {"Requant": requant, "Flatten": flatten, "Add": add, "Concat": concat}.items():
        if _OURS + own not in known:
            register_pytorch_layer_handler(_OURS + own, handler)
