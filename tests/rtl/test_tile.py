"""The tile in its Verilated model, against the integer model: values, counters, cycles."""

import numpy as np
import pytest

from crossloom.host import find_design
from crossloom.rtl import RtlError
from crossloom.rtl.registers.tile_map import TILE
from crossloom.rtl.tile import campaign as tile_campaign
from crossloom.rtl.tile.campaign import FULL, build_tile, campaign, cycles_per_product, latency_cycles
from crossloom.rtl.tile.driver import read_counters, run_tile, write_tile
from crossloom.sim import load
from crossloom.sim.crossbar import ArraySpec, Physics, build_network, plan_network
from crossloom.sim.crossbar.twin import plain_config, twin_product
from crossloom.sim.crossbar.twin_layers import tile_config, twin_network

SMALL = {"Rows": 64, "Cols": 32, "Lanes": 8}
CLEAR = 2


def equal(parameters, tiles, seed, tables_every):
    done = []
    found = campaign(parameters, tiles, seed, tables_every, done.append)
    print(found)
    assert done == list(range(1, tiles + 1))
    assert (found.tiles, found.results) == (tiles, found.frames * parameters["Cols"])
    assert tiles <= found.frames <= 3 * tiles and found.counters == 6 * tiles
    assert (found.differences, found.counter_differences) == (0, 0)


@pytest.mark.parametrize("seed", [1, 2])
def test_random_small_tiles_equal_the_integer_model(seed):
    equal(SMALL, 150, seed, 5)


def test_random_full_tiles_equal_the_integer_model():
    equal(FULL, 100, 3, 50)


@pytest.mark.long
def test_ten_thousand_random_tiles_equal_the_integer_model():
    equal(FULL, 10_000, 4, 50)


def test_a_campaign_counts_what_differs(monkeypatch):
    def wrong(config, cells, x):
        result = twin_product(config, cells, x)
        result.y[0, 3] += 1
        return type(result)(result.y, result.acc, result.count_clips + 1, result.code_clips, result.y_clips)

    monkeypatch.setattr(tile_campaign, "twin_product", wrong)
    found = campaign(SMALL, 4, 1)
    assert (found.differences, found.counter_differences) == (4, 4)
    with pytest.raises(RtlError, match="a result differs"):
        latency_cycles(SMALL)
    with pytest.raises(RtlError, match="0 tiles; at least 1"):
        campaign(SMALL, 0, 1)


@pytest.mark.parametrize(("segments", "cycles"), [(1, 32), (2, 64), (4, 128)])
def test_a_product_takes_the_promised_cycles(segments, cycles):
    assert cycles_per_product(FULL, segments) == cycles


def test_latency_is_what_the_source_says():
    assert latency_cycles(FULL) == 32 + 32 + 8 * 4 + 13 + 32


@pytest.mark.parametrize("signed", [False, True])
def test_corners(signed):
    config = plain_config(64, 32, signed=signed, gain=np.full(32, 65535), adc_top=255)
    cells = np.ones((64, 32), dtype=np.uint8)
    with build_tile(SMALL) as model:
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
    with build_tile(SMALL) as model:
        write_tile(model, config, cells)
        model.write(TILE.offset("CONTROL"), CLEAR)
        np.testing.assert_array_equal(run_tile(model, x, 32).y, expected.y)
        model.run(4)
        assert read_counters(model)["COUNT_CLIPS"] == expected.count_clips


def test_a_layer_of_digits_cnn_runs_in_tiles_as_in_its_twin():
    artifact = load(find_design("digits-cnn"))
    spec = ArraySpec(active_rows=32, gain=True, order="swann")
    plan = plan_network(artifact.network, spec, artifact.golden.inputs[:20], samples=True)
    twin = twin_network(build_network(plan, Physics(rho=1e-3)))
    layer = max(twin.layers.values(), key=lambda each: len(each.arrays))
    assert len(layer.arrays) >= 3
    codes = layer.plan.samples[:, :40]
    with build_tile(FULL) as model:
        for array in layer.arrays:
            config, cells = tile_config(layer, array)
            write_tile(model, config, cells)
            x = np.zeros((codes.shape[1], 128), np.int64)
            used = codes[array.placed.block.group][:, array.placed.block.rows]
            x[:, : used.shape[1]] = used
            found = run_tile(model, x, 128).y
            assert np.array_equal(found, twin_product(config, cells, x).y) and found.any()
