"""Cocotb benches of the engine's arithmetic: corner vectors first, gaps, full rate, the simulator's answers."""

import json
import os
import random
from pathlib import Path

import cocotb
import numpy as np
from cocotb.triggers import FallingEdge, RisingEdge
from testbench_arithmetic import start
from testbench_engine_streams import parameters
from testbench_streams import reset

from crossloom.rtl.compiler.engine_package import ROUNDINGS
from crossloom.rtl.compiler.thresholds import threshold_steps, threshold_table
from crossloom.rtl.compiler.words import Drain, Kind, widths, word
from crossloom.sim.ops import Edge, MaxPool, Requant, Threshold
from crossloom.sim.types import QType


def packed(values, bits):
    """Integers as one port of elements of `bits` bits, the first one lowest."""
    return sum((int(value) & (1 << bits) - 1) << bits * i for i, value in enumerate(values))


def elements(port, count, signed=False):
    """The elements of a port."""
    bits, word = len(port) // count, int(port.value)
    found = [word >> bits * i & (1 << bits) - 1 for i in range(count)]
    return [value - (value >> bits - 1 << bits) for value in found] if signed else found


def signed_range(bits):
    return -(1 << bits - 1), (1 << bits - 1) - 1


def requantize(acc, shift, rounding, lo, hi):
    """The simulator's Requant of acc (n, lanes) by shift (lanes,)."""
    low, high = int(acc.min()), int(acc.max())
    source = Edge((acc.shape[1],), QType(low, high, tuple(int(s) for s in shift)), True, max(-low, high))
    op = Requant(np.array(shift), rounding, QType(lo, hi))
    edge = op.infer("bench", [source], False)
    return op.kernel([source], edge)(acc.astype(np.float64)).astype(np.int64)


@cocotb.test()
async def requant(dut):
    """Sums around every border of rounding and clip, in every rounding, shift and range that the parameters allow."""
    lanes, acc_bits, out_bits, code_bits = parameters("Lanes", "AccBits", "OutBits", "CodeBits")
    least, most = parameters("ShiftMin", "ShiftMax")
    low, high = signed_range(acc_bits)
    await reset(dut, valid_i=0, acc_i=0, bias_i=0, shift_i=0, rounding_i=0, lo_i=0, span_i=0)
    for trial in range(24):
        rounding = ROUNDINGS[trial % 3]
        span = (1 << out_bits) - 1 if trial < 6 else random.randrange(1 << out_bits)
        corner, code_high = signed_range(code_bits)
        choices = [0, corner, code_high - span, *(random.randint(corner, code_high - span) for _ in range(trial))]
        choices = [lo for lo in choices if corner <= lo <= code_high - span and QType(lo, lo + span).bits <= 32]
        lo = random.choice(choices)
        shift = np.array([random.randint(least, most) for _ in range(lanes)])
        shift[: 2 if lanes > 1 else 1] = (least, most)[trial % 2]
        count = 60
        near = np.array([[random.choice((lo, lo + span, 0, random.randint(lo, lo + span))) for _ in range(lanes)]
                         for _ in range(count)])  # fmt: skip
        sums = [
            [int(code * 2.0**s) + random.choice((0, (1 << max(s, 0)) >> 1)) + random.randint(-2, 2)
             for code, s in zip(row, shift.tolist(), strict=True)]
            for row in near.tolist()
        ]  # fmt: skip
        sums = np.clip(np.array(sums, object), low, high).astype(np.int64)
        sums[0], sums[1] = low, high
        sums[2:20] = [[random.randint(low, high) for _ in range(lanes)] for _ in range(18)]
        bias = np.array([[random.choice((low, high, random.randint(low, high))) for _ in range(lanes)] for _ in sums])
        expected = requantize(sums, shift, rounding, lo, lo + span)
        # What the clip replaced is what a wider type would have kept.
        free = requantize(sums, shift, rounding, -(1 << 31), (1 << 31) - 1)
        dut.rounding_i.value, dut.lo_i.value, dut.span_i.value = ROUNDINGS.index(rounding), lo, span
        queue, sent = [None] * 4, 0
        while sent < count or any(row is not None for row in queue):
            go = sent < count and (trial % 2 == 0 or random.random() < 0.6)
            row = sent if go else None
            v, b = (sums[sent], bias[sent]) if go else (sums[-1], bias[0])
            dut.valid_i.value = go
            dut.acc_i.value, dut.bias_i.value = packed(v - b, acc_bits), packed(b, acc_bits)
            dut.shift_i.value = packed(shift, 7)
            queue, sent = [*queue, row], sent + go
            await FallingEdge(dut.clk_i)
            row = queue[1]
            queue = queue[1:]
            assert bool(dut.valid_o.value) == (row is not None)
            if row is not None:
                where = (rounding, lo, span, shift.tolist(), sums[row].tolist())
                assert elements(dut.y_o, lanes) == (expected[row] - lo).tolist(), where
                assert elements(dut.raw_o, lanes, True) == sums[row].tolist()
                if out_bits < 32:
                    assert int(dut.clipped_o.value) == int((free[row] != expected[row]).sum()), where
            else:
                assert int(dut.clipped_o.value) == 0
    # A reset takes what is inside with it.
    dut.valid_i.value = 1
    await FallingEdge(dut.clk_i)
    dut.valid_i.value = dut.rst_ni.value = 0
    await FallingEdge(dut.clk_i)
    dut.rst_ni.value = 1
    for _ in range(6):
        await FallingEdge(dut.clk_i)
        assert not dut.valid_o.value


