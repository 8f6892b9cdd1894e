"""Cocotb benches of the tile's streaming parts: random idle x back-pressure, order, loss, throughput."""

import itertools
import random

import cocotb
import numpy as np
from cocotb.triggers import FallingEdge, RisingEdge
from testbench_arithmetic import start

from crossloom.rtl.registers.tile_map import TILE
from crossloom.rtl.tile.campaign import random_cells, random_config, random_inputs
from crossloom.rtl.tile.driver import cell_writes, input_beats, setting_writes, table_writes
from crossloom.sim.crossbar.twin import twin_product


async def reset(dut, **values):
    await start(dut, rst_ni=0, **values)
    for _ in range(3):
        await FallingEdge(dut.clk_i)
    dut.rst_ni.value = 1


@cocotb.test()
async def seq(dut):
    """Planes from the top, segments, groups; gaps only while nothing is available."""
    groups, segments = 2 ** len(dut.group_o), 2 ** len(dut.segment_o)
    await reset(dut, avail_i=0, credit_i=0, bits_m1_i=0, signed_i=0, segments_m1_i=0)
    for bits, used, signed, share in itertools.product((1, 3, 8), range(1, segments + 1), (0, 1), (1.0, 0.4)):
        dut.bits_m1_i.value, dut.segments_m1_i.value, dut.signed_i.value = bits - 1, used - 1, signed
        expected = [
            (p, s, g, p == bits - 1 and s == 0, s == 0, signed and p == bits - 1, p == 0 and s == used - 1)
            for p in reversed(range(bits))
            for s in range(used)
            for g in range(groups)
        ]
        cycles = 0
        for _ in range(3):
            steps = []
            while len(steps) < len(expected):
                dut.avail_i.value, dut.credit_i.value = random.random() < share, random.random() < share or share == 1
                await RisingEdge(dut.clk_i)
                cycles += 1
                if dut.valid_o.value:
                    names = ("plane", "segment", "group", "first", "shift", "negate", "last")
                    steps.append(tuple(int(getattr(dut, f"{name}_o").value) for name in names))
                    assert bool(dut.release_o.value) == (len(steps) == len(expected))
                    assert bool(dut.start_o.value) == (len(steps) == 1)
                else:
                    assert not steps, "a product paused"
                await FallingEdge(dut.clk_i)
            assert steps == [tuple(map(int, step)) for step in expected]
        if share == 1.0:
            assert cycles == 3 * len(expected), "a gap between products"
        dut.avail_i.value = 0


@cocotb.test()
async def frame(dut):
    """Good frames come out permuted, bad ones never; one beat a cycle when nothing waits."""
    rows = 4 * 2 ** len(dut.quad_o)
    quads = rows // 4
    await reset(dut, perm_we_i=0, resync_i=0, s_valid_i=0, s_last_i=0, s_data_i=0, free_i=0)
    permutation = random.sample(range(rows), rows)
    for k in range(quads):
        dut.perm_we_i.value, dut.perm_addr_i.value = 1, k
        dut.perm_data_i.value = sum(permutation[4 * k + j] << 8 * j for j in range(4))
        await FallingEdge(dut.clk_i)
    dut.perm_we_i.value = 0
    for idle, blocked in itertools.product((0.0, 0.3, 0.8), repeat=2):
        beats, expected = [], []
        for _ in range(8):
            length = quads if idle == blocked == 0 or random.random() < 0.6 else random.randint(1, 2 * quads)
            data = [random.getrandbits(32) for _ in range(length)]
            beats += [(word, i == length - 1) for i, word in enumerate(data)]
            if length == quads:
                x = [word >> 8 * j & 255 for word in data for j in range(4)]
                expected += [[x[permutation[4 * k + j]] for j in range(4)] for k in range(quads)]
        sent, found, waited, cycles = 0, [], False, 0
        while sent < len(beats) or len(found) < len(expected):
            waited = sent < len(beats) and (waited or random.random() >= idle)
            dut.s_valid_i.value = waited
            if waited:
                dut.s_data_i.value, dut.s_last_i.value = beats[sent]
            # The taker is free or not for a whole frame, as the planes are.
            if len(found) % quads == 0:
                dut.free_i.value = random.random() >= blocked
            await RisingEdge(dut.clk_i)
            cycles += 1
            assert cycles < 100 * len(beats) + 1000, "it hangs"
            took = waited and bool(dut.s_ready_o.value)
            if dut.valid_o.value:
                assert int(dut.quad_o.value) == len(found) % quads
                assert bool(dut.last_o.value) == (len(found) % quads == quads - 1)
                word = int(dut.data_o.value)
                found.append([word >> 8 * j & 255 for j in range(4)])
            await FallingEdge(dut.clk_i)
            if took:
                sent, waited = sent + 1, False
        assert found == expected
        if idle == blocked == 0:
            assert cycles == 9 * quads, "one beat a cycle, and one frame of delay"


