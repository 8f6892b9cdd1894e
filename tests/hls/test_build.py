"""Builds with programs named like the vendor's: their reports are kept, their failures and hangs are one line."""

import json
import os
import time

import fake_tools
import pytest
from tiny_flow import TINY, tiny_artifact, tiny_network

from crossloom.hls import HlsError
from crossloom.hls.build import build, steps, write_baseline
from crossloom.hls.emit import FLOWS, emit
from crossloom.sim import ToolError, structure_sha256
from crossloom.sim.board.tools import commands, missing_tools, run_step

STEPS = steps(tiny_network())


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setitem(FLOWS, "tiny", TINY)
    emit(tiny_artifact(), "tiny", tmp_path / "project")
    fake_tools.install_both(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    return tmp_path / "project"


def test_a_build_keeps_what_the_reports_say(project):
    said = []
    found = build(tiny_network(), "tiny", project, seconds=60, progress=said.append)
    assert (found["design"], found["flow"]) == ("tiny-dense", "tiny")
    assert found["structure_sha256"] == structure_sha256(tiny_network())
    assert (found["csynth"]["latency_max"], found["csynth"]["interval_max"]) == (1210, 640)
    assert (found["cosim"]["latency_min"], found["utilization"]["lut"]) == (1204, 14211)
    assert found["timing"]["met"] is True
    assert [found[part]["origin"] for part in ("csynth", "cosim", "utilization", "timing")] == [
        "estimated", "simulated", "measured", "estimated"
    ]  # fmt: skip
    assert (project / "vitis-run.log").read_text() == "INFO: at work\n"
    assert set(found["seconds"]) == {"vitis-run", "vivado"}


def test_progress_is_the_last_line_of_the_log(project):
    fake_tools.install(project.parent / "bin", "vitis-run", fake_tools.VITIS, "time.sleep(1)")
    said = []
    build(tiny_network(), "tiny", project, seconds=60, progress=said.append)
    assert "INFO: at work" in said


def test_what_is_missing_and_what_would_be_run_is_told(project, monkeypatch):
    assert missing_tools(STEPS) == []
    monkeypatch.setenv("PATH", "")
    assert missing_tools(STEPS) == ["vitis-run", "vivado"]
    assert commands(project, STEPS) == [
        f"cd {project}",
        "vitis-run --mode hls --tcl run_hls.tcl",
        "vivado -mode batch -nojournal -nolog -source build_bitstream.tcl",
    ]
    with pytest.raises(ToolError, match="vitis-run: not on PATH"):
        build(tiny_network(), "tiny", project, seconds=60)


@pytest.mark.parametrize("name", ["vitis-run", "vivado"])
def test_a_tool_that_fails_is_one_line_with_its_complaint(project, name):
    files = {"vitis-run": fake_tools.VITIS, "vivado": fake_tools.VIVADO}[name]
    then = 'print("WARNING: odd"); print("ERROR: [HLS 1] no licence"); print("more"); sys.exit(3)'
    fake_tools.install(project.parent / "bin", name, files, then)
    with pytest.raises(ToolError, match=rf"^{name}: failed \(3\): ERROR: \[HLS 1\] no licence; see .*-run\.log$"):
        build(tiny_network(), "tiny", project, seconds=60)


def test_a_tool_that_hangs_is_ended_with_all_it_started(project):
    then = (
        "import subprocess; child = subprocess.Popen(['sleep', '100']); "
        "Path('child').write_text(str(child.pid)); time.sleep(100)"
    )
    fake_tools.install(project.parent / "bin", "vitis-run", {}, then)
    start = time.monotonic()
    with pytest.raises(ToolError, match=r"vitis-run: ran past 2 s"):
        build(tiny_network(), "tiny", project, seconds=2)
    assert time.monotonic() - start < 20
    child = int((project / "child").read_text())
    for _ in range(100):
        state = _state(child)
        if state in ("", "Z"):
            return
        time.sleep(0.05)
    pytest.fail(f"process {child} still runs")


def _state(pid):
    try:
        with open(f"/proc/{pid}/stat") as handle:  # noqa: PTH123 - a file of the kernel
            return handle.read().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def test_reports_of_an_earlier_run_are_not_taken_for_this_ones(project):
    build(tiny_network(), "tiny", project, seconds=60)
    fake_tools.install(project.parent / "bin", "vivado", {})
    with pytest.raises(ToolError, match=r"utilization\.rpt: no such report"):
        build(tiny_network(), "tiny", project, seconds=60)
    fake_tools.install(project.parent / "bin", "vitis-run", {})
    with pytest.raises(ToolError, match=r"csynth\.xml: no such report"):
        build(tiny_network(), "tiny", project, seconds=60)


def test_a_core_whose_registers_lie_elsewhere_is_not_built_further(project):
    files = {name: text.replace("STATUS_DATA      0x20", "STATUS_DATA 0x28") for name, text in fake_tools.VITIS.items()}
    fake_tools.install(project.parent / "bin", "vitis-run", files)
    with pytest.raises(HlsError, match="register status is at 0x28"):
        build(tiny_network(), "tiny", project, seconds=60)
    assert not (project / "vivado-run.log").exists()


def test_a_step_stops_at_the_first_tool_that_is_missing(project, monkeypatch):
    (project.parent / "bin" / "vivado").unlink()
    monkeypatch.setenv("PATH", str(project.parent / "bin"))
    with pytest.raises(ToolError, match="vivado: not on PATH"):
        run_step(STEPS[1], project, 60, lambda _: None)


def test_a_path_with_a_blank_is_refused(project, tmp_path):
    emit(tiny_artifact(), "tiny", tmp_path / "two words")
    with pytest.raises(ToolError, match="has a blank in its path"):
        build(tiny_network(), "tiny", tmp_path / "two words", seconds=60)


def test_a_baseline_holds_one_build_a_flow_and_nothing_else_is_overwritten(tmp_path):
    path = tmp_path / "deep" / "x.json"
    write_baseline({"flow": "native", "lut": 1}, path)
    write_baseline({"flow": "hls4ml", "lut": 2}, path)
    write_baseline({"flow": "native", "lut": 3}, path)
    found = json.loads(path.read_text())
    assert {flow: entry["lut"] for flow, entry in found.items()} == {"native": 3, "hls4ml": 2}
    for text in ("[]", "no json", '{"native": 3}', '{"other": {"flow": "native"}}'):
        path.write_text(text)
        with pytest.raises(HlsError, match="no baseline"):
            write_baseline({"flow": "native"}, path)
        assert path.read_text() == text
