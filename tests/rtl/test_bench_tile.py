"""`bench tile`: what it prints and writes; and that a difference fails it."""

import argparse
import json
from importlib import import_module

import pytest

from crossloom.rtl import ResourceReport
from crossloom.rtl.tile import campaign as tile_campaign
from crossloom.rtl.yosys import synth
from crossloom.sim import InputError
from crossloom.sim.crossbar.twin import twin_product

bench = import_module("crossloom.host.commands.bench.tile")


def run(tmp_path, **changes):
    args = {"tiles": 5, "seed": 1, "no_synthesis": True, "out": str(tmp_path / "tile.json"), **changes}
    return bench.run(argparse.Namespace(**args))


def test_it_reports_cycles_equality_and_resources_with_their_origins(tmp_path, monkeypatch):
    monkeypatch.setattr(synth, "synthesize", lambda top, parameters: ResourceReport(5320, 1064, 14.0, 22))
    report = run(tmp_path, no_synthesis=False)
    data = report.data
    assert report.code == 0 and json.loads((tmp_path / "tile.json").read_text()) == data
    assert [data["cycles_per_product"][name] for name in ("128", "64", "32")] == [32, 64, 128]
    assert data["latency_cycles"]["128"] == 141
    assert (data["campaign"]["tiles"], data["campaign"]["seed"], data["campaign"]["differences"]) == (5, 1, 0)
    assert data["resources"]["share"] == {"lut": 0.1, "ff": 0.01, "bram36": 0.1, "dsp": 0.1}
    for name, origin in (("cycles_per_product", "sim"), ("campaign", "sim"), ("resources", "estimated")):
        assert data[name]["origin"].startswith(origin)
    assert "0 of" in report.text and "10.0 %" in report.text


def test_a_difference_is_an_exit_code_of_1(tmp_path, monkeypatch):
    def wrong(config, cells, x):
        result = twin_product(config, cells, x)
        if len(x) < 4:  # the campaign's frames, not those that cycles are counted with
            result.y[0, 0] += 1
        return result

    monkeypatch.setattr(tile_campaign, "twin_product", wrong)
    monkeypatch.setattr(tile_campaign, "latency_cycles", lambda parameters, segments: 1)
    report = run(tmp_path, seed=2)
    assert report.code == 1 and report.data["campaign"]["differences"] == 5
    assert report.data["resources"] is None and "not estimated" in report.text


@pytest.mark.parametrize(("changes", "words"), [({"tiles": 0}, "--tiles 0"), ({"seed": -1}, "--seed -1")])
def test_bad_arguments_are_refused(tmp_path, changes, words):
    with pytest.raises(InputError, match=words):
        run(tmp_path, **changes)
    with pytest.raises(InputError, match="no such folder"):
        run(tmp_path, out=str(tmp_path / "none" / "tile.json"))
