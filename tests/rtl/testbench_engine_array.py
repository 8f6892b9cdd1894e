"""Cocotb benches of the engine's array and of what feeds and follows it: greatest sums first, then anything."""

import itertools
import random
from pathlib import Path
from types import SimpleNamespace

import cocotb
import numpy as np
from cocotb.triggers import FallingEdge, Timer
from engine_interpreter import Interpreter
from testbench_arithmetic import start
from testbench_engine_arithmetic import elements, packed
from testbench_engine_streams import parameters
from testbench_streams import reset

from crossloom.rtl.estimate.array import array_latency
from crossloom.sim.ops import Edge, MaxPool
from crossloom.sim.types import QType

SETS = 300


def drawn(number, most, *shape):
    """Sets (number, *shape) of 0 to most: all at the top, all at 0, then many at an end, then any."""
    rng = np.random.default_rng(random.getrandbits(32))
    ends = rng.choice([0, most], (number, *shape))
    keep = rng.random(ends.shape) < rng.choice([0.0, 0.5, 1.0], (number, *(1 for _ in shape)))
    values = np.where(keep, ends, rng.integers(0, most, ends.shape, endpoint=True))
    values[0], values[1] = most, 0
    return values


async def flow(dut, inputs, expected, latency):
    """A set a cycle, inputs(cycle) by port; expected (sets,) by port shows `latency` cycles later, no cycle else."""
    await start(dut)
    for cycle in range(len(expected) + latency):
        for name, value in inputs(cycle).items():
            getattr(dut, name).value = value
        await Timer(1, "ns")
        if cycle >= latency:
            found = {name: int(getattr(dut, name).value) for name in expected[cycle - latency]}
            assert found == expected[cycle - latency], f"set {cycle - latency}"
        await FallingEdge(dut.clk_i)


def at(sets, cycle):
    """The set of a cycle; before the first and after the last any."""
    return sets[cycle] if 0 <= cycle < len(sets) else random.choice(sets)


def flat(values, bits):
    """An array of any shape as one port."""
    return packed(np.ravel(values).tolist(), bits)


@cocotb.test()
async def delay(dut):
    """Each word once, as many cycles later; 0 is a wire."""
    bits, cycles = parameters("Bits", "Cycles")
    sets = drawn(SETS, (1 << bits) - 1).tolist()
    await flow(dut, lambda cycle: {"d_i": at(sets, cycle)}, [{"q_o": value} for value in sets], cycles)


@cocotb.test()
async def add3(dut):
    """Every sum that the output holds, in any order."""
    bits, out = parameters("Bits", "OutBits")
    sets = np.array([row for row in itertools.product(range(1 << bits), repeat=3) if sum(row) < 1 << out])
    sets = sets[np.random.default_rng(random.getrandbits(32)).permutation(len(sets))]
    inputs = [dict(zip(("a_i", "b_i", "c_i"), row, strict=True)) for row in sets.tolist()]
    await flow(dut, lambda cycle: at(inputs, cycle), [{"sum_o": sum(row)} for row in sets.tolist()], 1)


@cocotb.test()
async def sum_level(dut):
    """Threes, and what is left at the end."""
    count, bits, out = parameters("Count", "Bits", "OutBits")
    sets = drawn(SETS, (1 << bits) - 1, count)
    expected = [{"sum_o": flat(np.add.reduceat(row, range(0, count, 3)), out)} for row in sets]
    await flow(dut, lambda cycle: {"d_i": flat(at(sets, cycle), bits)}, expected, 1)


@cocotb.test()
async def sum_tree(dut):
    """The sum of numbers up to the promised greatest, in Levels cycles."""
    count, bits, most, levels = parameters("Count", "Bits", "Max", "Levels")
    sets = drawn(SETS, most, count)
    expected = [{"sum_o": int(row.sum())} for row in sets]
    await flow(dut, lambda cycle: {"d_i": flat(at(sets, cycle), bits)}, expected, levels)


