"""The commands that write and measure a design's core: emit rtl, synth."""

import json
from dataclasses import asdict

import pytest
from tiny_flow import tiny_network

from crossloom.host import find_design
from crossloom.host.cli import main
from crossloom.host.commands.synth import resources
from crossloom.host.folding_choice import compiled
from crossloom.rtl.estimate.choice import choose_folding
from crossloom.rtl.yosys.synth import ResourceReport
from crossloom.sim import load

FOLDING = "4x4x1x2"


def _json(capsys, *argv):
    code = main([*argv, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_emit_writes_a_whole_folder_and_lists_it(capsys, tmp_path):
    out = tmp_path / "core"
    code, data = _json(capsys, "emit", "rtl", "digits-cnn", "--folding", FOLDING, "--out", str(out))
    assert code == 0
    assert data["folding"] == {"rows": 4, "cols": 4, "pix": 1, "lanes": 2, "dsp": 0}
    assert sorted(data["files"]) == sorted(p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file())
    assert {"top.sv", "files.f", "README.md", "core_regs.h", "core_regs.py", "memories/weights.mem"} <= {*data["files"]}
    assert data["cycles_model"]["latency"] > data["cycles_model"]["interval"] > 0
    readme = (out / "README.md").read_text()
    assert f"{data['cycles_model']['latency']:,}" in readme and "digits-cnn" in readme
    assert main(["emit", "rtl", "digits-cnn", "--folding", FOLDING, "--out", str(out)]) == 0
    assert "crossloom synth digits-cnn --folding 4x4x1x2" in capsys.readouterr().out


def test_the_array_is_the_best_one_within_the_budget(capsys, tmp_path):
    latencies = []
    for i, lut in enumerate(("47000", "6000")):
        argv = ("emit", "rtl", "digits-cnn", "--lut", lut, "--dsp", "0", "--out", str(tmp_path / str(i)))
        code, data = _json(capsys, *argv)
        assert code == 0
        latencies.append(data["cycles_model"]["latency"])
        network = load(find_design("digits-cnn")).network
        assert data["folding"] == asdict(choose_folding(network, lut=int(lut), dsp=0).folding)
    assert latencies[0] < latencies[1]
    assert main(["emit", "rtl", "digits-cnn", "--lut", "100", "--out", str(tmp_path / "none")]) == 1
    captured = capsys.readouterr()
    assert "the budget is 100 LUT" in captured.err and not (tmp_path / "none").exists()


def test_an_array_that_exceeds_chip_or_budget_is_refused_before_a_file_is_written(capsys, tmp_path):
    out = tmp_path / "core"
    for argv, words in (
        (["64x32x2x16"], " LUT (estimated); an xc7z020 has 53,200; "),
        (["64x32x2x16", "--lut", "53200"], "an xc7z020 has 53,200"),
        (["8x8x2x4", "--lut", "1", "--bram36", "0", "--dsp", "0"], "the budget is 1 (an xc7z020 has 53,200)"),
        (["8x8x2x4", "--bram36", "0"], "the budget is 0 (an xc7z020 has 140)"),
        (["8x8x2x4+20", "--dsp", "19"], "20 DSP48E1; the budget is 19 (an xc7z020 has 220)"),
    ):
        assert main(["emit", "rtl", "digits-cnn", "--out", str(out), "--folding", *argv]) == 1
        captured = capsys.readouterr()
        assert captured.err.count("\n") == 1 and words in captured.err
        assert not out.exists()


def test_a_named_array_may_take_what_the_chip_has(capsys, tmp_path):
    # About 52,800 LUT: more than an array that is chosen may take by default.
    argv = ["emit", "rtl", "digits-cnn", "--folding", "48x32x2x16", "--out", str(tmp_path / "core")]
    assert main(argv) == 0
    capsys.readouterr()
    assert main([*argv, "--lut", "47000"]) == 1
    assert "the budget is 47,000" in capsys.readouterr().err


@pytest.mark.parametrize(("value", "words"), [("-1", "needed 0 or more"), ("53201", "an xc7z020 has 53,200")])
def test_a_budget_that_no_chip_has_is_refused(value, words, capsys, tmp_path):
    for argv in (["emit", "rtl", "digits-cnn", "--out", str(tmp_path / "x")], ["synth", "digits-cnn"]):
        assert main([*argv, "--lut", value]) == 1
        error = capsys.readouterr().err
        assert error.count("\n") == 1 and f"--lut {value}: {words}" in error
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("what", ["rtl", "hls"])
def test_an_empty_out_is_refused(capsys, tmp_path, monkeypatch, what):
    monkeypatch.chdir(tmp_path)
    assert main(["emit", what, "digits-cnn", "--out", ""]) == 1
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1 and "--out ''" in captured.err
    assert not list(tmp_path.iterdir())


def test_emit_goes_to_runs_by_default_and_leaves_foreign_files_alone(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "runs" / "digits-cnn-rtl"
    folder.mkdir(parents=True)
    (folder / "thesis.txt").write_text("mine")
    assert main(["emit", "rtl", "digits-cnn"]) == 1
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1 and "thesis.txt" in captured.err
    assert [p.name for p in folder.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("what", [["emit", "rtl"], ["synth"]])
def test_a_folding_that_cannot_be_is_refused_in_one_line(capsys, tmp_path, monkeypatch, what):
    monkeypatch.chdir(tmp_path)
    for folding, words in (("8x8", "ROWSxCOLSxPIXxLANES"), ("8x8x2x3", "divide"), ("8x8x2x4+221", "221 DSP48E1")):
        assert main([*what, "digits-cnn", "--folding", folding]) == 1
        captured = capsys.readouterr()
        assert captured.err.count("\n") == 1 and words in captured.err
    assert not list(tmp_path.iterdir())


def test_a_whole_core_is_estimated_with_its_memories():
    data = resources(compiled(tiny_network(), "2x2x1x1"))
    assert {"lut", "ff", "bram36", "dsp", "budget", "modules", "logic_ns", "logic_path"} <= data.keys()
    # The program's memories are constants of this network: without their content little would be left of the core.
    assert 1200 < data["lut"] < 1600 and 1600 < data["ff"] < 1900 and data["bram36"] == data["dsp"] == 0
    assert 1 < data["logic_ns"] < 5 and data["logic_path"].endswith(f"{data['logic_ns']:.2f}")
    assert data["budget"] == {"lut": 47000, "ff": 106400, "bram36": 140, "dsp": 220}


@pytest.mark.long
def test_synth_tells_a_shipped_design_module_by_module(capsys):
    code, data = _json(capsys, "synth", "digits-cnn", "--folding", FOLDING)
    assert code == 0 and data["fits"]
    assert {"lut", "ff", "bram36", "dsp", "budget", "modules", "logic_ns", "origin"} <= data.keys()
    assert 500 < data["lut"] < 5000 and 0 < data["bram36"] < 20 and data["dsp"] == 0 and data["logic_ns"] > 1
    assert data["budget"] == {"lut": 47000, "ff": 106400, "bram36": 140, "dsp": 220}
    assert {"core", "array", "drain", "sequencer", "wide_memory"} <= data["modules"].keys()
    # The program's memories are constants of this network: without their content they would be nothing.
    assert data["modules"]["sequencer"]["lut"] > 100


def test_resources_are_held_against_what_the_array_was_chosen_for(monkeypatch):
    report = ResourceReport(lut=9, ff=8, bram36=1.5, dsp=0)
    monkeypatch.setattr("crossloom.rtl.yosys.synth.synthesize", lambda *_, **__: report)
    found = resources(compiled(load(find_design("digits-cnn")).network, FOLDING))
    assert found["budget"] == {"lut": 47000, "ff": 106400, "bram36": 140, "dsp": 220}


def test_synth_says_what_exceeds_the_budget(capsys, monkeypatch):
    found = {"lut": 2000, "ff": 100, "bram36": 1.5, "dsp": 0, "logic_ns": 4.25, "budget": {}}
    found["modules"] = {"core": {"instances": 1.0, "lut": 2000.0, "ff": 100.0, "bram36": 1.5, "dsp": 0.0}}
    budget = {"lut": 47000, "ff": 106400, "bram36": 140, "dsp": 220}
    monkeypatch.setattr("crossloom.host.commands.synth.resources", lambda *_, **__: found | {"budget": dict(budget)})
    code, data = _json(capsys, "synth", "digits-cnn", "--folding", FOLDING, "--lut", "1999")
    assert code == 1 and not data["fits"] and data["budget"] == {**budget, "lut": 1999}
    assert {"name", "folding", "origin", *found} <= data.keys() and data["origin"].startswith("estimated")
    assert main(["synth", "digits-cnn", "--folding", FOLDING, "--dsp", "0"]) == 0
    text = capsys.readouterr().out
    assert "none to take" in text and "over budget" not in text and "4.25 ns" in text
    assert main(["synth", "digits-cnn", "--folding", FOLDING, "--bram36", "1"]) == 1
    assert "over budget" in capsys.readouterr().out
    assert main(["synth", "digits-cnn", "--folding", FOLDING, "--ff", "-1"]) == 1
    assert "--ff -1" in capsys.readouterr().err
