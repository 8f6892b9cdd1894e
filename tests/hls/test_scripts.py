"""The vendor scripts run as Tcl, with stand-ins for the tools' commands that write down what is asked of them."""

import itertools
from pathlib import Path

import pytest

from crossloom.hls.registers import ADDRESSES, CONTROL, MEMORY, STREAM_IN, STREAM_OUT
from crossloom.hls.scripts import BLOCK_DESIGN, VIVADO_PROJECT, hls_script, vivado_script

# Every command that Tcl itself does not have is noted; those whose answer is used get one.
STAND_INS = """
set asked {}
proc unknown {args} { global asked; lappend asked $args; return [lindex $args end] }
proc exit {} { global asked; lappend asked exit }
proc get_ipdefs {all pattern} {
  return [list [string map {* 2.0} $pattern] [string map {* 10.1} $pattern] [string map {* 9.9} $pattern]]
}
proc get_property {name of} { global progress; return $progress }
"""


def run_tcl(folder, name, text, progress="100%"):
    """Run a script from another folder; return every unknown command, a list of words each."""
    tkinter = pytest.importorskip("tkinter", reason="Python without Tcl")
    (folder / name).write_text(text)
    tcl = tkinter.Tcl()
    tcl.eval(STAND_INS)
    tcl.setvar("progress", progress)
    before = Path.cwd()
    try:
        tcl.eval(f"source {{{folder / name}}}")
    finally:
        tcl.eval(f"cd {{{before}}}")
    asked = tcl.splitlist(tcl.getvar("asked"))
    return [tuple(str(word) for word in tcl.splitlist(command)) for command in asked]


@pytest.fixture
def project(tmp_path):
    for made in (
        f"{BLOCK_DESIGN}.runs/impl_1/{BLOCK_DESIGN}_wrapper.bit",
        f"{BLOCK_DESIGN}.gen/sources_1/bd/{BLOCK_DESIGN}/hw_handoff/{BLOCK_DESIGN}.hwh",
    ):
        (tmp_path / VIVADO_PROJECT / made).parent.mkdir(parents=True)
        (tmp_path / VIVADO_PROJECT / made).write_text(made)
    return tmp_path


def test_vitis_gets_its_steps_in_order(tmp_path):
    asked = run_tcl(tmp_path, "run_hls.tcl", hls_script(["frames.txt", "load.txt"]))
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


def test_the_block_design_connects_every_port_once(project):
    asked = run_tcl(project, "build_bitstream.tcl", vivado_script("net-a"))
    cells = {command[-1]: command[-2] for command in asked if command[0] == "create_bd_cell"}
    assert cells["dma"] == "xilinx.com:ip:axi_dma:10.1"  # the newest, not the one that sorts last as text
    assert cells["core"] == "crossloom:hls:crossloom_top:1.0"
    buses = [tuple(command[1:]) for command in asked if command[0] == "connect_bd_intf_net"]
    ends = [end for pair in buses for end in pair]
    assert len(ends) == len(set(ends))
    assert {end for end in ends if end.startswith("core/")} == {
        f"core/s_axi_{CONTROL}", f"core/{STREAM_IN}", f"core/{STREAM_OUT}"
    }  # fmt: skip
    assert ("dma/M_AXIS_MM2S", f"core/{STREAM_IN}") in buses and (f"core/{STREAM_OUT}", "dma/S_AXIS_S2MM") in buses
    assert {pair for pair in buses if "memory" in "".join(pair)} == {
        ("dma/M_AXI_MM2S", "memory/S00_AXI"), ("dma/M_AXI_S2MM", "memory/S01_AXI"), ("memory/M00_AXI", "ps7/S_AXI_HP0")
    }  # fmt: skip
    assert ("ps7/M_AXI_GP0", "control/S00_AXI") in buses and ("control/M01_AXI", "dma/S_AXI_LITE") in buses
    nets = [tuple(command[1:]) for command in asked if command[0] == "connect_bd_net"]
    sinks = [sink for _, sink in nets]
    assert len(sinks) == len(set(sinks))
    assert {"core/ap_clk", "dma/s_axi_lite_aclk", "dma/m_axi_mm2s_aclk", "dma/m_axi_s2mm_aclk"} <= set(sinks)
    assert {"core/ap_rst_n", "dma/axi_resetn", "ps7/M_AXI_GP0_ACLK", "ps7/S_AXI_HP0_ACLK"} <= set(sinks)
    assert {end.split("/")[0] for end in ends + sinks} == set(cells)


def test_addresses_are_those_of_the_map(project):
    asked = run_tcl(project, "build_bitstream.tcl", vivado_script("net-a"))
    found = {}
    for command in asked:
        if command[0] == "assign_bd_address":
            options = dict(zip(command[2:-1:2], command[3:-1:2], strict=True))
            found[options["-target_address_space"], command[-1]] = int(options["-offset"], 0), int(options["-range"], 0)
    core, dma = ("ps7/Data", f"core/s_axi_{CONTROL}/Reg"), ("ps7/Data", "dma/S_AXI_LITE/Reg")
    assert found[core] == ADDRESSES["core"] and found[dma] == ADDRESSES["dma"]
    memory = [value for (space, _), value in found.items() if space.startswith("dma/")]
    assert memory == [MEMORY, MEMORY]
    regions = sorted([*ADDRESSES.values(), MEMORY])
    assert all(a + size <= b for (a, size), (b, _) in itertools.pairwise(regions))


def test_bitstream_and_handoff_are_copied_under_the_designs_name(project):
    asked = run_tcl(project, "build_bitstream.tcl", vivado_script("net-a"))
    assert (project / "net-a.bit").read_text().endswith(".bit")
    assert (project / "net-a.hwh").read_text().endswith(".hwh")
    assert ("report_utilization", "-file", "utilization.rpt") in asked
    assert ("report_timing_summary", "-file", "timing.rpt") in asked


def test_a_run_that_did_not_finish_is_an_error_and_leaves_no_bitstream(project):
    tkinter = pytest.importorskip("tkinter", reason="Python without Tcl")
    with pytest.raises(tkinter.TclError, match="implementation ended at 63%"):
        run_tcl(project, "build_bitstream.tcl", vivado_script("net-a"), progress="63%")
    assert not (project / "net-a.bit").exists()
