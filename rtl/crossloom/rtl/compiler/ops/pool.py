"""MaxPool beside the array, and SumPool as ones on it."""

from __future__ import annotations

from typing import cast

import numpy as np

from crossloom.sim.ops import MaxPool, SumPool

from ..passes import Pass, Source, Sums, Window, stored_shape
from ..section import Section
from ..words import Kind
from .base import Lowered, ReadOf


def _maxpool(section: Section, name: str, read_of: ReadOf) -> Pass:
    op, source = cast(MaxPool, section.node(name).op), section.node(name).inputs[0]
    nothing = np.zeros((0, 1, 1, section.shape(source)[2]), np.int64)
    window = Window(op.kernel_size, op.stride, (op.pad[0], op.pad[2]))
    shape, type_ = stored_shape(section.edges[name].shape), section.edges[name].type
    sums = Sums((Source(section.stored(source), (nothing,), nothing[:, 0, 0] != 0),), window, 0, shape, (), 2, 1)
    steps, span = section.edges[name].steps, type_.hi - type_.lo
    return Pass(name, Kind.POOL, sums, section.banked, codes=name, lo=type_.lo, span=span, steps=steps)


def _sumpool(section: Section, name: str) -> Sums:
    op, edge = cast(SumPool, section.node(name).op), section.edges[name]
    source, channels = section.node(name).inputs[0], edge.shape[-1]
    eye = np.eye(channels, dtype=np.int64)
    weights = np.broadcast_to(eye[:, None, None, :], (channels, *op.kernel_size, channels))
    bias = np.full(channels, section.edges[source].type.lo * op.kernel_size[0] * op.kernel_size[1])
    return Sums(
        (Source(section.stored(source), (weights,), eye != 0, same=True),),
        Window(op.kernel_size, op.stride),
        0,
        stored_shape(edge.shape),
        (bias,),
        section.acc_bits(name),
        2,
    )


MAXPOOL = Lowered(emit=_maxpool)
SUMPOOL = Lowered(sums=_sumpool)
