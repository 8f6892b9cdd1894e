"""Cocotb benches of the engine's stream parts: random idle x back-pressure, order, loss, throughput, faults."""

import itertools
import json
import os
import random

import cocotb
import numpy as np
from cocotb.triggers import FallingEdge, RisingEdge
from testbench_streams import reset

from crossloom.sim.frames import Status, pack

MATRIX = list(itertools.product((0.0, 0.3, 0.8), repeat=2))


def parameters(*names):
    """The parameters that the top was built with; from outside, for a netlist has none."""
    given = json.loads(os.environ["BENCH_PARAMETERS"])
    return [given[name] for name in names]


async def exchange(dut, items, count, idle, stall, outputs=("data",), cycles_each=20):
    """Offer items (by port) and take `count` outputs; returns them and the cycles from the first offer to the last.

    What waits must not change, and everything must come within a limit: `cycles_each` for what goes in or out.
    """
    sent, offered, held, found, cycles = 0, False, None, [], 0
    while sent < len(items) or len(found) < count:
        offered = sent < len(items) and (offered or random.random() >= idle)
        dut.s_valid_i.value = offered
        for name, value in items[min(sent, len(items) - 1)].items() if items else ():
            port = getattr(dut, f"s_{name}_i")
            port.value = value if offered else random.getrandbits(len(port))
        dut.m_ready_i.value = random.random() >= stall
        await RisingEdge(dut.clk_i)
        cycles += 1
        assert cycles < 100 + cycles_each * (len(items) + count), (
            f"it hangs: {sent} of {len(items)} in, {len(found)} out"
        )
        if dut.m_valid_o.value:
            item = tuple(int(getattr(dut, f"m_{name}_o").value) for name in outputs)
            assert held in (None, item), "a waiting item changed"
            held = item
            if dut.m_ready_i.value:
                found.append(item)
                held = None
        else:
            assert held is None, "a waiting item was withdrawn"
        took = offered and bool(dut.s_ready_o.value)
        await FallingEdge(dut.clk_i)
        if took:
            sent, offered = sent + 1, False
    dut.s_valid_i.value = 0
    return found, cycles


async def quiet(dut, cycles=20):
    """Nothing more comes out."""
    dut.m_ready_i.value = 1
    for _ in range(cycles):
        await RisingEdge(dut.clk_i)
        assert not dut.m_valid_o.value, "an item too many"
        await FallingEdge(dut.clk_i)


async def clear(dut):
    """A reset in the middle of whatever goes on."""
    dut.s_valid_i.value = dut.rst_ni.value = 0
    await FallingEdge(dut.clk_i)
    dut.rst_ni.value = 1


@cocotb.test()
async def queue(dut):
    """A skid or a fifo: in order, once, an item a cycle; both ends reach full and empty; a reset empties it."""
    top = (1 << len(dut.s_data_i)) - 1
    is_fifo = hasattr(dut, "level_o")
    latency, room = (2, parameters("Depth")[0] + 1) if is_fifo else (1, 2)
    await reset(dut, s_valid_i=0, s_data_i=0, m_ready_i=0)
    for idle, stall in MATRIX:
        values = [top, 0, *(random.randint(0, top) for _ in range(100))]
        found, cycles = await exchange(dut, [{"data": v} for v in values], len(values), idle, stall)
        assert [value for (value,) in found] == values
        if idle == stall == 0:
            assert cycles == len(values) + latency, "less than an item a cycle, or another latency"
        await quiet(dut, 4)
    # Full: it takes what it has room for and no more, then gives that back.
    dut.m_ready_i.value, dut.s_valid_i.value, taken = 0, 1, []
    for value in (random.randint(0, top) for _ in range(40)):
        dut.s_data_i.value = value
        await RisingEdge(dut.clk_i)
        if dut.s_ready_o.value:
            taken.append(value)
        await FallingEdge(dut.clk_i)
        if is_fifo:
            assert int(dut.level_o.value) == len(taken)
    assert not dut.s_ready_o.value and len(taken) == room
    found, _ = await exchange(dut, [], len(taken), 0, 0)
    assert [value for (value,) in found] == taken
    await exchange(dut, [{"data": top}] * 2, 0, 0, 1)
    await clear(dut)
    await quiet(dut)


