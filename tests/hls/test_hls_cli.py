"""HLS devices and commands as a user meets them: exact answers, projects, builds, timings, one-line errors."""

import json
import os

import fake_tools
import numpy as np
import pytest
from tiny_flow import TINY, tiny_artifact

import crossloom.hls.sources
from crossloom.hls.emit import FLOWS
from crossloom.host import Accelerator
from crossloom.host import backends as host_backends
from crossloom.host.cli import main
from crossloom.sim import Artifact, input_codes, load, make_golden, random_network, save


def call(capsys, *argv):
    code = main([*map(str, argv), "--json"])
    return code, json.loads(capsys.readouterr().out)


def failed(capsys, *argv):
    """The one line of a command that fails."""
    assert main([*map(str, argv)]) == 1
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1
    return captured.err


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    monkeypatch.setitem(FLOWS, "native", TINY)
    save(tiny_artifact(), tmp_path / "tiny-dense.loom")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "tiny-dense.loom"


@pytest.fixture(scope="module")
def routed(tmp_path_factory):
    """A file with a small routed network, and images for it; tests/agreement runs the shipped designs."""
    network = random_network(24, 3)
    assert network.route
    images = np.random.default_rng(0).integers(0, network.input.levels, (40, *network.input.shape), dtype=np.uint8)
    path = tmp_path_factory.mktemp("routed") / "routed.loom"
    save(Artifact(network, {}, make_golden(network, "test", images, np.zeros(40, np.int64))), path)
    return str(path), images


def test_an_accelerator_on_an_hls_core_predicts_as_the_integer_simulator(routed):
    path, images = routed
    expected = Accelerator(path)(images)
    with Accelerator(path, device="hls-native") as accelerator:
        found = accelerator(images)
    assert accelerator.backend == found.backend == "hls-native"
    assert (found.origin, found.cycles, accelerator.reason) == ("simulated", None, "asked for")
    for name in ("labels", "coarse", "macs"):
        assert np.array_equal(getattr(found, name), getattr(expected, name))
    assert np.array_equal(found.scores.mask, expected.scores.mask)
    assert np.array_equal(found.scores.filled(0), expected.scores.filled(0))
    assert found.names == expected.names and np.array_equal(found.top_k(2), expected.top_k(2))


def test_auto_takes_the_integer_simulator_and_says_why():
    accelerator = Accelerator("digits-cnn")
    assert accelerator.backend == "integer"
    assert "needs nothing compiled" in accelerator.reason


@pytest.mark.parametrize("device", ["hls-native", "hls4ml"])
def test_without_hls4ml_the_error_names_the_extra(capsys, monkeypatch, device):
    monkeypatch.setattr(crossloom.hls.sources, "find_spec", lambda name: None)
    assert "pip install 'crossloom[hls]'" in failed(capsys, "run", "digits-cnn", "--device", device)


