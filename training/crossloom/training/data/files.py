"""What lies at a path that should be a file of images."""

from __future__ import annotations

import stat
from pathlib import Path

from crossloom.sim.errors import ConfigError
from crossloom.sim.text import printable

_POINTER = b"version https://git-lfs.github.com/spec/"


def shown(path: Path) -> str:
    """Return a path on one line; of one longer than file systems' names, the start."""
    return printable(path, 400)


def check_file(path: Path, needed: str) -> bytes:
    """Return the first 32 bytes of a file; raise ConfigError, ending in `needed`, unless it is one that can be read.

    Pipes and devices are none: reading them may never end. A pointer of Git LFS stands for data that is not there.
    """
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            found = "a folder" if stat.S_ISDIR(mode) else "neither a file nor a folder"
            raise ConfigError(f"{shown(path)}: {found}; {needed}")
        with path.open("rb") as file:
            head = file.read(len(_POINTER))
    except FileNotFoundError:
        found = "a link to data that is not there" if path.is_symlink() else "no such file"
        raise ConfigError(f"{shown(path)}: {found}; {needed}") from None
    except OSError as error:
        raise ConfigError(f"{shown(path)}: cannot be read ({error.strerror}); {needed}") from None
    if head == _POINTER:
        raise ConfigError(f"{shown(path)}: a pointer of Git LFS without its data; {needed} (git lfs pull fetches it)")
    return head


def reason(error: BaseException) -> str:
    """Return what a library says of a bad file, on one line of at most 160 characters."""
    return printable(" ".join(str(error).split()) or type(error).__name__, 160)
