"""Cocotb bench of the neurons between sums and quantizers: every kind of reset, against the simulator's LIF."""

import random

import cocotb
import numpy as np
from cocotb.triggers import FallingEdge
from testbench_engine_arithmetic import elements, packed, signed_range
from testbench_engine_streams import parameters
from testbench_streams import reset

from crossloom.rtl.compiler.memories import NEURON_CYCLES
from crossloom.rtl.compiler.words import Drain, Reset, widths, word
from crossloom.sim.ops import LIF, Edge, Threshold
from crossloom.sim.types import QType


def simulated(op, acc):
    """Membranes and spikes (steps, cells, lanes) of sums; and how often a membrane saturates at each."""
    steps, cells, lanes = acc.shape
    high = int(np.abs(acc).max()) + 1
    source = Edge((cells, 1, lanes), QType(-high, high), True, high, steps)
    edge = op.infer("bench", [source], False)
    v = op.kernel([source], edge)(acc[None, :, :, None].astype(np.float64)).reshape(acc.shape).astype(np.int64)
    fired = Threshold(op.levels, 0, 1, 0)
    spikes = fired.kernel([edge], fired.infer("bench", [edge], False))(v[..., None, :]).astype(np.int64)
    return v, spikes.reshape(acc.shape)


@cocotb.test()
async def neurons(dut):
    """Cells in turn, as soon as they may and later, through all their steps; sums around thresholds and extremes."""
    lanes, acc_bits, mem_bits, mem_min = parameters("Lanes", "AccBits", "MemBits", "MemMin")
    guards, leaks = parameters("GuardMin", "GuardMax"), parameters("LeakMin", "LeakMax")
    most, later, cells = parameters("Most", "Later", "Cells")
    await reset(dut, valid_i=0, drain_i=0, sum_i=0, bias_i=0, theta_i=0, leak_i=0, cell_i=0, fresh_i=0)
    low, high = signed_range(acc_bits)

    def settings(**given):
        return word(Drain(**{name: random.getrandbits(bits) for name, bits in widths(Drain).items()} | given))

    async def run(how, pace):
        bits, guard, steps = random.randint(mem_min, mem_bits), random.randint(*guards), random.randint(1, 6)
        reset_, when, strict = how
        top = (1 << bits - 1) - 1
        spikes = random.randint(1, most) if reset_ == "subtract" and not strict else 1
        spikes = min(spikes, top)
        used = random.randint(1, cells)
        shape = used, lanes
        theta = np.array([random.randint(1, max(1, top >> random.randrange(bits))) for _ in range(lanes)])
        theta = np.minimum(theta, top // spikes)
        leak = np.array([random.randint(*leaks) for _ in range(lanes)])
        op = LIF(theta, leak, guard, reset_, when, strict, spikes, bits, steps)
        acc = np.empty((steps, *shape), np.int64)
        for at in np.ndindex(acc.shape):
            near = int(theta[at[2]]) >> guard
            value = (
                low,
                high,
                0,
                near + random.randint(-1, 1),
                random.randint(low, high) >> random.randrange(acc_bits),
            )
            acc[at] = min(max(random.choice(value), low), high)
        v, fired = simulated(op, acc)
        bias = np.array([random.randint(low, high) for _ in range(lanes)])
        flags = {"lif": 1, "guard": guard, "limit": bits, "reset": Reset[reset_.upper()], "later": when == "next"}
        dut.drain_i.value = settings(**flags, strict=strict, most=spikes)
        dut.theta_i.value, dut.leak_i.value = packed(theta, mem_bits), packed(leak, 4)
        due, cycle, free = {}, 0, {}
        todo = [(step, cell) for step in range(steps) for cell in range(used)]
        while todo or due:
            dut.valid_i.value = 0
            if todo and free.get(todo[0][1], 0) <= cycle and random.random() < pace:
                step, cell = todo.pop(0)
                free[cell] = cycle + NEURON_CYCLES
                dut.valid_i.value, dut.cell_i.value, dut.fresh_i.value = 1, cell, step == 0
                dut.sum_i.value, dut.bias_i.value = packed(acc[step, cell] - bias, acc_bits), packed(bias, acc_bits)
                for late in (1, 2, 3):
                    due.setdefault(cycle + late, {})[late] = step, cell
            await FallingEdge(dut.clk_i)
            cycle += 1
            now = due.pop(cycle, {})
            assert bool(dut.valid_o.value) == (2 in now)
            if 1 in now:
                assert elements(dut.acc_o, lanes, True) == acc[now[1]].tolist()
            if 2 in now:
                assert elements(dut.v_o, lanes, True) == v[now[2]].tolist(), (op, acc[:, now[2][1]], v[:, now[2][1]])
                most_extreme = (v[now[2]] == top) | (v[now[2]] == -top - 1)
                assert int(dut.clipped_o.value) <= most_extreme.sum()
            else:
                assert int(dut.clipped_o.value) == 0
            if 3 in now:
                assert elements(dut.n_o, lanes) == fired[now[3]].tolist()

    kinds = [(r, w, s) for r in ("subtract", "zero", "none") for w in ("now", "next") for s in (False, True)]
    kinds = [(r, w, s) for r, w, s in kinds if w == "now" or (later and r != "none")]
    for pace in (1, 1, 0.6):
        for how in random.sample(kinds, len(kinds)):
            await run(how, pace)
    # What has no neurons passes as it is.
    dut.drain_i.value = settings(lif=0)
    for _ in range(20):
        sums = [random.choice((low, high, random.randint(low, high))) for _ in range(lanes)]
        dut.valid_i.value, dut.bias_i.value, dut.sum_i.value = 1, 0, packed(sums, acc_bits)
        await FallingEdge(dut.clk_i)
        await FallingEdge(dut.clk_i)
        assert elements(dut.v_o, lanes, True) == sums and not int(dut.clipped_o.value)
    dut.rst_ni.value = 0
    await FallingEdge(dut.clk_i)
    dut.rst_ni.value, dut.valid_i.value = 1, 0
    for _ in range(3):
        assert not dut.valid_o.value
        await FallingEdge(dut.clk_i)
