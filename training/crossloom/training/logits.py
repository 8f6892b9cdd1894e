"""Brings logits to one scale and one row per class, by exact changes of the layer that makes them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from crossloom.sim import Conv2d, Dense, ExportError, Flatten, NetworkError, QType
from crossloom.sim.types import IntArray

from .layers import LayerBuilder, bias_width
from .values import Value


def finished_logits(build: LayerBuilder, value: Value, rows: int) -> Value:
    """Return the logits of the network: flat, of one frac, and two where one stands for two classes by its sign."""
    edge = build.edges[value.edge or ""]
    if rows == 1 and edge.size != 1:
        raise ExportError(f"classes: 1 of them; the model has {edge.size} logits; needed a name for each")
    if rows in (1, 2) and edge.size == 1:
        _with_a_row_of_zeros(build, value)
    if build.edges[value.edge or ""].type.common_frac is None:
        _aligned(build, value)
    edge = build.edges[value.edge or ""]
    if len(edge.shape) == 3 and edge.shape[:2] == (1, 1):
        value = build.flatten(value, f"{value.edge}_flat", None)
    return value


def _linear(build: LayerBuilder, value: Value) -> int | None:
    """The index of the layer that makes a value, flattened perhaps, which nothing else reads."""
    nodes, edge = build.section.nodes, value.edge
    readers = 0
    for index in reversed(range(len(nodes))):
        if nodes[index].name != edge or sum(edge in node.inputs for node in nodes) != readers:
            continue
        if isinstance(nodes[index].op, Conv2d | Dense):
            return index
        if not isinstance(nodes[index].op, Flatten):
            break
        edge, readers = nodes[index].inputs[0], 1
    return None


def _swap(build: LayerBuilder, index: int, weight: IntArray, bias: IntArray, type_: QType) -> None:
    node = build.section.nodes[index]
    assert isinstance(node.op, Conv2d | Dense)
    try:
        width = max(node.op.bias_bits, bias_width(bias, build.section.banked))
        op = replace(node.op, weight=weight, bias=bias, weight_type=type_, bias_bits=width)
        inputs = [build.edges[name] for name in node.inputs]
        build.edges[node.name] = op.output_edge(node.name, inputs, build.section.banked)
    except NetworkError as error:
        raise ExportError(
            f"{node.name}: the scales of its channels lie too far apart for one scale of all logits ({error}); needed "
            "weights of one scale in the last layer: crossloom.training.weight_quantizer(bits, False)"
        ) from None
    build.section.nodes[index] = replace(node, op=op)
    for after in build.section.nodes[index + 1 :]:
        inputs = [build.edges[name] for name in after.inputs]
        build.edges[after.name] = after.op.output_edge(after.name, inputs, build.section.banked)


def _aligned(build: LayerBuilder, value: Value) -> None:
    """Bring the rows of the last layer to one frac: finer ones by shifting zeros out, coarser ones by shifting left."""
    index = _linear(build, value)
    if index is None:
        raise ExportError("model: its logits have a scale for each class, and are read by something else; needed one")
    op = build.section.nodes[index].op
    assert isinstance(op, Conv2d | Dense) and isinstance(op.weight_type.frac, tuple)
    fracs = np.array(op.weight_type.frac)
    rows = np.concatenate([op.weight.reshape(len(op.weight), -1).astype(np.int64), op.bias[:, None]], axis=1)
    least = [f - _zeros_at_the_end(row) for f, row in zip(fracs, rows, strict=True) if row.any()]
    common = max(int(f) for f in least) if least else int(fracs.min())
    shift = common - fracs
    factor = np.ldexp(1.0, shift)
    tall = factor.reshape([-1] + [1] * (op.weight.ndim - 1))
    weight, bias = np.rint(op.weight * tall).astype(np.int64), np.rint(op.bias * factor).astype(np.int64)
    most = max(int(shift.max()), 0)
    _swap(build, index, weight, bias, QType(op.weight_type.lo << most, op.weight_type.hi << most, common))


def _zeros_at_the_end(row: IntArray) -> int:
    """How often every value of a row, which has one that is not 0, can be halved."""
    together = int(np.bitwise_or.reduce(np.abs(row)))
    return (together & -together).bit_length() - 1


def _with_a_row_of_zeros(build: LayerBuilder, value: Value) -> None:
    index = _linear(build, value)
    if index is None:
        raise ExportError("model: one logit that is no layer's result; needed a row per class")
    op = build.section.nodes[index].op
    assert isinstance(op, Conv2d | Dense)
    frac = op.weight_type.common_frac
    assert frac is not None
    weight, bias = (np.concatenate([np.zeros_like(a), a]) for a in (op.weight, op.bias))
    _swap(build, index, weight, bias, replace(op.weight_type, frac=frac))
    for name in {value.edge or "", build.section.nodes[index].name} & build.seen.keys():
        build.seen[name] = replace(build.seen[name], zero_first=True)
