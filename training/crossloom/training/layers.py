"""Turns single Brevitas layers into operators with exact integers, refusing by name what has none."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any

import brevitas.nn as qnn
import numpy as np
import torch
from torch import fx

from crossloom.sim import (
    LIF,
    Add,
    Concat,
    Conv2d,
    Dense,
    Edge,
    ExportError,
    Flatten,
    Input,
    Last,
    LeakyReLU,
    MaxPool,
    NetworkError,
    QType,
    Requant,
    Rounding,
    Threshold,
)
from crossloom.sim.builder import Section
from crossloom.sim.network import INPUT
from crossloom.sim.ops import Op
from crossloom.sim.ops.quantize import MAX_SHIFT, MIN_SHIFT
from crossloom.sim.types import IntArray, signed_bits

from .geometry import NO_PADS, Pads, added, convolution_pads, dilated, flat_order, pair
from .inputs import FloatArray
from .quantized import activation_type, codes_of, least_code, linear_codes, rounded
from .spiking.encoding import DIRECT, Encoder
from .tracing import Tap, plain
from .values import RAW, Seen, Steps, Value

_READ_SUMS = (Requant, Threshold, Flatten, LeakyReLU, LIF, Last)
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
        shape: tuple[int, ...],
        values: FloatArray,
        encoder: Encoder = DIRECT,
        *,
        start: Value = RAW,
        known: Mapping[str, Edge] | None = None,
        banked: bool = False,
    ) -> None:
        self.recorded, self.shape, self.values, self.encoder = recorded, shape, values, encoder
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

    def emit(
        self, name: str, op: Op, *sources: Value, tap: Tap | Seen | None, order: tuple[int, ...] | None = None
    ) -> Value:
        """Append a node reading `sources`, under a name of its own; remember where torch shows its edge."""
        single = isinstance(op, Requant | Threshold | LeakyReLU)  # zeros stay zeros: they may wait longer
        names = [self.readable(source if single else self.settled(source), op) for source in sources]
        try:
            name = self.section.add(op, *names, name=self.section.unused(name), where=self.where())
        except NetworkError as error:
            raise ExportError(str(error)) from error
        if tap is not None:
            self.seen[name] = tap if isinstance(tap, Seen) else Seen(tap, order)
        return Value(name, order=order, pad=sources[0].pad if single else NO_PADS)

    def readable(self, x: Value, op: Op) -> str:
        """Return the edge of a value that `op` may read; refuse what should be quantized before."""
        if x.edge is None:
            raise ExportError(f"{self.where()}: it reads the raw image; put a QuantIdentity first")
        if x.waits:
            found = "a ReLU" if x.relu else "an average" if x.ratio is not None else "a pooled or flattened sum"
            raise ExportError(
                f"{self.where()}: it reads {found} that is not quantized; put a QuantReLU or QuantIdentity before it"
            )
        if self.edges[x.edge].accumulator and not isinstance(op, _READ_SUMS):
            raise ExportError(
                f"{self.where()}: it reads a sum that is not quantized; put a QuantReLU or QuantIdentity before it"
            )
        return x.edge

    def settled(self, x: Value) -> Value:
        """Put zeros around a value by a layer of its own, where nothing that reads it can."""
        if x.pad == NO_PADS or x.edge is None or x.waits:
            return x
        channels, type_ = self.edges[x.edge].channels, self.edges[x.edge].type
        assert isinstance(type_.frac, int)
        cut = [max(-p, 0) for p in x.pad]
        weight = np.zeros((channels, cut[0] + cut[1] + 1, cut[2] + cut[3] + 1, 1), np.int64)
        weight[:, cut[0], cut[2]] = 1
        pad = (max(x.pad[0], 0), max(x.pad[1], 0), max(x.pad[2], 0), max(x.pad[3], 0))
        op = Conv2d(weight, np.zeros(channels, np.int64), QType(-1, 1), 1, (1, 1), pad, 0, channels)
        y = self.emit(self.name("_pad"), op, replace(x, pad=NO_PADS), tap=None)
        return self.requant(self.where(), y, type_, Rounding.FLOOR, self.name("_padded"), None)

    def where(self) -> str:
        """The current node, for messages."""
        return str(self.current.target) if self.current.op == "call_module" else self.current.name

    def name(self, suffix: str = "") -> str:
        """A name for what the current node becomes."""
        return identifier(self.where() if self.current.op == "call_module" else self.current.name) + suffix

    def image(self, x: Value) -> tuple[int, int, int]:
        """Shape (H, W, C) of a value that must be an image."""
        if x.edge is None or len(self.edges[x.edge].shape) != 3:
            found = "the raw image" if x.edge is None else "a flat value"
            raise ExportError(f"{self.where()}: it reads {found}; needed a quantized image")
        h, w, c = self.edges[x.edge].shape
        return h, w, c

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
            hi = type_.hi if x.top is None else min(type_.hi, rounded(Fraction(x.top) * _power(type_.frac), rounding))
            type_ = QType(max(type_.lo, 0), max(hi, 0), type_.frac)
        bare = replace(x, relu=False, top=None, ratio=None, after=())
        if x.edge is None:
            y = self.raw(where, quantizer, x, type_, self.shown(tap, x.after, self.shape, NO_PADS))
        else:
            edge = self.edges[x.edge]
            seen = self.shown(tap, x.after, edge.shape, x.pad, x.order)
            if x.ratio is not None:
                y = self.threshold(where, bare, type_, rounding, x.ratio, name, seen)
            # What can be rewritten keeps its quantizer: another bank, or later weights, may need it.
            elif edge.type == type_ and not edge.accumulator and not self.section.banked:
                y = bare
            else:
                y = self.requant(where, bare, type_, rounding, name, seen)
        for index, step in enumerate(x.after):
            rest = x.after[index + 1 :]
            if isinstance(step, tuple):
                y = replace(y, pad=added(y.pad, step))
            elif isinstance(step, Flatten):
                y = self.flatten(y, f"{name}_flat", None if rest else tap)
            else:
                shape = step.output_edge(where, [self.edges[self.readable(y, step)]], False).shape
                y = self.emit(f"{name}_pool", step, y, tap=self.shown(tap, rest, shape, NO_PADS))
        return y

    def shown(
        self, tap: Tap, rest: Steps, shape: tuple[int, ...], pad: Pads, order: tuple[int, ...] | None = None
    ) -> Seen | None:
        """How torch shows, at `tap`, an edge of `shape` to which it has done the `rest` already; None: not at all."""
        for step in rest:
            if isinstance(step, tuple):
                pad = added(pad, step)
        if min(pad) < 0 or any(isinstance(step, MaxPool) for step in rest):
            return None
        if Flatten() in rest:
            return Seen(tap, flat_order(shape)) if pad == NO_PADS else None
        return Seen(tap, order, pad)

    def requant(self, where: str, x: Value, out: QType, rounding: Rounding, name: str, tap: Tap | Seen | None) -> Value:
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

    def threshold(
        self, where: str, x: Value, out: QType, rounding: Rounding, ratio: Fraction, name: str, seen: Seen | None
    ) -> Value:
        """Quantize an edge times `ratio`, which is no shift, by comparing with the least sum of each code."""
        acc = self.edges[x.edge or ""].type
        if acc.common_frac is None or not isinstance(out.frac, int):
            raise ExportError(f"{where}: it averages sums of several scales; put a QuantIdentity before the average")
        factor = ratio * _power(out.frac - acc.common_frac)
        rows = [least_code(k, factor, rounding) for k in range(out.lo + 1, out.hi + 1)]
        limits = np.array([[min(max(t, acc.lo), acc.hi + 1) for t in rows]], np.int64)
        return self.emit(name, Threshold(limits, out.lo, 1, out.frac), x, tap=seen, order=x.order)

    def raw(self, where: str, quantizer: Any, x: Value, type_: QType, seen: Seen | None) -> Value:
        """Make the input table: each level of each channel through torch's own quantizer."""
        if self.encoder.spikes:
            raise ExportError(f"{where}: a quantizer on spikes, which have codes of their own; needed a SpikeInput")
        values = np.clip(self.values, 0, x.top) if x.relu else self.values
        with torch.no_grad():
            quantized = plain(quantizer(torch.from_numpy(np.ascontiguousarray(values)))).numpy()
        table = codes_of(where, quantized, type_.frac)
        if self.table is not None and (self.edges[INPUT].type != type_ or not np.array_equal(self.table, table)):
            raise ExportError(f"{where}: a second quantizer on the image; needed one, read by every layer")
        return self.source(table, type_, seen)

    def spikes(self) -> Value:
        """Begin with the spikes of an encoder, which no quantizer changes."""
        if not self.encoder.spikes:
            raise ExportError(
                f'{self.where()}: a SpikeInput on images; needed encoder=Encoder("rate" or "latency", steps), or a '
                "QuantIdentity here"
            )
        return self.source(self.encoder.table(len(self.values)), QType(0, 1), Seen(self.tap(), None))

    def source(self, table: IntArray, type_: QType, seen: Seen | None) -> Value:
        """Begin with the codes of the images, by the input's table."""
        self.table = table
        self.edges[INPUT] = Edge(self.shape, type_, steps=self.encoder.steps)
        if seen is not None:
            self.seen[INPUT] = seen
        return Value(INPUT)

    def input_table(self) -> Input:
        """Return the network's input, once the walk is done."""
        if self.table is None:
            raise ExportError("model: nothing quantizes the image; begin with a QuantIdentity")
        encoder = self.encoder
        return Input(self.shape, self.edges[INPUT].type, self.table, encoder.kind, encoder.steps, encoder.seed)

    def relu(self, x: Value, top: float | None = None) -> Value:
        """ReLU, clipped at `top` where one is given: a clip of codes, left to the quantizer on a sum."""
        if x.waits or self.edges[x.edge or ""].accumulator:
            tops = [t for t in (x.top, top) if t is not None]
            return replace(x, relu=True, top=min(tops, default=None))
        type_ = self.edges[x.edge or ""].type
        assert isinstance(type_.frac, int)
        hi = max(type_.hi, 0)
        if top is not None:
            limit = Fraction(top) * _power(type_.frac)
            if limit < hi and limit.denominator != 1:
                return replace(x, relu=True, top=top)
            hi = min(hi, int(limit))
        if type_.lo >= 0 and type_.hi == hi:
            return replace(x)
        seen = self.shown(self.tap(), (), (), x.pad, x.order)
        return self.requant(self.where(), x, QType(0, hi, type_.frac), Rounding.FLOOR, self.name(), seen)

    def rising(self, x: Value, op: LeakyReLU) -> Value:
        """An operator that keeps the order of values, and zero: what waits for the quantizer still may."""
        if x.relu or x.edge is None or x.ratio is not None:
            return replace(x) if x.relu else self.emit(self.name(), op, x, tap=self.tap())
        seen = self.shown(self.tap(), x.after, self.edges[x.edge].shape, x.pad, x.order)
        y = self.emit(self.name(), op, replace(x, after=()), tap=seen, order=x.order)
        return replace(y, after=x.after)

    def layer(self, where: str, module: Any, x: Value) -> Value:
        """Convolution or dense layer, with whatever quantizers it carries."""
        x = self.proxy(module, "input_quant", x)
        if x.edge is None:
            raise ExportError(f"{where}: it reads the raw image; put a QuantIdentity first")
        source = self.edges[x.edge].type.frac
        if not isinstance(source, int) or self.edges[x.edge].accumulator or x.waits:
            raise ExportError(f"{where}: its input is not quantized; put a QuantReLU or QuantIdentity before it")
        codes, bias, type_ = linear_codes(where, module, source, self.recorded.get(self.tap("bias_quant")))
        bias_bits = bias_width(bias, self.section.banked)
        hidden = module.output_quant.is_quant_enabled
        tap = None if hidden else self.tap()
        if isinstance(module, qnn.QuantConv2d):
            h, w, _ = self.image(x)
            if module.padding_mode != "zeros":
                raise ExportError(f"{where}: padding_mode={module.padding_mode}; needed zeros")
            weight = dilated(codes.transpose(0, 2, 3, 1), pair(module.dilation))
            size = h + x.pad[0] + x.pad[1], w + x.pad[2] + x.pad[3]
            pad = convolution_pads(module, (weight.shape[1], weight.shape[2]), size)
            if min(x.pad) >= 0:
                x, pad = replace(x, pad=NO_PADS), added(x.pad, pad)
            op: Op = Conv2d(weight, bias, type_, bias_bits, pair(module.stride), pad, 0, module.groups)
        else:
            op = Dense(codes if x.order is None else codes[:, list(x.order)], bias, type_, bias_bits)
        y = self.emit(self.name(), op, x, tap=tap)
        return self.proxy(module, "output_quant", y)

    def add(self, operands: list[Value], tap: Tap | str | None = "here") -> Value:
        """Sum of two streams."""
        for x in operands:
            if x.edge is not None and self.edges[x.edge].accumulator:
                raise ExportError(f"{self.where()}: it adds a sum that is not quantized; put a QuantIdentity before it")
        operands = [self.settled(x) for x in operands]
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
        parts = [self.settled(part) for part in parts]
        fracs = [self.edges[part.edge].type.frac for part in parts if part.edge is not None]
        if len(set(fracs)) > 1 and all(isinstance(frac, int) for frac in fracs):
            raise ExportError(
                f"{self.where()}: it joins fracs {fracs}; needed one scale: quantize all of them by one QuantIdentity"
            )
        order: list[int] = []
        for part in parts:
            size = self.edges[part.edge].size if part.edge else 0
            order += [len(order) + i for i in (part.order or range(size))]
        flat = any(part.order is not None for part in parts)
        tap = self.tap() if tap == "here" else tap
        assert not isinstance(tap, str)
        return self.emit(self.name(), Concat(), *parts, tap=tap, order=tuple(order) if flat else None)

    def flatten(self, x: Value, name: str = "", tap: Tap | str | None = "here") -> Value:
        """Image to vector; torch counts channels first, we channels last.

        What is not quantized yet, and has no one scale, is flattened after its quantizer.
        """
        if Flatten() in x.after or len(self.shape if x.edge is None else self.edges[x.edge].shape) == 1:
            return x
        if x.waits or self.edges[x.edge or ""].type.common_frac is None:
            return replace(x, after=(*x.after, Flatten()))
        x = self.settled(x)
        order = flat_order(self.image(x))
        shown = self.tap() if isinstance(tap, str) else tap
        return self.emit(name or self.name(), Flatten(), x, tap=shown, order=order)


def bias_width(bias: IntArray, banked: bool) -> int:
    """Return the width in which a layer's biases are declared."""
    bits = signed_bits(int(bias.min()), int(bias.max()))
    return BANK_BIAS_BITS * max(2, -(-bits // BANK_BIAS_BITS)) if banked else bits


def identifier(path: str) -> str:
    """A module path as an identifier of at most 48 characters: features.0.conv -> features_0_conv.

    A longer one ends in a digest, so that what differs at the end stays apart.

    >>> identifier("features.0.Conv"), identifier("0"), identifier("_x")
    ('features_0_conv', 'n0', 'x')
    """
    name = re.sub(r"[^a-z0-9_]", "_", path.lower()).strip("_") or "node"
    name = name if name[0].isalpha() else f"n{name}"
    return name if len(name) <= 48 else f"{name[:39]}_{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def _power(exponent: int) -> Fraction:
    return Fraction(2) ** exponent
