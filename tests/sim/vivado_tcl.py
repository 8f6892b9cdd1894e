"""A Tcl interpreter whose Vivado commands write down what is asked of them, and a model of what they then stand for.

Only commands that Vivado has are known (UG835, UG1118): any other word ends the script with Tcl's own error.
"""

import re
import shutil
import subprocess
from collections import Counter
from dataclasses import dataclass, field

import pytest

# Their answer is their last word, which is the name of what they find or make.
NAMED = """
add_files apply_bd_automation assign_bd_address close_project connect_bd_intf_net connect_bd_net create_bd_cell
create_bd_design current_fileset current_project get_bd_addr_segs get_bd_addr_spaces get_bd_cells get_bd_intf_pins
get_bd_pins get_files get_runs make_wrapper open_run report_timing_summary report_utilization save_bd_design
set_property update_compile_order update_ip_catalog validate_bd_design wait_on_run
ipx::associate_bus_interfaces ipx::create_xgui_files ipx::current_core ipx::package_project
ipx::remove_address_block ipx::save_core ipx::update_checksums
add_files create_clock open_project open_solution set_part set_top csim_design csynth_design cosim_design export_design
"""
STAND_INS = """
set asked {}
proc note {words} { global asked; lappend asked $words; return [lindex $words end] }
namespace eval ipx {}
foreach name {NAMED} { proc ::$name args "return \\[note \\[linsert \\$args 0 $name\\]\\]" }
proc exit {} { note exit }
proc get_ipdefs {all pattern} {
  return [list [string map {* 2.0} $pattern] [string map {* 10.1} $pattern] [string map {* 9.9} $pattern]]
}
proc get_property {name of} {
  global progress
  if {$name eq "PROGRESS" || $name eq "STATUS"} { return $progress }
  return $of
}
proc create_project {force name folder args} {
  file mkdir $folder
  note [concat create_project $force $name $folder $args]
}
proc launch_runs {run args} {
  set made vivado/crossloom
  file mkdir $made.runs/$run $made.gen/sources_1/bd/crossloom/hw_handoff
  foreach name [list $made.runs/$run/crossloom_wrapper.bit $made.gen/sources_1/bd/crossloom/hw_handoff/crossloom.hwh] {
    close [open $name w]
  }
  note [concat launch_runs $run $args]
}
proc ipx::get_bus_interfaces {bus of core} { global inferred; if {$bus in $inferred} { return $bus } }
proc ipx::get_memory_maps {name of core} { return $name }
proc ipx::get_address_blocks {of map} { return reg0 }
proc ipx::add_address_block {name map} { note [list ipx::add_address_block $map $name]; return $map/$name }
proc ipx::add_register {name block} { note [list ipx::add_register $block $name]; return $block/$name }
proc ipx::add_field {name register} { note [list ipx::add_field $register $name]; return $register/$name }
"""
# As text: Python's Tcl makes tuples of lists, and tclsh has nothing else. An x before each word keeps empty ones.
TOLD = """
set told {}
foreach command $asked {
  foreach word $command { append told x [binary encode hex [encoding convertto utf-8 $word]] " " }
  append told "\\n"
}
set told
"""


def _tkinter():
    try:
        import tkinter
    except ImportError:
        return None
    return tkinter


def _in_python(tkinter, start, script):
    tcl = tkinter.Tcl()
    before = tcl.eval("pwd")
    tcl.eval(start)
    try:
        tcl.eval(f"source {{{script}}}")
    except tkinter.TclError as error:
        raise RuntimeError(str(error)) from None
    finally:
        tcl.eval(f"cd {{{before}}}")
    return str(tcl.eval(TOLD))


def _in_program(program, start, script):
    if program is None:
        pytest.skip("neither tkinter nor tclsh is here")
    text = f"{start}source {{{script}}}\n{TOLD}puts $told\n"
    done = subprocess.run([program], input=text, capture_output=True, text=True, check=False, cwd=script.parents[1])
    if done.returncode or done.stderr:
        raise RuntimeError(done.stderr)
    return done.stdout.strip()


