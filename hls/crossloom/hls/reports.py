"""Reads the reports of Vitis HLS: latency, interval, resources, timing, each with its origin."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from crossloom.sim import ToolError
from crossloom.sim.board.reports import report_text

from .errors import HlsError
from .registers import REGISTERS, TOP
from .scripts import HLS_PROJECT, HLS_SOLUTION

_SOLUTION = Path(HLS_PROJECT, HLS_SOLUTION)
CSYNTH = _SOLUTION / "syn" / "report"
COSIM = _SOLUTION / "sim" / "report" / f"{TOP}_cosim.rpt"
DRIVERS = _SOLUTION / "impl"  # of the IP: drivers/.../x<top>_hw.h
FRAME = "run_frame"  # the function of a core that computes one frame
_RESOURCES = {"BRAM_18K": "bram18", "DSP": "dsp", "FF": "ff", "LUT": "lut"}
_LATENCIES = {
    "latency_min": "Best-caseLatency",
    "latency_max": "Worst-caseLatency",
    "interval_min": "Interval-min",
    "interval_max": "Interval-max",
}


def _cycles(text: str | None) -> int | None:
    """A count of clock cycles; None where the tool could not tell ("undef", "?")."""
    return int(text) if text is not None and text.strip().isdigit() else None


def _synthesis(path: Path) -> ElementTree.Element:
    try:
        root = ElementTree.fromstring(report_text(path))
    except ElementTree.ParseError as error:
        raise ToolError(f"{path}: no synthesis report ({error}); the tool may have broken off; run it again") from None
    if (
        root.find("PerformanceEstimates/SummaryOfOverallLatency") is None
        or root.find("AreaEstimates/Resources") is None
    ):
        raise ToolError(f"{path}: no estimates in it; a synthesis report of Vitis HLS is needed; run it again")
    return root


def read_csynth(folder: Path) -> dict[str, Any]:
    """What synthesis estimates, from the folder of its reports: cycles of one frame, clock, resources of the whole.

    `latency_*` and `interval_*` are clock cycles or None, of the core's `run_frame`, or of the top function where that
    has no report of its own (`of` says which); `clock_ns` is the estimated period. Raises ToolError for a file that is
    no such report.
    """
    whole = _synthesis(folder / "csynth.xml")
    own = folder / f"{FRAME}_csynth.xml"
    latency = (_synthesis(own) if own.is_file() else whole).find("PerformanceEstimates/SummaryOfOverallLatency")
    resources = whole.find("AreaEstimates/Resources")
    assert latency is not None and resources is not None
    return {
        "origin": "estimated",
        "tool": f"Vitis HLS {whole.findtext('ReportVersion/Version', 'unknown')}",
        "part": whole.findtext("UserAssignments/Part", "unknown"),
        "of": FRAME if own.is_file() else TOP,
        **{ours: _cycles(latency.findtext(theirs)) for ours, theirs in _LATENCIES.items()},
        "clock_ns": float(whole.findtext("PerformanceEstimates/SummaryOfTimingAnalysis/EstimatedClockPeriod", "nan")),
        **{ours: int(resources.findtext(theirs, "0")) for theirs, ours in _RESOURCES.items()},
    }


def read_cosim(path: Path) -> dict[str, Any]:
    """What co-simulation counted, in clock cycles from start to end of a command; ToolError unless it passed."""
    # |   Verilog|    Pass|  latency min avg max  |  interval min avg max  | [total |]
    for line in report_text(path).splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        if len(cells) < 2 or cells[0].lower() not in ("verilog", "vhdl") or cells[1] in ("NA", ""):
            continue
        if cells[1].lower() != "pass":
            raise ToolError(f"{path}: co-simulation says {cells[1]!r}; a pass is needed; look at the tool's log")
        names = ("latency_min", "latency_avg", "latency_max", "interval_min", "interval_avg", "interval_max")
        values = [_cycles(cell) for cell in cells[2:8]]
        return {"origin": "simulated", "of": TOP, **dict(zip(names, values, strict=False))}
    raise ToolError(f"{path}: no result in it; a co-simulation report is needed; run it again")


def check_registers(folder: Path) -> None:
    """Compare the addresses in the driver that Vitis HLS made with ours; HlsError where they differ.

    Where there is no driver, there is nothing to compare.
    """
    found = {}
    for path in sorted(folder.rglob("*_hw.h")):
        for name, value in re.findall(r"#define\s+\w+?_ADDR_(\w+)\s+(0x[0-9a-fA-F]+)", report_text(path)):
            found[name.upper()] = int(value, 16)
    for register in REGISTERS:
        name = register.name.upper() + ("_BASE" if register.words > 1 else "_DATA")
        if found and found.get(name) != register.offset:
            place = f"{found[name]:#x}" if name in found else "nowhere"
            raise HlsError(
                f"{folder}: register {register.name} is at {place}; the host expects {register.offset:#x}: "
                "this version of Vitis HLS places registers otherwise"
            )
