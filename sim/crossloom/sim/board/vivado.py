"""Runs Vivado on a block design's script and keeps what its reports say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from .block_design import PACKAGE, PROJECT, SCRIPT, TIMING, UTILIZATION
from .build_record import RECORD
from .reports import read_timing, read_utilization
from .tools import Step, run_step

LOG = "vivado-run.log"


def vivado_step(name: str) -> Step:
    """Vivado on `build_bitstream.tcl`, which makes `<name>.bit` and `<name>.hwh`."""
    command = ("vivado", "-mode", "batch", "-nojournal", "-nolog", "-source", SCRIPT)
    return Step(command, LOG, (PROJECT, PACKAGE, UTILIZATION, TIMING, f"{name}.bit", f"{name}.hwh", RECORD))


def implement(name: str, folder: Path, seconds: float, progress: Callable[[str], None]) -> dict[str, Any]:
    """Run Vivado in a folder with its script: `utilization` and `timing`, each with its origin.

    Raises ToolError when it is missing, fails or takes longer than `seconds`, or when a report is missing.
    """
    run_step(vivado_step(name), folder, seconds, progress)
    return {"utilization": read_utilization(folder / UTILIZATION), "timing": read_timing(folder / TIMING)}
