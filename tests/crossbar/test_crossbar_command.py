"""`crossloom crossbar`: its table, its JSON, its page, and what it refuses."""

import argparse
import json
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from crossloom.host import find_design
from crossloom.host.commands import crossbar
from crossloom.host.crossbar_page import page
from crossloom.host.report.document import MARKER
from crossloom.sim import Artifact, InputError, load, make_golden, random_network, save
from crossloom.sim.crossbar import RERAM, ArraySpec, Physics, Point, Sweep, study, sweep
from crossloom.sim.crossbar.analysis import _maps

DEFAULTS = {
    "rho": "1e-4,2e-3", "methods": "none,gain", "cells": "8t-sram", "law": "linear", "rows": 128, "columns": 128,
    "cell_bits": 1, "adc_bits": 7, "active_rows": 32, "twin": False, "variation": False, "noise": False,
    "seed": 0, "seeds": None, "images": 60, "calibrate": 20, "out": None, "data": None, "data_dir": None,
}  # fmt: skip


def command(design="digits-cnn", **changes):
    return crossbar.run(argparse.Namespace(design=str(design), **{**DEFAULTS, **changes}))


@pytest.fixture
def small(tmp_path):
    """A tiny artifact of random weights and labels."""
    rng = np.random.default_rng(0)
    network = random_network(4, 2)
    images = rng.integers(0, network.input.levels, (12, *network.input.shape), dtype=np.uint8)
    labels = rng.integers(0, len(network.classes), 12)
    save(Artifact(network, {}, make_golden(network, "random", images, labels)), tmp_path / "small.loom")
    return tmp_path / "small.loom"


def test_the_json_has_an_accuracy_and_an_interval_for_every_method_and_rho():
    data = json.loads(json.dumps(command(images=36, calibrate=16).data))
    assert data["rho"] == [1e-4, 2e-3] and data["ideal"] == 1.0
    assert list(data["methods"]) == ["none", "gain"]
    for found in data["methods"].values():
        for low, accuracy, high in zip(found["low"], found["accuracy"], found["high"], strict=True):
            assert 0 <= low <= accuracy <= high <= 1 and low < high
    assert data["methods"]["none"]["accuracy"][1] < data["methods"]["gain"]["accuracy"][1]
    assert data["images"] == 20 and data["calibration_images"] == 16
    assert (data["seeds"], data["origin"]) == (1, "simulated")


def test_the_text_names_the_cells_the_intervals_and_what_an_order_costs(small):
    text = command(small, methods="none,swann+pwa", calibrate=4, variation=True, columns=40).text
    assert "8t-sram cells, 7-bit converters, variation\n8 images, 5 seeds, 4 more images" in text
    assert "rho 0.0001" in text and "Wilson" in text and "network: area +" in text and "table: area +" in text


def test_converters_that_clip_are_warned_of_by_layer(monkeypatch):
    points = (Point(9, 10, 0.0, ()), Point(8, 10, 0.02, ("conv1",)), Point(7, 10, 0.01, ("conv1", "dense")))
    found = Sweep((1e-5, 1e-4, 1e-3), {"range": points}, 1.0, 10, 2, 1, 3)
    monkeypatch.setattr(crossbar, "sweep", lambda *_, **__: found)
    text = command(methods="range").text
    assert "warning: range: converters clip more than 0.1 % in conv1, dense (2 % of all at worst)" in text
    assert "network: area" not in text


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rho": "1e-4,x"}, "--rho '1e-4,x': needed numbers"),
        ({"rho": ""}, "--rho '': needed numbers"),
        ({"rho": "nan"}, "--rho 'nan'"),
        ({"rho": "-1"}, "physics: rho -1.0"),
        ({"methods": "none,magic"}, "method 'magic': 'magic' is unknown; needed none, swann"),
        ({"methods": ""}, "method ''"),
        ({"rows": 0}, "array: rows is 0"),
        ({"columns": 3}, r"an output takes .* the array has 3"),
        ({"cell_bits": 2}, "2 bits a cell; 8t-sram keeps at most 1"),
        ({"cell_bits": 5}, "5 bits a cell; its weights have magnitudes of 3 bits"),
        ({"active_rows": 0, "methods": "pwa"}, "array: active_rows is 0"),
        ({"cells": "dram"}, "--cells 'dram': unknown; needed one of 8t-sram, fefet, reram"),
        ({"images": 1}, "--images 1; needed at least 2"),
        ({"calibrate": 60}, "calibration: 60 of 60 images"),
        ({"calibrate": 0}, "conv1: no inputs to calibrate with"),
        ({"seeds": 3}, "sweep: 3 seeds"),
        ({"adc_bits": 17}, "array: adc_bits is 17"),
        ({"out": "/nonexistent/page.html"}, "cannot be written"),
    ],
)
def test_bad_options_are_one_line(changes, message):
    with pytest.raises(InputError, match=message) as error:
        command(**changes)
    assert "\n" not in str(error.value)


