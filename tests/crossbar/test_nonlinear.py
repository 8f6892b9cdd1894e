"""Non-linear cells: Anderson's iteration and the Newton fallback against a sparse nodal Newton method."""

import logging
from importlib import import_module

import numpy as np
import pytest
from nodal import nonlinear_currents

from crossloom.sim import InputError
from crossloom.sim.crossbar import CellLaw, ConvergenceError, make_tile, solve_nonlinear, transfer

TOLERANCE = 1e-9
LAWS = [CellLaw("sinh", 0.25), CellLaw("tanh", 0.2), CellLaw("sinh", 0.06), CellLaw("tanh", 0.06)]


def random_tile(rng, shape, ohm, low=-7.0, high=-4.0):
    g = 10 ** rng.uniform(low, high, shape)
    g[rng.random(shape) < 0.1] = 0
    return make_tile(g, row_wire=ohm, column_wire=ohm / 2, driver=50.0, sense=20.0)


def worst(found, expected):
    return np.max(np.abs(found - expected) / np.where(expected == 0, 1, np.abs(expected)))


@pytest.mark.parametrize("law", LAWS, ids=str)
@pytest.mark.parametrize("ohm", [0.0, 1e-3, 5.0, 300.0])
@pytest.mark.parametrize("shape", [(1, 1), (12, 9), (9, 12), (1, 5)])
def test_both_methods_agree_with_the_sparse_nodal_newton_method(shape, ohm, law):
    rng = np.random.default_rng(1)
    tile = random_tile(rng, shape, ohm)
    volts = rng.uniform(0.05, 0.5, shape[0])
    expected = nonlinear_currents(tile, volts, law.current, law.slope)
    for method in ("anderson", "newton"):
        found = solve_nonlinear(tile, volts, law, method=method)
        assert worst(found.currents, expected) <= TOLERANCE
        assert (found.residual <= 1e-12).all()


def test_voltages_of_both_signs_agree_with_the_sparse_nodal_newton_method():
    rng = np.random.default_rng(2)
    tile = random_tile(rng, (16, 13), 20.0)
    volts = rng.uniform(-0.5, 0.5, 16)
    for law in LAWS:
        expected = nonlinear_currents(tile, volts, law.current, law.slope)
        found = solve_nonlinear(tile, volts, law).currents
        assert np.abs(found - expected).max() <= TOLERANCE * np.abs(expected).max()


@pytest.mark.long
@pytest.mark.parametrize("law", LAWS, ids=str)
def test_full_size_tiles_agree_with_the_sparse_nodal_newton_method(law):
    rng = np.random.default_rng(3)
    for shape in ((128, 128), (256, 192)):
        tile = random_tile(rng, shape, 2.0)
        volts = rng.uniform(0.05, 0.3, shape[0])
        expected = nonlinear_currents(tile, volts, law.current, law.slope)
        assert worst(solve_nonlinear(tile, volts, law).currents, expected) <= TOLERANCE


def test_the_linear_law_gives_the_transfer_matrix():
    rng = np.random.default_rng(4)
    tile = random_tile(rng, (20, 15), 30.0)
    volts = rng.uniform(0, 1, (5, 20))
    exact = volts @ transfer(tile).T
    for method in ("anderson", "newton"):
        assert worst(solve_nonlinear(tile, volts, CellLaw(), method=method).currents, exact) <= TOLERANCE


def test_small_voltages_give_the_linear_tile():
    rng = np.random.default_rng(5)
    tile = random_tile(rng, (20, 15), 30.0)
    volts = rng.uniform(0, 1e-6, (2, 20))
    for law in LAWS:
        assert worst(solve_nonlinear(tile, volts, law).currents, volts @ transfer(tile).T) <= TOLERANCE


def test_ideal_wires_give_the_law_itself():
    law = CellLaw("sinh", 0.1)
    g = np.random.default_rng(6).uniform(1e-6, 1e-5, (3, 4))
    volts = np.array([0.1, 0.2, -0.3])
    expected = (g * 0.1 * np.sinh(volts / 0.1)[:, None]).sum(axis=0)
    assert worst(solve_nonlinear(make_tile(g), volts, law).currents, expected) <= 1e-11


