"""What every operator is: an edge in, an edge out, and an exact kernel between them."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, TypeAlias

import numpy as np

from ..errors import NetworkError
from ..types import EXACT_FLOAT32, EXACT_FLOAT64, MAX_ACC_BITS, AnyArray, QType, Rounding, bits_of, check_int

Kernel: TypeAlias = Callable[..., AnyArray]


@dataclass(frozen=True)
class Edge:
    """What flows between two operators, for one image.

    `shape` is (H, W, C), channels last, or (C,). `type` is the proven range and scale. An `accumulator` edge is
    an exact sum that only Requant, Threshold, Flatten or a network output may read. `magnitude` bounds every
    partial sum in any order, so that floats of 24 or 53 bits carry the sums exactly.
    """

    shape: tuple[int, ...]
    type: QType
    accumulator: bool = False
    magnitude: int = 0

    @property
    def channels(self) -> int:
        """Length of the last axis."""
        return self.shape[-1]

    @property
    def size(self) -> int:
        """Codes per image."""
        return math.prod(self.shape)

    @property
    def carrier(self) -> np.dtype[Any]:
        """The float dtype that carries these integers, and every partial sum of them, exactly."""
        bound = max(self.magnitude, abs(self.type.lo), abs(self.type.hi))
        return np.dtype(np.float32 if bound < EXACT_FLOAT32 else np.float64)


class Op(ABC):
    """An operator: a frozen dataclass of integer parameters, and what follows from them."""

    kind: ClassVar[str]
    arity: ClassVar[tuple[int, int]] = (1, 1)
    """Least and greatest number of inputs."""

    @abstractmethod
    def infer(self, where: str, inputs: Sequence[Edge], banked: bool) -> Edge:
        """Return the output edge; raise NetworkError where shapes, types or widths do not fit.

        `banked` asks for bounds from the weight and bias types instead of their values, so that other
        weights fit the same hardware.
        """

    @abstractmethod
    def kernel(self, inputs: Sequence[Edge], output: Edge) -> Kernel:
        """Return a function of batches (N, *shape) in the inputs' carriers to one in the output's carrier."""

    def macs(self, output: Edge) -> int:
        """Multiply-accumulates for one image, products with padding included."""
        return 0

    def scratch(self, inputs: Sequence[Edge], output: Edge) -> int:
        """Bytes of temporary arrays that the kernel needs for one image."""
        return 0


def parameters(op: Op) -> dict[str, Any]:
    """The operator's dataclass fields by name; roundings as their text."""
    values = {f.name: getattr(op, f.name) for f in fields(op)}  # type: ignore[arg-type]  # every Op is a dataclass
    return {name: value.value if isinstance(value, Rounding) else value for name, value in values.items()}


def accumulator_edge(
    where: str, shape: tuple[int, ...], lo: int, hi: int, frac: int | tuple[int, ...], magnitude: int
) -> Edge:
    """Return an accumulator edge with range lo..hi; raise NetworkError past 48 bits or 2^53 partial sums."""
    bits = bits_of(min(lo, -1), hi)  # hardware adds in two's complement
    if bits > MAX_ACC_BITS or magnitude >= EXACT_FLOAT64:
        raise NetworkError(
            f"{where}: the accumulator needs {bits} bits for {lo}..{hi} (partial sums up to {magnitude}); "
            f"at most {MAX_ACC_BITS} bits and sums below 2^53 are supported; narrow the weights, bias or input"
        )
    return Edge(shape, QType(lo, hi, frac), True, magnitude)


def need_stream(where: str, edge: Edge, what: str) -> int:
    """Return the edge's one frac; raise NetworkError if it is an accumulator (quantize it first)."""
    if edge.accumulator:
        raise NetworkError(f"{where}: {what} reads an accumulator; put a Requant or Threshold before it")
    assert isinstance(edge.type.frac, int)
    return edge.type.frac


def need_image(where: str, edge: Edge, what: str) -> tuple[int, int, int]:
    """Return (H, W, C); raise NetworkError for a flat edge."""
    if len(edge.shape) != 3:
        raise NetworkError(f"{where}: {what} reads shape {list(edge.shape)}; needed (H, W, C)")
    return edge.shape[0], edge.shape[1], edge.shape[2]


def check_tuple(where: str, values: object, length: int, lo: int, hi: int) -> tuple[int, ...]:
    """Return `values` as a tuple of `length` integers in lo..hi, or raise NetworkError."""
    if not isinstance(values, tuple) or len(values) != length:
        raise NetworkError(f"{where}: found {repr(values)[:80]}; needed {length} integers")
    return tuple(check_int(where, value, lo, hi) for value in values)


def window_shape(
    where: str, size: tuple[int, int], kernel: tuple[int, ...], stride: tuple[int, ...], pad: tuple[int, ...]
) -> tuple[int, int]:
    """Return (OH, OW) of a window sweep, `floor((size + pads - kernel) / stride) + 1` along each axis."""
    padded = size[0] + pad[0] + pad[1], size[1] + pad[2] + pad[3]
    if kernel[0] > padded[0] or kernel[1] > padded[1]:
        raise NetworkError(f"{where}: kernel {list(kernel)} is larger than the padded input {list(padded)}")
    return (padded[0] - kernel[0]) // stride[0] + 1, (padded[1] - kernel[1]) // stride[1] + 1


def spread(values: AnyArray, edge: Edge) -> AnyArray:
    """Return (size,) or (1,): a value per channel repeated for every pixel, so that numpy's inner loop is long."""
    return values if len(values) == 1 else np.tile(values, edge.size // len(values))


def padded_batch(x: AnyArray, pad: tuple[int, ...], code: int) -> AnyArray:
    """Return (N, H + top + bottom, W + left + right, C) with the border filled with `code`."""
    if not any(pad):
        return x
    n, h, w, c = x.shape
    top, bottom, left, right = pad
    out = np.empty((n, h + top + bottom, w + left + right, c), x.dtype)
    out[:, :top], out[:, top + h :] = code, code
    out[:, top : top + h, :left], out[:, top : top + h, left + w :] = code, code
    out[:, top : top + h, left : left + w] = x
    return out


def window_views(x: AnyArray, kernel: tuple[int, ...], stride: tuple[int, ...]) -> list[AnyArray]:
    """Return, row by row, the kernel positions as views (N, OH, OW, C) of the padded batch `x`."""
    oh, ow = (x.shape[1] - kernel[0]) // stride[0] + 1, (x.shape[2] - kernel[1]) // stride[1] + 1
    return [
        x[:, i : i + stride[0] * oh : stride[0], j : j + stride[1] * ow : stride[1]]
        for i in range(kernel[0])
        for j in range(kernel[1])
    ]
