"""`crossloom build bitstream` with a program named vivado: the record and its files, failures, a missed clock."""

import hashlib
import json
import os
from pathlib import Path

import fake_tools
import pytest
from tiny_flow import TINY, tiny_artifact

from crossloom.hls.emit import FLOWS
from crossloom.host.cli import main
from crossloom.rtl.core.description import read_description
from crossloom.sim import DeviceError, load, save, structure_sha256, weights_sha256
from crossloom.sim.board import read_build

FOLDING = "4x4x1x2"
BUILT = {**fake_tools.VIVADO, "tiny-dense.bit": "a bitstream", "tiny-dense.hwh": "<EDKSYSTEM/>"}


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """A design in a folder of its own, where a vivado that builds it is on PATH."""
    monkeypatch.setitem(FLOWS, "native", TINY)
    monkeypatch.setitem(FLOWS, "hls4ml", TINY)
    save(tiny_artifact(), tmp_path / "tiny-dense.loom")
    fake_tools.install(tmp_path / "bin", "vivado", BUILT)
    fake_tools.install(tmp_path / "bin", "vitis-run", fake_tools.VITIS)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "tiny-dense.loom"


def build(*argv):
    return main(["build", "bitstream", "tiny-dense.loom", *argv])


def failed(capsys, *argv):
    """The one line of a command that fails."""
    assert build(*argv) == 1
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1
    return captured.err


def test_a_build_leaves_a_bitstream_with_its_record(capsys, tiny):
    assert build("--folding", FOLDING, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    folder = Path(found["folder"])
    assert folder == Path("runs/tiny-dense-bitstream-rtl")
    assert found["files"] == ["build.json", "core.json", "tiny-dense.bit", "tiny-dense.hwh"]
    record, artifact = read_build(folder), load(tiny)
    assert (record.name, record.flow, record.folding) == ("tiny-dense", "rtl", FOLDING)
    assert record.artifact == hashlib.sha256(tiny.read_bytes()).hexdigest()
    assert record.structure == structure_sha256(artifact.network)
    assert record.weights == weights_sha256(artifact.network)
    assert (record.core, record.core_version) == ("crossloom:rtl:crossloom_core:1.0", "1.1")
    assert (record.board, record.part, record.clock_mhz) == ("pynq-z2", "xc7z020clg400-1", 100)
    assert record.tools == ("Vivado 2024.1",)
    assert (record.resources.origin, record.resources.lut, record.resources.bram36) == ("measured", 14211, 10.5)
    assert (record.timing.origin, record.timing.wns_ns, record.timing.met) == ("estimated", 1.337, True)
    assert record.files["tiny-dense.bit"] == hashlib.sha256(b"a bitstream").hexdigest()
    assert read_description((folder / "core.json").read_bytes()).structure == record.structure
    assert (folder / "vivado-run.log").read_text() == "INFO: at work\n"
    assert build("--folding", FOLDING) == 0
    text = capsys.readouterr().out
    assert "tiny-dense.bit for the PYNQ-Z2 at 100 MHz" in text and "1.337 ns, met" in text


@pytest.mark.parametrize("flow", ["hls-native", "hls4ml"])
def test_a_core_of_either_hls_flow_is_built_by_both_tools(capsys, tiny, flow):
    assert build("--flow", flow, "--board", "pynq-z1", "--clock", "150", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    record = read_build(Path(found["folder"]))
    assert (record.flow, record.board, record.folding, record.core_version) == (flow, "pynq-z1", "", "")
    assert record.core == "crossloom:hls:crossloom_top:1.0"
    assert record.tools == ("Vitis HLS 2024.1", "Vivado 2024.1")
    assert record.clock_mhz == pytest.approx(142.857, abs=1e-3)
    assert [line.split()[0] for line in found["commands"]] == ["cd", "vitis-run", "vivado"]
    assert "create_clock -period 7 " in (Path(found["folder"]) / "run_hls.tcl").read_text()


def test_without_vivado_the_project_is_there_and_what_would_run_is_told(capsys, tiny, monkeypatch):
    (tiny.parent / "bin" / "vivado").unlink()
    monkeypatch.setenv("PATH", str(tiny.parent / "bin"))
    assert build("--folding", FOLDING, "--out", "here", "--json") == 1
    found = json.loads(capsys.readouterr().out)
    assert found["missing"] == ["vivado"]
    assert found["commands"] == ["cd here", "vivado -mode batch -nojournal -nolog -source build_bitstream.tcl"]
    assert build("--folding", FOLDING, "--out", "here") == 1
    text = capsys.readouterr().out
    assert text.splitlines()[0] == "tiny-dense: not built: vivado not on PATH; the project is in here; would have run:"
    assert all(f"\n  {line}" in text for line in found["commands"])
    assert {"build_bitstream.tcl", "crossloom_core.v", "core.json"} <= {path.name for path in Path("here").iterdir()}
    assert not list(Path("here").glob("*.bit"))


def test_a_missed_clock_is_an_exit_code_and_stands_in_the_record(capsys, tiny):
    slow = {**BUILT, "timing.rpt": fake_tools.TIMING.format(wns="-0.3", whs="0.1")}
    fake_tools.install(tiny.parent / "bin", "vivado", slow)
    assert build("--folding", FOLDING, "--out", "here") == 1
    assert "-0.3 ns, NOT met" in capsys.readouterr().out
    assert read_build(Path("here")).timing.met is False


def test_a_vivado_that_fails_hangs_or_writes_nothing_is_one_line_and_leaves_no_record(capsys, tiny):
    arguments = ("--folding", FOLDING, "--out", "here")
    assert build(*arguments) == 0
    capsys.readouterr()
    programs = {
        "vivado: failed (3): ERROR: [Place 30-640] full": ({}, 'print("ERROR: [Place 30-640] full"); sys.exit(3)'),
        "vivado: ran past 1.08 s": (BUILT, "time.sleep(60)"),
        "utilization.rpt: no such report": ({"tiny-dense.bit": "x", "tiny-dense.hwh": "y"}, ""),
        "timing.rpt: no timing summary": ({**BUILT, "timing.rpt": "nothing"}, ""),
        "tiny-dense.hwh: No such file": ({**fake_tools.VIVADO, "tiny-dense.bit": "x"}, ""),
    }  # fmt: skip
    for said, (files, then) in programs.items():
        fake_tools.install(tiny.parent / "bin", "vivado", files, then)
        assert said in failed(capsys, *arguments, "--hours", "0.0003" if "ran past" in said else "1")
        with pytest.raises(DeviceError, match=r"build\.json: No such file"):
            read_build(Path("here"))


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--hours", "0"], "--hours 0; needed more than 0"),
        (["--hours", "nan"], "--hours nan; needed more than 0"),
        (["--clock", "0"], "clock: 0 MHz; needed 0.25 to 250"),
        (["--clock", "nan"], "clock: nan MHz"),
        (["--clock", "1000"], "clock: 1000 MHz"),
        (["--board", "zybo"], "board 'zybo': unknown; one of pynq-z1, pynq-z2"),
        (["--out", ""], "--out '': no name"),
        (["--out", "two words"], "has a blank in its path"),
        (["--folding", "1x2"], "folding '1x2': needed ROWSxCOLSxPIXxLANES"),
        (["--flow", "hls-native", "--folding", FOLDING], "only cores in RTL have one"),
    ],
)
def test_what_cannot_be_built_is_one_line(capsys, tiny, argv, words):
    given = argv if "--folding" in argv else [*argv, "--folding", FOLDING]
    assert words in failed(capsys, *given)
    assert not list(tiny.parent.rglob("*.bit"))
