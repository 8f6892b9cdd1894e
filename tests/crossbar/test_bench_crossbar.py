"""`bench crossbar`: what it prints with and without the package it compares with."""

import argparse
import sys
from importlib import import_module
from types import ModuleType, SimpleNamespace

import pytest
from nodal import voltage_currents

from crossloom.sim import InputError
from crossloom.sim.crossbar import make_tile

bench = import_module("crossloom.host.commands.bench.crossbar")


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(bench, "ROWS", 12)
    monkeypatch.setattr(bench, "COLUMNS", 10)
    monkeypatch.setattr(bench, "VECTORS", 64)


def test_without_badcrossbar_its_keys_are_null_and_the_text_says_how_to_get_it(small, monkeypatch):
    monkeypatch.setitem(sys.modules, "badcrossbar", None)
    report = bench.run(argparse.Namespace(runs=5))
    assert report.data["badcrossbar_1024_ms"] is None and report.data["max_relative_error"] is None
    for key in ("build_ms", "apply_1024_ms", "gate_1024_ms", "gate_prepared_tile_vectors_per_s"):
        assert report.data[key] > 0
    assert "pip install --no-deps badcrossbar pathvalidate" in report.text


def test_with_badcrossbar_the_largest_difference_is_reported(small, monkeypatch):
    def compute(volts, resistances, r_i, **_):
        output = voltage_currents(make_tile(1 / resistances, row_wire=r_i, column_wire=r_i), volts.T)
        return SimpleNamespace(currents=SimpleNamespace(output=output * (1 + 1e-6)))

    module = ModuleType("badcrossbar")
    module.compute = compute
    monkeypatch.setitem(sys.modules, "badcrossbar", module)
    report = bench.run(argparse.Namespace(runs=5))
    assert report.data["badcrossbar_1024_ms"] > 0
    assert report.data["max_relative_error"] == pytest.approx(1e-6, rel=1e-3)
    assert "times as long" in report.text


def test_too_few_runs_are_refused():
    with pytest.raises(InputError, match="--runs 2; needed at least 5"):
        bench.run(argparse.Namespace(runs=2))
