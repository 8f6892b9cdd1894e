"""What a tile tells of itself, to the cycle: when a frame is inside, when its output waits, when that is a stall."""

import numpy as np
import pytest

from crossloom.rtl.registers.tile_map import TILE
from crossloom.rtl.tile.campaign import build_tile, random_cells, random_config, random_inputs
from crossloom.rtl.tile.driver import input_beats, read_counters, run_tile, write_tile
from crossloom.sim.crossbar.twin import plain_config

ROWS, COLUMNS = 64, 32
BEATS, RESULTS = ROWS // 4, COLUMNS // 4
SHORT, LONG, BUSY, ADDRESS, VALUE, STALL = (1 << i for i in range(6))
RESET, CLEAR = 1, 2


@pytest.fixture(scope="module")
def tile():
    """A tile with a random configuration, and 3 inputs."""
    rng = np.random.default_rng(11)
    config, cells = random_config(rng, ROWS, COLUMNS), random_cells(rng, ROWS, COLUMNS)
    with build_tile({"Rows": ROWS, "Cols": COLUMNS, "Lanes": 8}, seed=3) as model:
        write_tile(model, config, cells)
        yield model, random_inputs(rng, config, 3)


@pytest.fixture
def rested(tile):
    """The tile without frames, errors or counts, and its inputs."""
    model, x = tile
    put(model, "CONTROL", RESET)
    put(model, "CONTROL", CLEAR)
    put(model, "ERROR", 0x3F)
    return model, x


def put(model, name, value):
    model.write(TILE.offset(name), value)


def ask(model, name):
    return int(model.read(TILE.offset(name))[0])


def latency(model, x):
    """Cycles from a frame's first beat to its result's."""
    run = run_tile(model, x[:1], COLUMNS)
    return int(run.out_cycles[0] - run.in_cycles[0])


@pytest.mark.parametrize("frames", [1, 2])
def test_a_frame_is_inside_from_its_first_beat_to_its_results_last(rested, frames):
    model, x = rested
    data, last = input_beats(x[:frames])
    for beat in range(1, BEATS):
        model.stream(data[:beat], last[:beat], 0)
        assert ask(model, "STATUS") == 1
        put(model, "CONTROL", RESET)
        assert ask(model, "STATUS") == 0
    whole = frames * RESULTS
    # One cycle after the other in which the status is looked at, the output waiting or leaving.
    for cycle in range(latency(model, x) + 40):
        for taken in (0, 1, whole - 1):
            model.stream(data, last, 0)
            model.run(cycle)
            assert ask(model, "STATUS") == 1, cycle
            model.stream(data[:0], last[:0], taken)
            assert ask(model, "STATUS") == 1, cycle
            model.stream(data[:0], last[:0], whole - taken)
            assert ask(model, "STATUS") == 0, cycle


def test_a_tiles_output_waits_only_while_nobody_takes_it(rested):
    model, x = rested
    beats = run_tile(model, x[:1], COLUMNS)
    assert read_counters(model)["STALLS"] == 0
    offered = beats.out_cycles[0] - beats.in_cycles[0]
    beats = run_tile(model, x[:1], COLUMNS, stall=np.array([0, 1, 1], bool))
    waited = int(beats.out_cycles[-1] - (beats.in_cycles[0] + offered)) + 1 - RESULTS
    assert read_counters(model)["STALLS"] == waited > 0


def test_a_tile_tells_a_stall_when_its_output_has_waited_timeout_cycles(rested):
    model, x = rested
    put(model, "TIMEOUT", 30)
    until, seen = latency(model, x), set()
    for held in range(until, until + 45):
        put(model, "ERROR", 0x3F)
        put(model, "CONTROL", CLEAR)
        run_tile(model, x[:1], COLUMNS, stall=np.arange(held + 500) < held)
        waited = read_counters(model)["STALLS"]
        assert ask(model, "ERROR") == (STALL if waited >= 30 else 0), waited
        seen.add(waited)
    assert {28, 29, 30, 31} <= seen
    # Waits that end in between are not added up.
    put(model, "ERROR", 0x3F)
    put(model, "CONTROL", CLEAR)
    run_tile(model, x, COLUMNS, stall=np.arange(20) < 19)
    assert read_counters(model)["STALLS"] > 100 and ask(model, "ERROR") == 0
    put(model, "TIMEOUT", 1 << 20)


