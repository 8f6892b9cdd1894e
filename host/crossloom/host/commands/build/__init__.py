"""`crossloom build`: vendor tools on an emitted project, each kind in a module of its own."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossloom.sim import InputError

from .. import Report

if TYPE_CHECKING:
    from crossloom.sim.board.tools import Step

WIDTH = 100


def run(args: argparse.Namespace) -> Report:
    """Build what was asked for; InputError for a folder without a name, and for no time."""
    if args.out == "":
        raise InputError("--out '': no name; the name of a folder is needed; leave --out away for runs/NAME-...")
    if not 0 < args.hours < math.inf:
        raise InputError(f"build: --hours {args.hours:g}; needed more than 0, and an end")
    report: Report = import_module(f".{args.what}", __name__).run(args)
    return report


def progress(line: str) -> None:
    """Show a tool's last line on a terminal, in place of the one before; nothing ends that."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{line[:WIDTH]}")
        sys.stderr.flush()


def not_built(name: str, flow: str, folder: Path, steps: Sequence[Step]) -> Report | None:
    """Which tools are missing and what would have been run, with exit code 1; None where all are here."""
    from crossloom.sim.board.tools import commands, missing_tools

    missing, lines = missing_tools(steps), commands(folder, steps)
    if not missing:
        return None
    data = {"name": name, "flow": flow, "folder": str(folder), "missing": missing, "commands": lines}
    text = f"{name}: not built: {' and '.join(missing)} not on PATH; the project is in {folder}; would have run:\n  "
    return Report(data, text + "\n  ".join(lines), 1)


def placed(found: dict[str, Any]) -> list[list[object]]:
    """Rows of resources and slack, with their origins."""
    used, timing = found["utilization"], found["timing"]
    rows: list[list[object]] = [
        [what, f"{used[what]:,}", f"{used['origin']} by {used['tool']}"] for what in ("lut", "ff", "bram36", "dsp")
    ]
    met = "met" if timing["met"] else "NOT met"
    return [*rows, ["worst slack", f"{timing['wns_ns']} ns, {met}", f"{timing['origin']} by {timing['tool']}"]]
