"""Cocotb benches of what runs the engine's program: the sequencer, the drain and the quantizer, on any network."""

import json
import os
import random
from collections import deque
from dataclasses import asdict
from pathlib import Path

import cocotb
import numpy as np
from cocotb.triggers import FallingEdge, RisingEdge
from quantizer_model import Parameters
from testbench_engine_arithmetic import elements, packed
from testbench_streams import reset

from crossloom.rtl.compiler.bank_layout import PART_BITS
from crossloom.rtl.compiler.program import Folding, Sizes, compile_network
from crossloom.rtl.compiler.words import Kind, word
from crossloom.rtl.estimate.cycles import captures, output_taps
from crossloom.sim import load, random_network

BITSTREAMS = Path(__file__).parents[2] / "bitstreams"


def program_text(network, folding, sizes=None):
    """What BENCH_PROGRAM says of a program: a shipped design or a random network's seed, and the engine."""
    return json.dumps([network, asdict(folding), asdict(sizes) if sizes else None])


def program(text=None):
    """The program that BENCH_PROGRAM names; the test that started this wrote its files."""
    network, folding, sizes = json.loads(text or os.environ["BENCH_PROGRAM"])
    made = random_network(network) if isinstance(network, int) else None
    made = made or load(BITSTREAMS / network / f"{network}.loom").network
    return compile_network(made, Folding(**folding), Sizes(**sizes) if sizes else None)


def taps_of(compiled, sweep, image, branch):
    """A sweep's taps as the sequencer's header has them: first, last, shift, base, row, plane, y, x, weight."""
    pix = 2 if sweep.paired else 1
    begin = sweep.weights + (compiled.banks[branch].weights if sweep.banked else 0)
    segments = compiled.segments[sweep.first_segment : sweep.last_segment + 1]
    for oy in range(sweep.out_h + 1):
        for ox in range(0, sweep.out_w + 1, pix):
            taps, weight = [], 0
            for segment in segments:
                base = segment.base + (image if segment.image else 0)
                for dy, dx in np.ndindex(sweep.kernel_h + 1, sweep.kernel_w + 1):
                    weight = 0 if sweep.hold else weight
                    for block in range(segment.blocks + 1):
                        row = sweep.row0 + oy * sweep.row_step + dy * sweep.row
                        y, x = sweep.y0 + oy * sweep.step_y + dy, sweep.x0 + ox * sweep.step_x + dx
                        taps.append((segment.shift, base, row, block * sweep.plane, y, x, begin + weight))
                        weight += not segment.shift
                if segment.stop:
                    yield from ((i == 0, i == len(taps) - 1, *tap) for i, tap in enumerate(taps))
                    taps, weight = [], 0
            assert not taps


