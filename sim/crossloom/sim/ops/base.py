"""What every operator is: edges in, an edge out, an exact kernel between them, and what others must know of it."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, TypeAlias

import numpy as np

from ..errors import NetworkError
from ..types import (
    EXACT_FLOAT32,
    EXACT_FLOAT64,
    MAX_ACC_BITS,
    AnyArray,
    QType,
    Rounding,
    check_int,
    signed_bits,
)

Kernel: TypeAlias = Callable[..., AnyArray]
Index: TypeAlias = tuple[int | slice, ...]


@dataclass(frozen=True)
class Edge:
    """What flows between two operators, for one image.

    `shape` is (H, W, C), channels last, or (C,), of one time step; `steps` is how many there are. `type` is the proven
    range and scale. An `accumulator` edge is an exact sum, which quantizers read, operators that may stand before them,
    or a network output. `magnitude` bounds every partial sum in any order, so that floats of 24 or 53 bits carry the
    sums exactly.
    """

    shape: tuple[int, ...]
    type: QType
    accumulator: bool = False
    magnitude: int = 0
    steps: int = 1

    @property
    def channels(self) -> int:
        """Length of the last axis."""
        return self.shape[-1]

    @property
    def size(self) -> int:
        """Codes of one step."""
        return math.prod(self.shape)

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Shape of one image's codes: (steps, *shape), without the first axis where there is one step."""
        return self.shape if self.steps == 1 else (self.steps, *self.shape)

    @property
    def image_size(self) -> int:
        """Codes of one image, all steps."""
        return self.steps * self.size

    @property
    def carrier(self) -> np.dtype[Any]:
        """The float dtype that carries these integers, and every partial sum of them, exactly."""
        bound = max(self.magnitude, abs(self.type.lo), abs(self.type.hi))
        return np.dtype(np.float32 if bound < EXACT_FLOAT32 else np.float64)

    def structure(self) -> dict[str, Any]:
        """Shape, width and sign as plain data; the number of steps where it is not 1."""
        plain: dict[str, Any] = {"shape": list(self.shape), "bits": self.type.bits, "signed": self.type.signed}
        return plain if self.steps == 1 else {**plain, "steps": self.steps}


