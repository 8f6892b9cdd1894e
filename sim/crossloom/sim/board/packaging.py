"""Writes Vivado's Tcl that makes an IP of a core in RTL: sources, interfaces, clock, reset, registers."""

from __future__ import annotations

from dataclasses import dataclass

from .block_design import BLOCK, PACKAGE, REPOSITORY, quoted
from .boards import Board
from .hwh import ACCESS, HwhCore, HwhRegister
from .system import CORE

_PROCEDURES = """\
proc register {block name offset access text} {
  set made [ipx::add_register $name $block]
  foreach {key value} [list address_offset $offset size 32 access $access description $text] {
    set_property $key $value $made
  }
  return $made
}
proc bits {register name low width access text} {
  set made [ipx::add_field $name $register]
  foreach {key value} [list bit_offset $low bit_width $width access $access description $text] {
    set_property $key $value $made
  }
}
"""


@dataclass(frozen=True)
class Sources:
    """The folder of a core in RTL: its list of sources, a line each; the file that names the memories; their folder.

    `top` is the module that becomes the IP, `clock` and `reset` its pins.
    """

    listed: str
    naming: str
    memories: str
    top: str
    clock: str
    reset: str


def packaging(core: HwhCore, sources: Sources, board: Board) -> str:
    """Tcl, run in the core's folder where `$here` is its path, that writes the IP into `ip_repo`.

    The tool runs in folders of its own, so the copy of the file that names the memories has their whole path. Exactly
    one block of addresses is left: with two, `pynq` calls the core by another name.
    """
    vendor, library, name, version = core.vlnv.split(":")
    buses = (core.control, core.stream_in, core.stream_out)
    registers = "".join(_register(register) for register in core.registers)
    return f"""\
{_PROCEDURES}
file delete -force {PACKAGE} {REPOSITORY}
file mkdir {PACKAGE}
set handle [open {sources.naming}]
set text [read $handle]
close $handle
set whole [string map [list {{Init("{sources.memories}/")}} "Init(\\"$here/{sources.memories}/\\")"] $text]
if {{$whole eq $text}} {{ error "{sources.naming}: names no folder {sources.memories}" }}
set handle [open {PACKAGE}/{sources.naming} w]
puts -nonewline $handle $whole
close $handle
set handle [open {sources.listed}]
set files {{}}
foreach file [split [string trim [read $handle]] "\\n"] {{
  if {{$file eq "{sources.naming}"}} {{ set file {PACKAGE}/{sources.naming} }}
  lappend files [file join $here $file]
}}
close $handle

create_project -force package {PACKAGE}/project -part {board.part}
add_files -norecurse $files
add_files -norecurse [lsort [glob -directory [file join $here {sources.memories}] *.mem]]
set_property top {sources.top} [current_fileset]
update_compile_order -fileset sources_1
ipx::package_project -root_dir [file join $here {REPOSITORY}] -vendor {vendor} -library {library} \\
  -taxonomy /UserIP -import_files -force
set core [ipx::current_core]
set_property name {name} $core
set_property version {version} $core
foreach bus {{{" ".join(buses)}}} {{
  if {{[llength [ipx::get_bus_interfaces $bus -of_objects $core]] != 1}} {{
    error "{sources.top}: no interface $bus was inferred"
  }}
  ipx::associate_bus_interfaces -busif $bus -clock {sources.clock} $core
}}
ipx::associate_bus_interfaces -clock {sources.clock} -reset {sources.reset} $core
set map [ipx::get_memory_maps {core.control} -of_objects $core]
if {{$map eq ""}} {{
  set map [ipx::add_memory_map {core.control} $core]
  set_property slave_memory_map_ref {core.control} [ipx::get_bus_interfaces {core.control} -of_objects $core]
}}
foreach block [ipx::get_address_blocks -of_objects $map] {{
  ipx::remove_address_block [get_property name $block] $map
}}
set block [ipx::add_address_block {BLOCK} $map]
foreach {{key value}} {{base_address 0 range {CORE.size} width 32 usage register access read-write}} {{
  set_property $key $value $block
}}
{registers}ipx::create_xgui_files $core
ipx::update_checksums $core
ipx::save_core $core
close_project

"""


def _register(register: HwhRegister) -> str:
    access = ACCESS[register.access]
    line = f"register $block {register.name} 0x{register.offset:x} {access} {quoted(register.text)}"
    if not register.fields:
        return line + "\n"
    lines = [f"bits $made {name} {low} {width} {access} {quoted(text)}\n" for name, low, width, text in register.fields]
    return f"set made [{line}]\n{''.join(lines)}"
