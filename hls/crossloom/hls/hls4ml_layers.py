"""What each kind of operator becomes in an hls4ml project: layers with their types, or a refusal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from crossloom.sim.ops import Add, Concat, Conv2d, Dense, Edge, Flatten, Linear, MaxPool, Op, Requant, SumPool
from crossloom.sim.types import IntArray, QType

from .hls4ml_types import ap_type, check_drop, edge_type, refused, requant_type

FloatArray = npt.NDArray[np.float64]
T = TypeVar("T", bound=Op)


@dataclass(frozen=True, eq=False)
class Layer:
    """One layer of an hls4ml project.

    `kind` is dense, conv2d, pad, maxpool, avgpool, add, concat, flatten or requant; `inputs` name layers, or "input".
    `types` are hls4ml's precisions by attribute. `weight` float64 (out, in) or (out, kh, kw, in) and `bias` (out,) are
    de-quantized, exactly. `window` and `stride` (height, width), `pad` (top, bottom, left, right).
    `size` is the fan-in of one output: how often its multiplier is used again.
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    types: Mapping[str, str] = field(default_factory=dict)
    weight: FloatArray | None = None
    bias: FloatArray | None = None
    window: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    pad: tuple[int, int, int, int] = (0, 0, 0, 0)
    size: int = 1


@dataclass(frozen=True, eq=False)
class Given(Generic[T]):
    """A node, the layers that compute its inputs, and what it writes.

    `result` is the type that it writes: the edge's, or that of `reader`, the one Requant that it swallows. `readers`
    are the kinds of the operators that read its edge; an `output` leaves the project.
    """

    where: str
    op: T
    inputs: tuple[str, ...]
    sources: tuple[Edge, ...]
    edge: Edge
    result: str
    reader: Requant | None
    readers: tuple[str, ...]
    output: bool


class Append(Protocol):
    """Adds a layer to the project and returns its name."""

    def __call__(self, kind: str, inputs: Sequence[str], types: Mapping[str, str], **fields: object) -> str:
        """`fields` are those of Layer."""


def _requant(at: Given[Requant], append: Append) -> str:
    result = requant_type(at.where, at.op, at.sources[0])
    check_drop(at.where, at.sources[0], at.op)
    return append("requant", at.inputs, {"result": result})


def _product(at: Given[Any], append: Append, kind: str, x: str, codes: IntArray, **fields: object) -> str:
    """A layer of the weights `codes` that reads layer `x`."""
    op: Linear = at.op
    (source,) = at.sources
    fracs = _fracs(op.weight_type.frac, len(op.weight))
    common = max(fracs)
    spread = common - min(fracs)
    weight = np.ldexp(codes.astype(np.float64), -np.array(fracs).reshape(-1, *[1] * (codes.ndim - 1)))
    assert isinstance(source.type.frac, int)
    bias = np.ldexp(op.bias.astype(np.float64), -(np.array(fracs) + source.type.frac))
    limit = 1 << (op.bias_bits - 1)
    types = {
        "weight": ap_type(op.weight_type.lo << spread, op.weight_type.hi << spread, common),
        "bias": ap_type(-limit << spread, (limit << spread) - 1, common + source.type.frac),
        "accum": edge_type(at.edge, at.reader),
        "result": at.result,
    }
    return append(kind, (x,), types, weight=weight, bias=bias, size=codes[0].size, **fields)


def _dense(at: Given[Dense], append: Append) -> str:
    return _product(at, append, "dense", at.inputs[0], at.op.weight)


def _conv2d(at: Given[Conv2d], append: Append) -> str:
    op, x = at.op, at.inputs[0]
    kernel = op.weight.shape[1:3]
    if kernel[0] == 1 < min(kernel[1], op.stride[0]):
        raise refused(
            at.where,
            f"a kernel {list(kernel)} at stride {list(op.stride)}; hls4ml skips no row under a kernel of one",
        )
    if any(op.pad):
        if op.pad_code != 0:
            raise refused(at.where, f"padding with code {op.pad_code}; hls4ml pads with 0")
        x = append("pad", (x,), {"result": edge_type(at.sources[0])}, pad=op.pad)
    return _product(at, append, "conv2d", x, _ungrouped(op), stride=op.stride)


def _check_windows(at: Given[Any]) -> None:
    window = at.op.window(at.sources)
    if window.stride != window.kernel:
        raise refused(
            at.where, f"windows {list(window.kernel)} at stride {list(window.stride)}; hls4ml needs them equal"
        )


def _maxpool(at: Given[MaxPool], append: Append) -> str:
    _check_windows(at)
    if any(at.op.pad):
        raise refused(at.where, f"padding {list(at.op.pad)} of a pool")
    types = {"accum": edge_type(at.sources[0]), "result": at.result}
    return append("maxpool", at.inputs, types, window=at.op.kernel_size, stride=at.op.stride)


def _sumpool(at: Given[SumPool], append: Append) -> str:
    _check_windows(at)
    count = at.op.kernel_size[0] * at.op.kernel_size[1]
    if count & (count - 1):
        raise refused(at.where, f"the sum of {count} codes; hls4ml divides by {count}, exactly only for powers of two")
    # hls4ml holds the sum and the mean in one type: the mean's, wider by the bits that dividing drops.
    bits, type_ = count.bit_length() - 1, at.edge.type
    sum_and_mean = replace(at.edge, type=QType(type_.lo << bits, type_.hi << bits, type_.frac))
    types = {"accum": edge_type(sum_and_mean, at.reader), "result": at.result}
    return append("avgpool", at.inputs, types, window=at.op.kernel_size, stride=at.op.stride)


def _add(at: Given[Add], append: Append) -> str:
    if at.reader:
        check_drop(at.where, at.edge, at.reader)
    return append("add", at.inputs, {"result": at.result})


def _concat(at: Given[Concat], append: Append) -> str:
    value = at.inputs[0]
    for other in at.inputs[1:]:
        value = append("concat", (value, other), {"result": at.result})
    return value


def _flatten(at: Given[Flatten], append: Append) -> str:
    if at.output:  # a matter of counting: the stream's codes have that order already
        return at.inputs[0]
    if set(at.readers) != {"dense"}:
        raise refused(at.where, f"flattened pixels read by {at.readers[-1]}, which would read past a pixel")
    return append("flatten", at.inputs, {"result": at.result})


# The kinds that are not here are refused by name.
LAYERS: dict[str, Callable[[Given[Any], Append], str]] = {
    "dense": _dense,
    "conv2d": _conv2d,
    "requant": _requant,
    "maxpool": _maxpool,
    "sumpool": _sumpool,
    "add": _add,
    "concat": _concat,
    "flatten": _flatten,
}


def _fracs(frac: int | tuple[int, ...], channels: int) -> tuple[int, ...]:
    fracs = frac if isinstance(frac, tuple) else (frac,)
    return fracs * channels if len(fracs) == 1 else fracs


def _ungrouped(op: Conv2d) -> IntArray:
    """The weights (out, kh, kw, in) of one group with the same answers: zeros between groups."""
    out, kh, kw, per_group = op.weight.shape
    if op.groups == 1:
        return op.weight
    full = np.zeros((out, kh, kw, per_group * op.groups), op.weight.dtype)
    for group in range(op.groups):
        rows, columns = out // op.groups, group * per_group
        own = slice(group * rows, (group + 1) * rows)
        full[own, :, :, columns : columns + per_group] = op.weight[own]
    return full