@cocotb.test()
async def planes(dut):
    """What was written comes out as masked planes; both banks in turn."""
    rows = len(dut.drive_o)
    words = rows // 32
    await reset(dut, mask_we_i=0, valid_i=0, last_i=0, quad_i=0, data_i=0, release_i=0, plane_i=0, segment_i=0)
    masks = [[random.getrandbits(32) for _ in range(words)] for _ in range(words)]
    for s, w in itertools.product(range(words), repeat=2):
        dut.mask_we_i.value, dut.mask_addr_i.value, dut.mask_data_i.value = 1, s * words + w, masks[s][w]
        await FallingEdge(dut.clk_i)
    dut.mask_we_i.value = 0
    frames = []
    for _ in range(5):
        while bool(dut.free_o.value):
            frames.append([random.randrange(256) for _ in range(rows)])
            for k in range(rows // 4):
                dut.valid_i.value, dut.quad_i.value, dut.last_i.value = 1, k, k == rows // 4 - 1
                dut.data_i.value = sum(frames[-1][4 * k + j] << 8 * j for j in range(4))
                await FallingEdge(dut.clk_i)
            dut.valid_i.value = 0
        assert len(frames) == 2 and bool(dut.avail_o.value)
        x = frames.pop(0)
        for plane, s in itertools.product(range(8), range(words)):
            dut.plane_i.value, dut.segment_i.value = plane, s
            dut.release_i.value = (plane, s) == (7, words - 1)
            await FallingEdge(dut.clk_i)
            line = sum((x[r] >> plane & 1) << r for r in range(rows))
            assert int(dut.drive_o.value) == line & sum(m << 32 * w for w, m in enumerate(masks[s]))
        dut.release_i.value = 0


@cocotb.test()
async def output(dut):
    """Sums to results in order, stable while they wait, one beat a cycle, never more banks than there are."""
    groups = 2 ** len(dut.group_i)
    lanes = 2 ** len(dut.gain_addr_i) // groups
    bits = len(dut.acc_i) // lanes
    columns, quads = lanes * groups, lanes * groups // 4
    await reset(dut, gain_we_i=0, start_i=0, valid_i=0, m_ready_i=0)
    gains = [random.choice([0, 32768, 65535, random.randrange(65536)]) for _ in range(columns)]
    for c, g in enumerate(gains):
        dut.gain_we_i.value, dut.gain_addr_i.value, dut.gain_data_i.value = 1, c, g
        await FallingEdge(dut.clk_i)
    dut.gain_we_i.value = 0
    for pause, stall in itertools.product((0.0, 0.8), (0.0, 0.3, 0.9)):
        wanted, expected, found, held, first, cycle = 10, [], [], None, None, 0
        to_write = []
        while len(found) < wanted * quads:
            start_now = wanted * quads > len(expected) and not to_write and bool(dut.credit_o.value)
            start_now = start_now and random.random() >= pause
            dut.start_i.value = start_now
            if start_now:
                acc = [random.randint(-(1 << bits - 1), (1 << bits - 1) - 1) for _ in range(columns)]
                to_write = [acc[g * lanes : (g + 1) * lanes] for g in range(groups)]
                y = [
                    min(max((a * g + (1 << 14)) >> 15, -32768), 32767) & 0xFFFF for a, g in zip(acc, gains, strict=True)
                ]
                expected += [(sum(y[4 * q + j] << 16 * j for j in range(4)), q == quads - 1) for q in range(quads)]
            dut.valid_i.value = bool(to_write)
            if to_write:
                dut.group_i.value = groups - len(to_write)
                dut.acc_i.value = sum((a & (1 << bits) - 1) << bits * i for i, a in enumerate(to_write.pop(0)))
            dut.m_ready_i.value = random.random() >= stall
            await RisingEdge(dut.clk_i)
            cycle += 1
            assert cycle < 20000, "it hangs"
            if dut.m_valid_o.value:
                beat = int(dut.m_data_o.value), bool(dut.m_last_o.value)
                assert held in (None, beat), "a waiting beat changed"
                held = beat
                if dut.m_ready_i.value:
                    found.append(beat)
                    held, first = None, cycle if first is None else first
            else:
                assert held is None, "a waiting beat was withdrawn"
            await FallingEdge(dut.clk_i)
        assert found == expected
        if pause == stall == 0:
            assert cycle - first + 1 == wanted * quads, "less than one beat a cycle"
        dut.valid_i.value = 0


@cocotb.test()
async def core(dut):
    """Frames to results without the buses: values, clips, drops and locks, over idle x back-pressure, at full rate."""
    rows, columns, lanes = 32, 16, 8
    rng = np.random.default_rng(random.getrandbits(32))
    windows = {name: TILE.offset(name.upper()) for name in ("perm", "mask", "gain", "cell", "table")}
    await reset(dut, **{f"{name}_we_i": 0 for name in windows}, s_valid_i=0, s_last_i=0, m_ready_i=0, resync_i=0)
    for idle, stall in itertools.product((0.0, 0.6), (0.0, 0.4, 0.9)):
        config, cells = random_config(rng, rows, columns), random_cells(rng, rows, columns)
        for address, value in np.concatenate(
            [setting_writes(config), cell_writes(cells), table_writes(config)]
        ).tolist():
            name = max((n for n in windows if windows[n] <= address), key=windows.get, default=None)
            if name is None:
                continue  # a register: settings are wires here
            for other in windows:
                getattr(dut, f"{other}_we_i").value = other == name
            dut.index_i.value, dut.data_i.value = (address - windows[name]) // 4, value
            await FallingEdge(dut.clk_i)
        for name in windows:
            getattr(dut, f"{name}_we_i").value = 0
        for name, value in (
            *(("bits_m1", config.bits - 1), ("signed", config.signed), ("segments_m1", config.segments - 1)),
            *(("level", 0), ("scale", config.adc_scale), ("offset", config.adc_offset), ("top", config.adc_top)),
        ):
            getattr(dut, f"{name}_i").value = value
        x = random_inputs(rng, config, 12)
        data, last = (part.ravel().tolist() for part in input_beats(x))
        data, last = data[:3] + data, [False, False, True, *last]  # a short frame first
        expected = twin_product(config, cells, x)
        seen = dict.fromkeys(("good", "short", "long", "step"), 0) | {"count": 0, "code": 0, "y": 0}
        sent, found, ends, waited, cycles = 0, [], [], False, 0
        while len(found) < 12 * columns // 4:
            waited = sent < len(data) and (waited or random.random() >= idle)
            dut.s_valid_i.value = waited
            if waited:
                dut.s_data_i.value, dut.s_last_i.value = data[sent], last[sent]
            dut.m_ready_i.value = random.random() >= stall
            await RisingEdge(dut.clk_i)
            cycles += 1
            assert cycles < 20000, "it hangs"
            for name in ("good", "short", "long", "step"):
                seen[name] += int(getattr(dut, f"{name}_o").value)
            for name in ("count", "code", "y"):
                seen[name] += int(getattr(dut, f"{name}_clips_o").value)
            if dut.m_valid_o.value and dut.m_ready_i.value:
                found.append(int(dut.m_data_o.value))
                if dut.m_last_o.value:
                    ends.append((len(found), cycles))
            took = waited and bool(dut.s_ready_o.value)
            if sent - 3 > len(ends) * rows // 4:
                assert dut.busy_o.value, "settings would not be locked"
            await FallingEdge(dut.clk_i)
            if took:
                sent, waited = sent + 1, False
        y = np.array(found, dtype="<u8").view("<i2").reshape(12, columns)
        assert y.tolist() == expected.y.tolist()
        clips = expected.count_clips, expected.code_clips, expected.y_clips
        assert (seen["count"], seen["code"], seen["y"]) == clips
        steps = config.bits * config.segments * columns // lanes
        assert (seen["good"], seen["short"], seen["long"], seen["step"]) == (12, 1, 0, 12 * steps)
        assert [at for at, _ in ends] == [columns // 4 * (k + 1) for k in range(12)]
        if idle == stall == 0:
            apart = [b - a for (_, a), (_, b) in itertools.pairwise(ends)]
            assert set(apart[2:]) == {max(steps, rows // 4)}, "less than the promised rate"
        for _ in range(4):
            await FallingEdge(dut.clk_i)
        assert not dut.busy_o.value
