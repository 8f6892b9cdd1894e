"""Runs Vitis HLS and Vivado on an emitted project, where they are installed, and keeps what their reports say."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from crossloom.sim import Network, structure_sha256, weights_sha256
from crossloom.sim.board.tools import Step, check_folder, run_step
from crossloom.sim.board.vivado import implement, vivado_step
from crossloom.sim.places import check_file_place, write_file

from .errors import HlsError
from .reports import COSIM, CSYNTH, DRIVERS, check_registers, read_cosim, read_csynth
from .scripts import HLS_STEP


def steps(network: Network) -> tuple[Step, ...]:
    """Both tools, in their order."""
    return HLS_STEP, vivado_step(network.name)


def build(
    network: Network, flow: str, folder: Path, *, seconds: float, progress: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """Run both tools on an emitted project and return what their reports say, each part with its origin.

    `seconds` is the limit of each tool. Raises ToolError when a tool is missing, fails or takes too long, or when a
    report is missing; HlsError for registers that lie elsewhere.
    """
    check_folder(folder)
    found: dict[str, Any] = {
        "design": network.name,
        "flow": flow,
        "structure_sha256": structure_sha256(network),
        "weights_sha256": weights_sha256(network),
        "seconds": {},
    }
    start = time.monotonic()
    run_step(HLS_STEP, folder, seconds, progress)
    found["seconds"][HLS_STEP.tool] = round(time.monotonic() - start, 1)
    check_registers(folder / DRIVERS)
    found |= {"csynth": read_csynth(folder / CSYNTH), "cosim": read_cosim(folder / COSIM)}
    start = time.monotonic()
    found |= implement(network.name, folder, seconds, progress)
    found["seconds"]["vivado"] = round(time.monotonic() - start, 1)
    return found


def read_baseline(path: Path) -> dict[str, Any]:
    """The figures by flow that a baseline keeps, or none; HlsError for another file, or where none can be written."""
    check_file_place(path, HlsError)
    try:
        kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        if not isinstance(kept, dict) or not all(isinstance(v, dict) and v.get("flow") == k for k, v in kept.items()):
            raise ValueError("other content")
    except (OSError, ValueError) as error:
        raise HlsError(f"{path}: no baseline ({error}); name another file with --baseline") from None
    return kept


def write_baseline(found: dict[str, Any], path: Path) -> None:
    """Keep a build's figures under its flow's name in a baseline; those of other flows stay. Raises HlsError."""
    kept = read_baseline(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(dict(sorted({**kept, found["flow"]: found}.items())), indent=1) + "\n"
    write_file(path, text, HlsError)
