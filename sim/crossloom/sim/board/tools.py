"""Runs programs of a chip's vendor in a folder, where they are installed, with a time limit and a log."""

from __future__ import annotations

import re
import shlex
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import ToolError
from ..programs import started

_POLL = 0.2
_PATH = re.compile(r"[\w./+@=,~:-]*\Z", re.ASCII)


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


def commands(folder: Path, steps: Sequence[Step]) -> list[str]:
    """What a build runs, as lines for a shell."""
    return [f"cd {shlex.quote(str(folder))}", *(shlex.join(step.command) for step in steps)]


def missing_tools(steps: Sequence[Step]) -> list[str]:
    """The tools that are not on PATH."""
    return [step.tool for step in steps if shutil.which(step.tool) is None]


def check_folder(folder: Path) -> None:
    """Raise ToolError for a folder in whose path Tcl, or a string of Verilog, would find more than a name."""
    path = str(folder.resolve())
    if not _PATH.match(path):
        what = "a blank" if any(character.isspace() for character in path) else "an unusual character"
        raise ToolError(f"{folder}: has {what} in its path; the tools need one of letters, digits and ./_+-@=,~: alone")


def run_step(step: Step, folder: Path, seconds: float, progress: Callable[[str], None]) -> None:
    """Run one tool in a folder, its output in its log; `progress` is told the last line from time to time.

    Raises ToolError when it is missing, fails, or takes longer than `seconds`; then it and all it started are ended.
    """
    log = folder / step.log
    program = shutil.which(step.tool)
    if program is None:
        raise ToolError(f"{step.tool}: not on PATH; Vitis 2023.2 or newer is needed; source its settings script")
    # What an earlier run left must not be read as this one's.
    for name in step.makes:
        if (folder / name).is_dir():
            shutil.rmtree(folder / name)
        (folder / name).unlink(missing_ok=True)
    start = time.monotonic()
    with (
        log.open("wb") as out,
        started([program, *step.command[1:]], where=step.tool, error=ToolError, cwd=folder, out=out) as process,
    ):
        while process.poll() is None:
            if time.monotonic() - start > seconds:
                raise ToolError(
                    f"{step.tool}: ran past {seconds:g} s; more time (--hours) or a smaller design is needed; see {log}"
                )
            progress(_last_line(log))
            time.sleep(_POLL)
    if process.returncode:
        raise ToolError(f"{step.tool}: failed ({process.returncode}): {_complaint(log)}; see {log}")


def _last_line(log: Path) -> str:
    with log.open("rb") as handle:
        handle.seek(max(0, log.stat().st_size - 2000))
        lines = handle.read().decode(errors="replace").splitlines()
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def _complaint(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return next((line for line in lines if line.startswith(("ERROR", "FAIL"))), lines[-1] if lines else "said nothing")