@cocotb.test()
async def sequencer(dut):
    """Every tap of images one behind the other, in its modelled cycle; a sweep starts when it may, then at once."""
    compiled = program()
    names = "first", "last", "shift", "base", "row", "plane", "y", "x", "weight", "index"
    ports = [getattr(dut, f"{name}_o") for name in names]
    masks = [(1 << len(port)) - 1 for port in ports]
    await reset(dut, image_valid_i=0, branch_valid_i=0, result_free_i=0, sweep_done_i=0)
    cycles = earliest = flight = branch = 0
    idle, slow, due = True, False, []

    async def cycle(image=None):
        """A cycle up to its edge: sweeps are written, the branch and the result come and go."""
        known, free = (random.random() < (0.05 if slow else 1) for _ in range(2))
        dut.branch_valid_i.value, dut.result_free_i.value = known, free
        dut.sweep_done_i.value = bool(due) and due[0] <= cycles
        weights = len(dut.branch_weights_i)
        dut.branch_weights_i.value = compiled.banks[branch].weights if known else random.getrandbits(weights)
        # Where the image lies is said in one cycle.
        dut.image_valid_i.value = image is not None
        base = len(dut.image_base_i)
        dut.image_base_i.value = random.getrandbits(base) if image is None else image
        await RisingEdge(dut.clk_i)
        assert bool(dut.image_start_o.value) == (image is not None)
        assert bool(dut.idle_o.value) == (idle and not flight)
        assert not (idle and dut.valid_o.value)
        return known, free

    async def end():
        nonlocal cycles, flight
        if due and due[0] <= cycles:
            flight -= 1
            due.pop(0)
        cycles += 1
        await FallingEdge(dut.clk_i)

    for number in range(3):
        slow, branch = number % 2 == 1, random.randrange(len(compiled.banks))
        # The next image begins while the sweeps of the one before are being written, or when all is quiet.
        for _ in range((0, random.randrange(4), 60)[number]):
            await cycle()
            await end()
        image = random.getrandbits(len(dut.image_base_i))
        await cycle(image)
        idle, previous = False, cycles
        await end()
        for index, sweep in enumerate(compiled.sweeps):
            wanted = [
                tuple(int(v) & m for v, m in zip((*tap, index), masks, strict=True))
                for tap in taps_of(compiled, sweep, image, branch)
            ]
            taps, found, ends, begin = output_taps(compiled, sweep), [], [], None
            while len(found) < len(wanted):
                known, free = await cycle()
                written = flight == 0
                if begin is None:
                    may = (known or not sweep.banked) and (written or not (sweep.sync or sweep.result))
                    assert not dut.valid_o.value, "before it may"
                    if may and (free or not sweep.result) and cycles >= previous + 2:
                        begin = max(cycles + 1, earliest if taps == 1 else 0)
                        flight += 1
                elif dut.valid_o.value:
                    assert found or cycles == begin
                    found.append(tuple(int(port.value) for port in ports))
                    assert found[-1] == wanted[len(found) - 1], (index, len(found))
                    assert not found[-1][0] or int(dut.sweep_o.value) == word(sweep)
                    if found[-1][1]:
                        ends.append(cycles)
                assert begin is None or cycles <= begin or found, "it waits for nothing"
                assert cycles < 400_000, "it hangs"
                if len(found) < len(wanted):
                    await end()
            outputs = captures(compiled, sweep)
            first = max(begin + taps - 1, earliest)
            assert ends == [first + i * max(taps, sweep.cool) for i in range(outputs)], compiled.passes[index].name
            previous, earliest = ends[-1], ends[-1] + sweep.cool + sweep.gap
            due.append(max([cycles + random.randint(1, 30), *(d + 1 for d in due)]))
            await end()
        idle = True
    while due:
        await cycle()
        await end()
    await cycle()