def as_items(fields, bits, size, run):
    """Fields (n,) in items of `size`, a new one for each run: (word, last of its run); the simulator packs beats."""
    runs = fields.reshape(-1, run)
    per_run = -(-run // size)
    if size * bits == 64:
        words = [int(beat) for beat in pack(runs, bits).ravel()]
    else:
        padded = np.pad(runs, ((0, 0), (0, -run % size))).reshape(-1, size)
        words = [sum((int(f) & (1 << bits) - 1) << bits * i for i, f in enumerate(item)) for item in padded]
    return [(word, int(i % per_run == per_run - 1)) for i, word in enumerate(words)]


@cocotb.test()
async def cut(dut):
    """Beats to pieces and back: no field lost, moved or mixed with another run; an item a cycle on the busier side."""
    bits, size_in, run_in, size_out, run_out = parameters("FieldBits", "In", "InRun", "Out", "OutRun")
    await reset(dut, s_valid_i=0, s_data_i=0, m_ready_i=0)
    frame = np.lcm(run_in, run_out)
    for idle, stall in MATRIX:
        frames = 1 + 200 // frame
        fields = np.array([random.getrandbits(bits) - (1 << bits - 1) for _ in range(frames * frame)], np.int64)
        fields[: frame // 2] = -1
        coming, leaving = as_items(fields, bits, size_in, run_in), as_items(fields, bits, size_out, run_out)
        # What a run does not fill counts for nothing, so it may be anything.
        unused = (1 << size_in * bits) - (1 << ((run_in - 1) % size_in + 1) * bits)
        sent = [{"data": word | (random.getrandbits(size_in * bits) & unused if last else 0)} for word, last in coming]
        found, cycles = await exchange(dut, sent, len(leaving), idle, stall, ("data", "last"))
        assert found == leaving
        if idle == stall == 0:
            assert cycles <= 2 + max(len(coming), len(leaving)), "less than an item a cycle"
        await quiet(dut, 3)
        await exchange(dut, sent[:1], 0, 0, 1)
        await clear(dut)


@cocotb.test()
async def guard(dut):
    """Frames of any length, ended early, late or never: always so many beats, the status, and the next one exact."""
    (beats,) = parameters("Beats")
    full = (1 << len(dut.s_data_i)) - 1
    outputs = ("data", "last", "status", "more")
    await reset(dut, s_valid_i=0, s_data_i=0, s_last_i=0, m_ready_i=0, resync_i=0, packet_i=1)

    def frame(length, ends=True):
        data = [random.randint(1, full) for _ in range(length)]
        status = Status.SHORT if length < beats else Status.OK if length == beats and ends else Status.LONG
        taken = (data + [0] * beats)[:beats]
        expected = [(word, int(i == beats - 1), int(status), 0) for i, word in enumerate(taken)]
        return [{"data": word, "last": ends and i == length - 1} for i, word in enumerate(data)], expected

    def packet(count, most, last):
        """`count` frames in one packet, the last of them of `last` beats; `most` are allowed."""
        data = [random.randint(1, full) for _ in range((count - 1) * beats + last)]
        cut, known = data[: most * beats], min(count, most)
        filled = cut + [0] * (known * beats - len(cut))
        status = [Status.OK] * (known - 1)
        status.append(Status.LONG if len(data) > known * beats else Status.SHORT if last < beats else Status.OK)
        expected = [
            (word, int(i % beats == beats - 1), int(status[i // beats]), int(i // beats < known - 1))
            for i, word in enumerate(filled)
        ]
        return [{"data": word, "last": i == len(data) - 1} for i, word in enumerate(data)], expected

    def check(found, expected):
        """Status and more count with the last beat."""
        assert [f[:2] for f in found] == [e[:2] for e in expected]
        assert [f[2:] for f in found if f[1]] == [e[2:] for e in expected if e[1]]

    for idle, stall in MATRIX:
        lengths = [beats, 1, beats, 2 * beats + 1, beats, beats + 1, 3 * beats, max(beats - 1, 1), beats, beats]
        if idle == stall == 0:
            lengths = [beats] * 6
        frames = [frame(length) for length in lengths]
        expected = [beat for _, out in frames for beat in out]
        found, cycles = await exchange(
            dut, [beat for sent, _ in frames for beat in sent], len(expected), idle, stall, outputs
        )
        check(found, expected)
        if idle == stall == 0:
            assert cycles == len(expected), "less than a beat a cycle"
        await quiet(dut, 3)
        # No end at all: known at the last beat; after resync the next beat is a new frame.
        sent, expected = frame(beats, ends=False)
        found, _ = await exchange(dut, sent + [{"data": full, "last": 0}] * 5, beats, idle, stall, outputs)
        check(found, expected)
        assert dut.drop_o.value
        dut.resync_i.value = 1
        await FallingEdge(dut.clk_i)
        dut.resync_i.value = 0
        sent, expected = frame(beats)
        found, _ = await exchange(dut, sent, beats, idle, stall, outputs)
        check(found, expected)
        # Packets of several frames: as many as allowed, fewer, too many, and one that ends within a frame.
        dut.packet_i.value = 3
        packets = [packet(*how) for how in ((3, 3, beats), (1, 3, beats), (5, 3, beats), (2, 3, 1), (2, 3, beats))]
        expected = [beat for _, out in packets for beat in out]
        found, _ = await exchange(dut, [b for sent, _ in packets for b in sent], len(expected), idle, stall, outputs)
        check(found, expected)
        await quiet(dut, 3)
        dut.packet_i.value = 1
        # Half a frame, then a reset.
        sent, _ = frame(beats)
        await exchange(dut, sent[: beats // 2], 0, 0, 0)
        await clear(dut)
        sent, expected = frame(beats)
        found, _ = await exchange(dut, sent, beats, idle, stall, outputs)
        check(found, expected)
        assert not dut.drop_o.value
