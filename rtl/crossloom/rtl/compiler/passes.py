"""Turns a network into the engine's passes: every operator as a convolution with weights, or as a maximum."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from crossloom.sim.network import INPUT, Network, Node
from crossloom.sim.ops import Add, Concat, Conv2d, Dense, Edge, Flatten, MaxPool, Requant, SumPool, Threshold
from crossloom.sim.ops.base import Op
from crossloom.sim.ops.quantize import MAX_SHIFT, MIN_SHIFT
from crossloom.sim.types import IntArray, QType, bits_of

from ..errors import RtlError
from .words import Kind

Shape = tuple[int, int, int]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Window:
    """A window's size, its step and its first corner (at or before the image's), in pixels."""

    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    pad: tuple[int, int] = (0, 0)  # top, left


@dataclass(frozen=True, eq=False)
class Source:
    """An edge that a pass reads, with its weights (out, kh, kw, in) in each bank.

    `mask` (out, in) is false where no bank can ever have a weight. What was summed before is then doubled `doublings`
    times; `same` says that all taps have the same weights.
    """

    edge: str
    weights: tuple[IntArray, ...]
    mask: Mask
    doublings: int = 0
    same: bool = False


@dataclass(frozen=True, eq=False)
class Sums:
    """A linear operator: sources, window, and the bias (C,) of each bank that stored codes ask for.

    `pad_code` is as stored. `acc_bits` hold every sum with its bias, `weight_bits` every weight with a sign.
    """

    sources: tuple[Source, ...]
    window: Window
    pad_code: int
    shape: Shape
    bias: tuple[IntArray, ...]
    acc_bits: int
    weight_bits: int


@dataclass(frozen=True, eq=False)
class Pass:
    """One walk over an image: sums of products, then Requant, Threshold or scores; or maxima.

    Codes are stored as their distance from `lo`, at most `span`. `shift` (C,), within `shifts`, and `thresholds`
    (C, count) are one a bank. `raw` names the accumulator edge that bias and sums give, `codes` the edge that is
    written: either may be none.
    """

    name: str
    kind: Kind
    sums: Sums
    banked: bool
    raw: str | None = None
    codes: str | None = None
    lo: int = 0
    span: int = 0
    shift: tuple[IntArray, ...] = ()
    shifts: tuple[int, int] = (0, 0)  # least and most that other weights could ask for
    rounding: int = 0
    thresholds: tuple[IntArray, ...] = ()
    scale: int = 1
    unrolled: bool = False  # a tap reads all columns of a window


def useful_shifts(acc_bits: int, out: QType) -> tuple[int, int]:
    """The least and the most shift of a sum of `acc_bits` that differ from their neighbours in any code.

    To the left by more, every sum but 0 is clipped already; to the right by more, nothing but its sign is left.
    """
    return max(MIN_SHIFT, -max(out.hi, -out.lo).bit_length()), min(MAX_SHIFT, acc_bits)


class _Section:
    """The trunk, or all branches at once, each node as every bank has it."""

    def __init__(
        self, network: Network, banks: list[tuple[tuple[Node, ...], Mapping[str, Edge]]], banked: bool
    ) -> None:
        self.network, self.banked = network, banked
        self.edges = banks[0][1]
        self.order = [node.name for node in banks[0][0]]
        self.nodes = {name: [nodes[i] for nodes, _ in banks] for i, name in enumerate(self.order)}

    def first(self, name: str) -> Node | None:
        """The node of an edge in bank 0; None for what comes from outside."""
        found = self.nodes.get(name)
        return found[0] if found else None

    def origin(self, edge: str) -> str:
        """The edge before Flatten, which moves nothing."""
        node = self.first(edge)
        while node and isinstance(node.op, Flatten):
            edge = node.inputs[0]
            node = self.first(edge)
        return edge


def stored_shape(shape: tuple[int, ...]) -> Shape:
    """An edge's shape as an image; a vector is one pixel."""
    return (1, 1, shape[0]) if len(shape) == 1 else (shape[0], shape[1], shape[2])


def span_bits(edge: Edge) -> int:
    """Bits of a stored code: of hi - lo."""
    return max(1, (edge.type.hi - edge.type.lo).bit_length())


