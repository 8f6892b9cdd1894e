"""Where the windows of torch's convolutions and pools lie, as kernels, strides and pads."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np

from crossloom.sim.types import IntArray

Pads: TypeAlias = tuple[int, int, int, int]
"""(top, bottom, left, right); negative where something is cut off."""
NO_PADS: Pads = (0, 0, 0, 0)


def pair(value: Any) -> tuple[int, int]:
    """Return (height, width) of what torch takes as one number, one in a tuple, or two."""
    values = tuple(value) if isinstance(value, tuple | list) else (value,)
    a, b = values * 2 if len(values) == 1 else values
    return a, b


def added(a: Pads, b: Pads) -> Pads:
    """Return both pads."""
    return a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3]


def dilated(weight: IntArray, dilation: tuple[int, int]) -> IntArray:
    """Return weights (out, kh, kw, in) with zeros between their rows and columns."""
    if dilation == (1, 1):
        return weight
    out, kh, kw, inputs = weight.shape
    wide = np.zeros((out, (kh - 1) * dilation[0] + 1, (kw - 1) * dilation[1] + 1, inputs), weight.dtype)
    wide[:, :: dilation[0], :: dilation[1]] = weight
    return wide


def convolution_pads(module: Any, kernel: tuple[int, int], size: tuple[int, int]) -> Pads:
    """Return the pads of a convolution whose kernel, zeros of a dilation included, is `kernel`, on images of `size`."""
    if getattr(module, "is_same_padded_strided", False):  # Brevitas pads as Keras does: by the size
        whole = [
            max((-(-n // s) - 1) * s + k - n, 0) for n, s, k in zip(size, pair(module.stride), kernel, strict=True)
        ]
    elif module.padding == "same":
        whole = [k - 1 for k in kernel]
    else:
        ph, pw = pair(0 if module.padding == "valid" else module.padding)
        return ph, ph, pw, pw
    (top, left), (h, w) = [n // 2 for n in whole], whole
    return top, h - top, left, w - left


def pool_pads(
    size: tuple[int, int], kernel: tuple[int, int], stride: tuple[int, int], padding: tuple[int, int], ceil_mode: bool
) -> Pads:
    """Return the pads of a pool on images of `size`: with `ceil_mode` below and at the right as far as it reaches."""
    ends = []
    for n, k, s, p in zip(size, kernel, stride, padding, strict=True):
        count = (n + 2 * p - k) // s + 1
        if ceil_mode:
            count = -(-(n + 2 * p - k) // s) + 1
            count -= (count - 1) * s >= n + p  # torch: no window may begin in the padding below
        ends.append(p + max((count - 1) * s + k - n - 2 * p, 0))
    return padding[0], ends[0], padding[1], ends[1]


def adaptive_window(size: int, count: int) -> tuple[int, int] | None:
    """Return (kernel, stride) of torch's adaptive pooling from `size` to `count`; None where windows differ.

    Window i begins at floor(i * size / count) and ends at ceil((i + 1) * size / count).
    """
    starts = [i * size // count for i in range(count)]
    lengths = {-(-(i + 1) * size // count) - start for i, start in enumerate(starts)}
    steps = {b - a for a, b in pairwise(starts)}
    if len(lengths) != 1 or len(steps) > 1:
        return None
    kernel = lengths.pop()
    return kernel, steps.pop() if steps else kernel


def flat_order(shape: tuple[int, ...]) -> tuple[int, ...] | None:
    """For each code of a flattened image (H, W, C) its place in torch, which counts channels first; None: the same."""
    h, w, c = shape
    if h * w == 1:
        return None
    return tuple(int(i) for i in np.arange(c * h * w).reshape(c, h, w).transpose(1, 2, 0).ravel())
