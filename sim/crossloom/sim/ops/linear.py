"""Dense and Conv2d: exact integer products with weights, plus a bias."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..errors import NetworkError
from ..types import MAX_ACC_BITS, AnyArray, IntArray, QType, check_int, frozen_ints
from .base import (
    Edge,
    Kernel,
    Op,
    accumulator_edge,
    check_tuple,
    need_image,
    need_stream,
    padded_batch,
    spread,
    window_shape,
    window_views,
)

MAX_WINDOW = 255
MAX_WEIGHT_BITS = 16


def _check_weights(op: Dense | Conv2d, axes: int) -> None:
    where = op.kind
    weight = frozen_ints(f"{where}: weight", op.weight, (None,) * axes, op.weight_type.dtype)
    if op.weight_type.bits > MAX_WEIGHT_BITS:
        raise NetworkError(f"{where}: weights of {op.weight_type.bits} bits; at most {MAX_WEIGHT_BITS} are supported")
    op.weight_type.check(f"{where}: weight", weight)
    frac = op.weight_type.frac
    if isinstance(frac, tuple) and len(frac) not in (1, len(weight)):
        raise NetworkError(
            f"{where}: weight has {len(frac)} fracs; {len(weight)} output channels need 1 or {len(weight)}"
        )
    check_int(f"{where}: bias_bits", op.bias_bits, 1, MAX_ACC_BITS)
    bias = frozen_ints(f"{where}: bias", op.bias, (len(weight),), "<i8")
    limit = 1 << (op.bias_bits - 1)
    QType(-limit, limit - 1).check(f"{where}: bias of {op.bias_bits} bits", bias)
    object.__setattr__(op, "weight", weight)
    object.__setattr__(op, "bias", bias)


def _accumulate(op: Dense | Conv2d, where: str, x: Edge, shape: tuple[int, ...], banked: bool) -> Edge:
    """Bound `sum(x * w) + b` from the values of the weights, or from their types when banked."""
    x_frac = need_stream(where, x, op.kind)
    lo, hi = x.type.lo, x.type.hi
    frac = op.weight_type.frac
    acc_frac = frac + x_frac if isinstance(frac, int) else tuple(f + x_frac for f in frac)
    if banked:
        products = [w * v for w in (op.weight_type.lo, op.weight_type.hi) for v in (lo, hi)]
        fan_in = op.weight[0].size
        bias_limit = 1 << (op.bias_bits - 1)
        magnitude = fan_in * max(abs(p) for p in products) + bias_limit
        low, high = fan_in * min(products) - bias_limit, fan_in * max(products) + bias_limit - 1
        return accumulator_edge(where, shape, low, high, acc_frac, magnitude)
    # Python integers: no product of these bounds may wrap.
    w = op.weight.reshape(len(op.weight), -1).astype(np.int64)
    up = [int(v) for v in np.maximum(w, 0).sum(1)]
    down = [int(v) for v in np.minimum(w, 0).sum(1)]
    bias = [int(b) for b in op.bias]
    low = min(u * lo + d * hi + b for u, d, b in zip(up, down, bias, strict=True))
    high = max(u * hi + d * lo + b for u, d, b in zip(up, down, bias, strict=True))
    reach = max(abs(lo), abs(hi))
    magnitude = max((u - d) * reach + abs(b) for u, d, b in zip(up, down, bias, strict=True))
    return accumulator_edge(where, shape, low, high, acc_frac, magnitude)


@dataclass(frozen=True, eq=False)
class Dense(Op):
    """acc[o] = sum_i x[i] * weight[o, i] + bias[o], exact.

    `weight` (out, in) within `weight_type`; `bias` (out,) of `bias_bits` bits at the accumulator's frac, which is
    the input's frac plus the weights'.
    """

    weight: IntArray
    bias: IntArray
    weight_type: QType
    bias_bits: int
    kind: ClassVar[str] = "dense"

    def __post_init__(self) -> None:
        _check_weights(self, 2)

    def infer(self, where: str, inputs: Sequence[Edge], banked: bool) -> Edge:
        """Return the accumulator edge (out,)."""
        (x,) = inputs
        if x.shape != (self.weight.shape[1],):
            raise NetworkError(f"{where}: reads shape {list(x.shape)}; the weights need [{self.weight.shape[1]}]")
        return _accumulate(self, where, x, (len(self.weight),), banked)

    def kernel(self, inputs: Sequence[Edge], output: Edge) -> Kernel:
        """Return one BLAS product in the float width that the proven bound allows."""
        carrier = output.carrier
        w, b = np.ascontiguousarray(self.weight.T.astype(carrier)), self.bias.astype(carrier)

        def run(x: AnyArray) -> AnyArray:
            y: AnyArray = x.astype(carrier, copy=False) @ w
            y += b
            return y

        return run

    def macs(self, output: Edge) -> int:
        """Out * in."""
        return self.weight.size

    def scratch(self, inputs: Sequence[Edge], output: Edge) -> int:
        """A copy of the input, where its carrier is narrower."""
        return inputs[0].size * output.carrier.itemsize


@dataclass(frozen=True, eq=False)
class Conv2d(Op):
    """acc[y, x, o] = sum_{i,j,c} in[y*sh - top + i, x*sw - left + j, g*G + c] * weight[o, i, j, c] + bias[o], exact.

    `weight` (out, kh, kw, in/groups) within `weight_type`; output channel o belongs to group g = o // (out/groups),
    G = in/groups. `pad` is (top, bottom, left, right); positions outside the image read `pad_code`, a code of the
    input's type. `bias` (out,) of `bias_bits` bits at the accumulator's frac.
    """

    weight: IntArray
    bias: IntArray
    weight_type: QType
    bias_bits: int
    stride: tuple[int, int] = (1, 1)
    pad: tuple[int, int, int, int] = (0, 0, 0, 0)
    pad_code: int = 0
    groups: int = 1
    kind: ClassVar[str] = "conv2d"

    def __post_init__(self) -> None:
        _check_weights(self, 4)
        check_tuple("conv2d: stride", self.stride, 2, 1, MAX_WINDOW)
        check_tuple("conv2d: pad", self.pad, 4, 0, MAX_WINDOW)
        check_tuple("conv2d: kernel", self.weight.shape[1:3], 2, 1, MAX_WINDOW)
        check_int("conv2d: pad_code", self.pad_code, -(1 << 31), (1 << 31) - 1)
        check_int("conv2d: groups", self.groups, 1, len(self.weight))
        if len(self.weight) % self.groups:
            raise NetworkError(f"conv2d: {len(self.weight)} output channels do not divide into {self.groups} groups")

    def infer(self, where: str, inputs: Sequence[Edge], banked: bool) -> Edge:
        """Return the accumulator edge (OH, OW, out)."""
        (x,) = inputs
        h, w, c = need_image(where, x, self.kind)
        out, kh, kw, per_group = self.weight.shape
        if per_group * self.groups != c:
            raise NetworkError(f"{where}: reads {c} channels; the weights need {per_group} x {self.groups} groups")
        if any(self.pad) and not x.type.lo <= self.pad_code <= x.type.hi:
            raise NetworkError(
                f"{where}: pad_code {self.pad_code} is no code of the input; needed {x.type.lo}..{x.type.hi}"
            )
        size = window_shape(where, (h, w), (kh, kw), self.stride, self.pad)
        return _accumulate(self, where, x, (*size, out), banked)

    def kernel(self, inputs: Sequence[Edge], output: Edge) -> Kernel:
        """Return patches times weights through BLAS, or shifted products where every channel is its own group."""
        carrier = output.carrier
        out, kh, kw, per_group = self.weight.shape
        groups, stride, pad, pad_code = self.groups, self.stride, self.pad, self.pad_code
        oh, ow, _ = output.shape
        bias = spread(self.bias.astype(carrier), output)
        if per_group == 1 and groups > 1:
            # (kh*kw, in, out/in): output channel o reads input channel o // (out/in)
            taps = self.weight.reshape(groups, out // groups, kh * kw).transpose(2, 0, 1).astype(carrier)

            def run_depthwise(x: AnyArray) -> AnyArray:
                views = window_views(padded_batch(x.astype(carrier, copy=False), pad, pad_code), (kh, kw), stride)
                y: AnyArray = views[0][..., None] * taps[0]
                for view, tap in zip(views[1:], taps[1:], strict=True):
                    y += view[..., None] * tap
                y = y.reshape(len(x), -1)
                y += bias
                return y.reshape(len(x), oh, ow, out)

            return run_depthwise

        taps = self.weight.reshape(groups, out // groups, -1).transpose(0, 2, 1).astype(carrier)
        taps = np.ascontiguousarray(taps)

        def run(x: AnyArray) -> AnyArray:
            n = len(x)
            x = np.ascontiguousarray(padded_batch(x.astype(carrier, copy=False), pad, pad_code))
            if kh == kw == 1 and stride == (1, 1):
                patches = x
            else:
                # One row of a window is kw * C neighbours in memory, which is what makes this copy cheap.
                c = x.shape[3]
                sn, sh, sw, sc = x.strides
                patches = np.lib.stride_tricks.as_strided(
                    x, (n, oh, ow, kh, kw * c), (sn, sh * stride[0], sw * stride[1], sh, sc), writeable=False
                )
            if groups == 1:
                y: AnyArray = patches.reshape(n * oh * ow, -1) @ taps[0]
            else:
                rows = patches.reshape(n * oh * ow, kh * kw, groups, per_group).transpose(2, 0, 1, 3)
                y = (rows.reshape(groups, n * oh * ow, -1) @ taps).transpose(1, 0, 2).reshape(n * oh * ow, out)
            y = y.reshape(n, -1)
            y += bias
            return y.reshape(n, oh, ow, out)

        return run

    def macs(self, output: Edge) -> int:
        """OH * OW * out * kh * kw * in/groups."""
        return output.shape[0] * output.shape[1] * self.weight.size

    def scratch(self, inputs: Sequence[Edge], output: Edge) -> int:
        """The padded input and its patches."""
        h, w, c = inputs[0].shape
        kh, kw = self.weight.shape[1:3]
        padded = (h + self.pad[0] + self.pad[1]) * (w + self.pad[2] + self.pad[3]) * c
        patches = output.shape[0] * output.shape[1] * kh * kw * c * (1 if self.groups == 1 else 2)
        codes: int = padded + patches + output.size
        return codes * output.carrier.itemsize