@cocotb.test()
async def array_pair(dut):
    """Two products, their stages in step: bits 2j and 2j+1 of the weights come j cycles late."""
    x_bits, w_bits = parameters("XBits", "WBits")
    stages = (w_bits + 1) // 2
    x, w = drawn(SETS, (1 << x_bits) - 1, 2), drawn(SETS, (1 << w_bits) - 1, 2)

    def inputs(cycle):
        now = [cycle - j for j in range(stages)]
        late = [sum(int(at(w, t)[i]) & 3 << 2 * j for j, t in enumerate(now)) for i in range(2)]
        rows = [at(x, t) for t in now]
        return {
            "x_i": flat(rows, x_bits),
            "x_sum_i": packed([sum(row) for row in rows], x_bits + 1),
            "w_i": packed(late, w_bits),
        }

    await flow(dut, inputs, [{"p_o": int(a @ b)} for a, b in zip(x, w, strict=True)], stages)


@cocotb.test()
async def array_chain(dut):
    """Four sums of products side by side; full fields carry nothing into the next."""
    rows, x_bits, w_bits, field = parameters("Rows", "XBits", "WBits", "FieldBits")
    x, w = drawn(SETS, (1 << x_bits) - 1, 2, rows), drawn(SETS, (1 << w_bits) - 1, 2, rows)
    for k, (one, other) in enumerate(itertools.product((0, 1), repeat=2)):
        x[2 + k], w[2 + k] = 0, 0  # one field alone
        x[2 + k, one], w[2 + k, other] = (1 << x_bits) - 1, (1 << w_bits) - 1
    expected = [{"p_o": flat(b @ a.T, field)} for a, b in zip(x, w, strict=True)]
    await flow(
        dut,
        lambda cycle: {"x_i": flat(at(x, cycle), x_bits), "w_i": flat(at(w, cycle), w_bits)},
        expected,
        2 + (rows + 1) // 2,
    )


