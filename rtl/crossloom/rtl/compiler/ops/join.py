"""Add as two single products, one doubled; Concat as many; Flatten as nothing at all."""

from __future__ import annotations

from typing import cast

import numpy as np

from crossloom.sim.ops import Add

from ..passes import Pass, Source, Sums, Window
from ..section import Section
from ..words import Kind
from .base import Lowered, ReadOf


def _add(section: Section, name: str) -> Sums:
    node, channels = section.node(name), section.edges[name].shape[-1]
    operands = [section.edges[i] for i in node.inputs]
    shifts = cast(Add, node.op).shifts(name, operands)
    # The one that is shifted first, so that doubling the sum shifts it alone.
    order = sorted(range(2), key=lambda i: -shifts[i])
    eye = np.eye(channels, dtype=np.int64)[:, None, None, :]
    bias = np.full(channels, sum(t.type.lo << s for t, s in zip(operands, shifts, strict=True)))
    sources = tuple(
        Source(section.stored(node.inputs[i]), (eye,), eye[:, 0, 0] != 0, doublings=shifts[i]) for i in order
    )
    h, w, _ = section.shapes[sources[0].edge]
    return Sums(sources, Window(), 0, (h, w, channels), (bias,), section.acc_bits(name), 2)


def _concat(section: Section, name: str, read_of: ReadOf) -> Pass:
    sums, type_ = section.identity(section.node(name).inputs, name), section.edges[name].type
    shift = (np.zeros(sums.shape[2], np.int64),)
    lo, span = type_.lo, type_.hi - type_.lo
    steps = section.edges[name].steps
    return Pass(name, Kind.REQUANT, sums, section.banked, codes=name, lo=lo, span=span, shift=shift, steps=steps)


ADD = Lowered(sums=_add, joins=True)
CONCAT = Lowered(emit=_concat, joins=True)
FLATTEN = Lowered(moves=True)
