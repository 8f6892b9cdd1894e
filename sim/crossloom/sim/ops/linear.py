"""Dense and Conv2d: exact integer products with weights, plus a bias."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..errors import NetworkError
from ..types import MAX_ACC_BITS, AnyArray, IntArray, QType, check_int, frozen_ints
from .base import (
    Edge,
    Index,
    Kernel,
    Op,
    Tensor,
    Window,
    accumulator_edge,
    check_tuple,
    need_image,
    need_stream,
    padded_batch,
    spread,
    window_views,
)

MAX_WINDOW = 255
MAX_WEIGHT_BITS = 16


@dataclass(frozen=True, eq=False)
class Linear(Op):
    """acc = products of the input's patches with `weight`, plus `bias`: what Dense and Conv2d have in common.

    `weight` (out, ...) within `weight_type`; `bias` (out,) of `bias_bits` bits at the accumulator's frac, which is
    the input's frac plus the weights'.
    """

    weight: IntArray
    bias: IntArray
    weight_type: QType
    bias_bits: int
    axes: ClassVar[int]
    """Of `weight`."""

    def __post_init__(self) -> None:
        where = self.kind
        weight = frozen_ints(f"{where}: weight", self.weight, (None,) * self.axes, self.weight_type.dtype)
        if self.weight_type.bits > MAX_WEIGHT_BITS:
            raise NetworkError(
                f"{where}: weights of {self.weight_type.bits} bits; at most {MAX_WEIGHT_BITS} are supported"
            )
        self.weight_type.check(f"{where}: weight", weight)
        frac = self.weight_type.frac
        if isinstance(frac, tuple) and len(frac) not in (1, len(weight)):
            raise NetworkError(
                f"{where}: weight has {len(frac)} fracs; {len(weight)} output channels need 1 or {len(weight)}"
            )
        check_int(f"{where}: bias_bits", self.bias_bits, 1, MAX_ACC_BITS)
        bias = frozen_ints(f"{where}: bias", self.bias, (len(weight),), "<i8")
        limit = 1 << (self.bias_bits - 1)
        QType(-limit, limit - 1).check(f"{where}: bias of {self.bias_bits} bits", bias)
        object.__setattr__(self, "weight", weight)
        object.__setattr__(self, "bias", bias)

    @property
    def groups(self) -> int:
        """Groups of channels that do not mix."""
        return 1

    @abstractmethod
    def patches(self, x: AnyArray) -> AnyArray:
        """Return (groups, N * positions, fan-in): what each product reads from codes x (N, *shape).

        Fan-in runs in the order of `weight[o]`; padding is a code.
        """

    def tensors(self, inputs: Sequence[Edge]) -> tuple[Tensor, ...]:
        """Weights and biases."""
        return (
            Tensor("weight", self.weight.shape, self.weight_type.bits, self.weight_type.signed, True),
            Tensor("bias", self.bias.shape, self.bias_bits, True, True),
        )

    def macs(self, output: Edge) -> int:
        """One product for each weight of an output's patch."""
        return output.image_size * int(self.weight[0].size)

    def _accumulate(self, where: str, x: Edge, shape: tuple[int, ...], banked: bool) -> Edge:
        """Bound `sum(x * w) + b` from the values of the weights, or from their types when banked."""
        x_frac = need_stream(where, x, self.kind)
        lo, hi = x.type.lo, x.type.hi
        frac = self.weight_type.frac
        acc_frac = frac + x_frac if isinstance(frac, int) else tuple(f + x_frac for f in frac)
        if banked:
            products = [w * v for w in (self.weight_type.lo, self.weight_type.hi) for v in (lo, hi)]
            fan_in = self.weight[0].size
            bias_limit = 1 << (self.bias_bits - 1)
            magnitude = fan_in * max(abs(p) for p in products) + bias_limit
            low, high = fan_in * min(products) - bias_limit, fan_in * max(products) + bias_limit - 1
            return accumulator_edge(where, shape, low, high, acc_frac, magnitude)
        # Python integers: no product of these bounds may wrap.
        w = self.weight.reshape(len(self.weight), -1).astype(np.int64)
        up = [int(v) for v in np.maximum(w, 0).sum(1)]
        down = [int(v) for v in np.minimum(w, 0).sum(1)]
        bias = [int(b) for b in self.bias]
        low = min(u * lo + d * hi + b for u, d, b in zip(up, down, bias, strict=True))
        high = max(u * hi + d * lo + b for u, d, b in zip(up, down, bias, strict=True))
        reach = max(abs(lo), abs(hi))
        magnitude = max((u - d) * reach + abs(b) for u, d, b in zip(up, down, bias, strict=True))
        return accumulator_edge(where, shape, low, high, acc_frac, magnitude)


