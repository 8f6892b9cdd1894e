"""Cocotb benches of the tile's arithmetic: corner vectors first, then random ones, a result every cycle."""

import random

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.handle import Immediate
from cocotb.triggers import FallingEdge, Timer

from crossloom.sim.crossbar.twin import plain_config, twin_product


def at_rest(dut, **values):
    """Set inputs before the first evaluation: a clock of unknown value may be an edge, a reset none."""
    for name, value in values.items():
        getattr(dut, name).value = Immediate(value)


async def start(dut, **values):
    """Start the clock with inputs at rest; benches drive and sample at falling edges."""
    at_rest(dut, clk_i=0, **values)
    cocotb.start_soon(Clock(dut.clk_i, 10, unit="ns").start())
    await FallingEdge(dut.clk_i)


async def pipeline(dut, vectors, drive, sample, latency):
    """Drive one vector a cycle, sample each `latency` cycles later; returns the samples."""
    found = []
    for cycle in range(len(vectors) + latency):
        if cycle >= latency:
            found.append(sample())
        if cycle < len(vectors):
            drive(vectors[cycle])
        await FallingEdge(dut.clk_i)
    return found


@cocotb.test()
async def unroll(dut):
    """One cycle later, one a cycle, each position alone."""
    width = len(dut.ones_o)
    full = (1 << 3 * width) - 1
    vectors = [(full, full), (0, full), (full, 0), *((1 << i, full) for i in range(3 * width))]
    vectors += [(random.getrandbits(3 * width), random.getrandbits(3 * width)) for _ in range(500)]

    def drive(vector):
        dut.a_i.value, dut.b_i.value = vector

    def expected(a, b):
        sums = [sum((a & b) >> width * j + k & 1 for j in range(3)) for k in range(width)]
        return tuple(sum((s >> bit & 1) << k for k, s in enumerate(sums)) for bit in range(2))

    await start(dut, a_i=0, b_i=0)
    found = await pipeline(dut, vectors, drive, lambda: (int(dut.ones_o.value), int(dut.twos_o.value)), 1)
    assert found == [expected(*vector) for vector in vectors]


@cocotb.test()
async def compress(dut):
    """At once, each position alone; every pattern of six bits in every position."""
    width = len(dut.ones_o)
    vectors = [
        sum((pattern >> j & 1) << width * j + k for j in range(6)) for k in range(width) for pattern in range(64)
    ]
    vectors += [random.getrandbits(6 * width) for _ in range(500)]
    for bits in vectors:
        dut.bits_i.value = bits
        await Timer(1, unit="ns")
        sums = [sum(bits >> width * j + k & 1 for j in range(6)) for k in range(width)]
        found = [int(port.value) for port in (dut.ones_o, dut.twos_o, dut.fours_o)]
        assert found == [sum((s >> bit & 1) << k for k, s in enumerate(sums)) for bit in range(3)], bits


@cocotb.test()
async def popcount(dut):
    """Three cycles later, one a cycle."""
    width = len(dut.a_i)
    full = (1 << width) - 1
    vectors = [(full, full), (0, full), (full, 0), *((1 << i, full) for i in range(width)), *((full ^ 1 << i, full)
               for i in range(width))]  # fmt: skip
    vectors += [(random.getrandbits(width), random.getrandbits(width)) for _ in range(500)]

    def drive(vector):
        dut.a_i.value, dut.b_i.value = vector

    await start(dut, a_i=0, b_i=0)
    found = await pipeline(dut, vectors, drive, lambda: int(dut.count_o.value), 3)
    assert found == [(a & b).bit_count() for a, b in vectors]


@cocotb.test()
async def adc(dut):
    """Four cycles later, one a cycle; settings change only between runs."""
    settings = [(512, 32768, 255), (65535, -(2**31), 255), (65535, 2**31 - 1, 0), (0, -1, 127), (1, 65535, 1)]
    settings += [(random.randrange(65536), random.randrange(-(2**26), 2**26), random.randrange(256)) for _ in range(20)]
    await start(dut, t_i=0)
    for scale, offset, top in settings:
        dut.scale_i.value, dut.offset_i.value, dut.top_i.value = scale, offset, top
        inputs = [0, 65535, 1, 32768, *(random.randrange(65536) for _ in range(60))]
        found = await pipeline(
            dut,
            inputs,
            lambda t: setattr(dut.t_i, "value", t),
            lambda: (int(dut.code_o.value), int(dut.clip_o.value)),
            4,
        )
        exact = [(t * scale + offset) >> 16 for t in inputs]
        assert found == [(min(max(v, 0), top), int(not 0 <= v <= top)) for v in exact]