def counts(acc, thresholds):
    """The simulator's Threshold of acc (n, lanes), counting."""
    low, high = int(min(acc.min(), thresholds.min())), int(max(acc.max(), thresholds.max()))
    source = Edge((acc.shape[1],), QType(low, high), True, max(abs(low), abs(high)))
    op = Threshold(thresholds, 0, 1, 0)
    edge = op.infer("bench", [source], False)
    return op.kernel([source], edge)(acc.astype(source.carrier)).astype(np.int64)


async def write_tables(dut, tables, base):
    """Write each lane's table of thresholds."""
    for lane, table in enumerate(tables):
        for i, value in enumerate(table.tolist()):
            dut.wr_valid_i.value, dut.wr_lane_i.value, dut.wr_addr_i.value = 1, lane, base + i
            dut.wr_data_i.value = value & (1 << len(dut.wr_data_i)) - 1
            await FallingEdge(dut.clk_i)
    dut.wr_valid_i.value = 0


@cocotb.test()
async def threshold(dut):
    """First the tables of the files, then written ones of every length; searches back to back and with gaps."""
    lanes, bits, depth, most = parameters("Lanes", "TBits", "Depth", "Steps")
    low, high = signed_range(bits)
    never = high
    # During reset nothing is written.
    await reset(dut, wr_valid_i=1, wr_lane_i=0, wr_addr_i=0, valid_i=0, acc_i=0, base_i=0, steps_i=1)
    dut.wr_valid_i.value = 0

    async def search(base, steps, thresholds, share, number=40):
        flat = thresholds.ravel()
        near = [int(t) + d for t in flat[:200] for d in (-1, 0, 1)]
        pick = [low, never - 1, *near, *(random.randint(low, never - 1) for _ in near)]
        acc = np.array([random.choices(pick, k=lanes) for _ in range(number)]).clip(low, never - 1)
        expected, found, sent, cycles, starts = counts(acc, thresholds).tolist(), [], 0, 0, []
        while len(found) < number:
            go = sent < number and random.random() < share
            dut.valid_i.value = go
            dut.acc_i.value = packed(acc[min(sent, number - 1)], bits)
            dut.base_i.value, dut.steps_i.value = (base, steps) if go else (0, random.randint(1, most))
            await RisingEdge(dut.clk_i)
            cycles += 1
            assert cycles < 100 * number, "it hangs"
            if dut.valid_o.value:
                assert cycles - starts.pop(0) == steps + 1, "another latency"
                found.append(elements(dut.count_o, lanes))
            if go and dut.ready_o.value:
                starts.append(cycles)
                sent += 1
            await FallingEdge(dut.clk_i)
        assert found == expected, (acc.tolist(), thresholds.tolist())
        if share == 1:
            assert cycles == number * steps + 2, "less than a search in its steps"
        dut.valid_i.value = 0

    if "Init" in json.loads(os.environ["BENCH_PARAMETERS"]):
        first = np.array([[int(word, 16) for word in Path(f"table{i}.mem").read_text().split()] for i in range(lanes)])
        first -= (first >> bits - 1) << bits
        await search(0, most, first[:, : (1 << most) - 1], 1)
    for count in sorted({1, 2, 3, (1 << most) - 1, random.randrange(1, 1 << most), random.randrange(1, 1 << most)}):
        if count >= 1 << most:
            continue
        rows = random.choice((1, lanes))
        thresholds = np.sort([[random.randint(low, never) for _ in range(count)] for _ in range(rows)], axis=1)
        thresholds[0, 0] = low
        thresholds[-1, -1] = random.choice((never, thresholds[-1, -1]))
        table, steps = threshold_table(thresholds, bits), threshold_steps(count)
        base = (depth // table.shape[1] - 1) * table.shape[1]
        await write_tables(dut, [table[lane % rows] for lane in range(lanes)], base)
        await search(base, steps, thresholds, 1)
        await search(base, steps, thresholds, 0.4)
    # A reset in the middle of a search.
    dut.valid_i.value, dut.steps_i.value = 1, most
    await FallingEdge(dut.clk_i)
    dut.valid_i.value = dut.rst_ni.value = 0
    await FallingEdge(dut.clk_i)
    dut.rst_ni.value = 1
    for _ in range(most + 3):
        assert dut.ready_o.value and not dut.valid_o.value
        await FallingEdge(dut.clk_i)


@cocotb.test()
async def pool(dut):
    """Windows of random shapes, padded, tap by tap with gaps."""
    lanes, bits = parameters("Lanes", "XBits")
    await start(dut, valid_i=0, first_i=0, x_i=0)
    for _ in range(8):
        kernel = random.randint(1, 3), random.randint(1, 4)
        pad = tuple(random.randrange(k) for k in (kernel[0], kernel[0], kernel[1], kernel[1]))
        lo = random.choice((0, -(1 << bits - 1)))
        edge = Edge((4, 5, lanes), QType(lo, lo + (1 << bits) - 1))
        codes = np.array([random.choice((0, (1 << bits) - 1, random.randrange(1 << bits))) for _ in range(20 * lanes)])
        codes = codes.reshape(1, 4, 5, lanes) + lo
        op = MaxPool(kernel, (1, 1), pad)
        output = op.infer("bench", [edge], False)
        expected = op.kernel([edge], output)(codes.astype(edge.carrier))[0].astype(np.int64) - lo
        # Padding is the least code, and codes come without it: 0.
        image = np.pad(codes[0] - lo, (pad[:2], pad[2:], (0, 0)))
        for y, x in np.ndindex(expected.shape[:2]):
            taps = image[y : y + kernel[0], x : x + kernel[1]].reshape(-1, lanes)
            for i, tap in enumerate(taps):
                while random.random() < 0.2:
                    dut.valid_i.value, dut.x_i.value = 0, packed([-1] * lanes, bits)
                    dut.first_i.value = random.randrange(2)
                    await FallingEdge(dut.clk_i)
                dut.valid_i.value, dut.first_i.value, dut.x_i.value = 1, i == 0, packed(tap, bits)
                await FallingEdge(dut.clk_i)
            assert elements(dut.y_o, lanes) == expected[y, x].tolist()


@cocotb.test()
async def argmax(dut):
    """Ties, extremes and masked rows, back to back and with gaps."""
    bits, most = len(dut.score_i), 1 << len(dut.row_o)
    low, high = signed_range(bits)
    await start(dut, valid_i=0, first_i=0, score_i=0, count_i=1)
    for trial in range(120):
        rows = (1, 2, most)[trial] if trial < 3 and most <= 300 else random.randint(1, min(most, 20))
        count = random.randint(1, rows)
        few = [random.randint(low, high) for _ in range(3)]
        scores = [
            random.choice([*few, low, high] if trial % 2 else [low, random.randint(low, high)]) for _ in range(rows)
        ]
        if trial % 5 == 0:
            scores = [random.choice(scores)] * rows
        dut.count_i.value = count
        for row, score in enumerate(scores):
            while trial % 3 and random.random() < 0.3:
                dut.valid_i.value, dut.first_i.value, dut.score_i.value = 0, random.randrange(2), high
                await FallingEdge(dut.clk_i)
            dut.valid_i.value, dut.first_i.value, dut.score_i.value = 1, row == 0, score
            await FallingEdge(dut.clk_i)
        assert int(dut.row_o.value) == int(np.argmax(scores[:count])), (scores, count)


@cocotb.test()
async def post(dut):
    """Sweeps of every kind, one right after the other: each chunk with its own shifts, place and table, then resets."""
    lanes, bits, acc_bits, code_bits = parameters("Lanes", "XBits", "AccBits", "CodeBits")
    least, most, tables, most_steps, scale_bits = parameters("ShiftMin", "ShiftMax", "Tables", "Steps", "ScaleBits")
    (low, high), (code_low, code_high) = signed_range(acc_bits), signed_range(code_bits)
    kinds = [kind for kind in Kind if kind != Kind.SPIKES and (tables or kind != Kind.THRESHOLD)]
    await reset(dut, drain_i=0, valid_i=0, wr_valid_i=0, theta_i=0, leak_i=0, cell_i=0, fresh_i=0)

    def settings(**given):
        """A sweep's constants, any values but those given."""
        return word(Drain(**{name: random.getrandbits(bits) for name, bits in widths(Drain).items()} | given))

    async def sweep(kind, share, count=30):
        rounding, span = random.choice(ROUNDINGS), random.choice(((1 << bits) - 1, random.randrange(1 << bits)))
        lo = random.randint(code_low, code_high - span)
        number = random.randint(1, (1 << most_steps) - 1) if tables else 1
        scale = random.randint(1, min(((1 << bits) - 1) // number, (1 << scale_bits) - 1))
        given = {"kind": kind, "rounding": ROUNDINGS.index(rounding), "lo": lo, "span": span, "scale": scale}
        steps = threshold_steps(number)
        latency, apart = 5, 1
        known = []
        dut.valid_i.value = 0
        if kind == Kind.THRESHOLD:
            given["steps"] = apart = steps
            latency += steps + 1
            known = [np.sort([[random.randint(low, high + 1) for _ in range(number)] for _ in range(lanes)], axis=1)
                     for _ in range(min(4, tables >> steps))]  # fmt: skip
        dut.drain_i.value = settings(**given)
        for at, thresholds in enumerate(known):
            await write_tables(dut, threshold_table(thresholds, acc_bits + 1), at << steps)
        chunks = []
        for _ in range(count):
            at, shift = (
                random.randrange(max(1, len(known))),
                np.array([random.randint(least, most) for _ in range(lanes)]),
            )
            raw = np.array([[random.randint(low, high) >> random.randrange(acc_bits) for _ in range(lanes)]])
            if known and random.random() < 0.5:
                raw = (known[at][:, random.randrange(number)] + random.randint(-1, 1)).clip(low, high)[None]
            bias = np.array([random.choice((low, high, random.randint(low, high))) for _ in range(lanes)])
            place = random.getrandbits(len(dut.place_i))
            codes = [random.getrandbits(bits) for _ in range(lanes)]
            clipped = 0
            if kind == Kind.REQUANT:
                y = requantize(raw, shift, rounding, lo, lo + span)
                # What the clip replaced is what a wider type would have kept.
                clipped = int((y != requantize(raw, shift, rounding, -(1 << 31), (1 << 31) - 1)).sum())
                wanted = (y[0] - lo).tolist()
            else:
                wanted = (counts(raw, known[at])[0] * scale).tolist() if known else codes
            ports = {
                "place": place, "table": at << steps if known else 0, "code": packed(codes, bits),
                "sum": packed(raw[0] - bias, acc_bits), "bias": packed(bias, acc_bits), "shift": packed(shift, 7),
            }  # fmt: skip
            chunks.append((ports, (place, wanted, raw[0].tolist(), clipped)))
        due, sent, cycle, free = {}, 0, 0, 0
        while sent < count or due:
            go = sent < count and cycle >= free and random.random() < share
            ports, wanted = chunks[sent] if go else (random.choice(chunks)[0], None)
            dut.valid_i.value = go
            for name, value in ports.items():
                getattr(dut, f"{name}_i").value = value
            if go:
                due[cycle + latency] = wanted
                sent, free = sent + 1, cycle + apart
            await FallingEdge(dut.clk_i)
            cycle += 1
            now, scores = due.pop(cycle, None), kind == Kind.LOGITS
            assert bool(dut.code_valid_o.value) == (now is not None and not scores)
            assert bool(dut.score_valid_o.value) == (now is not None and scores)
            assert bool(dut.code_soon_o.value) == (cycle + 1 in due and not scores)
            assert int(dut.clipped_o.value) == (now[3] if now else 0)
            if now:
                place, codes, raw, _ = now
                assert int(dut.place_o.value) == place
                assert scores or elements(dut.code_o, lanes) == codes, (kind, raw)
                assert kind == Kind.POOL or elements(dut.raw_o, lanes, True) == raw

    for share in (1, 0.5) * 4:
        for kind in random.sample(kinds, len(kinds)):
            await sweep(kind, share)
    # A reset takes what is inside with it, wherever that is.
    for kind in kinds:
        dut.drain_i.value = settings(kind=kind, steps=most_steps)
        for late in range(6 + most_steps if kind == Kind.THRESHOLD else 5):
            dut.valid_i.value = 1
            await FallingEdge(dut.clk_i)
            dut.valid_i.value = 0
            for _ in range(late):
                await FallingEdge(dut.clk_i)
            dut.rst_ni.value = 0
            await FallingEdge(dut.clk_i)
            dut.rst_ni.value = 1
            for _ in range(8 + most_steps):
                assert not dut.code_valid_o.value and not dut.score_valid_o.value, (kind, late)
                await FallingEdge(dut.clk_i)