def test_without_a_compiler_the_error_is_one_line(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert "no program g++" in failed(capsys, "run", "digits-cnn", "--device", "hls-native")


def test_emit_writes_a_project_and_says_how_to_build_it(capsys, tiny):
    code, found = call(capsys, "emit", "hls", tiny)
    assert code == 0
    assert (found["folder"], found["flow"]) == ("runs/tiny-dense-hls-native", "native")
    assert all((tiny.parent / found["folder"] / name).is_file() for name in found["files"])
    assert found["commands"][1] == "vitis-run --mode hls --tcl run_hls.tcl"
    assert main(["emit", "hls", str(tiny), "--out", "here"]) == 0
    assert "in here; to build it" in capsys.readouterr().out


def test_emit_never_writes_over_what_is_not_its_own(capsys, tiny):
    (tiny.parent / "mine").mkdir()
    (tiny.parent / "mine" / "letter.txt").write_text("dear")
    assert "and no list" in failed(capsys, "emit", "hls", tiny, "--out", tiny.parent / "mine")
    assert [p.name for p in (tiny.parent / "mine").iterdir()] == ["letter.txt"]


def test_emit_of_a_refused_network_leaves_no_folder(capsys, tmp_path):
    def save_random(seed):
        network = random_network(seed, 4)
        images = np.zeros((2, *network.input.shape), np.uint8)
        save(Artifact(network, {}, make_golden(network, "test", images, np.zeros(2, np.int64))), tmp_path / "x.loom")

    out = tmp_path / "out"
    for seed in range(40):
        save_random(seed)
        if main(["emit", "hls", str(tmp_path / "x.loom"), "--flow", "hls4ml", "--out", str(out)]) == 1:
            break
        pytest.fail("no network was refused") if seed == 39 else None
    captured = capsys.readouterr()
    assert "native" in captured.err.splitlines()[-1]
    assert not out.exists()


def test_build_without_the_tools_says_what_it_would_have_run(capsys, tiny, monkeypatch):
    monkeypatch.setenv("PATH", str(tiny.parent))
    code, found = call(capsys, "build", "hls", tiny, "--out", "project")
    assert code == 1
    assert found["missing"] == ["vitis-run", "vivado"]
    assert main(["build", "hls", str(tiny), "--out", "project"]) == 1
    text = capsys.readouterr().out
    assert "vitis-run and vivado not on PATH" in text
    assert all(f"\n  {line}" in text for line in found["commands"])
    fake_tools.install(tiny.parent, "vitis-run", fake_tools.VITIS, "sys.exit('ERROR: must not run')")
    code, found = call(capsys, "build", "hls", tiny, "--out", "project")
    assert (code, found["missing"]) == (1, ["vivado"])


def test_build_keeps_the_figures_beside_those_of_other_flows(capsys, tiny, monkeypatch):
    fake_tools.install_both(tiny.parent / "bin")
    monkeypatch.setenv("PATH", f"{tiny.parent / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setitem(FLOWS, "hls4ml", TINY)
    for flow in ("native", "hls4ml"):
        code, found = call(capsys, "build", "hls", tiny, "--flow", flow)
        assert code == 0
        assert found["baseline"] == "hls/baselines/vitis/tiny-dense.json"
    kept = json.loads((tiny.parent / found["baseline"]).read_text())
    assert kept.keys() == {"native", "hls4ml"}
    assert kept["native"]["csynth"]["tool"] == "Vitis HLS 2024.1"
    assert kept["native"]["utilization"] == {
        "origin": "measured", "tool": "Vivado 2024.1", "lut": 14211, "ff": 13377, "bram36": 10.5, "dsp": 90
    }  # fmt: skip
    assert main(["build", "hls", str(tiny), "--baseline", "other.json"]) == 0
    text = capsys.readouterr().out
    assert "1,200 to 1,210 cycles" in text and "1.337 ns, met" in text and (tiny.parent / "other.json").is_file()


def test_build_of_a_design_that_misses_its_clock_fails(capsys, tiny, monkeypatch):
    fake_tools.install_both(tiny.parent / "bin")
    slow = {**fake_tools.VIVADO, "timing.rpt": fake_tools.TIMING.format(wns="-0.3", whs="0.1")}
    fake_tools.install(tiny.parent / "bin", "vivado", slow)
    monkeypatch.setenv("PATH", f"{tiny.parent / 'bin'}{os.pathsep}{os.environ['PATH']}")
    assert main(["build", "hls", str(tiny)]) == 1
    assert "-0.3 ns, NOT met" in capsys.readouterr().out


def test_a_build_that_fails_is_one_line_and_leaves_no_baseline(capsys, tiny, monkeypatch):
    fake_tools.install_both(tiny.parent / "bin")
    fake_tools.install(tiny.parent / "bin", "vitis-run", {}, "sys.exit('ERROR: no licence')")
    monkeypatch.setenv("PATH", f"{tiny.parent / 'bin'}{os.pathsep}{os.environ['PATH']}")
    assert "vitis-run: failed (1): ERROR: no licence" in failed(capsys, "build", "hls", tiny)
    assert "--hours 0" in failed(capsys, "build", "hls", tiny, "--hours", "0")
    assert not (tiny.parent / "hls").exists()


def test_bench_hls_has_its_keys_and_measures_with_a_cache_of_its_own(capsys, tmp_path, monkeypatch):
    from crossloom.host.commands.bench import hls as bench_hls

    monkeypatch.setattr(bench_hls, "ROUNDS", 1)
    monkeypatch.setattr(bench_hls, "SECONDS", 0.02)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    save(tiny_artifact(), tmp_path / "tiny-dense.loom")
    code, found = call(capsys, "bench", "hls", tmp_path / "tiny-dense.loom")
    assert code == 0
    for device in ("hls-native", "hls4ml"):
        assert found[device].keys() == {"compile_s", "cached_s", "images_per_s"}
        assert found[device]["compile_s"] > found[device]["cached_s"] > 0
        assert found[device]["images_per_s"] > 0
    assert found["integer"].keys() == {"images_per_s"}
    assert not (tmp_path / "cache").exists()
    assert "--runs 1" in failed(capsys, "bench", "hls", "--runs", "1")


def test_a_device_that_is_not_there_lists_those_that_are(capsys):
    assert "integer, hls-native, hls4ml" in failed(capsys, "run", "digits-cnn", "--device", "gpu")


def test_codes_and_images_reach_the_core_alike(routed):
    path, images = routed
    network = load(path).network
    backend, _ = host_backends.open_backend(network, "hls-native")
    codes = input_codes(network.input, images)
    labels = backend.run(codes).labels
    assert np.array_equal(labels, Accelerator(path, device="hls-native")(images).labels)
    found = backend.run(codes, ["input"])
    assert list(backend._simulations) == [False, True]  # each built when it runs first
    assert list(found.edges) == ["input"] and np.array_equal(found.edges["input"], codes)
    assert np.array_equal(found.labels, labels)
