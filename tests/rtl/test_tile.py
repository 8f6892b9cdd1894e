"""The tile in its Verilated model, against the integer model: values, counters, cycles."""

import numpy as np
import pytest
from tile_cases import random_cells, random_config, random_inputs, random_table

from crossloom.rtl import build_model
from crossloom.rtl.tile import cell_writes, read_counters, run_tile, setting_writes, table_writes, write_tile
from crossloom.rtl.tile_registers import TILE
from crossloom.sim.crossbar.twin import plain_config, twin_product

FULL = {"Rows": 128, "Cols": 128, "Lanes": 32}
SMALL = {"Rows": 64, "Cols": 32, "Lanes": 8}
CLEAR = 2


def tile(parameters, seed=1):
    return build_model("imc_tile", parameters, optimize=2 if parameters is FULL else 1, seed=seed)


def gate(rng, share):
    """A pattern over cycles that is true about this often, of a length that fits no frame."""
    return rng.random(997) < share


def compare(model, rng, config, cells, frames, **gates):
    """Run frames, and hold results and counters against the integer model; returns the number of differences."""
    model.write(TILE.offset("CONTROL"), CLEAR)
    x = random_inputs(rng, config, frames)
    run = run_tile(model, x, config.columns, **gates)
    model.run(4)
    expected, counters = twin_product(config, cells, x), read_counters(model)
    assert counters["COUNT_CLIPS"] == expected.count_clips
    assert counters["CODE_CLIPS"] == expected.code_clips
    assert counters["Y_CLIPS"] == expected.y_clips
    assert counters["FRAMES_IN"] == counters["FRAMES_OUT"] == frames
    assert counters["STEPS"] == frames * config.bits * config.segments * model_groups(model)
    return int((run.y != expected.y).sum())


def model_groups(model):
    geometry, lanes = model.read([TILE.offset("GEOMETRY"), TILE.offset("LANES")]).tolist()
    return (geometry >> 16) // lanes


def campaign(parameters, tiles, seed, tables_every):
    """Random tiles, inputs and configurations; the differences and the results compared."""
    rng = np.random.default_rng(seed)
    rows, columns = parameters["Rows"], parameters["Cols"]
    table, differences, results = None, 0, 0
    with tile(parameters, seed) as model:
        for number in range(tiles):
            fresh = number % tables_every == 0
            config = random_config(rng, rows, columns, None if fresh else table)
            if not fresh:  # one column's table is new in every tile
                column = int(rng.integers(columns))
                table = config.table.copy()
                table[column] = random_table(rng, rows, 1, config.segments)
                config = random_config(rng, rows, columns, table, config.segments)
            cells = random_cells(rng, rows, columns)
            pairs = [setting_writes(config), cell_writes(cells)]
            words = table_writes(config)
            pairs.append(words if fresh else words[column * 2 * rows : (column + 1) * 2 * rows])
            pairs = np.concatenate(pairs)
            model.write(pairs[:, 0], pairs[:, 1])
            frames = int(rng.integers(1, 4))
            gates = {"idle": gate(rng, rng.choice([0, 0.5])), "stall": gate(rng, rng.choice([0, 0.5, 0.9]))}
            differences += compare(model, rng, config, cells, frames, **gates)
            results += frames * columns
            table = config.table
        assert model.read(TILE.offset("ERROR"))[0] == 0
    return differences, results


@pytest.mark.parametrize("seed", [1, 2])
def test_random_small_tiles_equal_the_integer_model(seed):
    print(f"seed {seed}")
    assert campaign(SMALL, 150, seed, tables_every=5)[0] == 0


def test_random_full_tiles_equal_the_integer_model():
    assert campaign(FULL, 100, 3, tables_every=50)[0] == 0


@pytest.mark.long
def test_ten_thousand_random_tiles_equal_the_integer_model():
    differences, results = campaign(FULL, 10_000, 4, tables_every=50)
    print(f"{differences} of {results} results differ")
    assert differences == 0


@pytest.mark.parametrize(("segments", "cycles"), [(1, 32), (2, 64), (4, 128)])
def test_a_product_takes_the_promised_cycles(segments, cycles):
    rng = np.random.default_rng(5)
    config, cells = plain_config(128, 128, segments), random_cells(rng, 128, 128)
    with tile(FULL) as model:
        write_tile(model, config, cells)
        x = random_inputs(rng, config, 12)
        run = run_tile(model, x, 128)
    starts = run.out_cycles.astype(np.int64).reshape(12, 32)[:, 0]
    assert np.diff(starts).tolist() == [cycles] * 11
    np.testing.assert_array_equal(run.y, twin_product(config, cells, x).y)


def test_latency_is_what_the_source_says():
    rng = np.random.default_rng(6)
    config, cells = plain_config(128, 128), random_cells(rng, 128, 128)
    with tile(FULL) as model:
        write_tile(model, config, cells)
        run = run_tile(model, random_inputs(rng, config, 1), 128)
    assert int(run.out_cycles[-1] - run.in_cycles[0]) == 32 + 32 + 8 * 4 + 13 + 32


@pytest.mark.parametrize("signed", [False, True])
def test_corners(signed):
    config = plain_config(64, 32, signed=signed, gain=np.full(32, 65535), adc_top=255)
    cells = np.ones((64, 32), dtype=np.uint8)
    with tile(SMALL) as model:
        write_tile(model, config, cells)
        x = np.stack([np.full(64, v) for v in (config.lowest, config.highest, 0, -1 if signed else 1)])
        np.testing.assert_array_equal(run_tile(model, x, 32).y, twin_product(config, cells, x).y)


def test_the_last_entry_of_a_table_and_one_beyond():
    masks = np.ones((2, 64), dtype=bool)
    masks[0, 5] = False  # 63 rows: the last entry of a segment's 64; the other segment has one too many
    config = plain_config(64, 32, 2, masks=masks, bits=3)
    cells, x = np.ones((64, 32), dtype=np.uint8), np.full((2, 64), 7)
    expected = twin_product(config, cells, x)
    assert expected.count_clips == 2 * 3 * 32
    with tile(SMALL) as model:
        write_tile(model, config, cells)
        model.write(TILE.offset("CONTROL"), CLEAR)
        np.testing.assert_array_equal(run_tile(model, x, 32).y, expected.y)
        model.run(4)
        assert read_counters(model)["COUNT_CLIPS"] == expected.count_clips