@dataclass(frozen=True)
class Tensor:
    """One array of an operator as hardware stores it: `name` is the operator's field, `bits` the declared width.

    `parameter`: whether training learns it, as weights and biases.
    """

    name: str
    shape: tuple[int, ...]
    bits: int
    signed: bool
    parameter: bool

    @property
    def count(self) -> int:
        """Values in it."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Window:
    """What slides over an image (H, W, C): `kernel` and `stride` (height, width), `pad` (top, bottom, left, right).

    Positions outside the image read `pad_code`.
    """

    kernel: tuple[int, int]
    stride: tuple[int, int]
    pad: tuple[int, int, int, int]
    pad_code: int

    def padded(self, size: tuple[int, ...]) -> tuple[int, int]:
        """Return the height and width of an image (H, W, ...) with its padding."""
        return size[0] + self.pad[0] + self.pad[1], size[1] + self.pad[2] + self.pad[3]

    def output(self, where: str, size: tuple[int, ...]) -> tuple[int, int]:
        """Return (OH, OW), `floor((size + pads - kernel) / stride) + 1` along each axis; raise NetworkError if none."""
        padded, kernel, stride = self.padded(size), self.kernel, self.stride
        if kernel[0] > padded[0] or kernel[1] > padded[1]:
            raise NetworkError(f"{where}: kernel {list(kernel)} is larger than the padded input {list(padded)}")
        return (padded[0] - kernel[0]) // stride[0] + 1, (padded[1] - kernel[1]) // stride[1] + 1

    def region(self, y: int, x: int) -> tuple[slice, slice]:
        """The rows and columns of the image, padding left out, that output position (y, x) reads."""
        top, left = y * self.stride[0] - self.pad[0], x * self.stride[1] - self.pad[2]
        return (
            slice(max(top, 0), max(top + self.kernel[0], 0)),
            slice(max(left, 0), max(left + self.kernel[1], 0)),
        )


class Op(ABC):
    """An operator: a frozen dataclass of integer parameters, and what follows from them.

    What others must know of one, they ask here: `tensors`, `window`, `reads`, `structure`, `macs`, `memory_bits`.
    """

    kind: ClassVar[str]
    arity: ClassVar[tuple[int, int]] = (1, 1)
    """Least and greatest number of inputs."""
    timed: ClassVar[bool] = False
    """Whether it makes, keeps or joins time steps itself; any other sees each step of its inputs as an image."""

    @abstractmethod
    def infer(self, where: str, inputs: Sequence[Edge], banked: bool) -> Edge:
        """Return the output edge; raise NetworkError where shapes, types or widths do not fit.

        `banked` asks for bounds from the weight and bias types instead of their values, so that other
        weights fit the same hardware.
        """

    @abstractmethod
    def kernel(self, inputs: Sequence[Edge], output: Edge) -> Kernel:
        """Return a function of batches (N, *shape) in the inputs' carriers to one in the output's carrier.

        Where the operator is `timed`, batches are (N, *image_shape).
        """

    def output_edge(self, where: str, inputs: Sequence[Edge], banked: bool) -> Edge:
        """`infer`, for as many steps as the inputs have, all the same; raises as it does."""
        edge = self.infer(where, inputs, banked)
        if self.timed:
            return edge
        steps = [x.steps for x in inputs]
        if len(set(steps)) != 1:
            raise NetworkError(f"{where}: reads {steps} time steps; needed equal numbers")
        return replace(edge, steps=steps[0])

    def batch_kernel(self, inputs: Sequence[Edge], output: Edge) -> Kernel:
        """`kernel`, of batches (N, *image_shape)."""
        kernel, steps = self.kernel(inputs, output), output.steps
        if self.timed or steps == 1:
            return kernel

        def run(*xs: AnyArray) -> AnyArray:
            y = kernel(*(x.reshape(len(x) * steps, *edge.shape) for x, edge in zip(xs, inputs, strict=True)))
            return y.reshape(-1, steps, *output.shape)

        return run

    def check_readers(self, where: str, readers: Sequence[Op]) -> None:
        """Raise NetworkError where an operator that reads its edge does not fit it; most take any."""
        return

    def tensors(self, inputs: Sequence[Edge]) -> tuple[Tensor, ...]:
        """Its arrays, in the order in which hardware loads them."""
        return ()

    def window(self, inputs: Sequence[Edge]) -> Window | None:
        """What it slides over its input; None where it does not."""
        return None

    def reads(self, index: tuple[int, ...], inputs: Sequence[Edge]) -> tuple[Index | None, ...]:
        """What of each input the code at `index` of the output is made from; None where it is nothing of that input.

        Indices lie within one step, or within all of an image where the operator is `timed`. Here: the code at the
        same place, or a window of the same channel.
        """
        window = self.window(inputs)
        if window is None:
            return (index,) * len(inputs)
        return ((*window.region(index[0], index[1]), slice(index[2], index[2] + 1)),)

    def structure(self, inputs: Sequence[Edge]) -> dict[str, Any]:
        """What its hardware is built for, as plain data: shapes, ranges and settings, no value of a tensor.

        Scales (`frac`) are left out: they change what codes mean, not one operation on them.
        """
        plain: dict[str, Any] = {}
        for name, value in parameters(self).items():
            if isinstance(value, np.ndarray):
                plain[name] = list(value.shape)
            elif isinstance(value, QType):
                plain[name] = [value.lo, value.hi]
            elif name != "frac":
                plain[name] = list(value) if isinstance(value, tuple) else value
        return plain

    def memory_bits(self, inputs: Sequence[Edge]) -> int:
        """Bits that its tensors take in memory."""
        return sum(tensor.count * tensor.bits for tensor in self.tensors(inputs))

    def macs(self, output: Edge) -> int:
        """Multiply-accumulates for one image, products with padding included."""
        return 0

    def state_bits(self, output: Edge) -> int:
        """Bits that it keeps from step to step, besides its tensors."""
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
    bits = signed_bits(lo, hi)
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
