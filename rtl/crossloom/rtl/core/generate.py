"""Writes a network's hardware as a folder of its own: sources, memories, a top and the list of files."""

from __future__ import annotations

import tempfile
from pathlib import Path

from crossloom.sim.folder import MARKER, write_folder
from crossloom.sim.frames import frame_layout
from crossloom.sim.identity import structure_sha256, weights_sha256

from ..compiler.program import Program
from ..errors import RtlError
from ..estimate.cycles import image_cycles
from ..estimate.resources import check_fit, memory_bram36
from ..registers.core_map import CORE
from ..sources import find_source, sources_of
from .contents import core_parameters, write_program
from .description import FILE as DESCRIPTION
from .description import describe

COMMAND = "crossloom emit rtl"
LIST = "files.f"
MEMORIES = "memories"
TOP, README = "top.sv", "README.md"
REGISTERS = ("core_regs.h", "core_regs.py")
_PORT_DECLARATION = "  {direction:<6} logic {width}{name}"


def generate(compiled: Program, folder: Path) -> list[Path]:
    """Write a core into a new or empty folder, or over an earlier one: `src/*.sv`, `memories/*.hex`, `top.sv`.

    Beside them `files.f`, the register map as a C header and as Python, `core.json` (`CoreDescription`), a README, and
    the SHA-256 of all of them in `.crossloom.json`. Memories are named relative to the folder: tools run in it. Returns
    the files. Raises RtlError, before anything is written, where the core does not fit an xc7z020 (estimated), and for
    a folder as `write_folder` does.
    """
    check_fit(compiled)
    return write_folder(Path(folder), _files(compiled), COMMAND, RtlError)


def listed_sources(folder: Path) -> list[Path]:
    """The sources of a generated folder in compile order."""
    return [folder / line for line in (folder / LIST).read_text(encoding="ascii").splitlines()]


def _files(compiled: Program) -> dict[str, bytes]:
    """Every file by its path in the folder."""
    files = {f"src/{path.name}": path.read_bytes() for path in sources_of("core")}
    files[TOP] = top_source(compiled).encode("ascii")
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

- `{LIST}` lists the sources in compile order, relative to this folder. `{MEMORIES}/*.hex` are read by `$readmemh`,
  relative to the folder where the tool runs: run it here.
- `{REGISTERS[0]}` and `{REGISTERS[1]}` have the addresses and bits of the registers. Read ID and STRUCTURE first.
- `{DESCRIPTION}` says the same to a program, with the array, the identities, and where the words of coarse head and
  branches lie: a host loads another network's banks from it without compiling anything.
- `{MARKER}` has the SHA-256 of every file: `emit rtl` writes here again while they are as it wrote them, and leaves
  anything else alone.
- Lint: `verilator --lint-only -f {LIST} --top-module top`.
- Vivado: `add_files` of what `{LIST}` and `{MEMORIES}/` have, top `top`, part xc7z020clg400-1.
"""


def top_source(compiled: Program) -> str:
    """A module `top` with AXI4-Stream and AXI4-Lite alone: `core` with its parameters and memories."""
    ports = _ports(find_source("core").read_text(encoding="ascii"))
    settings = [f".{name}({_value(name, value)})" for name, value in core_parameters(compiled).items()]
    settings.append(f'.Init("{MEMORIES}/")')
    names = [name for _, _, name in ports]
    declarations = [_PORT_DECLARATION.format(direction=d, width=w, name=n) for d, w, n in ports]
    lines = [
        f"// {compiled.network.name}: a core for its structure, with its weights. Written by crossloom.",
        f"// Memories are read from {MEMORIES}/ in the folder where the tool runs.",
        "module top (",
        ",\n".join(declarations),
        ");",
        "  // What only a simulation looks at.",
        "  // verilator lint_off PINCONNECTEMPTY",
        "  core #(",
        ",\n".join(f"    {setting}" for setting in settings),
        "  ) u_core (",
        ",\n".join([*(f"    .{name}({name})" for name in names), *(f"    .{name}()" for name in _TRACES)]),
        "  );",
        "  // verilator lint_on PINCONNECTEMPTY",
        "endmodule",
        "",
    ]
    return "\n".join(lines)


_TRACES = (
    *("tap_valid_o", "tap_sweep_o", "trace_valid_o", "trace_sweep_o", "trace_chunk_o", "trace_y_o", "trace_x_o"),
    *("trace_raw_o", "trace_code_o"),
)


def _value(name: str, value: int) -> str:
    return f"1'b{value}" if name in ("Doubling", "Signed") else str(value)


def _ports(source: str) -> list[tuple[str, str, str]]:
    """Direction, width and name of the ports of `core` that a top has: all but the traces."""
    found = []
    for line in source.splitlines():
        words = line.strip().rstrip(",").split()
        if len(words) >= 3 and words[0] in ("input", "output") and words[1] == "logic" and words[-1] not in _TRACES:
            width = f"{words[2]} " if len(words) > 3 else ""
            found.append((words[0], width, words[-1]))
    return found
