"""Runs Vitis HLS and Vivado on an emitted project, where they are installed, and keeps what their reports say."""

from __future__ import annotations

import json
import shlex
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crossloom.sim import Network, structure_sha256, weights_sha256
from crossloom.sim.programs import started

from .errors import HlsError
from .reports import COSIM, CSYNTH, DRIVERS, check_registers, read_cosim, read_csynth, read_timing, read_utilization
from .scripts import HLS_PROJECT, HLS_SCRIPT, TIMING, UTILIZATION, VIVADO_PROJECT, VIVADO_SCRIPT

_POLL = 0.2


@dataclass(frozen=True)
class Step:
    """One tool: its command, to be run in the project's folder; the log it writes; files and folders that it makes."""

    command: tuple[str, ...]
    log: str
    makes: tuple[str, ...]

    @property
    def tool(self) -> str:
        """The program's name."""
        return self.command[0]


STEPS = (
    Step(("vitis-run", "--mode", "hls", "--tcl", HLS_SCRIPT), "vitis-run.log", (HLS_PROJECT,)),
    Step(
        ("vivado", "-mode", "batch", "-nojournal", "-nolog", "-source", VIVADO_SCRIPT),
        "vivado-run.log",
        (VIVADO_PROJECT, UTILIZATION, TIMING),
    ),
)


def commands(folder: Path) -> list[str]:
    """What a build runs, as lines for a shell."""
    return [f"cd {shlex.quote(str(folder))}", *(shlex.join(step.command) for step in STEPS)]


def missing_tools() -> list[str]:
    """The tools that are not on PATH."""
    return [step.tool for step in STEPS if shutil.which(step.tool) is None]


def run_step(step: Step, folder: Path, seconds: float, progress: Callable[[str], None]) -> None:
    """Run one tool in a folder, its output in its log; `progress` is told the last line from time to time.

    Raises HlsError when it is missing, fails, or takes longer than `seconds`; then it and all it started are ended.
    """
    log = folder / step.log
    program = shutil.which(step.tool)
    if program is None:
        raise HlsError(f"{step.tool}: not on PATH; Vitis 2023.2 or newer is needed; source its settings script")
    # What an earlier run left must not be read as this one's.
    for name in step.makes:
        if (folder / name).is_dir():
            shutil.rmtree(folder / name)
        (folder / name).unlink(missing_ok=True)
    start = time.monotonic()
    with (
        log.open("wb") as out,
        started([program, *step.command[1:]], where=step.tool, error=HlsError, cwd=folder, out=out) as process,
    ):
        while process.poll() is None:
            if time.monotonic() - start > seconds:
                raise HlsError(
                    f"{step.tool}: ran past {seconds:g} s; more time (--hours) or a smaller design is needed; see {log}"
                )
            progress(_last_line(log))
            time.sleep(_POLL)
    if process.returncode:
        raise HlsError(f"{step.tool}: failed ({process.returncode}): {_complaint(log)}; see {log}")


def _last_line(log: Path) -> str:
    with log.open("rb") as handle:
        handle.seek(max(0, log.stat().st_size - 2000))
        lines = handle.read().decode(errors="replace").splitlines()
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def _complaint(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return next((line for line in lines if line.startswith(("ERROR", "FAIL"))), lines[-1] if lines else "said nothing")


def build(
    network: Network, flow: str, folder: Path, *, seconds: float, progress: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """Run both tools on an emitted project and return what their reports say, each part with its origin.

    `seconds` is the limit of each tool. Raises HlsError when a tool is missing, fails or takes too long, or when a
    report is missing.
    """
    if any(character.isspace() for character in str(folder.resolve())):
        raise HlsError(f"{folder}: has a blank in its path; the tools need one without; name another folder")
    found: dict[str, Any] = {
        "design": network.name,
        "flow": flow,
        "structure_sha256": structure_sha256(network),
        "weights_sha256": weights_sha256(network),
        "seconds": {},
    }
    for step in STEPS:
        start = time.monotonic()
        run_step(step, folder, seconds, progress)
        found["seconds"][step.tool] = round(time.monotonic() - start, 1)
        if HLS_PROJECT in step.makes:
            check_registers(folder / DRIVERS)
            found |= {"csynth": read_csynth(folder / CSYNTH), "cosim": read_cosim(folder / COSIM)}
    found |= {"utilization": read_utilization(folder / UTILIZATION), "timing": read_timing(folder / TIMING)}
    return found


def write_baseline(found: dict[str, Any], path: Path) -> None:
    """Keep a build's figures under its flow's name in a baseline; those of other flows stay. Raises HlsError."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        if not isinstance(kept, dict) or not all(isinstance(v, dict) and v.get("flow") == k for k, v in kept.items()):
            raise ValueError("other content")
    except (OSError, ValueError) as error:
        raise HlsError(f"{path}: no baseline ({error}); name another file with --baseline") from None
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(dict(sorted({**kept, found["flow"]: found}.items())), indent=1) + "\n", encoding="utf-8")
