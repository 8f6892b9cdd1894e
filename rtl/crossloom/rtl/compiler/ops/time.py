"""LIF as neurons between sums and quantizer; Count, Last and First as sums over the steps of an edge."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import numpy as np

from crossloom.sim.ops import LIF as Membranes
from crossloom.sim.types import MAX_ACC_BITS, IntArray

from ...errors import RtlError
from ..passes import Neurons, Pass, Source, Sums, Window
from ..section import Section
from ..words import Kind
from .base import Lowered, Read, ReadOf
from .quantize import rows_of

# Spikes of one step that a neuron's lane takes off in a cycle, one after the other.
MOST = 15


def _neurons(section: Section, name: str, read_of: ReadOf) -> Read:
    ops, source = cast("list[Membranes]", section.ops(name)), section.node(name).inputs[0]
    read, how = read_of(source), ops[0]
    if read.between or read.neurons or read.last:
        kind = section.node(section.origin(source)).op.kind
        raise RtlError(
            f"layer {name!r}: neurons behind {kind}; the engine has neurons of sums and codes: quantize before them, "
            'or run it with device "integer" or "hls-native"'
        )
    if how.most > MOST:
        raise RtlError(
            f"layer {name!r}: up to {how.most} spikes a step; the engine has {MOST}: take fewer, or run it with device "
            '"integer" or "hls-native"'
        )
    theta, leak = (
        tuple(rows_of(name, getattr(op, field)[:, None], read.sums)[:, 0] for op in ops) for field in ("theta", "leak")
    )
    return replace(read, type=section.edges[name].type, neurons=Neurons(name, theta, leak, how))


def _every_step(section: Section, name: str, doublings: int = 0) -> tuple[str, tuple[Source, ...], IntArray]:
    """The edge that an operator reads, as one source a step, all with weights of one; and the bias of one step."""
    source = section.node(name).inputs[0]
    steps, type_ = section.edges[source].steps, section.edges[source].type
    eye = np.eye(section.shape(source)[2], dtype=np.int64)
    sources = tuple(
        Source(
            section.stored(source),
            (eye[:, None, None],),
            eye != 0,
            doublings=doublings if step + 1 < steps else 0,
            same=True,
            step=step,
        )
        for step in range(steps)
    )
    return source, sources, np.full(len(eye), type_.lo)


def _count(section: Section, name: str) -> Sums:
    source, sources, bias = _every_step(section, name)
    return Sums(sources, Window(), 0, section.shape(source), (bias * len(sources),), section.acc_bits(name), 2)


def _first(section: Section, name: str, read_of: ReadOf) -> Pass:
    """Codes of all steps as digits of one number, the first step's the highest: its length is the answer."""
    type_ = section.edges[section.node(name).inputs[0]].type
    digit = max(1, type_.hi.bit_length())
    source, sources, bias = _every_step(section, name, digit)
    steps = len(sources)
    bits = digit * steps + 1
    if bits > MAX_ACC_BITS:
        raise RtlError(
            f"layer {name!r}: the first of {steps} steps of codes of {digit} bits; the engine has {MAX_ACC_BITS} bits "
            "for all of them: take fewer steps, or codes of spikes alone"
        )
    offset = bias * sum(1 << digit * step for step in range(steps))
    sums = Sums(sources, Window(), 0, section.shape(source), (offset,), bits, 2)
    levels = np.broadcast_to(np.left_shift(np.int64(1), digit * np.arange(steps)), (len(bias), steps))
    return Pass(name, Kind.THRESHOLD, sums, section.banked, codes=name, span=steps, thresholds=(levels,))


def _last(section: Section, name: str, read_of: ReadOf) -> Pass | None:
    """Codes are written once more, so that others may read them; a sum is read as it is."""
    source = section.node(name).inputs[0]
    if section.edges[source].accumulator:
        return None
    edge = section.edges[source]
    sums = section.identity([source], name, edge.steps - 1)
    lo, span, shift = edge.type.lo, edge.type.hi - edge.type.lo, (np.zeros(sums.shape[2], np.int64),)
    return Pass(name, Kind.REQUANT, sums, section.banked, codes=name, lo=lo, span=span, shift=shift)


def _last_read(section: Section, name: str, read_of: ReadOf) -> Read | None:
    source = section.node(name).inputs[0]
    return replace(read_of(source), last=True) if section.edges[source].accumulator else None


LIF = Lowered(after=_neurons)
COUNT = Lowered(sums=_count)
FIRST = Lowered(emit=_first)
LAST = Lowered(emit=_last, after=_last_read)