@cocotb.test()
async def gain(dut):
    """Four enabled cycles later; what waits does not move."""
    low, high = -(1 << len(dut.acc_i) - 1), (1 << len(dut.acc_i) - 1) - 1
    vectors = [(a, g) for a in (low, high, 0, -1, 1) for g in (0, 1, 16384, 32767, 32768, 65535)]
    vectors += [(random.randint(low, high), random.randrange(65536)) for _ in range(500)]
    vectors += [(a, g) for a in range(-40, 40) for g in (16384, 8192, 49152)]  # halves
    await start(dut, en_i=1)
    queue, sent = [], 0
    while sent < len(vectors) or queue:
        enabled = random.random() < 0.7
        dut.en_i.value = enabled
        if sent < len(vectors):
            dut.acc_i.value, dut.gain_i.value = vectors[sent]
        await FallingEdge(dut.clk_i)
        if enabled:
            queue.append(vectors[sent] if sent < len(vectors) else None)
            sent += 1
            done = queue.pop(0) if len(queue) == 4 else None
            if done:
                exact = (done[0] * done[1] + (1 << 14)) >> 15
                y = min(max(exact, -32768), 32767)
                assert (dut.y_o.value.to_signed(), int(dut.clip_o.value)) == (y, int(y != exact)), done
            if not any(queue):
                break


@cocotb.test()
async def lane(dut):
    """A whole product in one lane: every group's sum, at its cycle, against the integer model."""
    rows, groups = len(dut.drive_i), 2 ** len(dut.group_i)
    rng = np.random.default_rng(random.getrandbits(32))
    await start(dut, cell_we_i=0, table_we_i=0, level_i=0, scale_i=512, offset_i=32768, top_i=20)
    for trial in range(6):
        signed = bool(trial % 2)
        config = plain_config(rows, groups, signed=signed, adc_top=20, table=rng.integers(0, 8192, (groups, 2 * rows)))
        cells = rng.integers(0, 2, (rows, groups)) if trial else np.ones((rows, groups), dtype=int)
        for g in range(groups):
            for word in range(rows // 32):
                bits = cells[32 * word : 32 * word + 32, g]
                dut.group_i.value, dut.cell_we_i.value = g, 1 << word
                dut.cell_data_i.value = int((bits << np.arange(32)).sum())
                await FallingEdge(dut.clk_i)
            dut.cell_we_i.value = 0
            for entry, t in enumerate(config.table[g].tolist()):
                dut.table_we_i.value, dut.table_addr_i.value, dut.table_data_i.value = 1, g * 2 * rows + entry, t
                await FallingEdge(dut.clk_i)
            dut.table_we_i.value = 0
        x = rng.integers(config.lowest, config.highest + 1, (1, rows))
        steps = [(7 - plane, g) for plane in range(8) for g in range(groups)]
        sums = {}
        for cycle in range(len(steps) + 9):
            step, group_3, first_7, negate_8 = (
                steps[cycle - back] if 0 <= cycle - back < len(steps) else (0, 0) for back in (0, 3, 7, 8)
            )
            dut.drive_i.value = int.from_bytes(
                np.packbits((x[0] >> step[0]) & 1, bitorder="little").tobytes(), "little"
            )
            dut.group_i.value, dut.group_3_i.value, dut.segment_3_i.value = step[1], group_3[1], 0
            dut.first_7_i.value, dut.shift_7_i.value = first_7[0] == 7, 1
            dut.negate_8_i.value = signed and negate_8[0] == 7
            await FallingEdge(dut.clk_i)
            if cycle >= 8 and cycle - 8 < len(steps) and steps[cycle - 8][0] == 0:
                sums[steps[cycle - 8][1]] = dut.acc_o.value.to_signed()
        assert [sums[g] for g in range(groups)] == twin_product(config, cells, x).acc[0].tolist()
