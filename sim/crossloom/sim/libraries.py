"""Says whether a file is a library or an object that a compiler wrote to its end, before it is used."""

from __future__ import annotations

import ctypes
import struct
import sys
from _ctypes import dlclose
from collections.abc import Sequence
from pathlib import Path

_RELOCATABLE, _SHARED = 1, 3


def complaint(path: Path, needs: Sequence[str] | None) -> str:
    """What is wrong with a library that must load and export the names `needs`, in words; nothing where it is right.

    Without `needs` (None) it is an object, to be linked later.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        return error.strerror or "it cannot be read"
    # Loading a file that ends early may end the process.
    if sys.platform == "linux" and not _whole(data, _RELOCATABLE if needs is None else _SHARED):
        return "no library, or only part of one"
    if needs is None:
        return ""
    try:
        library = ctypes.CDLL(str(path), mode=ctypes.RTLD_LOCAL)
    except OSError as error:
        return str(error).removeprefix(f"{path}: ")
    try:
        missing = [name for name in needs if not hasattr(library, name)]
        return f"it has no {missing[0]}" if missing else ""
    finally:
        dlclose(library._handle)


def _whole(data: bytes, kind: int) -> bool:
    """Whether an ELF file of a kind (System V ABI, chapter 4) has all parts that its tables tell of."""
    wide = data[4:5] == b"\2"
    form = "<HHIQQQIHHHHHH" if wide else "<HHIIIIIHHHHHH"
    if data[:4] != b"\x7fELF" or data[5:6] != b"\1" or len(data) < 16 + struct.calcsize(form):
        return False
    found, _, _, _, programs, sections, _, _, size, count, section_size, section_count, _ = struct.unpack_from(
        form, data, 16
    )
    end = max(programs + size * count, sections + section_size * section_count)
    if found != kind or end > len(data) or (count and size != (56 if wide else 32)):
        return False
    for number in range(count):
        at = programs + size * number
        part, start = struct.unpack_from("<I4xQ" if wide else "<II", data, at)
        (length,) = struct.unpack_from("<Q" if wide else "<I", data, at + (32 if wide else 16))
        if part == 1 and start + length > len(data):  # PT_LOAD
            return False
    return True
