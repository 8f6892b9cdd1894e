"""Writes the SystemVerilog packages of the register maps: `python -m crossloom.rtl.registers_write`."""

from pathlib import Path

from .sources import find_sources
from .tile_registers import TILE

MAPS = (TILE,)


def write(folder: Path) -> list[Path]:
    """Write one package a map into a folder; returns the files."""
    files = []
    for entry in MAPS:
        path = folder / f"{entry.name}_regs_pkg.sv"
        path.write_text(entry.systemverilog(), encoding="ascii")
        files.append(path)
    return files


if __name__ == "__main__":
    write(find_sources())
