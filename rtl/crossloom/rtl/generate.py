"""Writes a network's hardware as a folder of its own: sources, memories, a top and the list of files."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

from crossloom.sim.frames import frame_layout
from crossloom.sim.identity import structure_sha256, weights_sha256

from .core import core_parameters, write_program
from .core_registers import CORE
from .cycles import image_cycles
from .errors import RtlError
from .fit import check_fit, memory_bram36
from .plan import Plan
from .sources import find_sources, sources_of

MARK = "crossloom-rtl"  # the first line of the list of sources
MARKER = ".crossloom-rtl.json"  # SHA-256 of every other file: a folder where all are unchanged may be written again
LIST = "files.f"
MEMORIES = "memories"
TOP, README = "top.sv", "README.md"
REGISTERS = ("core_regs.h", "core_regs.py")
_PORT_DECLARATION = "  {direction:<6} logic {width}{name}"


def generate(compiled: Plan, folder: Path) -> list[Path]:
    """Write a core into a new or empty folder, or over an earlier one: `src/*.sv`, `memories/*.hex`, `top.sv`.

    Beside them `files.f`, the register map as a C header and as Python, a README, and the SHA-256 of all of them in
    `.crossloom-rtl.json`. Memories are named relative to the folder: tools run in it. Returns the files. Raises
    RtlError, before anything is written, where the core does not fit an xc7z020 (estimated), where the folder has
    anything that an earlier run did not write exactly so, or cannot be written.
    """
    folder = Path(folder)
    check_fit(compiled)
    try:
        for path in _earlier(folder):
            path.unlink()
        return _write(compiled, folder)
    except OSError as error:
        raise RtlError(f"{folder}: cannot be written ({error.strerror}); name another folder") from error


def listed_sources(folder: Path) -> list[Path]:
    """The sources of a generated folder in compile order."""
    lines = (folder / LIST).read_text(encoding="ascii").splitlines()
    return [folder / line for line in lines if not line.startswith("//")]


def _write(compiled: Plan, folder: Path) -> list[Path]:
    for name in ("src", MEMORIES):
        (folder / name).mkdir(parents=True, exist_ok=True)
    files = []
    for path in sources_of("core"):
        files.append(folder / "src" / path.name)
        shutil.copyfile(path, files[-1])
    memories = write_program(compiled, folder / MEMORIES)
    top = folder / TOP
    texts = {TOP: top_source(compiled), README: readme(compiled)}
    texts |= dict(zip(REGISTERS, (CORE.c_header(), CORE.python()), strict=True))
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="ascii")
    listed = [*files, top]
    (folder / LIST).write_text(
        "\n".join([f"// {MARK}", *(str(path.relative_to(folder)) for path in listed), ""]), encoding="ascii"
    )
    made = [*listed, *memories, *(folder / name for name in (LIST, README, *REGISTERS))]
    entries = {path.relative_to(folder).as_posix(): _sha256(path) for path in made}
    marker = json.dumps({"written by": "crossloom emit rtl", "files": entries}, indent=1)
    (folder / MARKER).write_text(marker + "\n", encoding="utf-8")
    return [*made, folder / MARKER]


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _earlier(folder: Path) -> list[Path]:
    """The files of a folder that an earlier run wrote, none if it is missing or empty.

    Raises RtlError unless every file in it is listed there and as it was written.
    """
    if not folder.exists() and not folder.is_symlink():
        return []
    if not folder.is_dir():
        raise RtlError(f"{folder}: not a folder; a new or empty one is needed; name another")
    here = sorted(folder.rglob("*"))
    if not here:
        return []
    marker = folder / MARKER
    listed = None
    if marker.is_file() and not marker.is_symlink():
        listed = _listed(marker)
    if listed is None:
        first = f"{folder}: has {here[0].relative_to(folder).as_posix()!r}, which no generator wrote"
        source = folder / LIST
        if source.is_file() and source.read_text(errors="replace").startswith(f"// {MARK}\n"):
            first = f"{folder}: has no list {MARKER} of what was written, as earlier versions made none"
        raise RtlError(f"{first}; a new or empty folder is needed; name another folder")
    folders = {parent for name in listed for parent in (folder / name).parents}
    for path in here:
        name = path.relative_to(folder).as_posix()
        if path == marker or (path in folders and path.is_dir() and not path.is_symlink()):
            continue
        if path.is_symlink() or not path.is_file() or name not in listed:
            raise RtlError(f"{folder}: has {name!r}, which no generator wrote; an empty folder is needed; name another")
        if _sha256(path) != listed[name]:
            raise RtlError(
                f"{folder}: has {name!r}, which was changed after it was written; an unchanged or empty folder is "
                "needed; move the file away, or name another folder"
            )
    return [path for path in here if path.is_file()]


def _listed(marker: Path) -> dict[str, str] | None:
    """What a list says, path -> SHA-256; None where it is none of ours."""
    try:
        found = json.loads(marker.read_text(encoding="utf-8"))["files"]
        return {str(name): str(value) for name, value in found.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def readme(compiled: Plan) -> str:
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
- `{MARKER}` has the SHA-256 of every file: `emit rtl` writes here again only while all are as it wrote them, and
  nothing else is here.
- Lint: `verilator --lint-only -f {LIST} --top-module top`.
- Vivado: `add_files` of what `{LIST}` and `{MEMORIES}/` have, top `top`, part xc7z020clg400-1.
"""


def top_source(compiled: Plan) -> str:
    """A module `top` with AXI4-Stream and AXI4-Lite alone: `core` with its parameters and memories."""
    ports = _ports((find_sources() / "core.sv").read_text(encoding="ascii"))
    settings = [f".{name}({_value(name, value)})" for name, value in core_parameters(compiled).items()]
    settings.append(f'.Init("{MEMORIES}/")')
    names = [name for _, _, name in ports]
    declarations = [_PORT_DECLARATION.format(direction=d, width=w, name=n) for d, w, n in ports]
    lines = [
        f"// {compiled.network.name}: a core for its structure, with its weights. Written by crossloom.rtl.generate.",
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
