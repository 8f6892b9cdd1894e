"""Turns pooling and padding of a traced model into operators, or into something for what reads it to do."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from typing import Any

import brevitas.nn as qnn

from crossloom.sim import ExportError, MaxPool, QType, SumPool

from .geometry import NO_PADS, adaptive_window, added, pair, pool_pads
from .layers import LayerBuilder
from .quantized import frac_of, int_range, rounding_of
from .tracing import Tap, plain
from .values import Value


def image_size(build: LayerBuilder) -> tuple[int, int]:
    """Return (H, W) of what the current node reads, as torch has it; raise ExportError where that is no image."""
    shape = plain(build.recorded[(build.current.all_input_nodes[0].name, "", 0)]).shape
    if len(shape) != 4:
        raise ExportError(f"{build.where()}: it reads {list(shape[1:])} a sample; needed an image")
    return shape[2], shape[3]


def max_pool(
    build: LayerBuilder,
    x: Value,
    kernel: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Value:
    """Max pooling; before a quantizer it is done after it, which is the same, as rounding keeps the order."""
    where, window = build.where(), pair(kernel)
    if return_indices:
        raise ExportError(f"{where}: return_indices=True; needed the pooled image alone; leave it out")
    if window != (1, 1) and pair(dilation) != (1, 1):
        raise ExportError(f"{where}: dilation={dilation}; needed 1; a pool has no windows with gaps here")
    steps, around, size = pair(stride or kernel), pair(padding), image_size(build)
    pads = pool_pads(size, window, steps, around, ceil_mode)
    if window == (1, 1) and steps == (1, 1):
        return replace(x)
    if x.waits or build.edges[x.edge or ""].accumulator:
        return replace(x, after=(*x.after, MaxPool(window, steps, pads)))
    together = added(x.pad, pads)
    fits = max(together[:2]) < window[0] and max(together[2:]) < window[1] and min(x.pad) >= 0
    if x.pad != NO_PADS and build.edges[x.edge or ""].type.lo == 0 and fits:
        x, pads = replace(x, pad=NO_PADS), together  # the least code is the zero around it
    return build.emit(build.name(), MaxPool(window, steps, pads), x, tap=build.tap())


def avg_pool(
    build: LayerBuilder,
    x: Value,
    kernel: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor: int | None = None,
    tap: Tap | str | None = "here",
) -> Value:
    """Average pooling: a sum that stands for the mean, or for the quantizer after it to divide."""
    where, window = build.where(), pair(kernel)
    steps, around, size = pair(stride or kernel), pair(padding), image_size(build)
    pads = pool_pads(size, window, steps, around, ceil_mode)
    if (pads[0], pads[2]) != (pads[1], pads[3]):
        raise ExportError(
            f"{where}: ceil_mode=True averages fewer pixels at the edges of {size[0]}x{size[1]}; needed windows of one "
            "size: ceil_mode=False, or another kernel"
        )
    if around != (0, 0) and not count_include_pad and divisor is None:
        raise ExportError(
            f"{where}: count_include_pad=False averages fewer pixels at the edges; needed True, or no padding"
        )
    pixels = math.prod(window)
    if window == (1, 1) and steps == (1, 1) and around == (0, 0) and divisor in (None, 1):
        return replace(x)
    shown = build.tap() if tap == "here" else tap
    assert not isinstance(shown, str)
    ratio = None
    if divisor not in (None, pixels) or pixels & (pixels - 1):
        # Over 2^k pixels the sum stands for the mean already.
        ratio = Fraction(1 if pixels & (pixels - 1) else pixels, divisor or pixels)
    if x.edge is not None:
        x = replace(x, pad=added(x.pad, pads))
    y = build.emit(build.name(), SumPool(window, steps), x, tap=shown if ratio is None else None)
    return replace(y, ratio=ratio)


def adaptive_pool(
    build: LayerBuilder, x: Value, output_size: Any, *, greatest: bool = False, tap: Tap | str | None = "here"
) -> Value:
    """Average or max pooling to a given size, whose windows must be alike."""
    h, w = image_size(build)
    sizes = [n if o is None else int(o) for n, o in zip((h, w), pair(output_size), strict=True)]
    found = [adaptive_window(n, o) for n, o in zip((h, w), sizes, strict=True)]
    if found[0] is None or found[1] is None:
        raise ExportError(
            f"{build.where()}: pools {h}x{w} to {sizes[0]}x{sizes[1]} by unlike windows; needed sizes that divide it"
        )
    kernel, stride = (found[0][0], found[1][0]), (found[0][1], found[1][1])
    return max_pool(build, x, kernel, stride) if greatest else avg_pool(build, x, kernel, stride, tap=tap)


def trunc_pool(build: LayerBuilder, where: str, module: Any, x: Value) -> Value:
    """Brevitas' average pooling with a rounding of its own: a sum, then a Requant to the type that it shows."""
    quantizer = module.trunc_quant
    result = build.recorded[build.tap("trunc_quant")] if quantizer.is_quant_enabled else None
    if isinstance(module, qnn.TruncAdaptiveAvgPool2d):
        y = adaptive_pool(build, x, module.output_size, tap=None)
    else:
        rest = module.ceil_mode, module.count_include_pad, module.divisor_override
        y = avg_pool(build, x, module.kernel_size, module.stride, module.padding, *rest, tap=None)
    if y.ratio is not None:
        raise ExportError(
            f"{where}: averages a number of pixels that is no power of two; needed one, whose mean is a shift: "
            "AvgPool2d and a QuantIdentity take any"
        )
    if result is None or not hasattr(result, "scale"):
        raise ExportError(
            f"{where}: its input carries no scale; set return_quant_tensor=True in the quantizer before it"
        )
    lo, hi = int_range(round(float(result.bit_width)), bool(result.signed), bool(quantizer.is_narrow_range))
    type_ = QType(lo, hi, frac_of(where, float(result.scale)))
    rounding = rounding_of(where, str(quantizer.rounding_mode))
    return build.requant(where, y, type_, rounding, build.name("_trunc"), build.tap())


def zero_pad(build: LayerBuilder, x: Value, pads: Any, value: Any = 0) -> Value:
    """Zeros around an image, `pads` as torch has them (left, right, top, bottom), for what reads it to add."""
    where, around = build.where(), [int(p) for p in (pads if isinstance(pads, tuple | list) else (pads,) * 4)]
    if value not in (None, 0):
        raise ExportError(f"{where}: pads with {value}; needed zeros")
    around += [0] * (4 - len(around))
    if any(around[4:]) or len(image_size(build)) != 2:
        raise ExportError(f"{where}: pads {list(pads)}; needed zeros around the image alone, no channels")
    step = around[2], around[3], around[0], around[1]
    if x.waits or build.edges[x.edge or ""].accumulator:
        return replace(x, after=(*x.after, step))
    return replace(x, pad=added(x.pad, step))