class _Lowering:
    """Walks the sections; `places` has every stored edge's shape, a flattened one as the image that it was."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.shapes: dict[str, Shape] = {INPUT: stored_shape(network.input.shape)}
        self.passes: list[Pass] = []
        self.aliases: dict[str, str] = {}

    def run(self) -> list[Pass]:
        sections = list(self.network.sections())
        trunk = _Section(self.network, [(sections[0][1], sections[0][2])], False)
        self._section(trunk, self.network.output)
        if self.network.route:
            # The branches' source may itself be flattened: its own place is the image before.
            source = self.network.route.source
            self.shapes[source] = self.shapes[trunk.origin(source)]
            branches = _Section(self.network, [(nodes, edges) for _, nodes, edges in sections[1:]], True)
            self.aliases = {source: trunk.origin(source)}
            self._section(branches, self.network.route.output)
        return self.passes

    def _section(self, section: _Section, output: str) -> None:
        for name in section.order:
            banks = section.nodes[name]
            op = banks[0].op
            if isinstance(op, Flatten):
                self._check_flatten(section, name, output)
            elif isinstance(op, Requant | Threshold):
                self._quantizer(section, name, [node.op for node in banks])
            elif isinstance(op, Concat):
                self._concat(section, name)
            elif isinstance(op, MaxPool):
                self._pool(section, name, op)
        self._logits(section, output)

    def _check_flatten(self, section: _Section, name: str, output: str) -> None:
        source = section.origin(name)
        h, w, _ = self.shapes.get(source) or stored_shape(section.edges[source].shape)
        for reader in section.order:
            node = section.nodes[reader][0]
            if name in node.inputs and (h, w) != (1, 1) and isinstance(node.op, Add | Concat):
                raise RtlError(
                    f"layer {reader!r}: {node.op.kind} reads the flattened {name!r}; the engine keeps images as they"
                    " are: flatten after it"
                )
        if output == name and (h, w) != (1, 1):
            raise RtlError(f"layer {name!r}: scores of {h} by {w} pixels; the engine has scores of one: end in dense")

    def _source(self, section: _Section, edge: str) -> str:
        origin = section.origin(edge)
        return self.aliases.get(origin, origin)

    def _identity(self, section: _Section, edges: Sequence[str], name: str, offsets: Sequence[int], out: int) -> Sums:
        """The inputs, each put from its channel `offsets` on, as sums of single products."""
        sources, bias = [], np.zeros(out, np.int64)
        for edge, offset in zip(edges, offsets, strict=True):
            channels = self.shapes[self._source(section, edge)][2]
            weights = np.zeros((out, 1, 1, channels), np.int64)
            weights[offset + np.arange(channels), 0, 0, np.arange(channels)] = 1
            bias[offset : offset + channels] += section.edges[edge].type.lo
            sources.append(Source(self._source(section, edge), (weights,), weights[:, 0, 0] != 0))
        h, w, _ = self.shapes[self._source(section, edges[0])]
        type_ = section.edges[name].type
        return Sums(tuple(sources), Window(), 0, (h, w, out), (bias,), bits_of(min(type_.lo, -1), type_.hi), 2)

    def _sums(self, section: _Section, edge: str) -> Sums:
        """What gives an edge's values: its linear operator, or for a stream the stream itself."""
        name = section.origin(edge)
        banks = section.nodes.get(name)
        op = banks[0].op if banks else None
        if isinstance(op, Conv2d | Dense):
            assert banks
            return self._weighted(section, name, [node.op for node in banks])
        if isinstance(op, SumPool):
            return self._sum_pool(section, name, op)
        if isinstance(op, Add):
            return self._add(section, name, op)
        channels = self.shapes[self._source(section, name)][2]
        return self._identity(section, [name], name, [0], channels)

    def _weighted(self, section: _Section, name: str, ops: Sequence[Op]) -> Sums:
        node = section.nodes[name][0]
        x = section.edges[node.inputs[0]].type
        source = self._source(section, node.inputs[0])
        in_shape = self.shapes[source]
        weights, bias = [], []
        window, groups, pad = Window(in_shape[:2]), 1, 0
        for op in ops:
            assert isinstance(op, Conv2d | Dense)
            w = op.weight.astype(np.int64)
            if isinstance(op, Conv2d):
                groups, pad = op.groups, op.pad_code - x.lo if any(op.pad) else 0
                window = Window((w.shape[1], w.shape[2]), op.stride, (op.pad[0], op.pad[2]))
                w = _ungrouped(w, groups)
            else:
                w = w.reshape(len(w), *in_shape)
            weights.append(w)
            bias.append(op.bias.astype(np.int64) + x.lo * w.sum((1, 2, 3)))
        out, _, _, channels = weights[0].shape
        of_out, of_in = np.arange(out) // (out // groups), np.arange(channels) // (channels // groups)
        mask = of_out[:, None] == of_in
        edge = section.edges[name]
        op = ops[0]
        assert isinstance(op, Conv2d | Dense)
        lo = op.weight_type.lo
        return Sums(
            (Source(source, tuple(weights), mask),),
            window,
            pad,
            stored_shape(edge.shape),
            tuple(bias),
            bits_of(min(edge.type.lo, -1), edge.type.hi),
            bits_of(min(lo, -1), op.weight_type.hi),
        )

    def _sum_pool(self, section: _Section, name: str, op: SumPool) -> Sums:
        node, edge = section.nodes[name][0], section.edges[name]
        x, channels = section.edges[node.inputs[0]].type, edge.shape[-1]
        eye = np.eye(channels, dtype=np.int64)
        weights = np.broadcast_to(eye[:, None, None, :], (channels, *op.kernel_size, channels))
        source = Source(self._source(section, node.inputs[0]), (weights,), eye != 0, same=True)
        bias = np.full(channels, x.lo * op.kernel_size[0] * op.kernel_size[1])
        window = Window(op.kernel_size, op.stride)
        bits = bits_of(min(edge.type.lo, -1), edge.type.hi)
        return Sums((source,), window, 0, stored_shape(edge.shape), (bias,), bits, 2)

    def _add(self, section: _Section, name: str, op: Add) -> Sums:
        node, edge = section.nodes[name][0], section.edges[name]
        types = [section.edges[i] for i in node.inputs]
        shifts = op.shifts(name, types)
        # The one that is shifted first, so that doubling the sum shifts it alone.
        order = sorted(range(2), key=lambda i: -shifts[i])
        channels = edge.shape[-1]
        eye = np.eye(channels, dtype=np.int64)[:, None, None, :]
        bias = np.full(channels, sum(t.type.lo << s for t, s in zip(types, shifts, strict=True)))
        sources = tuple(
            Source(self._source(section, node.inputs[i]), (eye,), eye[:, 0, 0] != 0, doublings=shifts[i]) for i in order
        )
        bits = bits_of(min(edge.type.lo, -1), edge.type.hi)
        shape = self.shapes[sources[0].edge]
        return Sums(sources, Window(), 0, (*shape[:2], channels), (bias,), bits, 2)

    def _quantizer(self, section: _Section, name: str, ops: Sequence[Op]) -> None:
        source = section.nodes[name][0].inputs[0]
        sums = self._sums(section, source)
        out, channels = section.edges[name].type, sums.shape[2]
        shift, thresholds, rounding, scale = [], [], 0, 1
        least, most = useful_shifts(sums.acc_bits, out)
        for op in ops:
            rows = op.shift if isinstance(op, Requant) else op.thresholds if isinstance(op, Threshold) else None
            assert rows is not None
            if len(rows) not in (1, channels):
                raise RtlError(
                    f"layer {name!r}: {len(rows)} rows for {channels} channels of a flattened image; the engine keeps"
                    " images as they are: quantize before flatten"
                )
            rows = np.broadcast_to(rows.astype(np.int64), (channels, *rows.shape[1:])) if len(rows) == 1 else rows
            if isinstance(op, Requant):
                rounding = list(type(op.rounding)).index(op.rounding)
                shift.append(np.clip(rows.astype(np.int64), least, most))
            elif isinstance(op, Threshold):
                scale = op.step
                thresholds.append(rows.astype(np.int64))
        self._append(
            Pass(
                name,
                Kind.REQUANT if shift else Kind.THRESHOLD,
                sums,
                section.banked,
                raw=section.origin(source) if section.edges[source].accumulator else None,
                codes=name,
                lo=out.lo,
                span=out.hi - out.lo,
                shift=tuple(shift),
                shifts=(least, most) if shift else (0, 0),
                rounding=rounding,
                thresholds=tuple(thresholds),
                scale=scale,
            )
        )

    def _concat(self, section: _Section, name: str) -> None:
        node, edge = section.nodes[name][0], section.edges[name]
        counts = [self.shapes[self._source(section, i)][2] for i in node.inputs]
        offsets = [sum(counts[:i]) for i in range(len(counts))]
        sums = self._identity(section, node.inputs, name, offsets, sum(counts))
        shift = (np.zeros(sum(counts), np.int64),)
        lo, span = edge.type.lo, edge.type.hi - edge.type.lo
        self._append(Pass(name, Kind.REQUANT, sums, section.banked, codes=name, lo=lo, span=span, shift=shift))

    def _pool(self, section: _Section, name: str, op: MaxPool) -> None:
        source = self._source(section, section.nodes[name][0].inputs[0])
        channels = self.shapes[source][2]
        type_ = section.edges[name].type
        nothing = np.zeros((0, 1, 1, channels), np.int64)
        window = Window(op.kernel_size, op.stride, (op.pad[0], op.pad[2]))
        shape = stored_shape(section.edges[name].shape)
        sums = Sums((Source(source, (nothing,), nothing[:, 0, 0] != 0),), window, 0, shape, (), 2, 1)
        span = type_.hi - type_.lo
        self._append(Pass(name, Kind.POOL, sums, section.banked, codes=name, lo=type_.lo, span=span))

    def _logits(self, section: _Section, output: str) -> None:
        raw = section.origin(output) if section.edges[output].accumulator else None
        self._append(Pass(output, Kind.LOGITS, self._sums(section, output), section.banked, raw=raw))

    def _append(self, entry: Pass) -> None:
        self.passes.append(entry)
        if entry.codes:
            self.shapes[entry.codes] = entry.sums.shape


