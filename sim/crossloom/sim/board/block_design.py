"""Writes Vivado's Tcl from a core to a bitstream: processor, DMA and core in a block design, from 2023.2 on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import InputError
from .boards import Board
from .hwh import CORE_NAME, DESIGN, DMA_NAME, PS_NAME, HwhCore
from .system import CORE, DMA, DMA_PARAMETERS, DMA_VLNV, MEMORY, PS_VLNV, Region, clock_reached

SCRIPT = "build_bitstream.tcl"
PROJECT, PACKAGE, REPOSITORY = "vivado", "vivado_package", "ip_repo"
UTILIZATION, TIMING = "utilization.rpt", "timing.rpt"
BLOCK = "Reg"  # a core's one block of registers, as Vitis HLS calls it


@dataclass(frozen=True)
class CoreIp:
    """A core as an IP: what it is, its clock and reset pins, and the folder (in the project's) that has it.

    `package` is Tcl that makes that folder, run before the block design; nothing where another tool has made it.
    """

    core: HwhCore
    clock: str
    reset: str
    repository: str
    package: str = ""


def quoted(text: str) -> str:
    r"""A word of Tcl that stands for the text.

    >>> print(quoted('a $b [c]'))
    "a \$b \[c\]"
    """
    return '"' + re.sub(r'([\\"$\[\]{}])', r"\\\1", text) + '"'


def processor_settings(board: Board, clock_mhz: float) -> dict[str, str]:
    """What the board's processor is set to: the board's own, then clock and ports; InputError for another processor.

    FCLK0 is the clock that the divisors of the IO PLL reach, at most `clock_mhz`: a host writes divisors alone.
    """
    if board.ps != "processing_system7":
        needed = "only processing_system7 (Zynq-7000) has a block design; choose another board"
        raise InputError(f"board {board.name}: its processor is {board.ps}; {needed}")
    ours = {
        "PCW_EN_CLK0_PORT": "1",
        "PCW_EN_RST0_PORT": "1",
        "PCW_FPGA_FCLK0_ENABLE": "1",
        "PCW_FCLK0_PERIPHERAL_CLKSRC": "IO PLL",
        "PCW_FPGA0_PERIPHERAL_FREQMHZ": f"{clock_reached(clock_mhz):.9g}",
        "PCW_USE_M_AXI_GP0": "1",
        "PCW_USE_S_AXI_HP0": "1",
        "PCW_S_AXI_HP0_DATA_WIDTH": "64",
    }
    both = sorted(ours.keys() & board.settings.keys())
    if both:
        raise InputError(f"board {board.name}: sets {both[0]}; the block design decides that; take it out of the file")
    return {**board.settings, **ours}


def _properties(cell: str, values: Mapping[str, str]) -> str:
    lines = [f"  CONFIG.{name} {{{value}}} \\\n" for name, value in values.items()]
    return f"set_property -dict [list \\\n{''.join(lines)}] [get_bd_cells {cell}]\n"


def _assign(region: Region, space: str, segment: str) -> str:
    return (
        f"assign_bd_address -force -offset 0x{region.start:08x} -range 0x{region.size:x} \\\n"
        f"  -target_address_space [get_bd_addr_spaces {space}] [get_bd_addr_segs {segment}]\n"
    )


def block_design_script(name: str, ip: CoreIp, board: Board, clock_mhz: float) -> str:
    """`build_bitstream.tcl`: the core's IP, the block design around it, `<name>.bit`, `<name>.hwh`, two reports.

    Raises InputError for a board that has no block design, and for a clock that no divisors reach.
    """
    settings, core = processor_settings(board, clock_mhz), ip.core
    registers = f"{CORE_NAME}/{core.control}"
    addresses = [
        _assign(CORE, f"{PS_NAME}/Data", f"{registers}/{BLOCK}"),
        _assign(DMA, f"{PS_NAME}/Data", f"{DMA_NAME}/S_AXI_LITE/{BLOCK}"),
        *(
            _assign(MEMORY, f"{DMA_NAME}/Data_{channel}", f"{PS_NAME}/S_AXI_HP0/HP0_DDR_LOWOCM")
            for channel in ("MM2S", "S2MM")
        ),
    ]
    return f"""\
# vivado -mode batch -source {SCRIPT}
# {board.title}: PS7 -> AXI4-Lite -> core and DMA; memory <- HP0 <- DMA <-> core; one clock of \
{clock_reached(clock_mhz):.9g} MHz.
set here [file dirname [file normalize [info script]]]
cd $here

proc newest {{name}} {{
  set found [lsort -dictionary [get_ipdefs -all "xilinx.com:ip:$name:*"]]
  if {{[llength $found] == 0}} {{ error "no IP $name in the catalog" }}
  return [lindex $found end]
}}
proc cell {{name vlnv}} {{ return [create_bd_cell -type ip -vlnv $vlnv $name] }}
proc wire {{from args}} {{
  foreach to $args {{ connect_bd_net [get_bd_pins $from] [get_bd_pins $to] }}
}}
proc bus {{from to}} {{ connect_bd_intf_net [get_bd_intf_pins $from] [get_bd_intf_pins $to] }}

{ip.package}create_project -force {DESIGN} {PROJECT} -part {board.part}
set_property ip_repo_paths [file join $here {ip.repository}] [current_project]
update_ip_catalog
create_bd_design {DESIGN}

cell {PS_NAME} {PS_VLNV}
apply_bd_automation -rule xilinx.com:bd_rule:{board.ps} \\
  -config {{make_external "FIXED_IO, DDR" apply_board_preset "0" Master "Disable" Slave "Disable"}} \
[get_bd_cells {PS_NAME}]
{_properties(PS_NAME, settings)}
cell {CORE_NAME} {core.vlnv}
cell {DMA_NAME} {DMA_VLNV}
{_properties(DMA_NAME, DMA_PARAMETERS)}
cell reset [newest proc_sys_reset]
cell control [newest smartconnect]
{_properties("control", {"NUM_SI": "1", "NUM_MI": "2"})}
cell memory [newest smartconnect]
{_properties("memory", {"NUM_SI": "2", "NUM_MI": "1"})}

wire {PS_NAME}/FCLK_CLK0 {PS_NAME}/M_AXI_GP0_ACLK {PS_NAME}/S_AXI_HP0_ACLK {CORE_NAME}/{ip.clock} control/aclk \\
  memory/aclk reset/slowest_sync_clk {DMA_NAME}/s_axi_lite_aclk {DMA_NAME}/m_axi_mm2s_aclk {DMA_NAME}/m_axi_s2mm_aclk
wire {PS_NAME}/FCLK_RESET0_N reset/ext_reset_in
wire reset/peripheral_aresetn {CORE_NAME}/{ip.reset} {DMA_NAME}/axi_resetn control/aresetn memory/aresetn
bus {PS_NAME}/M_AXI_GP0 control/S00_AXI
bus control/M00_AXI {registers}
bus control/M01_AXI {DMA_NAME}/S_AXI_LITE
bus {DMA_NAME}/M_AXIS_MM2S {CORE_NAME}/{core.stream_in}
bus {CORE_NAME}/{core.stream_out} {DMA_NAME}/S_AXIS_S2MM
bus {DMA_NAME}/M_AXI_MM2S memory/S00_AXI
bus {DMA_NAME}/M_AXI_S2MM memory/S01_AXI
bus memory/M00_AXI {PS_NAME}/S_AXI_HP0

{"".join(addresses)}
validate_bd_design
save_bd_design
add_files -norecurse [make_wrapper -files [get_files {DESIGN}.bd] -top]
set_property top {DESIGN}_wrapper [current_fileset]
update_compile_order -fileset sources_1
launch_runs impl_1 -to_step write_bitstream -jobs 2
wait_on_run impl_1
if {{[get_property PROGRESS [get_runs impl_1]] ne "100%"}} {{
  error "implementation ended at [get_property STATUS [get_runs impl_1]]"
}}
open_run impl_1
report_utilization -file {UTILIZATION}
report_timing_summary -file {TIMING}
set made {PROJECT}/{DESIGN}
file copy -force $made.runs/impl_1/{DESIGN}_wrapper.bit {name}.bit
file copy -force $made.gen/sources_1/bd/{DESIGN}/hw_handoff/{DESIGN}.hwh {name}.hwh
exit
"""
