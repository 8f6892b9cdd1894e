"""The numbers that the engine's SystemVerilog shares with the integer simulator, written as one package."""

from crossloom.sim import frames
from crossloom.sim.types import Rounding

NAME = "engine_pkg"
# The order of `Rounding` is its number in hardware.
ROUNDINGS = tuple(Rounding)
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
    """A package `engine_pkg`: widths of frames, and the enums of statuses, commands and roundings."""
    enums = {
        "status": {status.name: int(status) for status in frames.Status},
        "command": {command.name: int(command) for command in frames.Command},
        "rounding": {rounding.name: number for number, rounding in enumerate(ROUNDINGS)},
    }
    widths = {
        "BEAT_BITS": (frames.BEAT_BITS, "a beat of a frame, of a result, of a load"),
        "ROW_BITS": (frames.ROW_BITS, "the best row in a result's first beat, from bit 0"),
        "BRANCH_BITS": (frames.BRANCH_BITS, "the branch that ran, above it; then the status"),
    }
    lines = [
        "// What the engine shares with crossloom.sim.frames and crossloom.sim.types. Written by",
        "// crossloom.rtl.engine_package from them: `python -m crossloom.rtl.registers_write`, a test",
        "// compares them.",
        "// verilator lint_off UNUSEDPARAM",
        f"package {NAME};",
    ]
    for name, (value, text) in widths.items():
        lines += [f"  // {text}", f"  localparam int unsigned {name} = {value};"]
    for name, members in enums.items():
        bits = max(1, max(members.values()).bit_length())
        lines.append(f"  typedef enum logic [{bits - 1}:0] {{")
        lines.append(",\n".join(f"    {name.upper()}_{member} = {bits}'d{value}" for member, value in members.items()))
        lines.append(f"  }} {name}_e;")
    return "\n".join([*lines, *_SIMULATED, "endpackage", "// verilator lint_on UNUSEDPARAM", ""])