@dataclass(frozen=True, eq=False)
class Dense(Linear):
    """acc[o] = sum_i x[i] * weight[o, i] + bias[o], exact; `weight` (out, in)."""

    kind: ClassVar[str] = "dense"
    axes: ClassVar[int] = 2

    def infer(self, where: str, inputs: Sequence[Edge], banked: bool) -> Edge:
        """Return the accumulator edge (out,)."""
        (x,) = inputs
        if x.shape != (self.weight.shape[1],):
            raise NetworkError(f"{where}: reads shape {list(x.shape)}; the weights need [{self.weight.shape[1]}]")
        return self._accumulate(where, x, (len(self.weight),), banked)

    def kernel(self, inputs: Sequence[Edge], output: Edge) -> Kernel:
        """Return one BLAS product in the float width that the proven bound allows."""
        carrier = output.carrier
        w, b = self.weight.astype(carrier), self.bias.astype(carrier)

        def run(x: AnyArray) -> AnyArray:
            x = x.astype(carrier, copy=False)
            # BLAS is faster with the longer side of the result as its rows.
            y: AnyArray = x @ w.T if len(x) >= len(b) else (w @ x.T).T
            y += b
            return y

        return run

    def patches(self, x: AnyArray) -> AnyArray:
        """Return (1, N, in): all of the input."""
        return x[None]

    def reads(self, index: tuple[int, ...], inputs: Sequence[Edge]) -> tuple[Index | None, ...]:
        """Every code."""
        return ((slice(None),),)

    def scratch(self, inputs: Sequence[Edge], output: Edge) -> int:
        """A copy of the input, where its carrier is narrower."""
        return inputs[0].size * output.carrier.itemsize


@dataclass(frozen=True, eq=False)
class Conv2d(Linear):
    """acc[y, x, o] = sum_{i,j,c} in[y*sh - top + i, x*sw - left + j, g*G + c] * weight[o, i, j, c] + bias[o], exact.

    `weight` (out, kh, kw, in/groups); output channel o belongs to group g = o // (out/groups), G = in/groups. `pad` is
    (top, bottom, left, right); positions outside the image read `pad_code`, a code of the input's type.
    """

    stride: tuple[int, int] = (1, 1)
    pad: tuple[int, int, int, int] = (0, 0, 0, 0)
    pad_code: int = 0
    groups: int = 1
    kind: ClassVar[str] = "conv2d"
    axes: ClassVar[int] = 4

    def __post_init__(self) -> None:
        super().__post_init__()
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
        out, _, _, per_group = self.weight.shape
        if per_group * self.groups != c:
            raise NetworkError(f"{where}: reads {c} channels; the weights need {per_group} x {self.groups} groups")
        if any(self.pad) and not x.type.lo <= self.pad_code <= x.type.hi:
            raise NetworkError(
                f"{where}: pad_code {self.pad_code} is no code of the input; needed {x.type.lo}..{x.type.hi}"
            )
        return self._accumulate(where, x, (*self.window(inputs).output(where, (h, w)), out), banked)

    def window(self, inputs: Sequence[Edge]) -> Window:
        """Of all channels of a group."""
        _, kh, kw, _ = self.weight.shape
        return Window((kh, kw), self.stride, self.pad, self.pad_code)

    def reads(self, index: tuple[int, ...], inputs: Sequence[Edge]) -> tuple[Index | None, ...]:
        """A window of the group's channels."""
        out, _, _, per_group = self.weight.shape
        first = index[2] // (out // self.groups) * per_group
        return ((*self.window(inputs).region(index[0], index[1]), slice(first, first + per_group)),)

    def patches(self, x: AnyArray) -> AnyArray:
        """Return (groups, N * OH * OW, kh * kw * in/groups)."""
        _, kh, kw, per_group = self.weight.shape
        x = padded_batch(x, self.pad, self.pad_code)
        # numpy 1 says one axis where it takes several.
        view: AnyArray = np.lib.stride_tricks.sliding_window_view(x, (kh, kw), axis=(1, 2))  # type: ignore[call-overload, unused-ignore]
        view = view[:, :: self.stride[0], :: self.stride[1]]
        n, oh, ow = view.shape[:3]
        view = view.reshape(n, oh, ow, self.groups, per_group, kh, kw).transpose(3, 0, 1, 2, 5, 6, 4)
        found: AnyArray = view.reshape(self.groups, n * oh * ow, kh * kw * per_group)
        return found

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

    def scratch(self, inputs: Sequence[Edge], output: Edge) -> int:
        """The padded input and its patches."""
        h, w = self.window(inputs).padded(inputs[0].shape)
        c, (kh, kw) = inputs[0].channels, self.weight.shape[1:3]
        padded = h * w * c
        patches = output.shape[0] * output.shape[1] * kh * kw * c * (1 if self.groups == 1 else 2)
        codes: int = padded + patches + output.size
        return codes * output.carrier.itemsize
