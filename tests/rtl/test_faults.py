"""What hosts do wrong: each fault leaves an error code and a live tile, and the next frame is exact."""

import numpy as np
import pytest

from crossloom.rtl.registers.tile_map import TILE
from crossloom.rtl.tile.campaign import build_tile, random_cells, random_config, random_inputs
from crossloom.rtl.tile.driver import input_beats, read_counters, run_tile, setting_writes, write_tile
from crossloom.sim.crossbar.twin import twin_product

ROWS, COLUMNS = 64, 32
BEATS = ROWS // 4
SHORT, LONG, BUSY, ADDRESS, VALUE, STALL = (1 << i for i in range(6))


@pytest.fixture
def case():
    """A tile with a random configuration, its inputs, and what it must answer."""
    rng = np.random.default_rng(11)
    config, cells = random_config(rng, ROWS, COLUMNS), random_cells(rng, ROWS, COLUMNS)
    x = random_inputs(rng, config, 8)
    with build_tile({"Rows": ROWS, "Cols": COLUMNS, "Lanes": 8}, seed=3) as model:
        write_tile(model, config, cells)
        yield model, config, x, twin_product(config, cells, x).y


def error(model):
    return int(model.read(TILE.offset("ERROR"))[0])


def clear(model, bits=0x3F):
    model.write(TILE.offset("ERROR"), bits)


def status(model):
    return int(model.read(TILE.offset("STATUS"))[0])


def next_is_exact(model, x, y):
    """A good frame after the fault: exact, whole, and nothing before it."""
    np.testing.assert_array_equal(run_tile(model, x[-3:], COLUMNS, limit=5000).y, y[-3:])
    model.run(4)
    assert status(model) == 0


@pytest.mark.parametrize("beats", [1, 7, BEATS - 1])
def test_a_short_frame_is_dropped_and_told(case, beats):
    model, _, x, y = case
    data, last = input_beats(x[:1])
    last[beats - 1] = True
    assert model.stream(data[:beats], last[:beats], 0, limit=100).taken == beats
    assert error(model) == SHORT
    assert read_counters(model)["FRAMES_DROPPED"] == 1
    next_is_exact(model, x, y)
    clear(model)
    assert error(model) == 0


@pytest.mark.parametrize("extra", [1, 5, BEATS, 3 * BEATS + 2])
def test_a_long_frame_is_dropped_to_its_end_and_told(case, extra):
    model, _, x, y = case
    data = np.concatenate([input_beats(x)[0]] * 2)[: BEATS + extra]
    last = np.arange(len(data)) == len(data) - 1
    assert model.stream(data, last, 0, limit=500).taken == len(data)
    assert error(model) == LONG
    next_is_exact(model, x, y)


def test_a_frame_without_tlast_is_told_and_clearing_the_error_accepts_the_next(case):
    model, _, x, y = case
    data, last = input_beats(x[:1])
    assert model.stream(data, last & False, 0, limit=100).taken == BEATS
    assert error(model) == LONG and status(model) == 2
    clear(model, LONG)
    assert error(model) == 0 and status(model) == 0
    next_is_exact(model, x, y)


def test_a_frame_without_tlast_swallows_one_frame_when_nobody_clears_the_error(case):
    model, _, x, y = case
    data, last = input_beats(x[:2])
    last[BEATS - 1] = False
    assert model.stream(data, last, 0, limit=100).taken == 2 * BEATS
    next_is_exact(model, x, y)


@pytest.mark.parametrize("beats", [1, BEATS - 1, BEATS, BEATS + 5, 2 * BEATS])
@pytest.mark.parametrize("after", [0, 9, 40, 120])
@pytest.mark.parametrize("hard", [False, True])
def test_a_reset_in_mid_frame_leaves_nothing_behind(case, beats, after, hard):
    model, config, x, y = case
    data, last = input_beats(x[:2])
    # Two results are taken, so that the reset meets an output frame too.
    model.stream(data[:beats], last[:beats], 2, limit=beats + after)
    if hard:
        model.reset()
        pairs = setting_writes(config)  # memories keep, settings do not
        model.write(pairs[:, 0], pairs[:, 1])
    else:
        model.write(TILE.offset("CONTROL"), 1)
        model.run(2)
    assert status(model) == 0 and model.get("m_axis_tvalid") == 0
    next_is_exact(model, x, y)
    assert error(model) == 0


