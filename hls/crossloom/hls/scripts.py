"""Writes the vendor tools' scripts: Vitis HLS from C++ to IP, Vivado from IP to bitstream, both from 2023.2 on."""

from __future__ import annotations

from crossloom.sim.board import Board, CoreIp, block_design_script, clock_reached
from crossloom.sim.board.tools import Step

from .registers import LIBRARY, TOP, VENDOR, VERSION, hwh_core

HLS_SCRIPT, HLS_LOG = "run_hls.tcl", "vitis-run.log"
HLS_PROJECT, HLS_SOLUTION = "hls_project", "solution"
HLS_STEP = Step(("vitis-run", "--mode", "hls", "--tcl", HLS_SCRIPT), HLS_LOG, (HLS_PROJECT,))


def hls_script(data_files: list[str], board: Board, clock_mhz: float) -> str:
    """`run_hls.tcl`: C simulation, synthesis, co-simulation, IP; `data_files` (in tb/) are what tb.cpp reads."""
    data = "".join(f"add_files -tb tb/{name}\n" for name in data_files)
    return f"""\
# vitis-run --mode hls --tcl {HLS_SCRIPT}
cd [file dirname [file normalize [info script]]]
set flags "-std=c++17 -I[pwd]/src -I[pwd]/include"
open_project -reset {HLS_PROJECT}
set_top {TOP}
add_files src/top.cpp -cflags $flags
add_files -tb tb/tb.cpp -cflags $flags
{data}open_solution -reset {HLS_SOLUTION} -flow_target vivado
set_part {board.part}
create_clock -period {1000 / clock_reached(clock_mhz):g} -name default
csim_design
csynth_design
cosim_design
export_design -format ip_catalog -vendor {VENDOR} -library {LIBRARY} -version {VERSION}
exit
"""


def vivado_script(name: str, board: Board, clock_mhz: float) -> str:
    """`build_bitstream.tcl` around the IP that Vitis HLS exports; raises as `block_design_script` does."""
    ip = CoreIp(hwh_core(), "ap_clk", "ap_rst_n", f"{HLS_PROJECT}/{HLS_SOLUTION}/impl/ip")
    return block_design_script(name, ip, board, clock_mhz)
