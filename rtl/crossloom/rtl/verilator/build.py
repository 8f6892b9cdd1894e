"""The shared library of a Verilated top: Verilator, harness and C++ compiler, kept in the cache."""

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from crossloom.sim.cache import cached, content_key
from crossloom.sim.programs import ending_programs

from ..errors import RtlError
from ..sources import read_sources
from .harness import _CODE, harness
from .tools import compiler_identity, package_folder, parameter_flags, run_tool

_FLAGS = ("--cc", "--assert", "--x-initial", "unique", "--x-assign", "unique", "--prefix", "Vmodel", "-Wno-fatal")
_WORKERS = 2
_RUNTIME = "verilated", "verilated_threads"
_COMPILE = (
    "-std=c++17",
    "-fPIC",
    "-w",
    # As in a program: a function of the model may be inlined, though it is in a library.
    "-fno-semantic-interposition",
    # What a failed assertion says must not stand among a command's answers.
    "-DVL_PRINTF(...)=fprintf(stderr, __VA_ARGS__)",
    *("-DVL_USER_FATAL", "-DVL_USER_STOP", "-DVL_USER_FINISH", "-DVM_TRACE=0", "-DVM_COVERAGE=0"),
)
# The array in a form that simulates quickly, instead of that of the hardware; see array.sv.
BEHAVIOURAL = "CROSSLOOM_BEHAVIOURAL"
# What a library must export.
_FUNCTIONS = ("cl_new", "cl_delete", "cl_name", "cl_error", "cl_run", "cl_write", "cl_read", "cl_stream", "cl_move")
_log = logging.getLogger(__name__)


def _compile(source: Path, folder: Path, optimize: int, where: str) -> Path:
    """Compile one file of a model, or of Verilator's run-time library, into an object in a folder."""
    include, made = package_folder("verilator") / "include", folder / f"{source.stem}.o"
    paths = [f"-I{include}", f"-I{include / 'vltstd'}", f"-I{folder}"]
    run_tool(["g++", f"-O{optimize}", *_COMPILE, *paths, "-c", source, "-o", made], where=where, scratch=folder)
    return made


def _units(folder: Path, optimize: int) -> list[tuple[Path, int]]:
    """A model's files put together in two, with the level of each: to read Verilator's headers takes longest.

    What runs once, when a model is made, is compiled quickly.
    """
    files = sorted(folder.glob("*.cpp"))
    once = [path for path in files if path.stem.endswith(("__Slow", "__Syms", "__Syms__Slow"))]
    units = []
    for name, part, level in (("often", [f for f in files if f not in once], optimize), ("once", once, 0)):
        if part:
            units.append((folder / f"{name}.cpp", level))
            text = "".join(f'#include "{path.name}"\n' for path in part)
            units[-1][0].write_text(text, encoding="ascii")
    return units


def _runtime(optimize: int) -> Path:
    """Verilator's run-time library as one object, kept: compiling it takes as long as many a model."""
    where = "Verilator's run-time library"

    def build(folder: Path) -> Path:
        include = package_folder("verilator") / "include"
        objects = [_compile(include / f"{name}.cpp", folder, optimize, where) for name in _RUNTIME]
        made = folder / "runtime.o"
        run_tool(["g++", "-r", "-nostdlib", *objects, "-o", made], where=where, scratch=folder)
        return made

    key = content_key(*compiler_identity(where), "runtime", f"O{optimize}", *_COMPILE)
    return cached(key, build, kind="Verilator's run-time", needs=None)


def build_library(
    top: str,
    parameters: Mapping[str, int] | None = None,
    *,
    sources: Sequence[Path] | None = None,
    defines: Sequence[str] = (),
    optimize: int = 1,
) -> Path:
    """The shared library of a top with its parameters; from the cache when nothing that goes into it has changed.

    `sources` (ours by default) in compile order; `defines` are macros of Verilator's preprocessor, such as BEHAVIOURAL;
    `optimize` is the C++ compiler's level: 0 or 1 for small modules.
    Raises RtlError with the first complaint of Verilator or the compiler.
    """
    files = list(sources or read_sources())
    flags = [*_FLAGS, "--top-module", top, *parameter_flags(parameters or {}), *(f"-D{name}" for name in defines)]
    where = f"model of {top}"
    key = content_key(
        *compiler_identity(where),
        _CODE,
        f"O{optimize}",
        *_COMPILE,
        *flags,
        *(part for path in files for part in (path.name, path.read_bytes())),
    )

    def build(folder: Path) -> Path:
        _log.info("%s: building (%s)", where, dict(parameters or {}))
        run_tool(["verilator", *flags, "--Mdir", folder, *files], where=where, scratch=folder)
        if not (folder / "Vmodel.h").is_file():
            raise RtlError(f"{where}: verilator wrote no model; one that works is needed; install it again")
        header = (folder / "Vmodel.h").read_text(encoding="utf-8", errors="replace")
        (folder / "harness.cpp").write_text(harness(header, top), encoding="utf-8")

        def unit(entry: tuple[Path, int]) -> Path:
            return _compile(entry[0], folder, entry[1], where)

        with ThreadPoolExecutor(_WORKERS) as pool, ending_programs():
            objects = list(pool.map(unit, _units(folder, optimize)))
        library = folder / "model.so"
        command: list[str | Path] = ["g++", "-shared", "-pthread", *objects, _runtime(min(optimize, 1)), "-o", library]
        run_tool(command, where=where, scratch=folder)
        return library

    return cached(key, build, kind="Verilator model", design=top, needs=_FUNCTIONS)
