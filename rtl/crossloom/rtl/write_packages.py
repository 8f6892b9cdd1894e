"""Writes what Python defines of the sources, packages and tables: `python -m crossloom.rtl.write_packages`."""

from pathlib import Path

from .compiler import engine_package, words
from .registers.core_map import CORE
from .registers.tile_map import TILE
from .source_tables import FOLDERS, readme
from .sources import find_sources

MAPS = (CORE, TILE)


def write(folder: Path) -> list[Path]:
    """Write the package of each register map, and the engine's, into a folder; returns the files."""
    packages = {f"{entry.name}_regs_pkg": entry.systemverilog() for entry in MAPS}
    packages[engine_package.NAME] = engine_package.systemverilog()
    packages[words.NAME] = words.systemverilog()
    files = []
    for name, text in packages.items():
        path = folder / "packages" / f"{name}.sv"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="ascii")
        files.append(path)
    return files


def write_tables(folder: Path) -> None:
    """Write the README of each folder of sources."""
    for name in FOLDERS:
        (folder / name / "README.md").write_text(readme(name), encoding="ascii")


if __name__ == "__main__":
    write(find_sources())
    write_tables(find_sources())
