"""Cocotb benches of what surrounds the engine: constants, frames, scores, and the core behind its ports."""

import random

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, FallingEdge, RisingEdge, with_timeout
from cocotbext.axi import AxiLiteBus, AxiLiteMaster, AxiStreamBus, AxiStreamFrame, AxiStreamSink, AxiStreamSource
from testbench_arithmetic import at_rest, start
from testbench_axi import pauses
from testbench_engine_arithmetic import elements, packed, signed_range
from testbench_engine_program import BITSTREAMS, program
from testbench_engine_streams import clear, exchange, parameters
from testbench_streams import reset

from crossloom.rtl.compiler.words import Bank, Config, widths, word
from crossloom.rtl.core.contents import hash_words, identities_of
from crossloom.rtl.registers.core_map import CORE, COUNTERS, IDENTITY, VERSION
from crossloom.sim import differing, input_codes, load, run
from crossloom.sim.frames import Status, frame_beats, frame_layout, read_results

BANK_PORTS = [f"bank_{name}_i" for name in ("we", "memory", "addr", "part", "data")]


def random_config(**given):
    """A frame's constants, any values but those given."""
    return Config(**{name: random.getrandbits(bits) for name, bits in widths(Config).items()} | given)


@cocotb.test()
async def constants(dut):
    """The files' words; a written number of rows changes that of its branch alone."""
    compiled = program()
    banks = [word(bank) for bank in compiled.banks]
    await start(dut, branch_i=0, we_i=0, we_branch_i=0, we_rows_i=0)
    for _ in range(200):
        branch, at, rows = random.randrange(len(banks)), random.randrange(len(banks)), random.getrandbits(17)
        dut.we_i.value = write = random.randrange(2)
        dut.branch_i.value, dut.we_branch_i.value, dut.we_rows_i.value = branch, at, rows
        await RisingEdge(dut.clk_i)
        assert int(dut.config_o.value) == word(compiled.config)
        assert int(dut.bank_o.value) == banks[branch]
        if write:
            banks[at] = banks[at] >> widths(Bank)["rows"] << widths(Bank)["rows"] | rows
        await FallingEdge(dut.clk_i)


