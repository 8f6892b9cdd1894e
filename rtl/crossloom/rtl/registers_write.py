"""Writes the SystemVerilog packages that Python defines: `python -m crossloom.rtl.registers_write`."""

from pathlib import Path

from . import engine_package, program
from .core_registers import CORE
from .sources import find_sources
from .tile_registers import TILE

MAPS = (CORE, TILE)


def write(folder: Path) -> list[Path]:
    """Write the package of each register map, and the engine's, into a folder; returns the files."""
    packages = {f"{entry.name}_regs_pkg": entry.systemverilog() for entry in MAPS}
    packages[engine_package.NAME] = engine_package.systemverilog()
    packages[program.NAME] = program.systemverilog()
    files = []
    for name, text in packages.items():
        path = folder / f"{name}.sv"
        path.write_text(text, encoding="ascii")
        files.append(path)
    return files


if __name__ == "__main__":
    write(find_sources())
