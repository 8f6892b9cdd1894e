"""The files that a command may write: pages and results, over earlier ones of ours and nothing else."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from crossloom.sim import InputError
from crossloom.sim.places import check_file_place
from crossloom.sim.text import printable

from .report.document import MARKER


def check_new_file(path: Path) -> None:
    """Raise InputError before any work where there is a file already, or none can be written."""
    if os.path.lexists(path):
        raise InputError(f"{printable(path, 400)}: exists already; needed a new file; name one by --out")
    check_file_place(path, InputError)


def check_page(path: Path) -> None:
    """Raise InputError before any work where a page cannot go: only an earlier report is overwritten."""
    if _there(path) and _start(path) != MARKER.encode():
        shown = printable(path, 400)
        raise InputError(f"{shown}: exists and is no report of ours; move it, or name another file with --out")


def earlier_results(path: Path, key: str, command: str) -> dict[str, Any]:
    """What an earlier run of `command` wrote, an object with `key`, or nothing.

    Raises InputError, before any work, where results cannot go there, and for a file that is something else.
    """
    if not _there(path):
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or key not in found:
        shown = printable(path, 400)
        raise InputError(f"{shown}: exists and is no result of {command}; move it, or name another file with --out")
    return found


def _there(path: Path) -> bool:
    """Whether there is a file already; InputError where none can be written."""
    if not path.parent.exists():
        shown = printable(path, 400)
        raise InputError(f"{shown}: cannot be written (no such folder); make it, or name another file with --out")
    check_file_place(path, InputError)
    return path.exists()


def _start(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(len(MARKER))
    except OSError:
        return b""
