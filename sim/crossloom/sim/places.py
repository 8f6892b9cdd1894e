"""Places where a command writes: asked before the work whose result is to go there, and written in one step."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from .errors import CrossloomError
from .text import printable


def check_file_place(path: str | os.PathLike[str], error: type[CrossloomError]) -> None:
    """Raise `error` where a file could not be written at `path` in one step, in folders that may be new.

    Found out by writing beside it; nothing stays. A file that is there already may be replaced, and nothing else.
    """
    path = Path(path)
    if os.path.lexists(path) and not path.is_file():
        raise error(f"{printable(path, 400)}: is no file; needed the name of one; name another one")
    _try(path.parent, path.name, path, error)


def check_folder_place(path: str | os.PathLike[str], error: type[CrossloomError]) -> None:
    """Raise `error` where files could not be written into the folder `path`, which may be new; nothing stays."""
    path = Path(path)
    _try(path, "crossloom", path, error)


def write_file(path: str | os.PathLike[str], text: str, error: type[CrossloomError]) -> None:
    """Write a file whole or not at all, its folder being there; raise `error` where it cannot be."""
    path = Path(path)
    part = path.with_name(f".{path.name[:100]}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except (OSError, ValueError) as found:
        with suppress(OSError, ValueError):
            part.unlink()
        raise _unwritable(path, found, error) from None


def _try(folder: Path, name: str, shown: Path, error: type[CrossloomError]) -> None:
    made: list[Path] = []
    try:
        with suppress(FileNotFoundError, NotADirectoryError):
            shown.lstat()  # raises for what is too long, or no path at all
        try:
            for part in reversed([part for part in (folder, *folder.parents) if not part.exists()]):
                part.mkdir()
                made.append(part)
            handle, probe = tempfile.mkstemp(prefix=f".{name}.", dir=folder)
            try:
                os.write(handle, b"\n")  # a full disk still makes empty files
            finally:
                os.close(handle)
                Path(probe).unlink()
        finally:
            for part in reversed(made):
                part.rmdir()
    except (OSError, ValueError) as found:
        raise _unwritable(shown, found, error) from None


def _unwritable(path: Path, found: OSError | ValueError, error: type[CrossloomError]) -> CrossloomError:
    reason = (found.strerror if isinstance(found, OSError) else None) or str(found)
    return error(f"{printable(path, 400)}: cannot be written ({reason}); needed a place to write; name another one")
