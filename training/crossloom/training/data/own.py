"""The user's own images: a folder with a subfolder per class, or a `.npz` file."""

from __future__ import annotations

from pathlib import Path

from crossloom.sim.errors import ConfigError

from .files import reason, shown
from .folders import read_own_folder
from .labelled import Dataset
from .npz import read_own_npz
from .parts import Parts


def user_dataset(path: Path, validation: float = 0.1, least: int = 2) -> Dataset:
    """Return the data set in `path`: a folder of images by class, or a `.npz` file, of at least `least` classes.

    Raises ConfigError in one line.
    """
    return read_own(path, least).dataset(validation)


def read_own(path: Path, least: int = 2) -> Parts:
    """Return what lies in `path`, of at least `least` classes, before it is split; raises as `user_dataset`."""
    needed = "needed a folder with a subfolder of images per class, or a .npz file; check the path"
    try:
        if path.is_dir():
            return read_own_folder(path, least)
        if path.suffix.lower() == ".npz" and (path.exists() or path.is_symlink()):
            return read_own_npz(path, least)
        found = "a file of another kind" if path.exists() else "nothing there"
    except OSError as error:  # a folder that may not be read, a name too long
        at = shown(Path(error.filename or path))
        raise ConfigError(f"{at}: cannot be read ({reason(error)}); {needed}") from None
    raise ConfigError(f"{shown(path)}: {found}; {needed}")
