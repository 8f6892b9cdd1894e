"""Runs outside programs (compilers, simulators, vendor tools) and says in one line what went wrong."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from .errors import CrossloomError, DeviceError


def run_program(
    command: Sequence[str | Path],
    *,
    where: str,
    error: type[CrossloomError] = DeviceError,
    environment: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    seconds: float = 3600,
) -> str:
    """Run a program and return what it said on both outputs.

    `environment` replaces the process' own. Raises `error` with the program's first complaint when it is missing,
    fails, or takes longer than `seconds`.
    """
    name = Path(command[0]).name
    try:
        done = subprocess.run(
            [str(part) for part in command],
            cwd=cwd,
            env=None if environment is None else dict(environment),
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=seconds,
        )
    except FileNotFoundError:
        raise error(f"{where}: no program {name}; it is needed here; install it") from None
    except subprocess.TimeoutExpired:
        raise error(f"{where}: {name} ran past {seconds:g} s; a smaller design is needed") from None
    said = done.stdout + done.stderr
    if done.returncode:
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        complaints = [line for line in lines if "error" in line.lower() or line.startswith("%")]
        first = next(iter([*complaints, *lines]), "")
        # 127: a shell, or env, found no such program.
        mend = "install what is missing" if done.returncode == 127 else "correct the sources"
        raise error(f"{where}: {name} failed ({done.returncode}): {first}; {mend}")
    return said
