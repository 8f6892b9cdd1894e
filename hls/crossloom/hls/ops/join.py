"""Add, Concat and Flatten in the native flow: where streams meet, and one that passes as it is."""

from __future__ import annotations

from crossloom.sim.ops import Add, Concat, Flatten

from ..names import cpp_name
from .base import OUT, Native, Numbers, Part, Place, Process, Stream, one_kernel, port, side_by_side, struct


def _add(at: Place[Add]) -> Part:
    a, b = at.sources
    types = {"a_t": cpp_name("t", a), "b_t": cpp_name("t", b), "out_t": cpp_name("t", at.name)}
    shifts = at.op.shifts(at.name, at.inputs)
    numbers: Numbers = {"size": at.edge.size, "out_lanes": at.lanes, "a_shift": shifts[0], "b_shift": shifts[1]}
    return one_kernel(at, types, {**numbers, "a_lanes": at.arriving[0], "b_lanes": at.arriving[1]})


def _concat(at: Place[Concat]) -> Part:
    """Joins the inputs two by two; the last pair gives the edge."""
    name, processes, streams = at.name, [], []
    element, out_type = cpp_name("e", name), cpp_name("t", name)
    channels = [x.channels for x in at.inputs]
    left, left_type, left_lanes = port(at, 0, "a"), cpp_name("t", at.sources[0]), at.arriving[0]
    for i in range(1, len(at.sources)):
        last = i == len(at.sources) - 1
        stream = cpp_name("s" if last else f"j{i}", name)
        if not last:
            streams.append(Stream(stream, element))
        types = {"a_t": left_type, "b_t": cpp_name("t", at.sources[i]), "out_t": out_type}
        numbers: Numbers = {"pixels": at.edge.size // at.edge.channels, "out_lanes": at.lanes}
        numbers |= {"a_lanes": left_lanes, "a_channels": sum(channels[:i])}
        numbers |= {"b_lanes": at.arriving[i], "b_channels": channels[i]}
        ports = left, port(at, i, "b"), (element, OUT, stream)
        config, records = cpp_name(f"c{i}", name), at.records if last else ()
        text, process = struct(config, types, numbers), cpp_name(f"join{i}", name)
        processes.append(Process(process, f"concat<{config}>", text, ports, records=records))
        left, left_type, left_lanes = (element, "a", stream), out_type, at.lanes
    return Part(tuple(processes), tuple(streams))


ADD = Native(_add, side_by_side)
CONCAT = Native(_concat, side_by_side)
FLATTEN = Native[Flatten](None)
