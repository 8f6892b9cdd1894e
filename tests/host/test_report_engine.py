"""The engine in the report: its layers, their cycles, and what is not drawn."""

import re
import xml.etree.ElementTree as ET

import pytest

from crossloom.host import find_design
from crossloom.host.folding_choice import compiled
from crossloom.host.report import engine_drawing as module
from crossloom.host.report.engine_drawing import engine
from crossloom.rtl import RtlError
from crossloom.rtl.estimate.cycles import image_cycles
from crossloom.rtl.estimate.layers import model_layers
from crossloom.sim import cost, load


@pytest.fixture(scope="module")
def network():
    return load(find_design("digits-sha")).network


def drawing(section):
    return ET.fromstring(re.search(r"<svg.*?</svg>", section, re.DOTALL)[0])


def test_every_layer_has_a_bar_from_its_first_to_its_last_cycle(network):
    root = drawing(engine(network))
    program = compiled(network)
    layers, latency = model_layers(program), image_cycles(program).latency
    rows = [group for group in root.iter("g") if group.find("title") is not None]
    assert len(rows) == len(layers) == 7
    for row, layer in zip(rows, layers, strict=True):
        whole, busy = row.findall("rect")
        scale = module._LENGTH / latency
        assert float(whole.get("x")) == pytest.approx(module._BARS + layer.first * scale, abs=0.01)
        assert float(whole.get("width")) == pytest.approx(max(layer.cycles * scale, 1.5), abs=0.01)
        assert float(busy.get("width")) <= float(whole.get("width"))
        texts = ["".join(text.itertext()) for text in row.findall("text")]
        assert texts[3] == f"{layer.cycles:,}" and texts[4] == f"{100 * layer.busy:.0f} %"
        assert f"{layer.products:,} products" in row.find("title").text
    colors = [row.findall("rect")[1].get("class") for row in rows]
    assert colors == ["fill c7"] * 3 + ["fill c5"] * 3 + ["fill c0"]


def test_the_layers_products_are_those_of_the_network(network):
    layers = model_layers(compiled(network))
    assert sum(layer.products for layer in layers) == cost(network).macs
    for layer in layers:
        assert 0 < layer.busy <= 1 and 0 <= layer.used <= layer.busy
        assert (layer.multipliers == 0) == (layer.operator == "maxpool")


def test_the_section_tells_latency_and_interval_and_that_no_clock_was_checked(network):
    text = engine(network)
    cycles = image_cycles(compiled(network))
    assert f"{cycles.latency:,} cycles" in text and f"{cycles.interval:,} from image to image" in text
    assert "timing unchecked" in text and "(modelled)" in text


def test_a_network_that_the_engine_does_not_run_has_the_reason_instead(network, monkeypatch):
    def refused(_):
        raise RtlError("layer 'x<y': no room")

    monkeypatch.setattr(module, "compiled", refused)
    assert "layer &#x27;x&lt;y&#x27;: no room" in engine(network) and "<svg" not in engine(network)


def test_large_networks_are_not_planned_and_long_ones_cut(network, monkeypatch):
    monkeypatch.setattr(module, "MOST_LAYERS", 2)
    assert "The first 2 layers are drawn." in engine(network)
    assert len([g for g in drawing(engine(network)).iter("g")]) == 2
    monkeypatch.setattr(module, "MOST_PARAMETERS", 100)
    assert "Not planned here: more than 100 parameters" in engine(network)
