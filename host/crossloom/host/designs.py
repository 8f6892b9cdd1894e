"""Where the shipped designs are, in a checkout and in an installed wheel."""

from __future__ import annotations

import os
from pathlib import Path

from crossloom.sim import InputError
from crossloom.sim.installation import bitstreams


def design_names() -> list[str]:
    """Names of the shipped designs, sorted."""
    folder = bitstreams()
    return sorted(path.stem for path in folder.glob("*/*.loom") if path.stem == path.parent.name) if folder else []


def find_design(design: str | os.PathLike[str]) -> Path:
    """Return the `.loom` file of a shipped design's name or of a path; raise InputError when there is none.

    A string without a suffix or separator is a name; everything else is a path.
    """
    text = os.fspath(design)
    path = Path(text)
    if isinstance(design, str) and path.suffix != ".loom" and path.name == text:
        folder = bitstreams()
        if folder is not None and text in design_names():
            return folder / text / f"{text}.loom"
        known = ", ".join(design_names()) or "none is installed"
        raise InputError(f"design {text[:80]!r}: not found; shipped designs: {known}; or give the path of a .loom file")
    if not path.is_file():
        raise InputError(f"{path}: no such file; needed a .loom file or one of: {', '.join(design_names())}")
    return path


def find_overlay(design: Path, device: str, overlay: str | os.PathLike[str] | None) -> Path | None:
    """The bitstream of a design: the one asked for, or, where a board may run it, the `.bit` beside the `.loom`."""
    if overlay is not None:
        return Path(overlay)
    beside = design.with_suffix(".bit")
    return beside if device in ("auto", "board") and beside.is_file() else None
