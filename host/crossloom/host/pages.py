"""The file of a page that a command may write."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from crossloom.sim import InputError
from crossloom.sim.text import printable

from .report.document import MARKER


def check_page(path: Path) -> None:
    """Raise InputError before any work where the page cannot go: only an earlier report is overwritten."""
    shown = printable(path, 400)
    try:
        folder = path.parent.is_dir()
        if folder and not os.path.lexists(path):
            return
        ours = False
        if path.is_file():
            with path.open("rb") as file:
                ours = file.read(len(MARKER)) == MARKER.encode()
    except (OSError, ValueError) as error:
        raise _unwritable(path, error) from error
    if not folder:
        raise InputError(f"{shown}: cannot be written (no such folder); make it, or name another file with --out")
    if not ours:
        raise InputError(f"{shown}: exists and is no report of ours; move it, or name another file with --out")


def _unwritable(path: Path, error: OSError | ValueError) -> InputError:
    shown = printable(path, 400)
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return InputError(f"{shown}: cannot be written ({reason}); name another file with --out")


def write_page(path: Path, text: str) -> None:
    """Write a page whole or not at all; raise InputError where it cannot be."""
    part = path.with_name(f".{path.name[:100]}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except (OSError, ValueError) as error:
        with suppress(OSError, ValueError):
            part.unlink()
        raise _unwritable(path, error) from error
