"""Writes generated files into a folder, over what an earlier run wrote there, and never over anything else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from .errors import CrossloomError
from .places import check_folder_place

MARKER = ".crossloom.json"  # who wrote the folder, and the SHA-256 of every file
_PART = ".crossloom-part"  # the end of a file's name until it is whole


def write_folder(out: Path, files: Mapping[str, bytes], command: str, error: type[CrossloomError]) -> list[Path]:
    """Write files (path inside -> content) into a new or empty folder, or one that `command` wrote before.

    What an earlier run wrote is replaced, or removed where it is not among `files`; anything else stays. Returns the
    paths, the list's too, sorted. Raises `error`, before anything is written, for a folder that `command` did not
    write, where a file was changed since or is somebody else's, and where a link or a listed path leads out of the
    folder; also where the folder cannot be written: a run that stopped half-way can be repeated.
    """
    out = Path(out)
    try:
        listed = _listed(out, command, error)
        for name in [*files, *listed]:
            _check(out, name, listed.get(name, []), error)
        if (out / MARKER).is_symlink():
            raise error(f"{out / MARKER}: a link; a plain file is needed; remove it or name another folder")
        entries = {name: [hashlib.sha256(data).hexdigest()] for name, data in files.items()}
        # Until all are written a file may be the new one or the old one.
        both = {name: [*entries.get(name, []), *listed.get(name, [])] for name in [*entries, *listed]}
        out.mkdir(parents=True, exist_ok=True)
        _write_list(out, command, both)
        for name in listed.keys() - files.keys():
            (out / name).unlink(missing_ok=True)
        for name, data in files.items():
            _write(out / name, data)
        _write_list(out, command, entries)
    except OSError as found:
        raise error(f"{out}: cannot be written ({found.strerror}); name another folder") from None
    return [out / name for name in sorted([*files, MARKER])]


def check_output(out: Path, command: str, error: type[CrossloomError]) -> None:
    """Raise `error`, before the work whose files are to go there, for a folder that `write_folder` would refuse."""
    out = Path(out)
    try:
        _listed(out, command, error)
    except (OSError, ValueError) as found:
        reason = (found.strerror if isinstance(found, OSError) else None) or str(found)
        raise error(f"{out}: cannot be read ({reason}); name another folder") from None
    check_folder_place(out, error)


def _write_list(out: Path, command: str, entries: Mapping[str, list[str]]) -> None:
    hashes = {name: ", ".join(dict.fromkeys(found)) for name, found in entries.items()}
    text = json.dumps({"written by": command, "files": hashes}, indent=1)
    _write(out / MARKER, f"{text}\n".encode())


def _write(path: Path, data: bytes) -> None:
    """Write a file whole or not at all."""
    part = path.with_name(path.name + _PART)
    path.parent.mkdir(parents=True, exist_ok=True)
    part.unlink(missing_ok=True)  # of a run that was killed
    try:
        part.write_bytes(data)
        part.replace(path)
    except OSError:
        with suppress(OSError):
            part.unlink()
        raise


def _listed(out: Path, command: str, error: type[CrossloomError]) -> dict[str, list[str]]:
    """What an earlier run wrote here, path -> SHA-256, two in a run that stopped; nothing in a new or empty folder."""
    if not out.exists() and not out.is_symlink():
        return {}
    if not out.is_dir():
        raise error(f"{out}: not a folder; a new or empty one is needed; name another")
    here = sorted(path.name for path in out.iterdir())
    if not here:
        return {}
    try:
        found = json.loads((out / MARKER).read_text(encoding="utf-8"))
        if found["written by"] == command:
            return {str(name): str(value).split(", ") for name, value in found["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        pass
    what = f"has {here[0]!r} and no list {MARKER}" if MARKER not in here else f"has a list {MARKER}, but not one"
    raise error(
        f"{out}: {what} by '{command}'; a new or empty folder, or one that it wrote, is needed; name another folder"
    )


def _check(out: Path, name: str, hashes: list[str], error: type[CrossloomError]) -> None:
    """Raise `error` where writing or removing a file would change one that is not ours, or leave the folder."""
    path = out / name
    if Path(name).is_absolute() or ".." in Path(name).parts or not (name.isascii() and name.isprintable()):
        raise error(f"{out / MARKER}: lists {ascii(name)[:80]}; plain paths inside are needed; name another folder")
    # Anything of ours is a plain file in plain folders.
    for part in [path, *path.parents][: len(Path(name).parts)]:
        if part.is_symlink():
            raise error(f"{part}: a link; a plain file or folder is needed; remove it or name another folder")
        if part != path and part.exists() and not part.is_dir():
            raise error(f"{part}: not a folder; one is needed here; move it away, or name another folder")
    if path.exists() and (not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() not in hashes):
        raise error(f"{path}: was changed or made by somebody else; move it away, or name another folder")
