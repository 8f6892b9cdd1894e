"""Recordings that a user gives to a network of counts: packed ones, single files, the folders of N-MNIST."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from crossloom.sim.errors import ConfigError

from ..arrays import array_names
from ..files import shown
from ..labelled import Images, Ints
from .packed import read_packed
from .reading import READERS, read_recording
from .recording import Recording
from .sets import PARTS, folder_recordings, packed_file, recorded_counts


@dataclass(frozen=True)
class Wanted:
    """What a network reads: counts below `levels` in so many `steps`, of a sensor of `size` (height, width)."""

    steps: int
    size: tuple[int, int]
    levels: int


@dataclass(frozen=True, eq=False)
class Recorded:
    """Counts (N, steps, H, W, 2), of one step (N, H, W, 2); labels (N,) and test parts where the files say them."""

    counts: Images
    labels: Ints | None = None
    tests: Ints | None = None


def reader_of(path: Path) -> Callable[[Path, Wanted], Recorded] | None:
    """Return what reads the recordings of a file or folder, None where it holds none by its name and arrays."""
    if path.is_dir():
        packed = packed_file(path)
        if packed is not None:
            return lambda _, wanted: _packed(packed, wanted)
        return _folders if all((path / part).is_dir() for part in PARTS) and any(path.glob("*/*/*.bin")) else None
    if path.suffix.lower() in READERS:
        return _single
    return _packed if path.suffix.lower() == ".npz" and "offset" in array_names(path) else None


def _counted(where: str, recordings: Iterable[Recording], count: int, wanted: Wanted) -> Images:
    if not count:
        raise ConfigError(f"{where}: no recordings; needed at least one; correct the path")
    counts = recorded_counts(where, recordings, count, wanted.steps, None, wanted.size, wanted.levels - 1)
    return counts[:, 0] if wanted.steps == 1 else counts


def _single(path: Path, wanted: Wanted) -> Recorded:
    return Recorded(_counted(shown(path), [read_recording(path, wanted.size)], 1, wanted))


def _packed(path: Path, wanted: Wanted) -> Recorded:
    packed = read_packed(path)
    labels, parts = (packed.extras.get(name) for name in ("label", "split"))
    counts = _counted(shown(path), map(packed.recording, range(len(packed))), len(packed), wanted)
    tests = None if parts is None else np.flatnonzero(parts)
    return Recorded(counts, None if labels is None else labels.astype(np.int64), tests)


def _folders(path: Path, wanted: Wanted) -> Recorded:
    recordings, labels, tests, _ = folder_recordings(path)
    return Recorded(_counted(shown(path), recordings, len(labels), wanted), labels, np.flatnonzero(tests))
