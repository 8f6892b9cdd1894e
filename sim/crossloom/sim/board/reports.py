"""Reads the reports of Vivado: what placement took of the device, and the slack after routing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ..errors import ToolError

_ROWS = {
    "lut": ("Slice LUTs", "CLB LUTs"),
    "ff": ("Slice Registers", "CLB Registers"),
    "bram36": ("Block RAM Tile",),
    "dsp": ("DSPs",),
}


def report_text(path: Path) -> str:
    """The text of a report; ToolError where there is none."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        raise ToolError(f"{path}: no such report; the tool's own log says why; look there") from None


def read_utilization(path: Path) -> dict[str, Any]:
    """What placement took of the device: LUTs, registers, BRAM36 (halves count), DSPs. Raises ToolError."""
    text, found = report_text(path), dict[str, float]()
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split("|")[1:-1]]
        for name, labels in _ROWS.items():
            if len(cells) > 1 and cells[0].rstrip("*") in labels:
                found[name] = float(cells[1]) if "." in cells[1] else int(cells[1])
    missing = sorted(_ROWS.keys() - found.keys())
    if missing:
        raise ToolError(f"{path}: no {missing[0]} in it; a utilization report of Vivado is needed; run it again")
    return {"origin": "measured", "tool": _vivado(text), **found}


def read_timing(path: Path) -> dict[str, Any]:
    """Worst slacks in ns after routing, by static analysis; ToolError for a file without a timing summary."""
    text = report_text(path)
    lines = text.splitlines()
    for i, line in enumerate(lines):
        names = line.split()
        if names[:1] != ["WNS(ns)"] or "WHS(ns)" not in names:
            continue
        # "TNS Failing Endpoints" are three words of one heading: split at two blanks.
        headings = re.split(r"\s{2,}", line.strip())
        values = lines[i + 2].split() if i + 2 < len(lines) else []
        row = dict(zip(headings, values, strict=False))
        try:
            setup, hold = float(row["WNS(ns)"]), float(row["WHS(ns)"])
        except (KeyError, ValueError):
            break
        return {
            "origin": "estimated",
            "tool": _vivado(text),
            "wns_ns": setup,
            "whs_ns": hold,
            "met": setup >= 0 and hold >= 0,
        }
    raise ToolError(f"{path}: no timing summary in it; a routed design's is needed; run Vivado again")


def _vivado(text: str) -> str:
    found = re.search(r"Tool Version\s*:\s*Vivado v\.(\S+)", text)
    return f"Vivado {found[1] if found else 'unknown'}"
