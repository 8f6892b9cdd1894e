"""Add, Concat and Flatten in the native flow: where streams meet, and one that passes as it is."""

from __future__ import annotations

from crossloom.sim.ops import Add, Concat, Flatten

from .base import OUT, Native, Numbers, Part, Place, Process, Stream, one_kernel, port, side_by_side, struct


def _add(at: Place[Add]) -> Part:
    a, b = at.sources
    types = {"a_t": f"t_{a}", "b_t": f"t_{b}", "out_t": f"t_{at.name}"}
    shifts = at.op.shifts(at.name, at.inputs)
    numbers: Numbers = {"size": at.edge.size, "out_lanes": at.lanes, "a_shift": shifts[0], "b_shift": shifts[1]}
    return one_kernel(at, types, {**numbers, "a_lanes": at.arriving[0], "b_lanes": at.arriving[1]})


def _concat(at: Place[Concat]) -> Part:
    """Joins the inputs two by two; the last pair gives the edge."""
    name, processes, streams = at.name, [], []
    channels = [x.channels for x in at.inputs]
    left, left_type, left_lanes = port(at, 0, "a"), f"t_{at.sources[0]}", at.arriving[0]
    for i in range(1, len(at.sources)):
        last = i == len(at.sources) - 1
        stream = f"s_{name}" if last else f"j{i}_{name}"
        if not last:
            streams.append(Stream(stream, f"e_{name}"))
        types = {"a_t": left_type, "b_t": f"t_{at.sources[i]}", "out_t": f"t_{name}"}
        numbers: Numbers = {"pixels": at.edge.size // at.edge.channels, "out_lanes": at.lanes}
        numbers |= {"a_lanes": left_lanes, "a_channels": sum(channels[:i])}
        numbers |= {"b_lanes": at.arriving[i], "b_channels": channels[i]}
        ports = left, port(at, i, "b"), (f"e_{name}", OUT, stream)
        config, records = struct(f"c{i}_{name}", types, numbers), at.records if last else ()
        processes.append(Process(f"join{i}_{name}", f"concat<c{i}_{name}>", config, ports, records=records))
        left, left_type, left_lanes = (f"e_{name}", "a", stream), f"t_{name}", at.lanes
    return Part(tuple(processes), tuple(streams))


ADD = Native(_add, side_by_side)
CONCAT = Native(_concat, side_by_side)
FLATTEN = Native[Flatten](None)
