"""Requant and Threshold: what is done with the sums of the operator before them."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from crossloom.sim.ops import Requant, Threshold
from crossloom.sim.types import IntArray, Rounding

from ...errors import RtlError
from ..passes import Pass, Sums, useful_shifts
from ..section import Section
from ..words import Kind
from .base import Lowered, SumsOf


def _requant(section: Section, name: str, sums_of: SumsOf) -> Pass:
    ops, out = cast("list[Requant]", section.ops(name)), section.edges[name].type
    sums = sums_of(section.node(name).inputs[0])
    least, most = useful_shifts(sums.acc_bits, out)
    shift = tuple(np.clip(_rows(name, op.shift, sums), least, most) for op in ops)
    rounding = list(Rounding).index(ops[0].rounding)
    return _quantized(section, name, Kind.REQUANT, sums, shift=shift, shifts=(least, most), rounding=rounding)


def _threshold(section: Section, name: str, sums_of: SumsOf) -> Pass:
    ops = cast("list[Threshold]", section.ops(name))
    sums = sums_of(section.node(name).inputs[0])
    thresholds = tuple(_rows(name, op.thresholds, sums) for op in ops)
    return _quantized(section, name, Kind.THRESHOLD, sums, thresholds=thresholds, scale=ops[0].step)


def _rows(name: str, values: IntArray, sums: Sums) -> IntArray:
    """Values (1 or channels, ...) for every channel of the sums."""
    channels = sums.shape[2]
    if len(values) not in (1, channels):
        raise RtlError(
            f"layer {name!r}: {len(values)} rows for {channels} channels of a flattened image; the engine keeps images"
            " as they are: quantize before flatten"
        )
    return np.broadcast_to(values.astype(np.int64), (channels, *values.shape[1:]))


def _quantized(section: Section, name: str, kind: Kind, sums: Sums, **how: Any) -> Pass:
    """The pass that writes an edge's codes."""
    source, out = section.node(name).inputs[0], section.edges[name].type
    raw = section.origin(source) if section.edges[source].accumulator else None
    return Pass(name, kind, sums, section.banked, raw=raw, codes=name, lo=out.lo, span=out.hi - out.lo, **how)


REQUANT = Lowered(emit=_requant)
THRESHOLD = Lowered(emit=_threshold)