def run_tcl(folder, name, progress="100%", inferred=("s_axi", "s_axis", "m_axis"), program=None):
    """Run a script from another folder, by Python's Tcl or by tclsh; return every command, a tuple of words each."""
    start = STAND_INS.replace("{NAMED}", "{" + " ".join(NAMED.split()) + "}")
    start += f"set progress {{{progress}}}\nset inferred {{{' '.join(inferred)}}}\n"
    if program is None and (tkinter := _tkinter()) is not None:
        told = _in_python(tkinter, start, folder / name)
    else:
        told = _in_program(program or shutil.which("tclsh"), start, folder / name)
    return [tuple(bytes.fromhex(word[1:]).decode() for word in line.split()) for line in told.splitlines()]


@dataclass(frozen=True)
class Ports:
    """Pins and interfaces of an IP: clocks, resets and other inputs, outputs; interfaces that give and that take.

    `segments`: of addresses, by the interface that has them. `spaces`: that it addresses. `free` may stay unconnected.
    """

    clocks: tuple[str, ...] = ()
    resets: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    gives: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()
    spaces: tuple[str, ...] = ()
    free: tuple[str, ...] = ()


# PG082, PG021, PG164, PG247: with the settings that the block design gives them.
IPS = {
    "processing_system7": Ports(
        clocks=("M_AXI_GP0_ACLK", "S_AXI_HP0_ACLK"),
        outputs=("FCLK_CLK0", "FCLK_RESET0_N"),
        gives=("M_AXI_GP0",),
        takes=("S_AXI_HP0",),
        segments=("S_AXI_HP0/HP0_DDR_LOWOCM",),
        spaces=("Data",),
    ),
    "axi_dma": Ports(
        clocks=("s_axi_lite_aclk", "m_axi_mm2s_aclk", "m_axi_s2mm_aclk"),
        resets=("axi_resetn",),
        outputs=("mm2s_prmry_reset_out_n", "s2mm_prmry_reset_out_n", "mm2s_introut", "s2mm_introut"),
        gives=("M_AXI_MM2S", "M_AXI_S2MM", "M_AXIS_MM2S"),
        takes=("S_AXI_LITE", "S_AXIS_S2MM"),
        segments=("S_AXI_LITE/Reg",),
        spaces=("Data_MM2S", "Data_S2MM"),
    ),
    "proc_sys_reset": Ports(
        clocks=("slowest_sync_clk",),
        resets=("ext_reset_in",),
        inputs=("aux_reset_in", "mb_debug_sys_rst", "dcm_locked"),
        outputs=("mb_reset", "bus_struct_reset", "peripheral_reset", "interconnect_aresetn", "peripheral_aresetn"),
        free=("aux_reset_in", "mb_debug_sys_rst", "dcm_locked"),
    ),
    "smartconnect": Ports(clocks=("aclk",), resets=("aresetn",)),
}
HLS_CORE = Ports(
    clocks=("ap_clk",),
    resets=("ap_rst_n",),
    outputs=("interrupt",),
    gives=("m_axis",),
    takes=("s_axi_control", "s_axis"),
    segments=("s_axi_control/Reg",),
)


def wrapper_ports(source):
    """The ports of a core's Verilog wrapper, as its attributes tell Vivado."""
    found = re.findall(r'X_INTERFACE_INFO = "xilinx\.com:(?:interface|signal):(\w+):1\.0 (\w+) (\w+)" \*\)', source)
    kinds = {bus: kind for kind, bus, _ in found}
    buses = [bus for bus, kind in kinds.items() if kind in ("aximm", "axis")]
    gives = tuple(bus for bus in buses if re.search(rf"output wire +{bus}_t?valid\b", source))
    return Ports(
        clocks=tuple(bus for bus, kind in kinds.items() if kind == "clock"),
        resets=tuple(bus for bus, kind in kinds.items() if kind == "reset"),
        gives=gives,
        takes=tuple(bus for bus in buses if bus not in gives),
        segments=tuple(f"{bus}/Reg" for bus, kind in kinds.items() if kind == "aximm"),
    )


