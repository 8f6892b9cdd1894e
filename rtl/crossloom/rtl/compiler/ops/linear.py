"""Dense and Conv2d on the array: their weights as they are, zeros outside a channel's group."""

from __future__ import annotations

from typing import cast

import numpy as np

from crossloom.sim.ops import Conv2d, Dense
from crossloom.sim.types import IntArray, signed_bits

from ..passes import Shape, Source, Sums, Window, stored_shape
from ..section import Section
from .base import Lowered


def _conv2d(section: Section, name: str) -> Sums:
    ops = cast("list[Conv2d]", section.ops(name))
    op, x = ops[0], section.edges[section.node(name).inputs[0]].type
    pad = op.pad_code - x.lo if any(op.pad) else 0
    window = Window((op.weight.shape[1], op.weight.shape[2]), op.stride, (op.pad[0], op.pad[2]))
    weights = [_ungrouped(bank.weight.astype(np.int64), op.groups) for bank in ops]
    return _weighted(section, name, weights, window, pad, op.groups)


def _dense(section: Section, name: str) -> Sums:
    ops = cast("list[Dense]", section.ops(name))
    shape: Shape = section.shape(section.node(name).inputs[0])
    weights = [bank.weight.astype(np.int64).reshape(len(bank.weight), *shape) for bank in ops]
    return _weighted(section, name, weights, Window(shape[:2]), 0, 1)


def _weighted(section: Section, name: str, weights: list[IntArray], window: Window, pad: int, groups: int) -> Sums:
    """Sums of products with weights (out, kh, kw, in) of each bank."""
    ops = cast("list[Conv2d | Dense]", section.ops(name))
    source, edge = section.node(name).inputs[0], section.edges[name]
    lo = section.edges[source].type.lo
    bias = [op.bias.astype(np.int64) + lo * w.sum((1, 2, 3)) for op, w in zip(ops, weights, strict=True)]
    out, _, _, channels = weights[0].shape
    of_out, of_in = np.arange(out) // (out // groups), np.arange(channels) // (channels // groups)
    type_ = ops[0].weight_type
    return Sums(
        (Source(section.stored(source), tuple(weights), of_out[:, None] == of_in),),
        window,
        pad,
        stored_shape(edge.shape),
        tuple(bias),
        section.acc_bits(name),
        signed_bits(type_.lo, type_.hi),
    )


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


CONV2D = Lowered(sums=_conv2d)
DENSE = Lowered(sums=_dense)