async def walk(dut, model, branch, latency, check, stop=None):
    """Capture sums and maxima sweep by sweep, as fast as the program allows and slower; `check` each chunk.

    A sweep's first chunk comes `latency(drain)` cycles after its capture, the next ones each `steps` later. All ends
    after `stop` cycles.
    """
    compiled, is_drain = model.program, hasattr(dut, "sum_o")
    folding, sizes = compiled.folding, compiled.sizes
    slots, lanes = folding.rows // folding.lanes, folding.lanes
    cycle, may, params, soon = 0, 3, deque(maxlen=3), False
    for index, (sweep, drain) in enumerate(zip(compiled.sweeps, compiled.drains, strict=True)):
        pool, step = drain.kind == Kind.POOL, max(1, drain.steps)
        capture = dut.pool_capture_i if pool else dut.acc_capture_i
        wide = 2 if drain.paired else 1
        times = drain.times + 1
        outputs = deque(
            (oy, ox * wide, time)
            for oy, ox, time in np.ndindex(drain.out_h + 1, -(-(drain.out_w + 1) // wide), 1 if drain.hold else times)
        )
        expected, done, slack, saturated = deque(), None, random.choice((0, 0, 7)), 0
        may += random.choice((0, slack))
        while outputs or expected or cycle < may:
            if outputs and cycle >= may:
                oy, ox, time = outputs.popleft()
                total = [random.choice((0, -1, random.randrange(1 << 12))) for _ in range(folding.pix)]
                chunks = [[model.sums(drain, branch, k, t) for k in range(drain.chunks + 1)] for t in total]
                rest = [random.getrandbits(sizes.acc_bits) for _ in range(folding.cols)]
                best = [[random.randrange(1 << sizes.x_bits) for _ in range(folding.rows)] for _ in total]
                acc = [[v for chunk in pixel for v in chunk] + rest[(drain.chunks + 1) * lanes :] for pixel in chunks]
                dut.acc_i.value = packed([v for row in acc for v in row[: folding.cols]], sizes.acc_bits)
                dut.total_i.value = packed(total, sizes.acc_bits)
                dut.pool_i.value = packed([v for row in best for v in row], sizes.x_bits)
                capture.value, due = 1, cycle + latency(drain)
                pixels = wide if ox + wide <= drain.out_w + 1 else 1
                for t, p, k in np.ndindex(times if drain.hold else 1, pixels, drain.chunks + 1):
                    part = slice(k * lanes, (k + 1) * lanes)
                    sums = [(v - (total[p] << sizes.w_bits - 1)) % (1 << sizes.acc_bits) for v in acc[p][part]]
                    expected.append((due, time + t, oy, ox + p, k, sums, best[p][part]))
                    due += step
                # The next output, or the next sweep's first one.
                may = cycle + sweep.cool + (random.randint(0, slack) if outputs else sweep.gap)
            await RisingEdge(dut.clk_i)
            scores = not is_drain and drain.kind == Kind.LOGITS
            valid = dut.valid_o if is_drain else dut.score_valid_o if scores else dut.code_valid_o
            assert bool(valid.value) == bool(expected and expected[0][0] == cycle), (index, cycle, expected)
            clipped = 0
            if is_drain:
                params.append((int(dut.param_o.value), int(dut.neuron_o.value)))
            else:
                assert not (dut.code_valid_o if scores else dut.score_valid_o).value
                assert bool(dut.code_valid_o.value) == soon
                soon = bool(dut.code_soon_o.value)
            last = False
            if valid.value:
                _, time, oy, x, k, sums, best = expected.popleft()
                plane, slot = divmod(drain.chunk + k, slots)
                line = drain.base + time * drain.image + oy * drain.row + plane * drain.plane + x // folding.ways
                place = line % (1 << len(dut.addr_o)), x % folding.ways, slot, k, oy, x, time
                names = "addr", "way", "slot", "chunk", "y", "x", "time"
                assert tuple(int(getattr(dut, f"{n}_o").value) for n in names) == place, (index, oy, x, k)
                last = (time, oy, x, k) == (drain.times, drain.out_h, drain.out_w, drain.chunks)
                clipped = check(drain, branch, (time, x % wide, k), sums, best, params)
            assert bool((dut.last_o if is_drain else dut.done_o).value) == last or (is_drain and not valid.value)
            if outputs or expected or last:
                assert (int(dut.index_o.value), int(dut.drain_o.value)) == (index, word(drain)) or cycle < 2
            if is_drain:
                # The sweep is written 5 cycles later, after a search `steps` more and one, or when somebody says so.
                if last:
                    done = cycle + random.choice((5, 9)) + (drain.steps + 1 if drain.kind == Kind.THRESHOLD else 0)
                    may = max(may, done + 2)
                dut.done_i.value = done == cycle + 1
            elif drain.kind == Kind.THRESHOLD:
                # Membranes that saturate are counted before their thresholds are searched.
                saturated += int(dut.clipped_o.value) - clipped
                assert saturated >= 0 and (expected or not saturated)
            else:
                assert int(dut.clipped_o.value) == clipped
            cycle += 1
            await FallingEdge(dut.clk_i)
            capture.value = 0
            if cycle == stop:
                return


async def restart(dut):
    """A reset of one cycle, as software's is."""
    dut.rst_ni.value = 0
    await FallingEdge(dut.clk_i)
    dut.rst_ni.value = 1


@cocotb.test()
async def drain(dut):
    """Chunks of every sweep: sums without the weights' offset, places, parameters' and tables' words; after a reset."""
    compiled = program()
    model = Parameters(compiled)
    branches = {f"branch_{name}_i": 0 for name in ("params", "tables", "neurons")}
    await reset(dut, acc_capture_i=0, pool_capture_i=0, done_i=0, **branches)

    def check(entry, branch, cell, sums, best, params):
        (time, pixel, chunk), at = cell, compiled.banks[branch].neurons if entry.banked else 0
        assert bool(dut.fresh_o.value) == (time == 0)
        if entry.lif:
            assert int(dut.cell_o.value) == (pixel << len(dut.cell_o) - 1 if compiled.folding.pix > 1 else 0) + chunk
            assert params[0][1] == entry.neurons + chunk + at
        if entry.kind == Kind.POOL:
            assert elements(dut.code_o, len(best)) == best
            return
        assert elements(dut.sum_o, len(sums)) == sums
        assert params[0][0] == model.word_of(entry, branch, chunk)
        if entry.kind == Kind.THRESHOLD:
            assert int(dut.table_o.value) == model.table(entry, branch, chunk)

    for trial in range(3):
        branch = random.randrange(len(compiled.banks))
        dut.branch_params_i.value = compiled.banks[branch].params
        dut.branch_tables_i.value = compiled.banks[branch].tables
        dut.branch_neurons_i.value = compiled.banks[branch].neurons
        await walk(dut, model, branch, lambda _: 2, check, random.randrange(600) if trial == 1 else None)
        await restart(dut)


@cocotb.test()
async def quantizer(dut):
    """Codes, scores and clips of every sweep, with the branch's parameters; banks change where they are written."""
    compiled = program()
    model = Parameters(compiled)
    names = "we", "memory", "addr", "part", "data"
    ports = [getattr(dut, f"bank_{name}_i") for name in names]
    await reset(dut, acc_capture_i=0, pool_capture_i=0, bank_i=0, **{f"bank_{name}_i": 0 for name in names})

    def check(entry, branch, cell, sums, best, _):
        (time, pixel, chunk), lanes = cell, len(sums)
        if entry.kind == Kind.POOL:
            assert elements(dut.code_o, lanes) == best
            return 0
        acc, raw, codes, clipped = model.result(entry, branch, chunk, sums, time, pixel)
        assert elements(dut.acc_o, lanes, True) == acc
        if entry.lif:
            assert elements(dut.membrane_o, lanes, True) == raw
        if entry.kind != Kind.SPIKES:
            assert elements(dut.raw_o, lanes, True) == raw
        if codes is not None:
            assert elements(dut.code_o, lanes) == codes
        return clipped

    async def write(*values):
        for port, value in zip(ports, values, strict=True):
            port.value = value
        await FallingEdge(dut.clk_i)

    def other(place):
        """The same place of a memory that is elsewhere, or nothing written at all."""
        enable, memory = random.choice(((0, place[0]), (1, 0), (1, 3)))
        return enable, memory, *place[1:3], random.getrandbits(PART_BITS)

    late = 9 if compiled.sizes.neurons else 7
    for trial in range(3):
        if trial:
            for _ in range(60):
                writes = (
                    model.table_writes() if compiled.sizes.tables and random.random() < 0.5 else model.param_writes()
                )
                for place in writes:
                    await write(1, *place)
                    await write(0, *place[:3], random.getrandbits(PART_BITS))
                await write(*other(random.choice(writes)))
            # A threshold's low part alone changes nothing.
            await write(1, 2, random.randrange(64), 0, random.getrandbits(PART_BITS))
            await write(0, 0, 0, 0, 0)
        branch = random.randrange(len(compiled.banks))
        dut.bank_i.value = word(compiled.banks[branch])
        stop = random.randrange(600) if trial == 1 else None
        await walk(
            dut,
            model,
            branch,
            lambda entry: late + (1 + entry.steps if entry.kind == Kind.THRESHOLD else 0),
            check,
            stop,
        )
        await restart(dut)
