"""The script of Vitis HLS runs as Tcl, with stand-ins for the tool's commands; tests/host has that of Vivado."""

import pytest
from vivado_tcl import run_tcl

from crossloom.hls.scripts import hls_script
from crossloom.sim.board import load_board


def test_vitis_gets_its_steps_in_order(tmp_path):
    (tmp_path / "run_hls.tcl").write_text(hls_script(["frames.txt", "load.txt"], load_board("pynq-z2"), 100))
    asked = run_tcl(tmp_path, "run_hls.tcl")
    steps = [command[0] for command in asked]
    order = [
        "open_project",
        "set_top",
        "open_solution",
        "set_part",
        "create_clock",
        "csim_design",
        "csynth_design",
        "cosim_design",
    ]
    assert [step for step in steps if step not in ("add_files",)] == [*order, "export_design", "exit"]
    assert ("set_part", "xc7z020clg400-1") in asked
    assert ("create_clock", "-period", "10", "-name", "default") in asked
    files = [command for command in asked if command[0] == "add_files"]
    assert f"-I{tmp_path}/src" in files[0][-1] and "src/top.cpp" in files[0]
    assert {command[-1] for command in files} >= {"tb/frames.txt", "tb/load.txt"}
    assert asked[steps.index("open_solution")][-2:] == ("-flow_target", "vivado")


@pytest.mark.parametrize(("clock", "period"), [(100, "10"), (150, "7"), (60, "17")])
def test_vitis_has_the_clock_that_the_processor_reaches(clock, period):
    text = hls_script([], load_board("pynq-z1"), clock)
    assert f"create_clock -period {period} -name default\n" in text
