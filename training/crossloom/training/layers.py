"""Turns single Brevitas layers into operators with exact integers, refusing by name what has none."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import brevitas.nn as qnn
import numpy as np
import torch
from torch import fx

from crossloom.sim import (
    Add,
    Concat,
    Conv2d,
    Dense,
    Edge,
    ExportError,
    Flatten,
    Input,
    MaxPool,
    NetworkError,
    QType,
    Requant,
    Rounding,
    SumPool,
)
from crossloom.sim.builder import Section
from crossloom.sim.network import INPUT
from crossloom.sim.ops import Op
from crossloom.sim.ops.quantize import MAX_SHIFT, MIN_SHIFT
from crossloom.sim.types import IntArray, bits_of

from .inputs import FloatArray
from .quantized import activation_type, bias_codes, codes_of, frac_of, int_range, rounding_of, weight_codes
from .tracing import Tap, plain


@dataclass(frozen=True)
class Seen:
    """How an edge looks in torch: at which tap, and for a flat edge which torch position each code has."""

    tap: Tap
    order: tuple[int, ...] | None


@dataclass(frozen=True)
class Value:
    """A torch value during the walk: an edge, or the raw images; `relu` waits for the quantizer to clip.

    `order` (flat edges): code j of the edge is element order[j] in torch, which flattens channels first.
    """

    edge: str | None
    relu: bool = False
    order: tuple[int, ...] | None = None


RAW = Value(None)
"""The image, before anything quantized it."""

BANK_BIAS_BITS = 8
"""Biases of rewritable layers are declared in multiples of this, at least two, so that new weights find room."""


class LayerBuilder:
    """Appends the operators of a traced model, or of a part of one, one torch.fx node (`current`) at a time.

    `start` is what the part reads and `known` the edges that are there already (none: it reads the image). `banked`
    layers can be rewritten: their widths and shapes must not follow from their weights.
    """

    def __init__(
        self,
        recorded: Mapping[Tap, Any],
        shape: tuple[int, int, int],
        values: FloatArray,
        *,
        start: Value = RAW,
        known: Mapping[str, Edge] | None = None,
        banked: bool = False,
    ) -> None:
        self.recorded, self.shape, self.values = recorded, shape, values
        self.start = start
        self.section = Section(dict(known or {}), banked=banked)
        self.seen: dict[str, Seen] = {}
        self.table: IntArray | None = None
        self.current: fx.Node

    @property
    def edges(self) -> dict[str, Edge]:
        """The edges that are there."""
        return self.section.edges

    def tap(self, name: str = "", call: int = 0) -> Tap:
        """The result of the current node, or a call of a quantizer inside it."""
        return (self.current.name, name, call)

    def emit(self, name: str, op: Op, *sources: Value, tap: Tap | None, order: tuple[int, ...] | None = None) -> Value:
        """Append a node reading `sources`, under a name of its own; remember where torch shows its edge."""
        names = []
        for source in sources:
            if source.edge is None:
                raise ExportError(f"{self.where()}: it reads the raw image; put a QuantIdentity first")
            if source.relu:
                raise ExportError(f"{self.where()}: it reads a ReLU that is not quantized; use QuantReLU")
            names.append(source.edge)
        try:
            name = self.section.add(op, *names, name=self.section.unused(name), where=self.where())
        except NetworkError as error:
            raise ExportError(str(error)) from error
        if tap is not None:
            self.seen[name] = Seen(tap, order)
        return Value(name, order=order)

    def where(self) -> str:
        """The current node, for messages."""
        return str(self.current.target) if self.current.op == "call_module" else self.current.name

    def name(self, suffix: str = "") -> str:
        """A name for what the current node becomes."""
        return identifier(self.where() if self.current.op == "call_module" else self.current.name) + suffix

    def image(self, x: Value) -> tuple[int, ...]:
        """Shape (H, W, C) of a value that must be an image."""
        if x.edge is None or len(self.edges[x.edge].shape) != 3:
            found = "the raw image" if x.edge is None else "a flat value"
            raise ExportError(f"{self.where()}: it reads {found}; needed a quantized image")
        return self.edges[x.edge].shape

    # -- operators --------------------------------------------------------------------------------------------

    def proxy(self, module: Any, name: str, x: Value, call: int = 0) -> Value:
        """Pass a value through a quantizer inside a layer, where there is one."""
        quantizer = getattr(module, name, None)
        if quantizer is None or not quantizer.is_quant_enabled:
            return x
        where = f"{self.where()}.{name}"
        return self.activation(where, quantizer, x, self.name(f"_{name}"), self.tap(name, call))

    def activation(self, where: str, quantizer: Any, x: Value, name: str, tap: Tap) -> Value:
        """Quantize: the raw image by a table, an edge by a Requant."""
        type_, rounding = activation_type(where, quantizer)
        assert isinstance(type_.frac, int)
        if x.relu:
            type_ = QType(max(type_.lo, 0), type_.hi, type_.frac)
        if x.edge is None:
            return self.raw(where, quantizer, type_, tap)
        edge = self.edges[x.edge]
        # What can be rewritten keeps its quantizer: another bank, or later weights, may need it.
        if edge.type == type_ and not edge.accumulator and not self.section.banked:
            return x
        return self.requant(where, replace(x, relu=False), type_, rounding, name, tap)

    def requant(self, where: str, x: Value, out: QType, rounding: Rounding, name: str, tap: Tap | None) -> Value:
        """Quantize an edge to the type `out`, whose frac decides the shifts."""
        frac = self.edges[x.edge or ""].type.frac
        fracs = frac if isinstance(frac, tuple) else (frac,)
        if self.section.banked:
            # One shift a channel even where these are equal: they may differ in another bank.
            fracs = tuple(int(f) for f in np.broadcast_to(fracs, self.edges[x.edge or ""].channels))
        assert isinstance(out.frac, int)
        shift = np.array([f - out.frac for f in fracs])
        if shift.min() < MIN_SHIFT or shift.max() > MAX_SHIFT:
            raise ExportError(
                f"{where}: shifts by {shift.min()}..{shift.max()} bits; supported are {MIN_SHIFT}..{MAX_SHIFT}"
            )
        return self.emit(name, Requant(shift, rounding, out), x, tap=tap, order=x.order)

    def raw(self, where: str, quantizer: Any, type_: QType, tap: Tap) -> Value:
        """Make the input table: each level of each channel through torch's own quantizer."""
        with torch.no_grad():
            quantized = plain(quantizer(torch.from_numpy(np.ascontiguousarray(self.values)))).numpy()
        table = codes_of(where, quantized, type_.frac)
        if self.table is not None and (self.edges[INPUT].type != type_ or not np.array_equal(self.table, table)):
            raise ExportError(f"{where}: a second quantizer on the image; needed one, read by every layer")
        self.table = table
        self.edges[INPUT] = Edge(self.shape, type_)
        self.seen[INPUT] = Seen(tap, None)
        return Value(INPUT)

    def input_table(self) -> Input:
        """Return the network's input, once the walk is done."""
        if self.table is None:
            raise ExportError("model: nothing quantizes the image; begin with a QuantIdentity")
        return Input(self.shape, self.edges[INPUT].type, self.table)

    def relu(self, x: Value) -> Value:
        """ReLU: nothing to do on unsigned codes, a clip on signed ones, left to the quantizer on a sum."""
        if x.edge is None or self.edges[x.edge].accumulator:
            return replace(x, relu=True)
        type_ = self.edges[x.edge].type
        if type_.lo >= 0:
            return x
        return self.requant(
            self.where(), x, QType(0, max(type_.hi, 0), type_.frac), Rounding.FLOOR, self.name(), self.tap()
        )

    def layer(self, where: str, module: Any, x: Value) -> Value:
        """Convolution or dense layer, with whatever quantizers it carries."""
        x = self.proxy(module, "input_quant", x)
        if x.edge is None:
            raise ExportError(f"{where}: it reads the raw image; put a QuantIdentity first")
        codes, type_ = weight_codes(where, module)
        source = self.edges[x.edge].type.frac
        if not isinstance(source, int) or self.edges[x.edge].accumulator:
            raise ExportError(f"{where}: its input is not quantized; put a QuantReLU or QuantIdentity before it")
        acc = type_.frac + source if isinstance(type_.frac, int) else tuple(f + source for f in type_.frac)
        bias = np.zeros(len(codes), np.int64)
        if module.bias is not None:
            bias = bias_codes(where, self.recorded.get(self.tap("bias_quant")), acc, len(codes))
        bias_bits = bits_of(min(int(bias.min()), -1), max(int(bias.max()), 0))
        if self.section.banked:
            bias_bits = BANK_BIAS_BITS * max(2, -(-bias_bits // BANK_BIAS_BITS))
        hidden = module.output_quant.is_quant_enabled
        tap = None if hidden else self.tap()
        if isinstance(module, qnn.QuantConv2d):
            self.image(x)
            _need(where, "dilation", _pair(module.dilation) == (1, 1), module.dilation, "1")
            _need(where, "padding_mode", module.padding_mode == "zeros", module.padding_mode, "zeros")
            kernel, stride = _pair(module.kernel_size), _pair(module.stride)
            pad = self.padding(where, module, kernel, stride)
            op: Op = Conv2d(codes.transpose(0, 2, 3, 1), bias, type_, bias_bits, stride, pad, 0, module.groups)
        else:
            op = Dense(codes if x.order is None else codes[:, list(x.order)], bias, type_, bias_bits)
        y = self.emit(self.name(), op, x, tap=tap)
        return self.proxy(module, "output_quant", y)

    def padding(
        self, where: str, module: Any, kernel: tuple[int, int], stride: tuple[int, int]
    ) -> tuple[int, int, int, int]:
        """(top, bottom, left, right) of a convolution."""
        if getattr(module, "is_same_padded_strided", False):
            raise ExportError(f"{where}: padding 'same' with a stride; needed numbers")
        if module.padding == "valid":
            return 0, 0, 0, 0
        if module.padding == "same":
            (top, left), (h, w) = [(k - 1) // 2 for k in kernel], [k - 1 for k in kernel]
            return top, h - top, left, w - left
        ph, pw = _pair(module.padding)
        return ph, ph, pw, pw

    def add(self, operands: list[Value], tap: Tap | str | None = "here") -> Value:
        """Sum of two streams."""
        for x in operands:
            if x.edge is not None and self.edges[x.edge].accumulator:
                raise ExportError(f"{self.where()}: it adds a sum that is not quantized; put a QuantIdentity before it")
        if operands[0].order != operands[1].order:
            raise ExportError(
                f"{self.where()}: it adds values that were flattened differently; add them before flattening"
            )
        tap = self.tap() if tap == "here" else tap
        assert not isinstance(tap, str)
        name = self.name() if self.current.op != "call_module" else self.name("_sum")
        return self.emit(name, Add(), *operands, tap=tap, order=operands[0].order)

    def concat(self, parts: list[Value], dim: Any, tap: Tap | str | None = "here") -> Value:
        """Streams side by side along the channels."""
        if dim != 1:
            raise ExportError(f"{self.where()}: joins dimension {dim}; needed 1, the channels")
        order: list[int] = []
        for part in parts:
            size = self.edges[part.edge].size if part.edge else 0
            order += [len(order) + i for i in (part.order or range(size))]
        flat = any(part.order is not None for part in parts)
        tap = self.tap() if tap == "here" else tap
        assert not isinstance(tap, str)
        return self.emit(self.name(), Concat(), *parts, tap=tap, order=tuple(order) if flat else None)

    def flatten(self, x: Value) -> Value:
        """Image to vector; torch counts channels first, we channels last."""
        if x.edge is not None and len(self.edges[x.edge].shape) == 1:
            return x
        h, w, c = self.image(x)
        order = tuple(int(i) for i in np.arange(c * h * w).reshape(c, h, w).transpose(1, 2, 0).ravel())
        plain_order = None if h * w == 1 else order
        name = self.name() if self.current.op != "output" else f"{x.edge}_flat"
        tap = None if self.current.op == "output" else self.tap()
        return self.emit(name, Flatten(), x, tap=tap, order=plain_order)

    def max_pool(
        self, x: Value, kernel: Any, stride: Any, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False
    ) -> Value:
        """Max pooling."""
        _need(self.where(), "dilation", _pair(dilation) == (1, 1), dilation, "1")
        _need(self.where(), "ceil_mode", not ceil_mode, ceil_mode, "False")
        ph, pw = _pair(padding)
        op = MaxPool(_pair(kernel), _pair(kernel if stride is None else stride), (ph, ph, pw, pw))
        return self.emit(self.name(), op, x, tap=self.tap())

    def avg_pool(
        self,
        x: Value,
        kernel: Any,
        stride: Any,
        padding: Any = 0,
        ceil_mode: bool = False,
        divisor: int | None = None,
        tap: Tap | str | None = "here",
    ) -> Value:
        """Average pooling over a power-of-two window: a sum at a finer scale."""
        where, size = self.where(), _pair(kernel)
        _need(where, "padding", _pair(padding) == (0, 0), padding, "0")
        _need(where, "ceil_mode", not ceil_mode, ceil_mode, "False")
        _need(where, "divisor_override", divisor in (None, math.prod(size)), divisor, "the window's size")
        if math.prod(size) & (math.prod(size) - 1):
            raise ExportError(
                f"{where}: averages {size[0]}x{size[1]} pixels; needed a power of two, whose mean is a shift"
            )
        tap = self.tap() if tap == "here" else tap
        assert not isinstance(tap, str)
        return self.emit(self.name(), SumPool(size, _pair(kernel if stride is None else stride)), x, tap=tap)

    def adaptive_pool(self, x: Value, output_size: Any, tap: Tap | str | None = "here") -> Value:
        """Average pooling to a given size that divides the image's."""
        h, w, _ = self.image(x)
        sizes = [n if o is None else int(o) for n, o in zip((h, w), _pair(output_size), strict=True)]
        if h % sizes[0] or w % sizes[1]:
            raise ExportError(f"{self.where()}: pools {h}x{w} to {sizes[0]}x{sizes[1]}; needed sizes that divide it")
        kernel = h // sizes[0], w // sizes[1]
        return self.avg_pool(x, kernel, kernel, tap=tap)

    def trunc_pool(self, where: str, module: Any, x: Value) -> Value:
        """Brevitas' average pooling with a rounding of its own: a sum, then a Requant to the type that it shows."""
        quantizer = module.trunc_quant
        result = self.recorded[self.tap("trunc_quant")] if quantizer.is_quant_enabled else None
        if isinstance(module, qnn.TruncAdaptiveAvgPool2d):
            y = self.adaptive_pool(x, module.output_size, tap=None)
        else:
            y = self.avg_pool(
                x,
                module.kernel_size,
                module.stride,
                module.padding,
                module.ceil_mode,
                module.divisor_override,
                tap=None,
            )
        if result is None or not hasattr(result, "scale"):
            raise ExportError(
                f"{where}: its input carries no scale; set return_quant_tensor=True in the quantizer before it"
            )
        lo, hi = int_range(round(float(result.bit_width)), bool(result.signed), bool(quantizer.is_narrow_range))
        type_ = QType(lo, hi, frac_of(where, float(result.scale)))
        return self.requant(
            where, y, type_, rounding_of(where, str(quantizer.rounding_mode)), self.name("_trunc"), self.tap()
        )


def identifier(path: str) -> str:
    """A module path as an identifier of at most 48 characters: features.0.conv -> features_0_conv.

    A longer one ends in a digest, so that what differs at the end stays apart.

    >>> identifier("features.0.Conv"), identifier("0"), identifier("_x")
    ('features_0_conv', 'n0', 'x')
    """
    name = re.sub(r"[^a-z0-9_]", "_", path.lower()).strip("_") or "node"
    name = name if name[0].isalpha() else f"n{name}"
    return name if len(name) <= 48 else f"{name[:39]}_{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _pair(value: Any) -> tuple[int, int]:
    a, b = value if isinstance(value, tuple | list) else (value, value)
    return a, b


def _need(where: str, what: str, fits: bool, found: object, wanted: str) -> None:
    if not fits:
        raise ExportError(f"{where}: {what}={found}; needed {wanted}")
