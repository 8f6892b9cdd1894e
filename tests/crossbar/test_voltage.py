"""Voltage mode: transfer matrix and iteration against the nodal golden model, over shapes and decades."""

import logging
import sys
import threading
from importlib import import_module

import numpy as np
import pytest
from nodal import voltage_currents

from crossloom.sim import InputError, MissingExtraError
from crossloom.sim.crossbar import TransferCache, apply_transfer, make_tile, solve, transfer, transfers

TOLERANCE = 1e-9
SMALL = [(1, 1), (1, 7), (7, 1), (2, 2), (17, 12), (12, 17), (40, 33)]


def random_cells(rng, shape, low=-9.0, high=-3.0, zeros=0.1):
    g = 10 ** rng.uniform(low, high, shape)
    g[rng.random(shape) < zeros] = 0
    return g


def worst(found, expected):
    """Largest relative error of any single current; a current of exactly zero must be found as zero."""
    assert np.array_equal(found == 0, expected == 0)
    return np.max(np.abs(found - expected) / np.where(expected == 0, 1, np.abs(expected)))


def assert_every_entry_agrees(tile):
    rows = tile.shape[0]
    assert worst(transfer(tile).T, voltage_currents(tile, np.eye(rows))) <= TOLERANCE


@pytest.mark.parametrize("shape", SMALL)
@pytest.mark.parametrize("ohm", [1e-3, 1.0, 1e3])
def test_every_entry_of_the_transfer_matrix_equals_the_nodal_solution(shape, ohm):
    rng = np.random.default_rng(1)
    assert_every_entry_agrees(make_tile(random_cells(rng, shape), row_wire=ohm, column_wire=ohm))


@pytest.mark.parametrize("terminal", [(0, 0), (1e-3, 1e-3), (100, 0), (0, 100), (1e5, 1e5), (1e-3, 1e6)])
@pytest.mark.parametrize("wires", [(1e-3, 1e3), (1e3, 1e-3), (2, 5), (0, 3), (3, 0), (0, 0)])
def test_all_terminal_and_wire_resistances_agree_with_the_nodal_solution(wires, terminal):
    rng = np.random.default_rng(2)
    for shape in ((15, 11), (11, 15)):
        g = random_cells(rng, shape)
        tile = make_tile(g, row_wire=wires[0], column_wire=wires[1], driver=terminal[0], sense=terminal[1])
        assert_every_entry_agrees(tile)


def test_segments_that_differ_and_are_ideal_only_in_places_agree_with_the_nodal_solution():
    rng = np.random.default_rng(3)
    for shape in ((14, 9), (9, 14)):
        tile = make_tile(
            random_cells(rng, shape),
            row_wire=rng.choice([0, 0.5, 20], shape),
            column_wire=rng.choice([0, 0.5, 20], shape),
            driver=rng.choice([0, 100], shape[0]),
            sense=rng.choice([0, 100], shape[1]),
        )
        assert_every_entry_agrees(tile)


def test_a_tile_of_hardly_any_cells_agrees_with_the_nodal_solution():
    rng = np.random.default_rng(4)
    assert_every_entry_agrees(make_tile(random_cells(rng, (20, 16), zeros=0.95), row_wire=1.0, column_wire=1e3))


def test_wires_that_starve_the_far_cells_beyond_the_range_of_products_still_agree():
    # 60 segments each dividing the voltage by about 1e6: their product underflows, the currents do not all
    g = np.full((60, 60), 1e-3)
    tile = make_tile(g, row_wire=1e9, column_wire=1.0)
    ratio = transfer(tile)[:5] / voltage_currents(tile, np.eye(60)).T[:5]
    assert np.abs(ratio - 1).max() <= TOLERANCE


@pytest.mark.parametrize("shape", [(128, 128), (192, 256)])
def test_full_size_tiles_agree_with_the_nodal_solution(shape):
    rng = np.random.default_rng(5)
    tile = make_tile(random_cells(rng, shape), row_wire=2.0, column_wire=3.0, driver=100.0, sense=50.0)
    volts = rng.uniform(-1, 1, (2, shape[0]))
    # Without cancellation between drivers every single current must agree.
    volts = np.concatenate([volts, np.abs(volts)])
    expected, found = voltage_currents(tile, volts), apply_transfer(transfer(tile), volts)
    assert np.abs(found[:2] - expected[:2]).max() <= TOLERANCE * np.abs(expected[:2]).max()
    assert worst(found[2:], expected[2:]) <= TOLERANCE


