"""Writes the vendor tools' scripts: Vitis HLS from C++ to IP, Vivado from IP to bitstream, both from 2023.2 on."""

from __future__ import annotations

from crossloom.sim.chip import XC7Z020

from .registers import ADDRESSES, CLOCK_MHZ, CONTROL, MEMORY, STREAM_IN, STREAM_OUT, TOP

HLS_SCRIPT, VIVADO_SCRIPT = "run_hls.tcl", "build_bitstream.tcl"
HLS_PROJECT, HLS_SOLUTION, VIVADO_PROJECT = "hls_project", "solution", "vivado"
UTILIZATION, TIMING = "utilization.rpt", "timing.rpt"
BLOCK_DESIGN = "crossloom"
VENDOR, LIBRARY, VERSION = "crossloom", "hls", "1.0"

# The processing system of a PYNQ-Z2. Its memory and pins are set by the boot image, not by an overlay; what an overlay
# brings is the clock and the ports. The memory is named so that the address map is the board's.
_PS7 = {
    "PCW_CRYSTAL_PERIPHERAL_FREQMHZ": "50",
    "PCW_APU_PERIPHERAL_FREQMHZ": "650",
    "PCW_UIPARAM_DDR_FREQ_MHZ": "525",
    "PCW_UIPARAM_DDR_BUS_WIDTH": "16 Bit",
    "PCW_UIPARAM_DDR_PARTNO": "MT41J256M16 RE-125",
    "PCW_PRESET_BANK0_VOLTAGE": "LVCMOS 3.3V",
    "PCW_PRESET_BANK1_VOLTAGE": "LVCMOS 1.8V",
    "PCW_UART0_PERIPHERAL_ENABLE": "1",
    "PCW_UART0_UART0_IO": "MIO 14 .. 15",
    "PCW_SD0_PERIPHERAL_ENABLE": "1",
    "PCW_SD0_SD0_IO": "MIO 40 .. 45",
    "PCW_QSPI_PERIPHERAL_ENABLE": "1",
    "PCW_ENET0_PERIPHERAL_ENABLE": "1",
    "PCW_ENET0_ENET0_IO": "MIO 16 .. 27",
    "PCW_ENET0_GRP_MDIO_ENABLE": "1",
    "PCW_ENET0_GRP_MDIO_IO": "MIO 52 .. 53",
    "PCW_USB0_PERIPHERAL_ENABLE": "1",
    "PCW_USB0_USB0_IO": "MIO 28 .. 39",
    "PCW_EN_CLK0_PORT": "1",
    "PCW_FPGA0_PERIPHERAL_FREQMHZ": str(CLOCK_MHZ),
    "PCW_USE_M_AXI_GP0": "1",
    "PCW_USE_S_AXI_HP0": "1",
    "PCW_S_AXI_HP0_DATA_WIDTH": "64",
}
# Simple mode: one buffer a transfer. Bursts of 16 are all that HP0 (AXI3) takes.
_DMA = {
    "c_include_sg": "0",
    "c_sg_length_width": "26",
    "c_m_axi_mm2s_data_width": "64",
    "c_m_axis_mm2s_tdata_width": "64",
    "c_m_axi_s2mm_data_width": "64",
    "c_mm2s_burst_size": "16",
    "c_s2mm_burst_size": "16",
}


def _properties(values: dict[str, str], cell: str) -> str:
    lines = [f"  CONFIG.{name} {{{value}}} \\\n" for name, value in values.items()]
    return f"set_property -dict [list \\\n{''.join(lines)}] [get_bd_cells {cell}]\n"


def hls_script(data_files: list[str]) -> str:
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
set_part {XC7Z020.part}
create_clock -period {1000 / CLOCK_MHZ:g} -name default
csim_design
csynth_design
cosim_design
export_design -format ip_catalog -vendor {VENDOR} -library {LIBRARY} -version {VERSION}
exit
"""


def vivado_script(name: str) -> str:
    """`build_bitstream.tcl`: the block design around the IP, `<name>.bit`, `<name>.hwh`, and the two reports."""
    memory_start, memory_size = MEMORY
    segments = {"core": f"core/s_axi_{CONTROL}/Reg", "dma": "dma/S_AXI_LITE/Reg"}
    registers = "".join(
        f"assign_bd_address -force -offset 0x{ADDRESSES[cell][0]:08x} -range 0x{ADDRESSES[cell][1]:x} \\\n"
        f"  -target_address_space [get_bd_addr_spaces ps7/Data] [get_bd_addr_segs {segment}]\n"
        for cell, segment in segments.items()
    )
    memory = "".join(
        f"assign_bd_address -force -offset 0x{memory_start:08x} -range 0x{memory_size:x} \\\n"
        f"  -target_address_space [get_bd_addr_spaces dma/{space}] [get_bd_addr_segs ps7/S_AXI_HP0/HP0_DDR_LOWOCM]\n"
        for space in ("Data_MM2S", "Data_S2MM")
    )
    return f"""\
