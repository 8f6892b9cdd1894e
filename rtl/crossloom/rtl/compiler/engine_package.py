"""The numbers that the engine's SystemVerilog shares with the integer simulator, written as one package."""

from crossloom.sim import frames
from crossloom.sim.types import Rounding

from .words import enum_lines

NAME = "engine_pkg"
# The order of `Rounding` is its number in hardware.
ROUNDINGS = tuple(Rounding)
STATUS_BITS, ROUNDING_BITS = 4, 2
_SIMULATED = """\
`ifndef SYNTHESIS
  // A memory's file in simulation: name, in the folder of the plus argument +program=FOLDER/, so
  // that one build runs many networks; "" without the argument.
  function automatic string simulated(input string name);
    string folder;
    if ($value$plusargs("program=%s", folder) == 0) return "";
    return {folder, name};
  endfunction
`endif""".splitlines()


def systemverilog() -> str:
    """A package `engine_pkg`: widths of frames, and the enums of statuses and roundings."""
    enums = {
        "status": ({status.name: int(status) for status in frames.Status}, STATUS_BITS),
        "rounding": ({rounding.name: number for number, rounding in enumerate(ROUNDINGS)}, ROUNDING_BITS),
    }
    widths = {
        "BEAT_BITS": (frames.BEAT_BITS, "a beat of a frame, of a result, of a load"),
        "ROW_BITS": (frames.ROW_BITS, "the best row in a result's first beat, from bit 0"),
        "BRANCH_BITS": (frames.BRANCH_BITS, "the branch that ran, above it; then the status"),
    }
    lines = [
        "// What the engine shares with crossloom.sim.frames and crossloom.sim.types. Written by",
        "// crossloom.rtl.compiler.engine_package from them: `python -m crossloom.rtl.write_packages`, a test",
        "// compares them.",
        "// verilator lint_off UNUSEDPARAM",
        f"package {NAME};",
    ]
    for name, (value, text) in widths.items():
        lines += [f"  // {text}", f"  localparam int unsigned {name} = {value};"]
    for name, (members, bits) in enums.items():
        lines += enum_lines(name, members, bits)
    return "\n".join([*lines, *_SIMULATED, "endpackage", "// verilator lint_on UNUSEDPARAM", ""])