def _ungrouped(weight: IntArray, groups: int) -> IntArray:
    """Weights (out, kh, kw, in/groups) as (out, kh, kw, in), zeros outside a channel's group."""
    if groups == 1:
        return weight
    out, kh, kw, per_group = weight.shape
    full = np.zeros((out, kh, kw, per_group * groups), np.int64)
    for o in range(out):
        at = o // (out // groups) * per_group
        full[o, :, :, at : at + per_group] = weight[o]
    return full


def unrolled(entry: Pass, rows: int, unroll: int, most: int) -> Pass:
    """The pass with its window's columns side by side in the array's rows, `unroll` rows each; as it is if it cannot.

    It can where it is a convolution of the network's input, step 1, with one group, at most `most` columns, and all of
    them fit `rows`.
    """
    source = entry.sums.sources[0]
    weights = source.weights[0]
    (kh, kw), stride = entry.sums.window.kernel, entry.sums.window.stride
    # A dense layer has one window, whose columns would save nothing worth a mask.
    if (
        (entry.kind is Kind.POOL or len(entry.sums.sources) > 1 or source.edge != INPUT or source.same)
        or (stride[1] != 1 or not 1 < kw <= most or weights.shape[3] > unroll or kw * unroll > rows)
        or (not source.mask.all() or entry.sums.shape[1] == 1)
    ):
        return entry
    wide = []
    for bank in source.weights:
        full = np.zeros((len(bank), kh, kw, unroll), np.int64)
        full[..., : bank.shape[3]] = bank
        wide.append(full.reshape(len(bank), kh, 1, kw * unroll))
    mask = np.ones((len(weights), kw * unroll), bool)
    window = Window((kh, 1), stride, entry.sums.window.pad)
    sums = replace(entry.sums, sources=(Source(source.edge, tuple(wide), mask),), window=window)
    return replace(entry, sums=sums, unrolled=True)


def lower(network: Network, rows: int = 0, unroll: int = 0, most: int = 0) -> list[Pass]:
    """The passes of a network in the order in which they run, branches' last; RtlError names what the engine lacks.

    With `unroll` those that can are `unrolled`.
    """
    passes = _Lowering(network).run()
    return [unrolled(entry, rows, unroll, most) for entry in passes] if unroll else passes