@pytest.mark.long
@pytest.mark.parametrize("ohm", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("shape", [(256, 192), (192, 256), (256, 3), (3, 256), (100, 200)])
def test_large_and_lopsided_tiles_agree_with_the_nodal_solution(shape, ohm):
    rng = np.random.default_rng(6)
    for terminal in (0.0, 1e-3, 1e4):
        tile = make_tile(random_cells(rng, shape), row_wire=ohm, column_wire=ohm, driver=terminal, sense=terminal)
        volts = rng.uniform(0, 1, (2, shape[0]))
        assert worst(apply_transfer(transfer(tile), volts), voltage_currents(tile, volts)) <= TOLERANCE


def test_ideal_wires_give_the_conductances_exactly():
    g = np.random.default_rng(7).uniform(1e-6, 1e-4, (9, 13))
    assert np.array_equal(transfer(make_tile(g)), g.T)


def test_one_cell_is_a_voltage_divider():
    tile = make_tile([[0.5]], row_wire=1.0, column_wire=2.0, driver=3.0, sense=4.0)
    assert transfer(tile)[0, 0] == pytest.approx(1 / 12, rel=1e-15)


def test_a_column_without_cells_carries_exactly_nothing_and_does_not_disturb_the_others():
    rng = np.random.default_rng(8)
    g = random_cells(rng, (12, 6), zeros=0)
    g[:, 2] = 0
    found = transfer(make_tile(g, row_wire=1.0, column_wire=1.0))
    assert not found[2].any() and found[[0, 1, 3, 4, 5]].all()
    assert not transfer(make_tile(np.zeros((5, 4)), row_wire=1.0, column_wire=1.0)).any()


def test_the_sense_end_is_below_the_last_row_and_the_driver_left_of_the_first_column():
    g = np.full((3, 3), 1e-2)
    found = transfer(make_tile(g, row_wire=10.0, column_wire=10.0))
    assert found[0, 2] == found.max() and found[2, 0] == found.min()


@pytest.mark.parametrize("ohm", [0.0, 1e-3, 1.0, 100.0])
def test_the_iteration_equals_the_transfer_matrix_within_the_bound_it_proves(ohm):
    rng = np.random.default_rng(9)
    tile = make_tile(random_cells(rng, (48, 37)), row_wire=ohm, column_wire=2 * ohm, driver=20.0, sense=5.0)
    volts = rng.uniform(-1, 1, (11, 48))
    volts[4] = 0
    found = solve(tile, volts, method="iterative")
    exact = volts @ transfer(tile).T
    assert found.method == "iterative" and not found.fell_back and found.rounds > 0
    assert np.abs(found.currents - exact).max() <= TOLERANCE * np.abs(exact).max()
    assert found.bound.shape == exact.shape
    assert (np.abs(found.currents - exact) <= found.bound + 1e-13 * np.abs(exact).max()).all()
    assert found.bound.max() <= 1e-8 * np.abs(exact).max() and not found.currents[4].any()


def test_a_looser_tolerance_is_faster_and_still_within_its_bound():
    rng = np.random.default_rng(10)
    tile = make_tile(random_cells(rng, (40, 40), zeros=0), row_wire=50.0, column_wire=50.0)
    volts = rng.uniform(0, 1, 40)
    loose, tight = (solve(tile, volts, method="iterative", tolerance=t) for t in (1e-4, 1e-12))
    assert loose.rounds < tight.rounds
    error = np.abs(loose.currents - transfer(tile) @ volts)
    assert error.max() > 1e-13 * loose.currents.max() and (error <= loose.bound).all()


def test_an_iteration_that_does_not_converge_is_replaced_visibly(monkeypatch, caplog):
    monkeypatch.setattr(import_module("crossloom.sim.crossbar.voltage"), "_LIMIT", 3)
    rng = np.random.default_rng(11)
    tile = make_tile(random_cells(rng, (30, 30), low=-4), row_wire=100.0, column_wire=100.0)
    with caplog.at_level(logging.WARNING):
        found = solve(tile, rng.uniform(0, 1, (2, 30)), method="iterative")
    assert found.fell_back and found.method == "transfer" and found.bound is None
    assert len(caplog.records) == 1 and "transfer matrix takes over" in caplog.text


def test_auto_iterates_for_a_vector_and_builds_the_matrix_for_a_batch_or_when_it_is_cached():
    rng = np.random.default_rng(12)
    tile = make_tile(random_cells(rng, (128, 128)), row_wire=1.0, column_wire=1.0)
    cache = TransferCache()
    assert solve(tile, rng.uniform(0, 1, 128), cache=cache).method == "iterative"
    assert solve(tile, rng.uniform(0, 1, (500, 128)), cache=cache).method == "transfer"
    assert solve(tile, rng.uniform(0, 1, 128), cache=cache).method == "transfer"
    assert (cache.hits, cache.misses) == (1, 1)


def test_one_vector_gives_one_vector_and_no_vectors_give_none():
    tile = make_tile([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    for method in ("transfer", "iterative"):
        assert solve(tile, [1, 1, 1], method=method).currents.tolist() == pytest.approx([9.0, 12.0], rel=1e-12)
        assert solve(tile, np.zeros((0, 3)), method=method).currents.shape == (0, 2)


def test_the_cache_returns_the_same_matrix_for_equal_tiles_and_drops_the_oldest():
    tiles = [make_tile(np.full((4, 4), 1e-6 * (k + 1)), row_wire=1.0) for k in range(3)]
    cache = TransferCache(max_bytes=2 * 4 * 4 * 8)
    first = cache.get(tiles[0])
    again = make_tile(np.full((4, 4), 1e-6), row_wire=np.ones((4, 4)))
    assert again.key == tiles[0].key and cache.get(again) is first
    cache.get(tiles[1])
    cache.get(tiles[0])
    cache.get(tiles[2])
    assert [tile in cache for tile in tiles] == [True, False, True]
    assert len(cache) == 2 and cache.bytes == 2 * 4 * 4 * 8


def test_tiles_that_differ_in_any_number_have_different_keys():
    g = np.full((2, 3), 1e-6)
    tiles = [make_tile(g), make_tile(g, row_wire=1.0), make_tile(g, column_wire=1.0), make_tile(g, driver=1.0)]
    tiles += [make_tile(g, sense=1.0), make_tile(g.T), make_tile(np.nextafter(g, 1))]
    assert len({tile.key for tile in tiles}) == len(tiles)


def test_a_tile_keeps_its_numbers_when_the_callers_array_changes_and_cannot_be_written():
    g = np.full((2, 2), 1e-6)
    tile = make_tile(g, row_wire=np.ones((2, 2)))
    g[0, 0] = 5
    assert tile.conductance[0, 0] == 1e-6
    with pytest.raises(ValueError, match="read-only"):
        tile.conductance[0, 0] = 1
    with pytest.raises(ValueError, match="read-only"):
        transfer(tile)[0, 0] = 1


def test_several_tiles_on_several_threads_give_the_same_matrices_in_order():
    rng = np.random.default_rng(13)
    tiles = [make_tile(random_cells(rng, (20, 10 + k)), row_wire=1.0, column_wire=1.0) for k in range(6)]
    alone = [transfer(tile) for tile in tiles]
    before = threading.active_count()
    for found in (transfers(tiles, workers=3), transfers(tiles, TransferCache(), workers=2), transfers(tiles)):
        assert all(np.array_equal(a, b) for a, b in zip(found, alone, strict=True))
    assert threading.active_count() == before


def test_without_scipy_the_error_names_the_extra_and_the_iteration_still_works(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.linalg.lapack", None)
    tile = make_tile([[1e-6, 2e-6]], row_wire=1.0)
    with pytest.raises(MissingExtraError, match=r"crossloom\[physics\]"):
        transfer(tile)
    assert solve(tile, [1.0], method="iterative").currents.shape == (2,)


GOOD = np.full((3, 2), 1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"conductance": [[1e-6, -1e-6]]}, r"conductance: found -1e-06 at \[0, 1\]; needed numbers from 0"),
        ({"conductance": [[np.nan]]}, r"conductance: found nan at \[0, 0\]"),
        ({"conductance": [[np.inf]]}, "conductance: found inf"),
        ({"conductance": np.zeros((0, 4))}, r"shape \[0, 4\]; needed \[rows, columns\]"),
        ({"conductance": [1e-6]}, r"shape \[1\]; needed \[rows, columns\]"),
        ({"conductance": [["x"]]}, "conductance: found no array of numbers"),
        ({"conductance": GOOD, "row_wire": -1.0}, "row_wire: found -1.0"),
        ({"conductance": GOOD, "column_wire": np.nan}, "column_wire: found nan"),
        ({"conductance": GOOD, "driver": np.inf}, "driver: found inf"),
        ({"conductance": GOOD, "driver": [1.0, 2.0]}, r"driver: shape \[2\]; needed one number or \[3\]"),
        ({"conductance": GOOD, "sense": [1.0, 2.0, 3.0]}, r"sense: shape \[3\]; needed one number or \[2\]"),
        ({"conductance": GOOD, "row_wire": np.ones((2, 3))}, r"row_wire: shape \[2, 3\]"),
        ({"conductance": GOOD, "sense": 1e13}, "sense: found 10000000000000.0"),
    ],
)
def test_a_bad_tile_is_refused_in_one_line(arguments, message):
    with pytest.raises(InputError, match=message) as error:
        make_tile(**arguments)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("volts", "message"),
    [
        ([1.0, 2.0], r"volts: shape \[2\]; needed \[3\] or \[batch, 3\]"),
        (np.zeros((1, 1, 3)), r"volts: shape \[1, 1, 3\]"),
        ([1.0, np.nan, 0.0], r"volts: found nan at \[0, 1\]"),
        (["a", "b", "c"], "volts: dtype"),
    ],
)
def test_bad_volts_are_refused_in_one_line(volts, message):
    tile = make_tile(GOOD)
    for call in (lambda: solve(tile, volts), lambda: apply_transfer(transfer(tile), volts)):
        with pytest.raises(InputError, match=message):
            call()


def test_unknown_methods_tolerances_and_workers_are_refused():
    with pytest.raises(InputError, match="method 'magic'"):
        solve(make_tile(GOOD), [0, 0, 0], method="magic")
    with pytest.raises(InputError, match="tolerance 0"):
        solve(make_tile(GOOD), [0, 0, 0], tolerance=0)
    with pytest.raises(InputError, match="0 workers"):
        transfers([make_tile(GOOD)], workers=0)
