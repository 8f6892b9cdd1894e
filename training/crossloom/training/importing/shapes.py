"""Shapes along a chain of layers: what each gives of what it reads, or why it cannot read that."""

from __future__ import annotations

import math

import numpy as np

from crossloom.sim import ForeignError

from ..geometry import dilated
from .chain import Flat, Layer, Neuron, Pool, Reals, Weights


def wide_kernel(weight: Reals, dilation: tuple[int, int]) -> Reals:
    """Return weights (out, in, kh, kw) with the zeros of a dilation between their taps."""
    moved = dilated(weight.transpose(0, 2, 3, 1), dilation)  # type: ignore[arg-type]  # of any dtype
    return np.asarray(moved.transpose(0, 3, 1, 2), dtype=np.float64)


def after(layer: Layer, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape (H, W, C) or (C,) behind a layer; raise ForeignError where it does not fit what it reads."""
    if isinstance(layer, Flat):
        return (math.prod(shape),)
    if isinstance(layer, Neuron):
        return shape
    if isinstance(layer, Weights) and layer.weight.ndim == 2:
        out, fan_in = layer.weight.shape
        if fan_in != math.prod(shape):
            raise ForeignError(
                f"layer {layer.name!r}: reads {fan_in} values; what reaches it has {_text(shape)}; needed as many"
            )
        return (out,)
    if len(shape) != 3:
        raise ForeignError(
            f"layer {layer.name!r}: reads images; what reaches it has {_text(shape)}; needed (H, W, C), by --input"
        )
    if isinstance(layer, Pool):
        size = _windows(f"layer {layer.name!r}", shape, layer.kernel, layer.stride, (0, 0, 0, 0))
        return (*size, shape[2])
    out, per_group, kh, kw = layer.weight.shape
    if layer.groups < 1 or per_group * layer.groups != shape[2] or out % layer.groups:
        found = f"{out} output channels, {per_group} inputs a group, {layer.groups} groups"
        raise ForeignError(
            f"layer {layer.name!r}: {found}; what reaches it has {shape[2]} channels; needed weights that fit"
        )
    return (*_windows(f"layer {layer.name!r}", shape, (kh, kw), layer.stride, layer.pad), out)


def _windows(
    where: str, shape: tuple[int, ...], kernel: tuple[int, int], stride: tuple[int, int], pad: tuple[int, int, int, int]
) -> tuple[int, int]:
    height, width = shape[0] + pad[0] + pad[1], shape[1] + pad[2] + pad[3]
    if kernel[0] > height or kernel[1] > width:
        raise ForeignError(f"{where}: a window of {_text(kernel)} on {_text((height, width))}; needed a smaller one")
    return (height - kernel[0]) // stride[0] + 1, (width - kernel[1]) // stride[1] + 1


def _text(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