def test_settings_and_memories_are_locked_while_frames_are_inside(case):
    model, config, x, y = case
    data, last = input_beats(x[:2])
    model.stream(data, last, 0, limit=100)
    assert status(model) == 1
    pairs = setting_writes(config)
    for name in ("FORMAT", "ADC_SCALE", "ADC_OFFSET", "ADC_TOP", "PERM", "MASK", "GAIN", "CELL", "TABLE"):
        clear(model)
        model.write(TILE.offset(name), 0x00000101)
        assert error(model) == BUSY, name
    assert read_counters(model)["ERRORS"] == 9
    expect = 2 * COLUMNS // 4
    result = model.stream(data[:0], last[:0], expect, limit=5000)
    np.testing.assert_array_equal(result.beats.view("<i2").reshape(2, COLUMNS), y[:2])
    model.run(4)
    clear(model)
    model.write(pairs[:, 0], pairs[:, 1])  # accepted again
    assert error(model) == 0
    next_is_exact(model, x, y)


def test_a_partial_frame_locks_too_and_completes(case):
    model, _, x, y = case
    data, last = input_beats(x[:1])
    model.stream(data[:3], last[:3], 0, limit=100)
    model.write(TILE.offset("GAIN"), 5)
    assert error(model) == BUSY
    result = model.stream(data[3:], last[3:], COLUMNS // 4, limit=2000)
    np.testing.assert_array_equal(result.beats.view("<i2").reshape(1, COLUMNS), y[:1])


def test_endless_back_pressure_is_told_and_loses_nothing(case):
    model, _, x, y = case
    model.write(TILE.offset("TIMEOUT"), 300)
    data, last = input_beats(np.concatenate([x, x]))
    held = model.stream(data, last, 0, limit=4000)
    assert held.taken < len(data)  # the tile is full and says so by its ready
    assert error(model) == STALL
    assert model.get("m_axis_tvalid") == 1
    rest = model.stream(data[held.taken :], last[held.taken :], 16 * COLUMNS // 4, limit=20000)
    np.testing.assert_array_equal(rest.beats.view("<i2").reshape(16, COLUMNS), np.concatenate([y, y]))
    assert read_counters(model)["STALLS"] > 300
    next_is_exact(model, x, y)


@pytest.mark.parametrize("address", [0x30, 0x3C, 0x64, 0x800, 0x1000 + ROWS, 0x8000 + COLUMNS * ROWS // 8, 0xFFFFC])
def test_an_address_without_a_register_is_told_and_reads_zero(case, address):
    model, _, x, y = case
    model.write(address, 0xFFFFFFFF)
    assert error(model) == ADDRESS
    clear(model)
    assert model.read(address)[0] == 0
    assert error(model) == ADDRESS
    next_is_exact(model, x, y)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("FORMAT", v) for v in (0, 0x100, 0x109, 0x008, 0x308, 0x128, 0x1108)),
        *(("ADC_SCALE", 65536), ("ADC_TOP", 256), ("GAIN", 65536), ("TABLE", 1 << 20), ("PERM", ROWS << 8)),
    ],
)
def test_a_value_out_of_range_is_told_and_ignored(case, name, value):
    model, _, x, y = case
    model.write(TILE.offset(name), value)
    assert error(model) == VALUE
    next_is_exact(model, x, y)


def test_every_error_is_also_counted_and_clears_alone(case):
    model, *_ = case
    model.write([0x30, TILE.offset("ADC_TOP")], [0, 999])
    assert error(model) == ADDRESS | VALUE
    clear(model, ADDRESS)
    assert error(model) == VALUE
    assert read_counters(model)["ERRORS"] == 2
    model.write(TILE.offset("CONTROL"), 2)
    assert set(read_counters(model).values()) == {0}