def test_a_batch_gives_what_its_vectors_give_alone():
    rng = np.random.default_rng(7)
    tile = random_tile(rng, (64, 70), 10.0)
    volts = rng.uniform(-0.3, 0.3, (40, 64))  # more than one chunk
    whole = solve_nonlinear(tile, volts, LAWS[0])
    assert whole.currents.shape == (40, 70) and whole.rounds.shape == (40,)
    for k in (0, 28, 29, 39):
        alone = solve_nonlinear(tile, volts[k], LAWS[0]).currents
        assert np.abs(whole.currents[k] - alone).max() <= TOLERANCE * np.abs(alone).max()


def test_where_the_iteration_diverges_newton_takes_over_visibly(caplog):
    rng = np.random.default_rng(8)
    tile = random_tile(rng, (40, 40), 1e3, high=-3.5)
    volts = np.stack([rng.uniform(0.1, 0.5, 40), np.zeros(40)])
    with caplog.at_level(logging.WARNING):
        found = solve_nonlinear(tile, volts, LAWS[0])
    assert found.fell_back.tolist() == [True, False]
    assert [record.getMessage() for record in caplog.records] == [
        "solve_nonlinear: Anderson's iteration failed for 1 of 2 vectors; Newton's method took over"
    ]
    assert worst(found.currents[0], nonlinear_currents(tile, volts[0], LAWS[0].current, LAWS[0].slope)) <= TOLERANCE
    caplog.clear()
    mild = solve_nonlinear(random_tile(rng, (10, 10), 1.0), volts[:, :10], LAWS[0])
    assert not mild.fell_back.any() and not caplog.records


def test_sinh_cells_far_beyond_their_linear_range_still_converge():
    rng = np.random.default_rng(9)
    g = 10 ** rng.uniform(-9, -3, (30, 40))
    for ohm in (1e-3, 1.0, 1e3):
        tile = make_tile(g, row_wire=ohm, column_wire=ohm)
        law = CellLaw("sinh", 0.05)
        volts = rng.uniform(0, 1.0, 30)
        found = solve_nonlinear(tile, volts, law, method="newton")
        assert found.residual[0] <= 1e-12


def test_a_tile_that_newton_cannot_solve_is_reported_and_not_returned(monkeypatch):
    monkeypatch.setattr(import_module("crossloom.sim.crossbar.nonlinear"), "_NEWTON_LIMIT", 2)
    tile = make_tile(np.full((20, 20), 1e-3), row_wire=1e3, column_wire=1e3)
    with pytest.raises(ConvergenceError, match="after 2 Newton steps; needed 1e-12") as error:
        solve_nonlinear(tile, np.linspace(0, 1, 20), CellLaw("tanh", 0.03), method="newton")
    assert "\n" not in str(error.value)


def test_slopes_are_the_derivatives_of_the_currents():
    v = np.linspace(-0.4, 0.4, 9)
    for law in [CellLaw(), *LAWS[:2]]:
        numeric = (law.current(v + 1e-6) - law.current(v - 1e-6)) / 2e-6
        assert np.abs(law.slope(v) - numeric).max() < 1e-8
        assert law.current(np.zeros(1))[0] == 0 and law.slope(np.zeros(1))[0] == 1


def test_bad_laws_voltages_methods_and_tolerances_are_refused():
    tile = make_tile([[1e-6]], row_wire=1.0)
    for call, message in (
        (lambda: CellLaw("cubic"), "shape 'cubic'; needed one of linear, sinh, tanh"),
        (lambda: CellLaw("sinh", 0.0), "v0 0.0"),
        (lambda: CellLaw("tanh", float("nan")), "v0 nan"),
        (lambda: solve_nonlinear(tile, [5.0], CellLaw("sinh", 0.1)), "span 5 V; needed at most 40 v0"),
        (lambda: solve_nonlinear(tile, [np.nan], CellLaw("sinh", 0.1)), "found nan"),
        (lambda: solve_nonlinear(tile, [1.0, 2.0], CellLaw()), r"shape \[2\]; needed \[1\]"),
        (lambda: solve_nonlinear(tile, [0.1], CellLaw(), method="guess"), "method 'guess'"),
        (lambda: solve_nonlinear(tile, [0.1], CellLaw(), tolerance=2.0), "tolerance 2.0"),
    ):
        with pytest.raises(InputError, match=message):
            call()
