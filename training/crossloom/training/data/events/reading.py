"""A recording from a file, whose format its suffix says."""

from __future__ import annotations

from pathlib import Path

from crossloom.sim.errors import ConfigError

from ..files import shown
from .atis import read_bin
from .recording import Recording, check_size
from .vendor import read_aedat4, read_prophesee

READERS = {".bin": read_bin, ".aedat4": read_aedat4, ".raw": read_prophesee}


def read_recording(path: Path, size: tuple[int, int] | None = None) -> Recording:
    """Return the recording of a `.bin` (N-MNIST), `.aedat4` or `.raw` (Prophesee) file.

    With `size` (height, width), one of another sensor is refused. Raises ConfigError (one line), MissingExtraError
    where a library is not installed.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        found = f"a {path.suffix or 'file without suffix'}"
        raise ConfigError(f"{shown(path)}: {found}; needed {', '.join(READERS)}; convert the recording")
    return check_size(reader(path), size)