# vivado -mode batch -source {VIVADO_SCRIPT}
# PS7 -> AXI4-Lite -> core and DMA; memory <- HP0 <- DMA <-> core; one clock of {CLOCK_MHZ} MHz.
set here [file dirname [file normalize [info script]]]
cd $here

proc newest {{name}} {{
  set found [lsort -dictionary [get_ipdefs -all "xilinx.com:ip:$name:*"]]
  if {{[llength $found] == 0}} {{ error "no IP $name in the catalog" }}
  return [lindex $found end]
}}
proc cell {{name ip}} {{ return [create_bd_cell -type ip -vlnv [newest $ip] $name] }}
proc wire {{from args}} {{
  foreach to $args {{ connect_bd_net [get_bd_pins $from] [get_bd_pins $to] }}
}}
proc bus {{from to}} {{ connect_bd_intf_net [get_bd_intf_pins $from] [get_bd_intf_pins $to] }}

create_project -force {BLOCK_DESIGN} {VIVADO_PROJECT} -part {XC7Z020.part}
set_property ip_repo_paths [file join $here {HLS_PROJECT} {HLS_SOLUTION} impl ip] [current_project]
update_ip_catalog
create_bd_design {BLOCK_DESIGN}

cell ps7 processing_system7
apply_bd_automation -rule xilinx.com:bd_rule:processing_system7 \\
  -config {{make_external "FIXED_IO, DDR" apply_board_preset "0" Master "Disable" Slave "Disable"}} [get_bd_cells ps7]
{_properties(_PS7, "ps7")}
create_bd_cell -type ip -vlnv {VENDOR}:{LIBRARY}:{TOP}:{VERSION} core
cell dma axi_dma
{_properties(_DMA, "dma")}
cell reset proc_sys_reset
cell control smartconnect
set_property -dict [list CONFIG.NUM_SI {{1}} CONFIG.NUM_MI {{2}}] [get_bd_cells control]
cell memory smartconnect
set_property -dict [list CONFIG.NUM_SI {{2}} CONFIG.NUM_MI {{1}}] [get_bd_cells memory]

wire ps7/FCLK_CLK0 ps7/M_AXI_GP0_ACLK ps7/S_AXI_HP0_ACLK core/ap_clk control/aclk memory/aclk reset/slowest_sync_clk \\
  dma/s_axi_lite_aclk dma/m_axi_mm2s_aclk dma/m_axi_s2mm_aclk
wire ps7/FCLK_RESET0_N reset/ext_reset_in
wire reset/peripheral_aresetn core/ap_rst_n dma/axi_resetn control/aresetn memory/aresetn
bus ps7/M_AXI_GP0 control/S00_AXI
bus control/M00_AXI core/s_axi_{CONTROL}
bus control/M01_AXI dma/S_AXI_LITE
bus dma/M_AXIS_MM2S core/{STREAM_IN}
bus core/{STREAM_OUT} dma/S_AXIS_S2MM
bus dma/M_AXI_MM2S memory/S00_AXI
bus dma/M_AXI_S2MM memory/S01_AXI
bus memory/M00_AXI ps7/S_AXI_HP0

{registers}{memory}
validate_bd_design
save_bd_design
add_files -norecurse [make_wrapper -files [get_files {BLOCK_DESIGN}.bd] -top]
set_property top {BLOCK_DESIGN}_wrapper [current_fileset]
update_compile_order -fileset sources_1
launch_runs impl_1 -to_step write_bitstream -jobs 2
wait_on_run impl_1
if {{[get_property PROGRESS [get_runs impl_1]] ne "100%"}} {{
  error "implementation ended at [get_property STATUS [get_runs impl_1]]"
}}
open_run impl_1
report_utilization -file {UTILIZATION}
report_timing_summary -file {TIMING}
set made {VIVADO_PROJECT}/{BLOCK_DESIGN}
file copy -force $made.runs/impl_1/{BLOCK_DESIGN}_wrapper.bit {name}.bit
file copy -force $made.gen/sources_1/bd/{BLOCK_DESIGN}/hw_handoff/{BLOCK_DESIGN}.hwh {name}.hwh
exit
"""
