"""N-MNIST as counts of events: the real recordings, and MNIST before the model of a camera."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from crossloom.sim.errors import ConfigError

from ..files import shown
from ..labelled import MAX_BYTES, Dataset, Images, Ints, split
from ..mnist import idx_dataset
from ..named import NamedData
from .atis import SENSOR, read_bin
from .binning import bin_by_time
from .camera import CameraModel
from .packed import Packed, read_packed
from .recording import Recording, check_size

STEPS = 6
"""Steps of a recording, two a saccade."""

SPAN_US = 315_000
"""What the steps of a recording cover, from its start: three saccades."""

LEVELS = 16
"""Counts 0..15; in six steps one event of the 4.5 million of the real recordings is past 15."""

PACKED = "nmnist_1100.npz"
CLASSES = tuple(str(digit) for digit in range(10))
BATCH = 32

Tick = Callable[[int], None]

log = logging.getLogger(__name__)


def nmnist(folder: Path, validation: float, steps: int = STEPS, progress: Tick | None = None) -> Dataset:
    """Return the real recordings of N-MNIST as counts (N, steps, 34, 34, 2), training and test parts as published.

    `folder` holds `nmnist_1100.npz`, itself or in `events`, or the folders `Train` and `Test` of the original, with
    `.bin` files by digit. `progress` is told how many recordings were added. Events that no count holds are
    counted in a warning. Raises ConfigError (one line).
    """
    packed = next((path for path in (folder / PACKED, folder / "events" / PACKED) if path.is_file()), None)
    recordings, labels, tests = _packed(read_packed(packed)) if packed else _folders(folder)
    counts = _nothing("nmnist", len(labels), steps)
    saturated = outside = 0
    for own, recording in zip(counts, recordings, strict=True):
        binned = bin_by_time(check_size(recording, SENSOR), steps, _bin_us(steps), 0, LEVELS - 1)
        own[:] = binned.counts
        saturated, outside = saturated + binned.saturated, outside + binned.outside
        if progress:
            progress(1)
    _tell("nmnist", counts, saturated, outside)
    parts = split(counts, labels, validation, test=np.flatnonzero(tests))
    return Dataset("nmnist", CLASSES, LEVELS, counts, labels, *parts)


def nmnist_model(
    folder: Path,
    validation: float,
    steps: int = STEPS,
    camera: CameraModel | None = None,
    progress: Tick | None = None,
) -> Dataset:
    """Return MNIST before a moving camera as counts (N, steps, 34, 34, 2), in MNIST's order and its parts.

    Recording k is the camera's recording number k of image k, the test images after the training images. `folder`
    holds MNIST's files; `progress` is told how many recordings were added. Raises ConfigError (one line).
    """
    camera = camera or CameraModel()
    images = idx_dataset(NMNIST_MODEL.name, CLASSES, "MNIST", folder, validation)
    counts = _nothing(images.name, len(images.images), steps, camera.side)
    saturated = outside = 0
    for first in range(0, len(counts), BATCH):
        some = np.arange(first, min(first + BATCH, len(counts)))
        seen = images.images[some, :, :, 0]
        counts[some], more, beyond = camera.counts(seen, some, steps, _bin_us(steps), LEVELS - 1)
        saturated, outside = saturated + more, outside + beyond
        if progress:
            progress(len(some))
    _tell(images.name, counts, saturated, outside)
    return replace(images, images=counts, levels=LEVELS)


def _nothing(name: str, count: int, steps: int, side: int = SENSOR[0]) -> Images:
    """Return counts of nothing; raise ConfigError where the steps are none or too many."""
    most = min(MAX_BYTES // max(1, count * side * side * 2), SPAN_US)
    if isinstance(steps, bool) or not isinstance(steps, int) or not 1 <= steps <= most:
        raise ConfigError(f"{name}: {steps!r} steps; needed 1..{most} for {count} recordings; correct it")
    return np.zeros((count, steps, side, side, 2), np.uint8)


def _bin_us(steps: int) -> int:
    """Return the microseconds of a step, so that all cover the span and less than a microsecond each more."""
    return -(-SPAN_US // steps)


def _tell(name: str, counts: Images, saturated: int, outside: int) -> None:
    if saturated or outside:
        every = int(counts.sum(dtype=np.int64)) + saturated + outside
        log.warning(
            "%s: of %d events %d are past a count of %d and %d outside of the steps",
            name,
            every,
            saturated,
            LEVELS - 1,
            outside,
        )


def _packed(packed: Packed) -> tuple[Iterator[Recording], Ints, Ints]:
    """Return the recordings of a packed file, their labels, and which are test recordings."""
    for name in ("label", "split"):
        if name not in packed.extras:
            raise ConfigError(f"{packed.source}: no array {name!r}; needed label and split; add it")
    labels, tests = (packed.extras[name].astype(np.int64) for name in ("label", "split"))
    return (packed.recording(k) for k in range(len(packed))), labels, tests


def _folders(folder: Path) -> tuple[Iterator[Recording], Ints, Ints]:
    """Return the same of the original folders Train/0 to Train/9 and Test/0 to Test/9, in the order of their names."""
    paths, labels, tests = [], [], []
    for part in ("Train", "Test"):
        for digit in range(10):
            found = sorted((folder / part / str(digit)).glob("*.bin"))
            if not found:
                missing = f"neither {PACKED} nor {part}/{digit}/*.bin in {shown(folder)}"
                raise ConfigError(f"nmnist: {missing}; needed the recordings; check the path")
            paths += found
            labels += [digit] * len(found)
            tests += [part == "Test"] * len(found)
    return (read_bin(path) for path in paths), np.array(labels, np.int64), np.array(tests, np.int64)


def _of_events(name: str, load: Callable[[Path, float], Dataset]) -> NamedData:
    return NamedData(name, CLASSES, levels=LEVELS, channels=2, needs_folder=True, load=load, steps=STEPS)


NMNIST = _of_events("nmnist", nmnist)
NMNIST_MODEL = _of_events("nmnist-model", nmnist_model)