@cocotb.test()
async def array_column(dut):
    """Pairs of rows and chains in one sum, each part as late as the column wants it."""
    pairs, pix, x_bits, w_bits = parameters("Pairs", "Pix", "XBits", "WBits")
    chains, length, field, partial, levels = parameters("Chains", "ChainRows", "FieldBits", "Partial", "Levels")
    x_most, w_most, ports = (1 << x_bits) - 1, (1 << w_bits) - 1, (max(pairs, 1), max(chains, 1))
    x, w = drawn(SETS, x_most, pix, ports[0], 2), drawn(SETS, w_most, ports[0], 2)
    chain = drawn(SETS, length * x_most * w_most if chains else 0, ports[1], pix)
    # What comes for a part that is not there is not counted.
    sums = (x * w[:, None] * bool(pairs)).sum((2, 3)) + chain.sum(1)
    expected = [{"sum_o": flat(row, parameters("SumBits")[0])} for row in sums]

    def inputs(cycle):
        rows = [at(x, cycle - j - 1) for j in range((w_bits + 1) // 2)]
        return {
            "w_i": flat(at(w, cycle), w_bits),
            "x_i": flat(rows, x_bits),
            "x_sum_i": flat([row.sum(-1) for row in rows], x_bits + 1),
            "chain_i": flat(at(chain, cycle - partial), field),
        }

    await flow(dut, inputs, expected, partial + levels)


@cocotb.test()
async def array(dut):
    """Every sum of products and of activations, a new set every cycle, after the latency that Python promises."""
    case = rows, cols, pix, x_bits, w_bits, _dsp = parameters("Rows", "Cols", "Pix", "XBits", "WBits", "Dsp")
    x, w = drawn(SETS, (1 << x_bits) - 1, pix, rows), drawn(SETS, (1 << w_bits) - 1, cols, rows)
    grow = (rows - 1).bit_length()
    expected = [
        {"sum_o": flat(a @ b.T, x_bits + w_bits + grow), "xsum_o": flat(a.sum(1), x_bits + grow)}
        for a, b in zip(x, w, strict=True)
    ]
    await flow(
        dut,
        lambda cycle: {"x_i": flat(at(x, cycle), x_bits), "w_i": flat(at(w, cycle), w_bits)},
        expected,
        array_latency(*case),
    )


async def captures(dut, outputs, read, idle):
    """Outputs of some taps each, with what read() is for them; 2 cycles after the last tap, then held."""
    taps = [
        (tap | {"valid_i": 1, "first_i": i == 0, "last_i": i == len(group) - 1}, expected)
        for group, expected in outputs
        for i, tap in enumerate(group)
    ]
    due, held, sent = [None, None], None, 0
    while sent < len(taps) or any(due):
        go = sent < len(taps) and random.random() >= idle
        tap, expected = taps[sent] if go else (random.choice(taps)[0] | {"valid_i": 0}, None)
        for name, value in tap.items():
            getattr(dut, name).value = value
        sent, due = sent + go, [*due, expected if tap["last_i"] else None]
        await FallingEdge(dut.clk_i)
        now, due = due[1], due[1:]
        assert bool(dut.capture_o.value) == (now is not None)
        held = now or held
        assert held is None or read() == held
    # A reset takes what is inside with it.
    dut.valid_i.value = dut.last_i.value = 1
    await FallingEdge(dut.clk_i)
    dut.valid_i.value = dut.rst_ni.value = 0
    await FallingEdge(dut.clk_i)
    dut.rst_ni.value = 1
    for _ in range(3):
        assert not dut.capture_o.value
        await FallingEdge(dut.clk_i)


def lengths():
    """Taps of some outputs: first back to back, one each."""
    return [1, 1, 1, 2, 1, *(random.randint(1, 7) for _ in range(40))]


def drawn_taps(count, most, *shape):
    """Values of `count` taps: the greatest and 0 first, or any."""
    first = random.choice((0, 2, 2))
    return drawn(count + 2, most, *shape)[first : first + count]


@cocotb.test()
async def accumulate(dut):
    """Sums of taps, doubled in between where the program says so, modulo 2**AccBits."""
    cols, pix, sum_bits, xsum_bits, acc_bits = parameters("Cols", "Pix", "SumBits", "XSumBits", "AccBits")
    (doubling,) = parameters("Doubling")
    await reset(dut, valid_i=0, first_i=0, last_i=0, shift_i=0, sum_i=0, xsum_i=0)

    def output(count):
        sums = drawn_taps(count, (1 << sum_bits) - 1, pix, cols)
        xsums = drawn_taps(count, (1 << xsum_bits) - 1, pix)
        acc, total, taps = np.zeros((pix, cols), np.int64), np.zeros(pix, np.int64), []
        for i, (more, x_more) in enumerate(zip(sums, xsums, strict=True)):
            shift = doubling and i > 0 and random.random() < 0.4
            acc, total = (acc << 1, total << 1) if shift else (acc + more, total + x_more)
            taps.append({"shift_i": shift, "sum_i": flat(more, sum_bits), "xsum_i": flat(x_more, xsum_bits)})
        return taps, (flat(acc, acc_bits), flat(total, acc_bits))

    for idle in (0.0, 0.3, 0.8):
        # The last one is long enough to wrap.
        outputs = [output(count) for count in (*lengths(), 60)]
        await captures(dut, outputs, lambda: (int(dut.acc_o.value), int(dut.total_o.value)), idle)


@cocotb.test()
async def pooling(dut):
    """The simulator's maximum of each window, while the next one runs."""
    rows, pix, bits = parameters("Rows", "Pix", "XBits")
    await reset(dut, valid_i=0, first_i=0, last_i=0, x_i=0)

    def output(count):
        codes = drawn_taps(count, (1 << bits) - 1, pix * rows)
        edge = Edge((1, count, pix * rows), QType(0, (1 << bits) - 1))
        op = MaxPool((1, count), (1, 1), (0, 0, 0, 0))
        best = op.kernel([edge], op.infer("bench", [edge], False))(codes[None, None].astype(edge.carrier))
        return [{"x_i": flat(tap, bits)} for tap in codes], (flat(best.astype(np.int64), bits),)

    for idle in (0.0, 0.3, 0.8):
        await captures(dut, [output(count) for count in lengths()], lambda: (int(dut.y_o.value),), idle)


@cocotb.test()
async def feature_memory(dut):
    """Chunks go where they should and nowhere else; every way reads a word of its own each cycle."""
    rows, lanes, ways, bits, words = parameters("Rows", "Lanes", "Ways", "XBits", "Words")
    memory = np.zeros((ways, words, rows), np.int64)
    places = list(itertools.product(range(ways), range(words), range(rows // lanes)))
    random.shuffle(places)
    await start(dut, addr_i=0, we_i=0)
    for cycle in range(len(places) + 4 * SETS):
        filled = cycle >= len(places)
        write = not filled or random.random() < (0.5, 1.0)[cycle % 3 > 0]
        way, word, slot = random.choice(places) if filled else places[cycle]
        chunk = drawn(2, (1 << bits) - 1, lanes)[0] if cycle < 2 else drawn(3, (1 << bits) - 1, lanes)[2]
        # Often what was just written is read, in the next cycle at the earliest.
        reads = [random.randrange(words) for _ in range(ways)]
        dut.we_i.value, dut.we_way_i.value, dut.we_addr_i.value, dut.we_slot_i.value = write, way, word, slot
        dut.we_data_i.value = flat(chunk, bits)
        dut.addr_i.value = packed(reads, max(1, (words - 1).bit_length()))
        expected = [memory[b, a].copy() for b, a in enumerate(reads)]
        if write:
            memory[way, word, slot * lanes : (slot + 1) * lanes] = chunk
        await FallingEdge(dut.clk_i)
        found = np.reshape(elements(dut.words_o, ways * rows), (ways, rows))
        for b, a in enumerate(reads):
            if filled and not (write and (b, a) == (way, word)):
                assert found[b].tolist() == expected[b].tolist(), (b, a)


@cocotb.test()
async def wide_memory(dut):
    """First what the file says, then what was written in parts; a word a cycle, `Latency` cycles later."""
    bits, words, latency = parameters("Bits", "Words", "Latency")
    parts = -(-bits // 36)
    # What an edge before the first cycle would write is not the file's.
    await start(dut, we_i=0)
    file = Path("tablememory.mem")
    memory = [int(line, 16) for line in file.read_text().split()] if file.is_file() else [None] * words
    to_write = [] if file.is_file() else list(itertools.product(range(words), range(parts)))
    reads, due = list(range(words)), []
    for cycle in range(words + len(to_write) + 3 * SETS):
        write = bool(to_write) or (cycle > words and random.random() < 0.6)
        place, part = to_write.pop() if to_write else (random.randrange(words), random.randrange(parts))
        data = random.choice(((1 << 36) - 1, 0, random.getrandbits(36)))
        word = reads[cycle] if cycle < len(reads) and file.is_file() else random.randrange(words)
        dut.we_i.value, dut.we_addr_i.value, dut.we_part_i.value, dut.we_data_i.value = write, place, part, data
        dut.addr_i.value = word
        due.append(None if to_write or (write and place == word) else memory[word])
        if write:
            memory[place] = (memory[place] or 0) & ~((1 << 36) - 1 << 36 * part) | data << 36 * part
        await FallingEdge(dut.clk_i)
        now = due[cycle - latency + 1] if cycle >= latency - 1 else None
        assert now is None or int(dut.data_o.value) == now & (1 << bits) - 1, cycle


@cocotb.test()
async def window(dut):
    """Taps of many images, inside, across every border and far outside, one a cycle and with gaps."""
    rows, pix, bits, address, unroll = parameters("Rows", "Pix", "XBits", "FeatureBits", "Unroll")
    ways = 1 if pix == 1 else 2 * pix
    rng = np.random.default_rng(random.getrandbits(32))
    memory = rng.integers(0, 1 << bits, (1, ways, 1 << address, rows))
    model = object.__new__(Interpreter)
    model.memory, model.count = memory, 1
    model.program = SimpleNamespace(
        folding=SimpleNamespace(rows=rows, ways=ways),
        config=SimpleNamespace(base2=0),
        sizes=SimpleNamespace(unroll=unroll),
    )
    taps = min(rows // unroll, ways - 1) * unroll if unroll else 0
    seen = dict.fromkeys(("inside", "outside", "paired", "unrolled", "wrapped"), 0)

    def tap():
        height, width = random.choice(((1, 1), (3, 7), (2, 60), (random.randint(1, 6), random.randint(1, 15))))
        row = -(-width // ways)
        plane = height * row
        blocks = max(1, min(3, (1 << address) // plane))
        base, block = random.randint(0, (1 << address) - blocks * plane), random.randrange(blocks)
        unrolled = bool(unroll) and random.random() < 0.4
        block = 0 if unrolled else block
        paired = pix == 2 and random.random() < 0.7
        # A second pixel that nobody wants may be in the first one's way.
        step = 1 if unrolled else random.choice([s for s in (*range(1, 10), 255) if s % ways or not paired])
        # The first pixel about the image, or the second one.
        y, x = random.randint(-2, height + 1), random.randint(-4, width + 2) - random.choice((0, 0, step))
        if random.random() < 0.05:
            y, x = random.choice((-8192, 8191, y)), random.choice((-8192, 8191, x))
        sweep = SimpleNamespace(height=height, width=width, pad=random.randrange(1 << bits), row=row, plane=plane)
        segment = SimpleNamespace(base=base, image=0)
        expected = []
        for p in range(pix if paired else 1):
            codes, place = model._read(sweep, segment, y, x + p * step, block)
            if unrolled:
                codes = model._unrolled(sweep, segment, y, x + p * step, codes)[:, :taps]
                seen["unrolled"] += 1
                seen["wrapped"] += x % ways + p + 1 >= ways
            seen["inside" if place is not None else "outside"] += 1
            seen["paired"] += p
            expected.append(codes[0].tolist())
        ports = {
            "valid": 1, "paired": paired, "unrolled": unrolled, "base": base, "row": y * row & (1 << address) - 1,
            "plane": block * plane, "y": y, "x": x, "step_x": step, "height": height, "width": width, "pad": sweep.pad,
        }  # fmt: skip
        return ports, expected

    # A tap that breaks the promise, which only valid ones keep, and none in reset.
    broken = dict.fromkeys(("y", "x", "height", "width", "base", "row", "plane", "unrolled", "pad"), 0)
    broken |= {"valid": 0, "paired": 1, "step_x": ways, "height": 1, "width": 100}
    await reset(dut, words_i=0, **{f"{name}_i": value for name, value in (broken | {"valid": 1}).items()})
    for idle in (0.0, 0.3, 0.8):
        due, addresses = [None] * 3, [0] * ways
        for cycle in range(2 * SETS):
            ports, expected = tap()
            if cycle >= 2 * SETS - 4 or random.random() < idle:
                ports, expected = random.choice((ports | {"valid": 0}, broken)), None
            for name, value in ports.items():
                getattr(dut, f"{name}_i").value = value
            dut.words_i.value = flat([memory[0, b, a] for b, a in enumerate(addresses)], bits)
            addresses = elements(dut.addr_o, ways)
            due.append(expected)
            await FallingEdge(dut.clk_i)
            now = due.pop(0)
            if now is not None:
                found = np.reshape(elements(dut.x_o, pix * rows), (pix, rows)).tolist()
                assert [row[: len(e)] for row, e in zip(found, now, strict=False)] == now, cycle
    assert all(seen[name] > 50 for name in ("inside", "outside"))
    assert pix == 1 or seen["paired"] > 50
    assert not unroll or min(seen["unrolled"], seen["wrapped"]) > 50
