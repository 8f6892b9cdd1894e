"""Takes a network apart into the layers of hls4ml projects, each type named, or refuses what hls4ml cannot compute."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from crossloom.sim.network import INPUT, Network, Node
from crossloom.sim.ops import Add, Concat, Conv2d, Dense, Edge, Flatten, MaxPool, Requant, SumPool
from crossloom.sim.types import IntArray, QType, Rounding, bits_of

from .errors import HlsError

MAX_READERS = 7  # of hls4ml's clone_stream
_ROUNDINGS = {Rounding.HALF_EVEN: "AP_RND_CONV", Rounding.HALF_UP: "AP_RND", Rounding.FLOOR: "AP_TRN"}

FloatArray = npt.NDArray[np.float64]


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
class Project:
    """What becomes one hls4ml project: from one edge to another, layers in execution order."""

    name: str
    input: Edge
    output: Edge
    layers: tuple[Layer, ...]


@dataclass(frozen=True, eq=False)
class Parts:
    """A network as projects: one, or an optional trunk, a coarse head and each branch."""

    trunk: Project | None
    head: Project | None = None
    branches: tuple[Project, ...] = ()

    @property
    def projects(self) -> tuple[Project, ...]:
        """All of them, in order."""
        return tuple(p for p in (self.trunk, self.head, *self.branches) if p is not None)


def ap_type(lo: int, hi: int, frac: int, modes: str = "") -> str:
    """The narrowest ap_fixed of the codes lo..hi, each standing for code * 2**-frac.

    >>> ap_type(0, 15, 2, ",AP_RND_CONV,AP_SAT"), ap_type(-7, 7, 6)
    ('ap_ufixed<4,2,AP_RND_CONV,AP_SAT>', 'ap_fixed<4,-2>')
    """
    bits = bits_of(lo, hi)
    return f"ap_{'' if lo < 0 else 'u'}fixed<{bits},{bits - frac}{modes}>"


def take_apart(network: Network) -> Parts:
    """The projects of a network.

    Raises HlsError, naming the node and why, for what hls4ml does not compute exactly.
    """
    edges = network.edges
    if network.route is None:
        return Parts(_project("network", network.nodes, edges, INPUT, network.output, f"{network.name}: "))
    route, where = network.route, f"{network.name}: "
    trunk_nodes = tuple(n for n in network.nodes if n.name not in network.head)
    head_nodes = tuple(n for n in network.nodes if n.name in network.head)
    if network.output not in network.head:
        raise _refused(f"{where}node {network.output!r}", "the branches' source depends on the coarse logits")
    inside = {route.source, *network.head}
    for node in head_nodes:
        for name in node.inputs:
            if name not in inside:
                raise _refused(
                    f"{where}node {node.name!r} ({node.op.kind})",
                    f"a coarse head that reads {name!r} besides the branches' source {route.source!r}",
                )
    trunk = None
    if trunk_nodes:
        trunk = _project("trunk", trunk_nodes, edges, INPUT, route.source, where)
    head = _project("head", head_nodes, edges, route.source, network.output, where)
    branches = tuple(
        _project(f"branch{i}", nodes, own, route.source, route.output, f"{where}branch {route.branches[i].name!r}: ")
        for i, nodes, own in network.sections()
        if i is not None
    )
    return Parts(trunk, head, branches)


def _refused(where: str, what: str) -> HlsError:
    return HlsError(f"{where}: {what}; the hls4ml flow has no exact form of it; use the native flow")


def _project(
    name: str, nodes: Sequence[Node], edges: Mapping[str, Edge], source: str, output: str, prefix: str
) -> Project:
    builder = _Builder(edges, source, output, Counter(i for n in nodes for i in n.inputs))
    readers = {i: n.op.kind for n in nodes for i in n.inputs}
    for edge, count in builder.readers.items():
        if count > MAX_READERS:
            raise _refused(f"{prefix}edge {edge!r}", f"{count} readers; hls4ml copies a stream to {MAX_READERS}")
    for node in nodes:
        where = f"{prefix}node {node.name!r} ({node.op.kind})"
        if (
            isinstance(node.op, Flatten)
            and node.name != output
            and any(not isinstance(n.op, Dense) for n in nodes if node.name in n.inputs)
        ):
            raise _refused(where, f"flattened pixels read by {readers[node.name]}, which would read past a pixel")
        builder.add(where, node, nodes)
    return Project(name, edges[source], edges[output], tuple(builder.layers))


class _Builder:
    """Appends layers; `values` says which layer computes an edge."""

    def __init__(self, edges: Mapping[str, Edge], source: str, output: str, readers: Counter[str]) -> None:
        self.edges, self.output, self.readers = edges, output, readers
        self.values = {source: INPUT}
        self.fused: dict[str, Node] = {}
        self.layers: list[Layer] = []

    def append(self, kind: str, inputs: Sequence[str], types: Mapping[str, str], **fields: object) -> str:
        name = f"{kind}{len(self.layers)}"  # users' names could be anything that fx or hls4ml gives a meaning
        self.layers.append(Layer(name, kind, tuple(inputs), types, **fields))  # type: ignore[arg-type]
        return name

    def add(self, where: str, node: Node, nodes: Sequence[Node]) -> None:
        op, edge = node.op, self.edges[node.name]
        inputs = [self.values[i] for i in node.inputs]
        sources = [self.edges[i] for i in node.inputs]
        if isinstance(op, Requant):
            if node.name not in self.values:
                result = requant_type(where, op, sources[0])
                _check_drop(where, sources[0], op)
                self.values[node.name] = self.append("requant", inputs, {"result": result})
            return
        result, name, reader = self._result(where, node, nodes)
        if isinstance(op, Dense | Conv2d):
            value = self._product(where, op, inputs[0], sources[0], edge_type(edge, reader), result)
        elif isinstance(op, MaxPool | SumPool):
            value = self._pool(where, op, inputs[0], sources[0], edge, reader, result)
        elif isinstance(op, Add):
            if reader:
                _check_drop(where, edge, reader)
            value = self.append("add", inputs, {"result": result})
        elif isinstance(op, Concat):
            value = inputs[0]
            for other in inputs[1:]:
                value = self.append("concat", (value, other), {"result": result})
        elif isinstance(op, Flatten):
            # As an output it is a matter of counting: the stream's codes have that order already.
            value = inputs[0] if node.name == self.output else self.append("flatten", inputs, {"result": result})
        else:
            raise _refused(where, f"operator {op.kind}")
        self.values[node.name] = self.values[name] = value

    def _result(self, where: str, node: Node, nodes: Sequence[Node]) -> tuple[str, str, Requant | None]:
        """The type that a layer writes, the edge that it makes, and the Requant that it swallows as its one reader.

        An accumulator with a FIFO of its own would cost memory, and hls4ml rounds into any type on writing.
        """
        edge = self.edges[node.name]
        if edge.accumulator and self.readers[node.name] == 1 and node.name != self.output:
            reader = next(n for n in nodes if node.name in n.inputs)
            if isinstance(reader.op, Requant):
                where = where[: where.rindex("node ")] + f"node {reader.name!r} ({reader.op.kind})"
                return requant_type(where, reader.op, edge), reader.name, reader.op
        return edge_type(edge), node.name, None

    def _product(self, where: str, op: Dense | Conv2d, x: str, source: Edge, accum: str, result: str) -> str:
        fracs = _fracs(op.weight_type.frac, len(op.weight))
        common = max(fracs)
        spread = common - min(fracs)
        codes = op.weight
        if isinstance(op, Conv2d):
            kernel = op.weight.shape[1:3]
            if kernel[0] == 1 < min(kernel[1], op.stride[0]):
                raise _refused(
                    where,
                    f"a kernel {list(kernel)} at stride {list(op.stride)}; hls4ml skips no row under a kernel of one",
                )
            if any(op.pad):
                if op.pad_code != 0:
                    raise _refused(where, f"padding with code {op.pad_code}; hls4ml pads with 0")
                x = self.append("pad", (x,), {"result": edge_type(source)}, pad=op.pad)
            codes = _ungrouped(op)
        weight = np.ldexp(codes.astype(np.float64), -np.array(fracs).reshape(-1, *[1] * (codes.ndim - 1)))
        assert isinstance(source.type.frac, int)
        bias = np.ldexp(op.bias.astype(np.float64), -(np.array(fracs) + source.type.frac))
        limit = 1 << (op.bias_bits - 1)
        types = {
            "weight": ap_type(op.weight_type.lo << spread, op.weight_type.hi << spread, common),
            "bias": ap_type(-limit << spread, (limit << spread) - 1, common + source.type.frac),
            "accum": accum,
            "result": result,
        }
        size = codes[0].size
        if isinstance(op, Dense):
            return self.append("dense", (x,), types, weight=weight, bias=bias, size=size)
        return self.append("conv2d", (x,), types, weight=weight, bias=bias, stride=op.stride, size=size)

    def _pool(
        self, where: str, op: MaxPool | SumPool, x: str, source: Edge, edge: Edge, reader: Requant | None, result: str
    ) -> str:
        if op.stride != op.kernel_size:
            raise _refused(
                where, f"windows {list(op.kernel_size)} at stride {list(op.stride)}; hls4ml needs them equal"
            )
        if isinstance(op, MaxPool):
            if any(op.pad):
                raise _refused(where, f"padding {list(op.pad)} of a pool")
            types = {"accum": edge_type(source), "result": result}
            return self.append("maxpool", (x,), types, window=op.kernel_size, stride=op.stride)
        count = op.kernel_size[0] * op.kernel_size[1]
        if count & (count - 1):
            raise _refused(
                where, f"the sum of {count} codes; hls4ml divides by {count}, exactly only for powers of two"
            )
        # hls4ml holds the sum and the mean in one type: the mean's, wider by the bits that dividing drops.
        bits = count.bit_length() - 1
        sum_and_mean = replace(edge, type=QType(edge.type.lo << bits, edge.type.hi << bits, edge.type.frac))
        types = {"accum": edge_type(sum_and_mean, reader), "result": result}
        return self.append("avgpool", (x,), types, window=op.kernel_size, stride=op.stride)


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


def _check_drop(where: str, source: Edge, op: Requant) -> None:
    """Raise HlsError where a shift drops more bits than there are: the model of ap_fixed that g++ compiles aborts."""
    shift = int(op.shift.max())
    if shift > source.type.bits:
        raise _refused(where, f"a shift of {shift} from {source.type.bits} bits")


def edge_type(edge: Edge, reader: Requant | None = None) -> str:
    """The ap_fixed that holds an edge; with one frac per channel, at the finest of them.

    Sign bits are added until `reader` drops no more bits than there are (see `_check_drop`).
    """
    fracs = edge.type.frac if isinstance(edge.type.frac, tuple) else (edge.type.frac,)
    spread = max(fracs) - min(fracs)
    lo, hi = edge.type.lo << spread, edge.type.hi << spread
    if edge.accumulator:
        lo = min(lo, -1)
    if reader:
        assert isinstance(reader.out.frac, int)
        lo = min(lo, -1 << max(max(fracs) - reader.out.frac - 1, 0))
    return ap_type(lo, hi, max(fracs))


def requant_type(where: str, op: Requant, source: Edge) -> str:
    """The ap_fixed whose assignment rounds and clips as `op` does, given what `source` can reach.

    Raises HlsError for clips that no saturation of ap_fixed makes.
    """
    out = op.out
    assert isinstance(out.frac, int)
    reach = [
        round_shift(bound, int(shift), op.rounding)
        for bound in (source.type.lo, source.type.hi)
        for shift in np.unique(op.shift)
    ]
    for mode, (lo, hi) in _saturations(out).items():
        if (lo == out.lo or min(reach) >= out.lo) and (hi == out.hi or max(reach) <= out.hi):
            return ap_type(out.lo, out.hi, out.frac, f",{_ROUNDINGS[op.rounding]},{mode}")
    raise _refused(
        where, f"clipping to {out.lo}..{out.hi}; ap_fixed saturates at all codes of its bits, or symmetrically"
    )


def _saturations(out: QType) -> dict[str, tuple[int, int]]:
    if not out.signed:
        return {"AP_SAT": (0, (1 << out.bits) - 1)}
    top = (1 << (out.bits - 1)) - 1
    return {"AP_SAT": (-top - 1, top), "AP_SAT_SYM": (-top, top)}


def round_shift(value: int, shift: int, rounding: Rounding) -> int:
    """`value * 2**-shift` rounded, as Requant does before it clips.

    >>> [round_shift(v, 1, Rounding.HALF_EVEN) for v in (-3, -1, 1, 3)]
    [-2, 0, 0, 2]
    """
    if shift <= 0:
        return value << -shift
    if rounding is Rounding.FLOOR:
        return value >> shift
    half = 1 << (shift - 1)
    up = (value + half) >> shift
    tie = (value + half) & ((1 << shift) - 1) == 0
    return up - 1 if rounding is Rounding.HALF_EVEN and tie and up & 1 else up