def test_every_way_to_drop_a_frame_is_counted(rested):
    model, x = rested
    data, last = input_beats(x)
    model.stream(data[: BEATS - 1], last[1:BEATS], 0)
    assert (ask(model, "ERROR"), read_counters(model)["FRAMES_DROPPED"]) == (SHORT, 1)
    model.stream(data[: BEATS + 1], np.arange(BEATS + 1) == BEATS, 0)
    assert (ask(model, "ERROR"), read_counters(model)["FRAMES_DROPPED"]) == (SHORT | LONG, 2)
    # Of the errors' bits only LONG ends the dropping.
    model.stream(data[:BEATS], last[:BEATS] & False, 0)
    assert ask(model, "STATUS") == 2
    put(model, "ERROR", 0x3F & ~LONG)
    assert ask(model, "STATUS") == 2
    put(model, "ERROR", LONG)
    assert ask(model, "STATUS") == 0


def test_faults_of_one_cycle_count_each(rested):
    model, _ = rested
    seen = set()
    for late in range(4):
        put(model, "ERROR", 0x3F)
        put(model, "CONTROL", CLEAR)
        for name, value in {"awaddr": 0x30, "wdata": 0, "wstrb": 15, "awvalid": 1, "wvalid": 1, "bready": 1}.items():
            model.set(f"s_axi_{name}", value)
        for cycle in range(5):
            model.set("s_axis_tvalid", int(cycle == late))
            model.set("s_axis_tlast", 1)
            model.run(1)
            model.set("s_axi_awvalid", 0)
            model.set("s_axi_wvalid", 0)
        seen.add((ask(model, "ERROR"), read_counters(model)["ERRORS"]))
    assert seen == {(SHORT | ADDRESS, 2)}


def test_clearing_clears_every_counter(rested):
    model, x = rested
    everything = np.ones((ROWS, COLUMNS), np.uint8)
    masks = np.ones((2, ROWS), bool)
    config = plain_config(ROWS, COLUMNS, 2, masks=masks, adc_scale=65535, adc_top=255, gain=np.full(COLUMNS, 65535))
    write_tile(model, config, everything)
    run_tile(model, np.full((1, ROWS), config.highest), COLUMNS, stall=np.array([0, 1, 1], bool))
    put(model, "ADC_TOP", 999)
    model.stream(input_beats(x)[0][:1], np.ones(1, bool), 0)
    assert all(read_counters(model).values())
    put(model, "CONTROL", CLEAR)
    assert set(read_counters(model).values()) == {0}


def test_a_tiles_bus_answers_okay_and_every_byte_of_a_result_counts(rested):
    model, _ = rested
    model.write(0xFFFFC, 1)  # also where there is no register
    model.read(0xFFFFC)
    assert (model.get("s_axi_bresp"), model.get("s_axi_rresp")) == (0, 0)
    assert model.get("m_axis_tkeep") == 0xFF


def test_a_partial_word_is_told_and_ignored(rested):
    model, _ = rested
    for strobe in (0, 7, 14):
        put(model, "TIMEOUT", 1 << 20)
        ports = {"awaddr": TILE.offset("TIMEOUT"), "wdata": 5, "wstrb": strobe, "awvalid": 1, "wvalid": 1, "bready": 1}
        for name, value in ports.items():
            model.set(f"s_axi_{name}", value)
        model.run(1)
        model.set("s_axi_awvalid", 0)
        model.set("s_axi_wvalid", 0)
        model.run(4)
        assert (ask(model, "ERROR"), ask(model, "TIMEOUT")) == (VALUE, 1 << 20)
        put(model, "ERROR", VALUE)
