"""Where the SystemVerilog sources are, in a checkout and in an installed wheel."""

import hashlib
import re
from pathlib import Path

from .errors import RtlError


def _find(name: str) -> Path:
    here = Path(__file__).resolve()
    # rtl/crossloom/rtl/sources.py in a checkout; crossloom/rtl/sources.py beside the files in a wheel.
    for folder in (here.parent / name, here.parents[2] / name):
        if folder.is_dir():
            return folder
    raise RtlError(f"{here.parent}: no folder {name!r} of the RTL stage; a complete installation is needed; reinstall")


def find_sources() -> Path:
    """The folder of all `*.sv`, by part; RtlError when the installation lacks it."""
    return _find("src")


def find_waivers() -> Path:
    """The file of lint waivers; RtlError when the installation lacks it."""
    return _find("lint") / "waivers.vlt"


def find_source(name: str, folder: Path | None = None) -> Path:
    """The source of one module or package; RtlError where a folder (ours by default) has none of that name."""
    files = {path.stem: path for path in read_sources(folder)}
    if name not in files:
        raise RtlError(f"{name}: no source of this name; one of {', '.join(files)} is needed")
    return files[name]


def read_sources(folder: Path | None = None) -> list[Path]:
    """All sources of a folder (ours by default) in compile order: packages first, then by name."""
    folder = folder or find_sources()
    found = sorted(folder.rglob("*.sv"), key=lambda path: (not path.name.endswith("_pkg.sv"), path.name))
    if not found:
        raise RtlError(f"{folder}: no .sv file; SystemVerilog sources are needed; name another folder")
    return found


def sources_of(top: str, folder: Path | None = None) -> list[Path]:
    """The sources that a top needs, in compile order: what is built of them changes with nothing else.

    A source is needed when a needed one names it outside comments. Raises RtlError for a top without a source.
    """
    find_source(top, folder)
    files = {path.stem: path for path in read_sources(folder)}
    needed, found = {top}, {top}
    while found:
        found = (set(re.findall(r"\w+", _code([files[name] for name in found]))) & set(files)) - needed
        needed |= found
    return [path for name, path in files.items() if name in needed]


def sources_sha256(top: str) -> str:
    """SHA-256 (hex) of what a top is built of, comments and spaces left out: what its figures belong to."""
    return hashlib.sha256(_code(sources_of(top)).encode()).hexdigest()


def _code(files: list[Path]) -> str:
    """What sources say outside comments, the words in a line."""
    return " ".join(re.sub(r"//.*", "", "\n".join(path.read_text(encoding="ascii") for path in files)).split())
