"""Writes generated files into a folder, over what an earlier run wrote there, and never over anything else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from .errors import CrossloomError

MARKER = ".crossloom.json"  # who wrote the folder, and the SHA-256 of every file


def write_folder(out: Path, files: Mapping[str, bytes], command: str, error: type[CrossloomError]) -> list[Path]:
    """Write files (path inside -> content) into a new or empty folder, or one that `command` wrote before.

    What an earlier run wrote is replaced, or removed where it is not among `files`; anything else stays. Returns the
    paths, the list's too, sorted. Raises `error`, before anything is written, for a folder that `command` did not
    write, where a file was changed since or is somebody else's, and where a link or a listed path leads out of the
    folder; also where the folder cannot be written.
    """
    out = Path(out)
    try:
        listed = _listed(out, command, error)
        for name in [*files, *listed]:
            _check(out, name, listed.get(name), error)
        if (out / MARKER).is_symlink():
            raise error(f"{out / MARKER}: a link; a plain file is needed; remove it or name another folder")
        out.mkdir(parents=True, exist_ok=True)
        for name in listed.keys() - files.keys():
            (out / name).unlink(missing_ok=True)
        for name, data in files.items():
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            (out / name).write_bytes(data)
        entries = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
        text = json.dumps({"written by": command, "files": entries}, indent=1)
        (out / MARKER).write_text(text + "\n", encoding="utf-8")
    except OSError as found:
        raise error(f"{out}: cannot be written ({found.strerror}); name another folder") from None
    return [out / name for name in sorted([*files, MARKER])]


def _listed(out: Path, command: str, error: type[CrossloomError]) -> dict[str, str]:
    """What an earlier run wrote here, path -> SHA-256; nothing where the folder is missing or empty."""
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
            return {str(name): str(value) for name, value in found["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass
    raise error(
        f"{out}: has {here[0]!r} and no list {MARKER} by '{command}'; a new or empty folder, or one that it wrote, is "
        "needed; name another folder"
    )


def _check(out: Path, name: str, sha256: str | None, error: type[CrossloomError]) -> None:
    """Raise `error` where writing or removing a file would change one that is not ours, or leave the folder."""
    path = out / name
    if Path(name).is_absolute() or ".." in Path(name).parts or "\0" in name:
        raise error(f"{out / MARKER}: lists {name[:80]!r}; paths inside are needed; name another folder")
    # Anything of ours is a plain file in plain folders.
    for part in [path, *path.parents][: len(Path(name).parts)]:
        if part.is_symlink():
            raise error(f"{part}: a link; a plain file or folder is needed; remove it or name another folder")
        if part != path and part.exists() and not part.is_dir():
            raise error(f"{part}: not a folder; one is needed here; move it away, or name another folder")
    if path.exists() and (not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != sha256):
        raise error(f"{path}: was changed or made by somebody else; move it away, or name another folder")
