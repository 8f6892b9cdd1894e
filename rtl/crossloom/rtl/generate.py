"""Writes a network's hardware as a folder of its own: sources, memories, a top and the list of files."""

from __future__ import annotations

import shutil
from pathlib import Path

from .core import core_parameters, write_program
from .errors import RtlError
from .plan import Plan
from .sources import find_sources, sources_of

MARK = "crossloom-rtl"  # the list's first line: this folder may be written again
LIST = "files.f"
MEMORIES = "memories"
_PORT_DECLARATION = "  {direction:<6} logic {width}{name}"


def generate(compiled: Plan, folder: Path) -> list[Path]:
    """Write `src/*.sv`, `memories/*.hex`, `top.sv` and `files.f` into a new or empty folder, or over an earlier one.

    Memories are named relative to the folder: tools run in it. Returns the files. Raises RtlError where the folder has
    anything that an earlier run did not write.
    """
    folder = Path(folder)
    _check_folder(folder)
    for name in ("src", MEMORIES):
        shutil.rmtree(folder / name, ignore_errors=True)
        (folder / name).mkdir(parents=True)
    files = []
    for path in sources_of("core"):
        files.append(folder / "src" / path.name)
        shutil.copyfile(path, files[-1])
    memories = write_program(compiled, folder / MEMORIES)
    top = folder / "top.sv"
    top.write_text(top_source(compiled), encoding="ascii")
    listed = [*files, top]
    (folder / LIST).write_text(
        "\n".join([f"// {MARK}", *(str(path.relative_to(folder)) for path in listed), ""]), encoding="ascii"
    )
    return [*listed, *memories, folder / LIST]


def _check_folder(folder: Path) -> None:
    """Raise RtlError unless the folder is missing, empty or ours, and holds nothing else."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise RtlError(f"{folder}: a file; a folder is needed; name another")
    here = sorted(path.name for path in folder.iterdir())
    if not here:
        return
    own = {"src", MEMORIES, "top.sv", LIST}
    mark = folder / LIST
    marked = mark.is_file() and not mark.is_symlink() and mark.read_text(errors="replace").startswith(f"// {MARK}\n")
    foreign = [name for name in here if not marked or name not in own or (folder / name).is_symlink()]
    foreign += [
        f"{part}/{path.name}"
        for part, suffix in (("src", ".sv"), (MEMORIES, ".hex"))
        for path in sorted((folder / part).glob("*"))
        if path.suffix != suffix or path.is_symlink() or not path.is_file()
    ]
    if foreign:
        raise RtlError(
            f"{folder}: has {foreign[0]!r}, which no generator wrote; an empty folder is needed; name another"
        )


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
