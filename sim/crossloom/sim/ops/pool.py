"""MaxPool and SumPool over windows of a channels-last image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..errors import NetworkError
from ..types import AnyArray
from .base import (
    Edge,
    Kernel,
    Op,
    Window,
    accumulator_edge,
    check_tuple,
    need_image,
    need_stream,
    padded_batch,
    window_views,
)
from .linear import MAX_WINDOW


@dataclass(frozen=True)
class MaxPool(Op):
    """y = the greatest code in each window, per channel; `pad` (top, bottom, left, right) reads the type's minimum."""

    kernel_size: tuple[int, int]
    stride: tuple[int, int]
    pad: tuple[int, int, int, int] = (0, 0, 0, 0)
    kind: ClassVar[str] = "maxpool"

    def __post_init__(self) -> None:
        check_tuple("maxpool: kernel_size", self.kernel_size, 2, 1, MAX_WINDOW)
        check_tuple("maxpool: stride", self.stride, 2, 1, MAX_WINDOW)
        check_tuple("maxpool: pad", self.pad, 4, 0, MAX_WINDOW)
        if max(self.pad[:2]) >= self.kernel_size[0] or max(self.pad[2:]) >= self.kernel_size[1]:
            raise NetworkError(
                f"maxpool: pad {list(self.pad)} leaves windows without a pixel; needed less than the kernel"
            )

    def infer(self, where: str, inputs: Sequence[Edge], banked: bool) -> Edge:
        """Return the stream edge (OH, OW, C), of the input's type."""
        (x,) = inputs
        need_stream(where, x, self.kind)
        h, w, c = need_image(where, x, self.kind)
        return Edge((*self.window(inputs).output(where, (h, w)), c), x.type)

    def window(self, inputs: Sequence[Edge]) -> Window:
        """Padded with the least code of the input's type."""
        return Window(self.kernel_size, self.stride, self.pad, inputs[0].type.lo)

    def kernel(self, inputs: Sequence[Edge], output: Edge) -> Kernel:
        """Return the running maximum of the window's shifted views."""
        lo = output.type.lo

        def run(x: AnyArray) -> AnyArray:
            views = window_views(padded_batch(x, self.pad, lo), self.kernel_size, self.stride)
            y = views[0].copy()
            for view in views[1:]:
                np.maximum(y, view, out=y)
            return y

        return run

    def scratch(self, inputs: Sequence[Edge], output: Edge) -> int:
        """The padded input."""
        if not any(self.pad):
            return 0
        h, w = self.window(inputs).padded(inputs[0].shape)
        return h * w * output.channels * output.carrier.itemsize


@dataclass(frozen=True)
class SumPool(Op):
    """acc = the sum of each window, per channel.

    Over a window of 2^k codes the accumulator's frac is the input's frac plus k: it stands for the mean, and a
    Requant makes it average pooling. Over any other window it stands for the sum.
    """

    kernel_size: tuple[int, int]
    stride: tuple[int, int]
    kind: ClassVar[str] = "sumpool"

    def __post_init__(self) -> None:
        check_tuple("sumpool: kernel_size", self.kernel_size, 2, 1, MAX_WINDOW)
        check_tuple("sumpool: stride", self.stride, 2, 1, MAX_WINDOW)

    def infer(self, where: str, inputs: Sequence[Edge], banked: bool) -> Edge:
        """Return the accumulator edge (OH, OW, C)."""
        (x,) = inputs
        frac = need_stream(where, x, self.kind)
        h, w, c = need_image(where, x, self.kind)
        count = self.kernel_size[0] * self.kernel_size[1]
        if count & (count - 1) == 0:
            frac += count.bit_length() - 1
        size = self.window(inputs).output(where, (h, w))
        lo, hi = x.type.lo * count, x.type.hi * count
        return accumulator_edge(where, (*size, c), lo, hi, frac, count * max(abs(x.type.lo), abs(x.type.hi)))

    def window(self, inputs: Sequence[Edge]) -> Window:
        """Without padding."""
        return Window(self.kernel_size, self.stride, (0, 0, 0, 0), inputs[0].type.lo)

    def kernel(self, inputs: Sequence[Edge], output: Edge) -> Kernel:
        """Return the running sum of the window's shifted views."""
        carrier = output.carrier

        def run(x: AnyArray) -> AnyArray:
            views = window_views(x, self.kernel_size, self.stride)
            y = views[0].astype(carrier)
            for view in views[1:]:
                y += view
            return y

        return run