@dataclass
class BlockDesign:
    """A block design as its commands leave it; building it fails where one of them would."""

    core: Ports
    cells: dict = field(default_factory=dict)  # name -> ports
    vlnvs: dict = field(default_factory=dict)
    settings: dict = field(default_factory=dict)  # cell -> name -> value
    nets: dict = field(default_factory=dict)  # input pin -> output pin
    buses: dict = field(default_factory=dict)  # interface that takes -> the one that gives
    addresses: dict = field(default_factory=dict)  # (space, segment) -> (offset, range)
    validated: bool = False

    def take(self, command):
        """Do what one command asks."""
        method = getattr(self, command[0], None)
        if method is not None:
            method(*command[1:])

    def create_bd_cell(self, kind, ip, option, vlnv, name):
        """One cell of an IP in the catalog."""
        assert (kind, ip, option) == ("-type", "ip", "-vlnv") and name not in self.cells
        vendor, _, of, _ = vlnv.split(":")
        self.cells[name] = IPS[of] if vendor == "xilinx.com" else self.core
        self.vlnvs[name], self.settings[name] = vlnv, {}

    def set_property(self, *words):
        """Settings of a cell, before anything is connected to it."""
        if words[0] != "-dict":
            return
        _, listed, cell = words
        assert cell in self.cells and not any(cell == end.split("/")[0] for end in [*self.nets, *self.buses])
        values = re.findall(r"CONFIG\.(\w+) (?:\{([^{}]*)\}|(\S+))", listed)
        given = {name: braced or plain for name, braced, plain in values}
        assert len(given) == len(values) == listed.count("CONFIG.")
        assert not given.keys() & self.settings[cell].keys()
        self.settings[cell] |= given
        if "NUM_SI" in given:
            self.cells[cell] = Ports(
                clocks=("aclk",),
                resets=("aresetn",),
                gives=tuple(f"M{i:02}_AXI" for i in range(int(given["NUM_MI"]))),
                takes=tuple(f"S{i:02}_AXI" for i in range(int(given["NUM_SI"]))),
            )

    def _has(self, end, *kinds):
        cell, pin = end.split("/")
        return any(pin in getattr(self.cells[cell], kind) for kind in kinds)

    def connect_bd_net(self, source, sink):
        """An output to an input that has none yet."""
        assert self._has(source, "outputs"), source
        assert self._has(sink, "clocks", "resets", "inputs"), sink
        assert sink not in self.nets
        self.nets[sink] = source

    def connect_bd_intf_net(self, source, sink):
        """An interface that gives to one that takes; neither is connected yet."""
        assert self._has(source, "gives"), source
        assert self._has(sink, "takes"), sink
        assert sink not in self.buses and source not in self.buses.values()
        self.buses[sink] = source

    def assign_bd_address(self, *words):
        """A segment to a space that has it not yet."""
        options = dict(zip(words[1:-1:2], words[2:-1:2], strict=True))
        assert words[0] == "-force" and options.keys() == {"-offset", "-range", "-target_address_space"}
        space, segment = options["-target_address_space"], words[-1]
        cell, _, name = space.partition("/")
        assert name in self.cells[cell].spaces, space
        cell, _, name = segment.partition("/")
        assert name in self.cells[cell].segments, segment
        assert (space, segment) not in self.addresses
        self.addresses[space, segment] = int(options["-offset"], 0), int(options["-range"], 0)

    def validate_bd_design(self):
        """Every pin that needs it is connected, every segment assigned once to each space that reaches it."""
        self.validated = True
        for cell, ports in self.cells.items():
            for pin in (*ports.clocks, *ports.resets, *ports.inputs):
                assert f"{cell}/{pin}" in self.nets or pin in ports.free, f"{cell}/{pin}"
            for bus in ports.takes:
                assert f"{cell}/{bus}" in self.buses, f"{cell}/{bus}"
            for bus in ports.gives:
                assert f"{cell}/{bus}" in self.buses.values(), f"{cell}/{bus}"
        clocks = {self.nets[f"{cell}/{pin}"] for cell, ports in self.cells.items() for pin in ports.clocks}
        assert clocks == {"ps7/FCLK_CLK0"}
        assigned = Counter(segment for _, segment in self.addresses)
        for cell, ports in self.cells.items():
            for name in ports.segments:
                masters = 2 if cell == "ps7" else 1  # memory: of both channels
                assert assigned[f"{cell}/{name}"] == masters, f"{cell}/{name}"


def block_design(commands, core):
    """The block design that commands make."""
    design = BlockDesign(core)
    for command in commands:
        design.take(command)
    return design