@cocotb.test()
async def loader(dut):
    """Images of random shapes go chunk by chunk where they belong, two inside at most, a chunk a cycle."""
    rows, lanes, ways, bits, address = parameters("Rows", "Lanes", "Ways", "XBits", "FeatureBits")
    await reset(dut, config_i=0, s_valid_i=0, start_i=0, release_i=0, hold_i=0)
    for trial in range(8):
        height, width, chunks = (1, 1, 1) if trial == 0 else (random.randint(1, n) for n in (4, 9, 5))
        config = random_config(height=height - 1, width=width - 1, chunks=chunks - 1)
        dut.config_i.value, dut.s_valid_i.value = word(config), 1
        # A reset in the middle of anything.
        for _ in range(random.randrange(2 * height * width * chunks)):
            dut.start_i.value = bool(dut.image_valid_o.value) and random.random() < 0.5
            await FallingEdge(dut.clk_i)
        dut.s_valid_i.value = dut.start_i.value = dut.rst_ni.value = 0
        await FallingEdge(dut.clk_i)
        dut.rst_ni.value = 1
        idle, busy = (0, 0) if trial < 3 else (0.3, 0.3)
        count, size = 5, height * width * chunks
        codes = [[random.getrandbits(bits) for _ in range(lanes)] for _ in range(count * size)]
        wanted, statuses = [], [(random.randrange(3), random.randrange(2)) for _ in range(count)]
        for at, data in enumerate(codes):
            image, place = divmod(at, size)
            y, x, chunk = place // chunks // width, place // chunks % width, place % chunks
            block, slot = divmod(chunk, rows // lanes)
            base = config.base2 if image % 2 else config.base
            line = (base + y * config.row + block * config.plane + x // ways) % (1 << address)
            wanted.append((line, x % ways, slot, [(code - config.lo) % (1 << bits) for code in data]))
        sent = started = released = cycles = 0
        found = []
        while released < count or len(found) < len(wanted):
            offer = sent < len(codes) and random.random() >= idle
            hold = random.random() < busy
            whole = sent // size
            begin = started < whole and random.random() >= busy
            free = released < started and random.random() >= busy
            dut.s_valid_i.value, dut.hold_i.value = offer, hold
            dut.s_data_i.value = packed(codes[min(sent, len(codes) - 1)], bits)
            ended = offer and (sent + 1) % size == 0
            status, more = statuses[whole] if ended else (random.randrange(3), random.randrange(2))
            dut.s_status_i.value, dut.s_more_i.value = status, more
            dut.start_i.value, dut.release_i.value = begin, free
            await RisingEdge(dut.clk_i)
            cycles += 1
            assert cycles < 40 * len(codes) + 100, "it hangs"
            assert bool(dut.s_ready_o.value) == (not hold and whole - released < 2)
            assert bool(dut.image_valid_o.value) == (started < whole)
            if started < whole:
                base = config.base2 if started % 2 else config.base
                assert int(dut.image_base_o.value) == base % (1 << address)
            if free:
                assert (int(dut.status_o.value), int(dut.more_o.value)) == statuses[released]
            # A chunk taken in one cycle is written in the next.
            assert bool(dut.we_o.value) == (len(found) < sent)
            if dut.we_o.value:
                line, way, slot = (int(getattr(dut, f"we_{n}_o").value) for n in ("addr", "way", "slot"))
                found.append((line, way, slot, elements(dut.we_data_o, lanes)))
            sent += bool(offer and dut.s_ready_o.value)
            started, released = started + begin, released + free
            await FallingEdge(dut.clk_i)
        assert found == wanted
        if idle == busy == 0 and size > 2:
            assert cycles <= len(codes) + 3, "less than a chunk a cycle"


@cocotb.test()
async def scores(dut):
    """Branch, row and beats of random scores with ties and extremes, read with pauses; the promised cycles."""
    lanes, bits, words = parameters("Lanes", "AccBits", "Words")
    low, high = signed_range(bits)
    await reset(dut, config_i=0, we_i=0, start_i=0, route_i=0, finish_i=0, m_ready_i=0, rows_i=1, status_i=0, more_i=0)

    async def level(at, values, rows, strobe):
        """Write a level's words and search it; cycles until its answer is there."""
        for i in range(-(-len(values) // lanes)):
            part = values[i * lanes : (i + 1) * lanes]
            full = [*part, *(random.choice((low, high)) for _ in range(lanes - len(part)))]
            dut.we_i.value, dut.we_addr_i.value, dut.we_data_i.value = 1, at + i, packed(full, bits)
            await FallingEdge(dut.clk_i)
        dut.we_i.value, strobe.value, dut.rows_i.value, dut.status_i.value = 0, 1, rows, status
        dut.more_i.value = more
        dut.we_addr_i.value, dut.we_data_i.value = random.randrange(words), random.getrandbits(lanes * bits)
        answer, cycles, releases = dut.branch_valid_o if strobe is dut.route_i else dut.m_valid_o, 0, 0
        while True:
            await RisingEdge(dut.clk_i)
            releases += int(dut.release_o.value)
            if answer.value:
                break
            assert bool(dut.free_o.value) == (cycles == 0)
            cycles += 1
            assert cycles < 200, "it hangs"
            await FallingEdge(dut.clk_i)
            strobe.value, dut.rows_i.value, dut.status_i.value = 0, random.getrandbits(16), random.getrandbits(2)
            dut.more_i.value = random.randrange(2)
        assert releases == (strobe is dut.finish_i)
        return cycles

    for trial in range(60):
        half = words // 2
        coarse = random.choice((0, 1, random.randint(1, half * lanes)))
        count = random.choice((1, random.randint(1, (words - half) * lanes)))
        rows, status, more = random.randint(1, count), random.randrange(3), random.randrange(2)
        first, second = (
            [random.choice((low, high, -1, 0, random.randint(low, high))) for _ in range(n)] for n in (coarse, count)
        )
        fine = -(-coarse // lanes)
        dut.config_i.value = word(random_config(coarse=coarse, scores=count, fine=fine))
        dut.start_i.value, dut.m_ready_i.value = 1, 0
        await FallingEdge(dut.clk_i)
        dut.start_i.value, branch = 0, 0 if trial == 0 else int(dut.branch_o.value)
        if coarse:
            assert not dut.branch_valid_o.value
            assert await level(0, first, 0, dut.route_i) == coarse + 3
            branch = int(dut.branch_o.value)
            assert branch == int(np.argmax(first))
            await FallingEdge(dut.clk_i)
        assert await level(fine, second, rows, dut.finish_i) == rows + 4
        header = status << 32 | branch << 16 | int(np.argmax(second[:rows]))
        wanted = [header, *(value % (1 << 64) for value in (*first, *second))]
        found, stall, cycles = [], (0, 0.5)[trial % 2], 0
        while len(found) < len(wanted):
            await FallingEdge(dut.clk_i)
            dut.m_ready_i.value = ready = random.random() >= stall
            await RisingEdge(dut.clk_i)
            cycles += 1
            assert cycles < 40 * len(wanted), "it hangs"
            assert not dut.free_o.value
            if ready and dut.m_valid_o.value:
                found.append(int(dut.m_data_o.value))
                assert bool(dut.m_last_o.value) == (len(found) == len(wanted))
                assert int(dut.m_more_o.value) == more or len(found) < len(wanted)
                dut.more_i.value = random.randrange(2)
        assert found == wanted
        assert stall or cycles == len(wanted), "less than a beat a cycle"
        await FallingEdge(dut.clk_i)
        assert dut.free_o.value and not dut.m_valid_o.value
        if trial % 4 == 0:
            # A reset in the middle of a search or of a result.
            dut.finish_i.value, dut.rows_i.value = 1, rows
            for _ in range(random.randint(1, rows + count + 6)):
                await FallingEdge(dut.clk_i)
                dut.finish_i.value = 0
            dut.finish_i.value = dut.rst_ni.value = 0
            await FallingEdge(dut.clk_i)
            dut.rst_ni.value = 1
            assert dut.free_o.value and not (dut.m_valid_o.value or dut.branch_valid_o.value)
            assert int(dut.branch_o.value) == 0


@cocotb.test()
async def engine(dut):
    """Chunks in, results out, with pauses on both sides and a reset in the middle: what the simulator answers."""
    compiled = program()
    network = compiled.network
    inputs = load(BITSTREAMS / network.name / f"{network.name}.loom").golden.inputs
    codes = input_codes(network.input, np.stack(random.sample(list(inputs), 2)))
    wanted = run(network, codes=codes)
    folding, sizes = compiled.folding, compiled.sizes
    pixels = [list(pixel) for pixel in codes.reshape(-1, codes.shape[-1])]
    chunks = [pixel[at : at + folding.lanes] for pixel in pixels for at in range(0, len(pixel), folding.lanes)]
    items = [{"data": packed([code % (1 << sizes.x_bits) for code in chunk], sizes.x_bits)} for chunk in chunks]
    beats = 1 + compiled.config.coarse + compiled.config.scores
    await reset(dut, s_valid_i=0, s_data_i=0, s_status_i=0, s_more_i=0, m_ready_i=0, **dict.fromkeys(BANK_PORTS, 0))
    for idle, stall in ((0.0, 0.0), (0.9, 0.9)):
        found, _ = await exchange(dut, items, 2 * beats, idle, stall, ("data", "last"), 400)
        results = np.array([data for data, _ in found], np.uint64).reshape(2, beats)
        assert [last for _, last in found] == [index % beats == beats - 1 for index in range(2 * beats)]
        answers = read_results(network, results)
        assert not differing(wanted, answers).any()
        # A part of the next image, dropped.
        await exchange(dut, items[: random.randrange(1, len(items) // 4)], 0, 0.0, 0.0, ("data", "last"))
        await clear(dut)


@cocotb.test()
async def core(dut):
    """Frames with pauses on both sides, identities, counters; a short and a long frame, the next ones exact."""
    network = program().network
    images = load(BITSTREAMS / network.name / f"{network.name}.loom").golden.inputs
    at_rest(dut, aclk=0, aresetn=0)
    layout = frame_layout(network)
    cocotb.start_soon(Clock(dut.aclk, 10, unit="ns").start())
    reset_of = {"reset_active_level": False}
    source = AxiStreamSource(AxiStreamBus.from_prefix(dut, "s_axis"), dut.aclk, dut.aresetn, **reset_of)
    sink = AxiStreamSink(AxiStreamBus.from_prefix(dut, "m_axis"), dut.aclk, dut.aresetn, **reset_of)
    host = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axi"), dut.aclk, dut.aresetn, **reset_of)
    stalls = 0

    async def watch():
        nonlocal stalls
        while True:
            await RisingEdge(dut.aclk)
            stalls += bool(dut.m_axis_tvalid.value) and not dut.m_axis_tready.value

    def to_the_last():
        """Pauses that look at a beat before they let it go, and keep a result's last one."""
        while True:
            yield from (True, True, True)
            yield bool(dut.m_axis_tlast.value)

    await ClockCycles(dut.aclk, 5)
    cocotb.start_soon(watch())
    dut.aresetn.value = 1
    await ClockCycles(dut.aclk, 5)

    async def read(name):
        return await host.read_dword(CORE.offset(name))

    assert (await read("ID"), await read("VERSION")) == (IDENTITY, VERSION)
    names = [f"{name}_{i}" for name in ("STRUCTURE", "FIXED", "WEIGHTS") for i in range(8)]
    assert [await read(name) for name in names] == [
        word for sha256 in identities_of(network).values() for word in hash_words(sha256)
    ]

    codes = input_codes(network.input, random.sample(list(images), 4))
    wanted = run(network, codes=codes).logits
    frames = frame_beats(network, codes)
    size = layout.frame_beats
    cut = random.randrange(1, size)
    long = np.concatenate([frames[2], frames[3, :cut]])
    # More short ones than long ones, so that their counters differ.
    sent = [frames[0], frames[1, :cut], frames[1], long, frames[2, :cut], frames[2], frames[3]]
    statuses = [Status.OK, Status.SHORT, Status.OK, Status.LONG, Status.SHORT, Status.OK, Status.OK]
    images = [0, None, 1, None, None, 2, 3]
    for share in (0.0, 0.6):
        source.set_pause_generator(pauses(share))
        sink.set_pause_generator(pauses(share))
        for beats in sent:
            await source.send(AxiStreamFrame(np.ascontiguousarray(beats).tobytes()))
        for status, image in zip(statuses, images, strict=True):
            frame = await with_timeout(sink.recv(), 1, "ms")
            result = np.frombuffer(bytes(frame.tdata), np.uint64).reshape(1, -1)
            assert result.shape == (1, layout.result_beats)
            assert int(result[0, 0]) >> 32 == status
            if image is not None:
                np.testing.assert_array_equal(read_results(network, result).scores[0], wanted[image])
    counted = {name: await read(name) for name, _ in COUNTERS}
    assert (counted["FRAMES_IN"], counted["FRAMES_OUT"]) == (14, 14)
    assert (counted["FRAMES_SHORT"], counted["FRAMES_LONG"], counted["ERRORS"]) == (4, 2, 6)
    assert counted["STALLS"] == stalls > 0
    assert await read("ERROR") == 3 and await read("STATUS") == 0

    # Busy until a result's last beat has left, which may be all that there is.
    sink.set_pause_generator(to_the_last())
    await source.send(AxiStreamFrame(np.ascontiguousarray(frames[0]).tobytes()))
    while not (dut.m_axis_tvalid.value and dut.m_axis_tlast.value):
        await RisingEdge(dut.aclk)
    for _ in range(3):
        assert await read("STATUS") == 1
    sink.clear_pause_generator()
    sink.pause = False
    await with_timeout(sink.recv(), 1, "ms")
    assert await read("STATUS") == 0