class _Tags(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.open, self.seen, self.sources = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.seen.append(tag)
        self.sources += [value for key, value in attributes if key in ("src", "href")]
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_whole_fetches_nothing_and_is_the_same_twice(small, tmp_path):
    out = tmp_path / "page.html"
    report = command(small, methods="none,greedy+gain,pwa", calibrate=4, columns=40, out=str(out))
    text = out.read_text()
    assert text.startswith(MARKER) and report.data["page"] == str(out)
    tags = _Tags(text)
    assert tags.open == [] and "script" not in tags.seen
    assert tags.sources and all(source.startswith("data:image/png;base64,") for source in tags.sources)
    for words in ("greedy+gain", "Array size", "Where the voltage goes", "root mean square", "Benes"):
        assert words in text
    command(small, methods="none,greedy+gain,pwa", calibrate=4, columns=40, out=str(out))
    assert out.read_text() == text


def test_a_file_that_is_no_report_is_not_overwritten(small, tmp_path):
    out = tmp_path / "notes.html"
    out.write_text("mine")
    with pytest.raises(InputError, match="is no report of ours"):
        command(small, calibrate=4, out=str(out))
    assert out.read_text() == "mine"


def test_method_names_are_escaped_and_voltage_mode_has_maps_too(small):
    artifact = load(small)
    golden = artifact.golden
    arguments = artifact.network, golden.inputs, golden.labels
    zero = replace(RERAM.driver, value=0.0)
    options = {"base": ArraySpec(16, 40), "physics": Physics(replace(RERAM, driver=zero, sense=zero))}
    found = sweep(*arguments, [1e-4, 0.0], ["swann"], calibrate=3, **options)
    figures = study(*arguments, found, **options)
    assert list(figures.maps) == ["none", "swann", "greedy"]
    evil = {"<b>evil": found.points["swann"]}
    text = page(artifact, replace(figures, sweep=replace(found, points=evil)), *options.values(), "crossloom")
    assert "<b>evil" not in text and "&lt;b&gt;evil" in text
    assert "Where the voltage goes" in text and "its driver at the left" in text


def test_twins_stand_beside_the_physics_in_text_and_json(small):
    report = command(small, rho="1e-3", methods="none,pwa", calibrate=4, columns=40, twin=True)
    twins = report.data["twin"]
    assert list(twins) == ["none", "pwa"] and set(twins["none"]) >= {
        "physics",
        "twin",
        "agree",
        "differ",
        "rms",
        "worst",
    }
    assert [len(values) for row in twins.values() for values in row.values()] == [1] * 14
    assert twins["none"]["physics"] == report.data["methods"]["none"]["accuracy"]
    assert "integer model of rtl/src/imc_tile.sv" in report.text


def test_maps_in_voltage_mode_lose_more_the_farther_from_the_sense_end():
    artifact = load(find_design("digits-cnn"))
    physics = Physics(RERAM, rho=1e-3)
    tile, maps = _maps(artifact.network, artifact.golden.inputs[:3], ArraySpec(64, 32), physics)
    assert tile in [node.name for node in artifact.network.nodes] and list(maps) == ["none", "swann", "greedy"]
    for lost in maps.values():
        assert lost.shape == (64, 30) and 0 < lost.min() < lost.max() < 0.5
        assert lost[:8].mean() > lost[-8:].mean()
