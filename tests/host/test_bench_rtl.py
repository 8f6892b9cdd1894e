"""The bench of generated cores: its keys, its figures against the model, what its file keeps."""

import json
from dataclasses import asdict

import numpy as np
import pytest

from crossloom.host import find_design
from crossloom.host.cli import main
from crossloom.host.commands.bench import rtl as bench_rtl
from crossloom.host.commands.bench.rtl_images import Images
from crossloom.rtl.compiler.program import Folding, compile_network
from crossloom.rtl.core.cocotb_speed import Speed, compare_speed
from crossloom.rtl.estimate.choice import choose_folding
from crossloom.rtl.estimate.pipeline import streaming
from crossloom.rtl.sources import sources_sha256
from crossloom.sim import MissingExtraError, cost, load, run
from crossloom.sim.frames import frame_beats
from crossloom.sim.shapes import cifar_sha_shape, cifar_shape

FOUND = {"lut": 9, "ff": 8, "bram36": 1.5, "dsp": 0, "logic_ns": 5.5, "logic_path": "a > b", "budget": {
    "lut": 47000, "ff": 106400, "bram36": 140, "dsp": 220,
}}  # fmt: skip
SPEED = Speed(20, 1000, 3.0, 0.125)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Without synthesis and cocotb; the model is shared with the other tests of digits-sha."""
    monkeypatch.setattr(bench_rtl, "resources", lambda program: dict(FOUND))
    monkeypatch.setattr("crossloom.rtl.core.cocotb_speed.compare_speed", lambda program, frames: SPEED)


def _json(capsys, *argv):
    code = main(["bench", "rtl", *argv, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_the_bench_measures_every_layer_and_compares_every_code(capsys, tmp_path):
    out = tmp_path / "rtl.json"
    code, data = _json(capsys, "--designs", "digits-sha", "--out", str(out))
    assert code == 0 and json.loads(out.read_text()) == data
    found = data["digits-sha"]
    network = load(bench_rtl.find_design("digits-sha")).network
    assert {"latency_cycles", "interval_cycles", "layers", "lut", "ff", "bram36", "dsp", "logic_ns"} <= found.keys()
    assert data["speedup_over_cocotb"] == 24.0
    assert found["differences"] == 0
    codes = sum(edge.size for name, edge in network.edges.items() if name != "input")
    assert found["codes_compared"] == bench_rtl.IMAGES * codes
    assert found["latency_cycles"] == found["latency_model"] + 4
    assert found["interval_cycles"] == found["interval_model"]
    assert [layer["name"] for layer in found["layers"]][-1] == "branch_dense2"
    for layer in found["layers"]:
        assert {"name", "multipliers", "cycles_model", "cycles_measured", "busy"} <= layer.keys()
        assert layer["cycles_measured"] == pytest.approx(layer["cycles_model"], rel=0.1)
    assert sum(layer["products"] for layer in found["layers"]) == found["products"] == cost(network).macs


def test_what_is_not_measured_again_stays_in_the_file(capsys, tmp_path):
    out = tmp_path / "rtl.json"
    folding = {"rows": 8, "cols": 8, "pix": 2, "lanes": 4, "dsp": 0}
    core = {"folding": folding, "sources_sha256": sources_sha256("core"), "lut": 7}
    old = {"cifar-shape": {"lut": 1}, "digits-sha": core, "machine": "x"}
    out.write_text(json.dumps({**old, "speedup_over_cocotb": 21.0}))
    _json(capsys, "--designs", "digits-sha", "--no-synth", "--no-cocotb", "--out", str(out))
    data = json.loads(out.read_text())
    assert data["cifar-shape"] == {"lut": 1} and data["speedup_over_cocotb"] == 21.0
    assert data["digits-sha"]["lut"] == 7 and data["digits-sha"]["latency_cycles"] > 0
    for other in ({"folding": {**folding, "rows": 16}}, {"sources_sha256": "0" * 64}):
        out.write_text(json.dumps(old | {"digits-sha": core | other}))
        _json(capsys, "--designs", "digits-sha", "--no-synth", "--no-cocotb", "--out", str(out))
        assert "lut" not in json.loads(out.read_text())["digits-sha"], "resources of another core"


def test_text_says_where_every_figure_comes_from(capsys):
    assert main(["bench", "rtl", "--designs", "digits-sha"]) == 0
    text = capsys.readouterr().out
    for words in (
        "(simulated; modelled",
        "(estimated)",
        "0 of 141,988 codes differ",
        "24.0 times faster (measured)",
    ):
        assert words in text
    assert "9 of 47,000 LUT" in text and "5.50 ns" in text


def test_a_spiking_design_is_measured_over_its_test_images_on_a_chosen_array(capsys, monkeypatch, tmp_path):
    whole = bench_rtl.images_of("digits-snn", None)
    few = Images(whole.dataset, whole.images[:6], whole.labels[:6])
    monkeypatch.setattr(bench_rtl, "images_of", lambda design, data_dir: few)
    choice = "--designs", "digits-snn", "--lut", "5000", "--dsp", "0", "--no-cocotb"
    code, data = _json(capsys, *choice, "--out", str(tmp_path / "rtl.json"))
    found, network = data["digits-snn"], load(find_design("digits-snn")).network
    assert code == 0 and found["differences"] == found["answers_differing"] == 0
    chosen = choose_folding(network, "throughput", lut=5000, dsp=0)
    assert found["folding"] == asdict(chosen.folding) and chosen.lut <= 5000
    assert found["budget"]["lut"] == 5000 and found["budget"]["dsp"] == 0
    assert (found["images"], found["dataset"]) == (6, "digits test")
    assert found["cycles_max"] == found["latency_cycles"] == chosen.latency + 4
    assert found["cycles_mean"] == round((found["latency_cycles"] + 5 * chosen.interval) / 6, 1)
    wanted = run(network, few.images, edges=list(network.edges))
    spikes = [edge for name, edge in wanted.edges.items() if name.endswith("lif_spikes")]
    assert found["spikes_mean"] == round(sum(int(edge.sum()) for edge in spikes) / 6, 2) > 0
    assert found["accuracy"] == round(float((wanted.labels == few.labels).mean()), 4)
    told = bench_rtl.text(data)
    assert "6 images of digits test" in told and "0 answers differ" in told


def test_an_unknown_design_or_a_foreign_file_is_refused_before_any_work(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(bench_rtl, "measure", None)
    foreign = tmp_path / "thesis.json"
    foreign.write_text("{}")
    for argv, words in (
        (["--designs", "moon"], "'moon': unknown"),
        (["--out", str(foreign)], "no result of bench rtl"),
        (["--out", str(tmp_path / "no" / "x.json")], "no such folder"),
        (["--out", ""], "--out ''"),
        (["--designs", "", "--no-cocotb"], "--designs ''"),
        (["--designs", "mnist-snn:lut"], "--data-dir"),
        (["--designs", "digits-snn", "--lut", "60000"], "--lut 60000: an xc7z020 has 53,200"),
        (["--designs", " , ", "--no-cocotb"], "nothing to measure"),
    ):
        assert main(["bench", "rtl", *argv]) == 1
        captured = capsys.readouterr()
        assert captured.err.count("\n") == 1 and words in captured.err
    assert foreign.read_text() == "{}"


def test_without_designs_the_comparison_alone_is_measured(capsys):
    code, data = _json(capsys, "--designs", "")
    assert code == 0 and {*data} == {"cocotb", "speedup_over_cocotb", "machine"}
    assert {*data["cocotb"]} == {"digits-cnn", "digits-sha"}


def test_differences_are_an_exit_code(capsys, monkeypatch):
    def wrong(name, synth, budget, images):
        return {"differences": 1, "codes_compared": 2}

    monkeypatch.setattr(bench_rtl, "measure", wrong)
    monkeypatch.setattr(bench_rtl, "text", lambda data: "")
    assert main(["bench", "rtl", "--designs", "cifar-shape,digits-sha", "--no-cocotb"]) == 1


def test_an_ideal_pipeline_is_what_hand_counting_gives():
    # Windows of 3 rows with one of padding wait for 2 rows, pools for 2: of 32, 32, 32, 16, 16, 16, 8, 8 rows.
    lag = 3 * 2 / 32 + 3 * 2 / 16 + 2 * 2 / 8
    found = streaming(cifar_shape(), 2048)
    assert found.interval == -(-38_634_752 // 2048)
    assert found.latency == round(found.interval * (1 + lag))
    routed = streaming(cifar_sha_shape(), 2048)
    assert routed.latency == round(routed.interval * (1 + 3 * 2 / 32 + 3 * 2 / 16 + 1 + 2 * 2 / 8))


def test_without_cocotb_the_extra_is_named(monkeypatch):
    monkeypatch.setattr("crossloom.rtl.core.cocotb_speed.importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"crossloom\[rtl\]"):
        compare_speed(None, np.zeros((1, 1), np.uint64))


@pytest.mark.long
def test_cocotb_gives_the_same_results_and_takes_far_longer():
    artifact = load(bench_rtl.find_design("digits-cnn"))
    codes = artifact.network.input.table[artifact.golden.inputs[:5, :, :, 0].astype(np.int64), 0][..., None]
    found = compare_speed(compile_network(artifact.network, Folding(4, 4, 1, 2)), frame_beats(artifact.network, codes))
    assert found.frames == 5 and found.cycles > 10_000
    assert found.speedup > 5
