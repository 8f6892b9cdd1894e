"""Requant and Threshold: what is done with the sums of the operator before them.

Where an operator stands between the sums and a quantizer, both become thresholds on the sums.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from crossloom.sim.ops import Requant, Threshold
from crossloom.sim.types import IntArray, Rounding

from ...errors import RtlError
from ..passes import Neurons, Pass, Sums, useful_shifts
from ..section import Section
from ..thresholds import requant_thresholds
from ..words import Kind
from .base import Lowered, Read, ReadOf

# Codes that a Requant may have as thresholds: every channel has a table of them.
TABLE_BITS = 10


def _requant(section: Section, name: str, read_of: ReadOf) -> Pass:
    ops, out = cast("list[Requant]", section.ops(name)), section.edges[name].type
    read = read_of(section.node(name).inputs[0])
    sums = read.sums
    if read.between:
        if out.hi - out.lo >= 1 << TABLE_BITS:
            raise RtlError(
                f"layer {name!r}: {out.hi - out.lo + 1} codes behind {read.between[0][1].kind}; the engine has "
                f"thresholds for {1 << TABLE_BITS}: quantize to {TABLE_BITS} bits or less"
            )
        rows = [requant_thresholds(rows_of(name, op.shift, sums), op.rounding, out) for op in ops]
        return _thresholds(section, name, read, rows, 1)
    least, most = useful_shifts(read.acc_bits, out)
    shift = tuple(np.clip(rows_of(name, op.shift, sums), least, most) for op in ops)
    rounding = list(Rounding).index(ops[0].rounding)
    return _quantized(section, name, Kind.REQUANT, read, shift=shift, shifts=(least, most), rounding=rounding)


def _threshold(section: Section, name: str, read_of: ReadOf) -> Pass:
    ops = cast("list[Threshold]", section.ops(name))
    read = read_of(section.node(name).inputs[0])
    rows = [rows_of(name, op.thresholds, read.sums) for op in ops]
    if read.neurons and not read.between and _are_spikes(read.neurons, rows):
        return _quantized(section, name, Kind.SPIKES, read, scale=ops[0].step)
    return _thresholds(section, name, read, rows, ops[0].step)


def _are_spikes(neurons: Neurons, rows: list[IntArray]) -> bool:
    """Whether thresholds (C, count) of every bank are those at which the neurons spike."""
    how = neurons.how
    spikes = np.arange(1, how.most + 1)
    wanted = [(theta + int(how.strict))[:, None] * spikes for theta in neurons.theta]
    return all(np.array_equal(one, other) for one, other in zip(wanted, rows, strict=True))


def _thresholds(section: Section, name: str, read: Read, rows: list[IntArray], scale: int) -> Pass:
    """The pass of thresholds (C, count) of every bank on the edge that is read."""
    thresholds = tuple(read.thresholds(found) for found in rows)
    return _quantized(section, name, Kind.THRESHOLD, read, thresholds=thresholds, scale=scale)


def rows_of(name: str, values: IntArray, sums: Sums) -> IntArray:
    """Values (1 or channels, ...) for every channel of the sums."""
    channels = sums.shape[2]
    if len(values) not in (1, channels):
        raise RtlError(
            f"layer {name!r}: {len(values)} rows for {channels} channels of a flattened image; the engine keeps images"
            " as they are: quantize before flatten"
        )
    return np.broadcast_to(values.astype(np.int64), (channels, *values.shape[1:]))


def _quantized(section: Section, name: str, kind: Kind, read: Read, **how: Any) -> Pass:
    """The pass that writes an edge's codes."""
    out = section.edges[name].type
    return read.quantized(name, kind, section.banked, codes=name, lo=out.lo, span=out.hi - out.lo, **how)


REQUANT = Lowered(emit=_requant)
THRESHOLD = Lowered(emit=_threshold)
