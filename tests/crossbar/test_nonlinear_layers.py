"""Non-linear cells in whole layers, and where voltage-mode tiles lose their voltage."""

import json
import logging
from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest
from nodal import Solver, crossbar, nonlinear_currents
from random_layers import conv, edges_of

from crossloom.host.cli import main
from crossloom.sim import InputError, QType
from crossloom.sim.crossbar import (
    FEFET,
    RERAM,
    ArraySpec,
    CellLaw,
    Physics,
    build_layer,
    cell_losses,
    make_tile,
    plan_layer,
)
from crossloom.sim.crossbar.cells import array_tile, physical_cells

LAWS = [CellLaw("tanh", 0.2), CellLaw("sinh", 0.25)]


def random_plan(rng, spec):
    op = conv(rng, QType(-7, 7), (4, 3, 3, 2), pad=(1, 1, 1, 1))
    return op, plan_layer("conv1", op, edges_of(op, (5, 5, 2), QType(0, 15)), spec, None, columns=False)


@pytest.mark.parametrize("law", LAWS, ids=str)
def test_counts_are_those_of_the_nodal_newton_method(law):
    rng = np.random.default_rng(3)
    levels, spec = rng.integers(0, 2, (9, 6)), ArraySpec(active_rows=5)
    physics = Physics(RERAM, rho=2e-3, law=law)
    cells = physical_cells(levels, spec, physics, rng)
    on, off, volt = RERAM.g_on.value, RERAM.g_off.value, RERAM.read_volt.value
    tile = array_tile(off + levels * (on - off), physics)
    bits = rng.random((7, 9)) < 0.5
    bits[0], bits[1] = False, bits[2]
    for read, part in zip(cells.readers(), cells.parts, strict=True):
        driven = np.zeros((7, 9))
        driven[:, part] = bits[:, part]
        amperes = np.stack([nonlinear_currents(tile, volt * x, law.current, law.slope) for x in driven])
        ideal = law.current(np.array(volt))
        wanted = (amperes - driven.sum(axis=1, keepdims=True) * off * ideal) / ((on - off) * ideal)
        np.testing.assert_allclose(read(np.ascontiguousarray(bits[:, part])), wanted, rtol=1e-9, atol=1e-9)


def test_a_law_that_hardly_bends_is_ohms():
    rng = np.random.default_rng(4)
    _, plan = random_plan(rng, ArraySpec(rows=16, columns=32))
    x = rng.integers(0, 16, (2, 5, 5, 2))
    linear = build_layer(plan, Physics(RERAM, rho=1e-3), rng).accumulate(x)
    bent = build_layer(plan, Physics(RERAM, rho=1e-3, law=CellLaw("tanh", 1e3)), rng).accumulate(x)
    assert np.array_equal(linear, bent)
    strong = build_layer(plan, Physics(RERAM, rho=1e-2, law=CellLaw("tanh", 0.05)), rng).accumulate(x)
    assert not np.array_equal(strong, build_layer(plan, Physics(RERAM, rho=1e-2), rng).accumulate(x))


def test_without_resistance_bent_cells_lose_nothing():
    rng = np.random.default_rng(5)
    op, plan = random_plan(rng, ArraySpec(rows=16, columns=32, adc_bits=None))
    zero = replace(RERAM.driver, value=0.0)
    still = replace(RERAM, driver=zero, sense=zero)
    x = rng.integers(0, 16, (2, 5, 5, 2))
    exact = op.kernel([plan.input], plan.output)(x.astype(plan.input.carrier))
    assert np.array_equal(build_layer(plan, Physics(still, rho=0.0, law=LAWS[0]), rng).accumulate(x), exact)


def test_a_fallback_to_newton_is_counted_and_said_once(monkeypatch, caplog):
    nonlinear = import_module("crossloom.sim.crossbar.nonlinear")
    real = nonlinear._anderson

    def failing(problem, tolerance, limit):
        v, residual, rounds, failed = real(problem, tolerance, limit)
        failed[::2] = True
        return v, residual, rounds, failed

    rng = np.random.default_rng(6)
    _, plan = random_plan(rng, ArraySpec(rows=16, columns=32))
    x = rng.integers(0, 16, (2, 5, 5, 2))
    physics = Physics(RERAM, rho=1e-3, law=LAWS[0])
    wanted = build_layer(plan, physics, rng)
    expected = wanted.accumulate(x)
    assert wanted.conversions.solved > 0 == wanted.conversions.newton
    monkeypatch.setattr(nonlinear, "_anderson", failing)
    layer = build_layer(plan, physics, rng)
    with caplog.at_level(logging.WARNING):
        assert np.array_equal(layer.accumulate(x), expected)
    assert 0 < layer.conversions.newton < layer.conversions.solved == wanted.conversions.solved
    assert [record.getMessage() for record in caplog.records] == [
        "conv1: Anderson's iteration failed for some inputs; Newton's method took over"
    ]


@pytest.mark.parametrize("ohm", [0.0, 1e-3, 5.0, 300.0])
@pytest.mark.parametrize("shape", [(1, 1), (12, 9), (9, 12), (1, 5)])
def test_losses_are_those_of_the_nodal_solution(shape, ohm):
    rng = np.random.default_rng(7)
    tile = make_tile(10 ** rng.uniform(-7, -4, shape), row_wire=ohm, column_wire=ohm / 2, driver=50.0, sense=20.0)
    volts = rng.uniform(0, 0.5, (3, shape[0]))
    circuit, source, out = crossbar(tile)
    solver = Solver(circuit, np.concatenate([source, out]))
    nodes = solver.solve(np.concatenate([volts.T, np.zeros((shape[1], 3))]))
    between = (nodes[solver.a] - nodes[solver.b])[: tile.conductance.size].astype(float)
    wanted = volts[:, :, None] - between.T.reshape(3, *shape)
    np.testing.assert_allclose(cell_losses(tile, volts), wanted, rtol=0, atol=1e-9 * 0.5)


def test_losses_of_bad_volts_are_refused():
    for volts in ([1.0], [[1.0, 2.0]], [[np.nan]]):
        with pytest.raises(InputError):
            cell_losses(make_tile([[1.0]]), volts)


def test_the_command_takes_a_law_on_a_real_layer_and_refuses_others(capsys):
    argv = ["crossbar", "digits-cnn", "--rho", "1e-3", "--methods", "none", "--images", "2", "--calibrate", "1"]
    argv += ["--rows", "32", "--columns", "32"]
    assert main([*argv, "--cells", "reram", "--law", "tanh:0.2", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["law"] == {"shape": "tanh", "v0": 0.2} and data["methods"]["none"]["newton"] == [0.0]
    for words, more in (
        ("whose inputs drive gates", ["--law", "tanh:0.2"]),
        ("whose inputs drive gates", ["--cells", FEFET.name, "--law", "device"]),
        ("--law 'cubic:1': unknown", ["--cells", "reram", "--law", "cubic:1"]),
        ("--law 'volts': needed numbers", ["--cells", "reram", "--law", "tanh:volts"]),
        ("v0 -1.0; needed", ["--cells", "reram", "--law", "sinh:-1"]),
        ("at most 40 v0", ["--cells", "reram", "--law", "sinh:0.001"]),
    ):
        assert main([*argv, *more]) == 1
        captured = capsys.readouterr()
        assert captured.err.count("\n") == 1
        assert words in captured.err
