"""N-MNIST as counts of events: the real recordings, and MNIST before the model of a camera."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np

from crossloom.sim.cache import cached_array, content_key
from crossloom.sim.errors import ConfigError

from ..files import shown
from ..labelled import MAX_BYTES, Dataset, Images, Ints, split
from ..mnist import idx_dataset
from ..named import Bars, NamedData
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
PARTS = ("Train", "Test")
CLASSES = tuple(str(digit) for digit in range(10))
BATCH = 32

VERSION = 1
"""Of what the camera model makes of equal settings; a change of its events is another one."""

MNIST_TRAINING = 60_000

log = logging.getLogger(__name__)


def nmnist(folder: Path, validation: float, steps: int = STEPS, bars: Bars | None = None) -> Dataset:
    """Return the real recordings of N-MNIST as counts (N, steps, 34, 34, 2), training and test parts as published.

    `folder` holds `nmnist_1100.npz`, itself or in `events`, or the folders `Train` and `Test` of the original, with
    `.bin` files by digit. `bars` makes a progress bar. Events that no count holds are counted in a warning. Of one
    step, counts are (N, 34, 34, 2). Raises ConfigError (one line).
    """
    packed = packed_file(folder)
    recordings, labels, tests, origins = _packed(read_packed(packed)) if packed else folder_recordings(folder)
    _check_steps("nmnist", len(labels), steps)
    counts = recorded_counts("nmnist", recordings, len(labels), steps, bars)
    parts = split(counts, labels, validation, test=np.flatnonzero(tests))
    return Dataset("nmnist", CLASSES, LEVELS, _still(counts), labels, *parts, origins=origins)


def packed_file(folder: Path) -> Path | None:
    """Return the packed recordings of N-MNIST in a folder, None where they are not there."""
    return next((path for path in (folder / PACKED, folder / "events" / PACKED) if path.is_file()), None)


def recorded_counts(
    where: str,
    recordings: Iterable[Recording],
    count: int,
    steps: int,
    bars: Bars | None = None,
    size: tuple[int, int] = SENSOR,
    most: int = LEVELS - 1,
) -> Images:
    """Return the counts (count, steps, H, W, 2) of recordings in the steps that N-MNIST is counted in.

    Raises ConfigError for one of another sensor than `size`.
    """
    counts = np.zeros((count, steps, *size, 2), np.uint8)
    saturated = outside = 0
    with bars(f"{where}: recordings", count) if bars else nullcontext(lambda done: None) as tick:
        for number, recording in enumerate(recordings):
            binned = bin_by_time(check_size(recording, size), steps, _bin_us(steps), 0, most)
            counts[number] = binned.counts
            saturated, outside = saturated + binned.saturated, outside + binned.outside
            tick(number + 1)
    _tell(where, int(counts.sum(dtype=np.int64)), most, saturated, outside)
    return counts


def nmnist_model(
    folder: Path,
    validation: float,
    steps: int = STEPS,
    bars: Bars | None = None,
    camera: CameraModel | None = None,
) -> Dataset:
    """Return MNIST before a moving camera as counts (N, steps, 34, 34, 2), in MNIST's order and its parts.

    Recording k is the camera's recording number k of image k, the test images after the training images. `folder`
    holds MNIST's files; `bars` makes a progress bar. The counts are made once and kept in the user's cache, from where
    they are mapped into memory. Of one step, counts are (N, 34, 34, 2). Raises ConfigError (one line).
    """
    camera = camera or CameraModel()
    images = idx_dataset(NMNIST_MODEL.name, CLASSES, "MNIST", folder, validation)
    _check_steps(images.name, len(images.images), steps, camera.side)
    pixels = np.ascontiguousarray(images.images[..., 0])
    settings = f"{VERSION} {camera!r} {steps} {_bin_us(steps)} {LEVELS} {pixels.shape}"

    def build(work: Path) -> Path:
        made = work / "counts.npy"
        shape = len(pixels), steps, camera.side, camera.side, 2
        counts = np.lib.format.open_memmap(made, mode="w+", dtype=np.uint8, shape=shape)
        saturated = outside = total = 0
        with bars(f"{images.name}: recordings", len(pixels)) if bars else nullcontext(lambda done: None) as tick:
            for first in range(0, len(pixels), BATCH):
                some = np.arange(first, min(first + BATCH, len(pixels)))
                part, more, beyond = camera.counts(pixels[some], some, steps, _bin_us(steps), LEVELS - 1)
                counts[some] = part
                total += int(part.sum(dtype=np.int64))
                saturated, outside = saturated + more, outside + beyond
                tick(first + len(some))
        counts.flush()
        _tell(images.name, total, LEVELS - 1, saturated, outside)
        return made

    key = content_key("event counts", settings, pixels.tobytes())
    path = cached_array(key, build, kind="event counts", design=f"{images.name}, {steps} steps")
    counts = np.load(path, mmap_mode="r", allow_pickle=False)
    return replace(images, images=_still(counts), levels=LEVELS, origins=np.arange(len(pixels)))


def _still(counts: Images) -> Images:
    """Counts of one step are images."""
    return counts[:, 0] if counts.shape[1] == 1 else counts


def _check_steps(name: str, count: int, steps: int, side: int = SENSOR[0]) -> None:
    """Raise ConfigError where the steps are none or too many."""
    most = min(MAX_BYTES // max(1, count * side * side * 2), SPAN_US)
    if isinstance(steps, bool) or not isinstance(steps, int) or not 1 <= steps <= most:
        raise ConfigError(f"{name}: {steps!r} steps; needed 1..{most} for {count} recordings; correct it")


def _bin_us(steps: int) -> int:
    """Return the microseconds of a step, so that all cover the span and less than a microsecond each more."""
    return -(-SPAN_US // steps)


def _tell(where: str, counted: int, most: int, saturated: int, outside: int) -> None:
    if saturated or outside:
        every, limit = counted + saturated + outside, f"past a count of {most}"
        log.warning("%s: of %d events %d are %s and %d outside of the steps", where, every, saturated, limit, outside)


def _packed(packed: Packed) -> tuple[Iterator[Recording], Ints, Ints, Ints | None]:
    """Return the recordings of a packed file, their labels, which are test recordings, and MNIST's image of each."""
    for name in ("label", "split"):
        if name not in packed.extras:
            raise ConfigError(f"{packed.source}: no array {name!r}; needed label and split; add it")
    labels, tests = (packed.extras[name].astype(np.int64) for name in ("label", "split"))
    origins = packed.extras["index"].astype(np.int64) - 1 if "index" in packed.extras else None
    return (packed.recording(k) for k in range(len(packed))), labels, tests, origins


def folder_recordings(folder: Path) -> tuple[Iterator[Recording], Ints, Ints, Ints | None]:
    """Return the same of the original folders Train/0 to Train/9 and Test/0 to Test/9, in the order of their names."""
    paths, labels, tests = [], [], []
    for part in PARTS:
        for digit in range(10):
            found = sorted((folder / part / str(digit)).glob("*.bin"))
            if not found:
                missing = f"neither {PACKED} nor {part}/{digit}/*.bin in {shown(folder)}"
                raise ConfigError(f"nmnist: {missing}; needed the recordings; check the path")
            paths += found
            labels += [digit] * len(found)
            tests += [part == "Test"] * len(found)
    # A file's name is the number of its image in MNIST's part, from 1.
    numbers = [int(path.stem) if path.stem.isdecimal() else 0 for path in paths]
    origins = np.array(numbers, np.int64) - 1 + MNIST_TRAINING * np.array(tests, np.int64)
    known = origins if min(numbers) > 0 else None
    return (read_bin(path) for path in paths), np.array(labels, np.int64), np.array(tests, np.int64), known


def _of_events(
    name: str, folders: tuple[str, ...], load: Callable[[Path, float, int, Bars | None], Dataset]
) -> NamedData:
    return NamedData(name, CLASSES, levels=LEVELS, channels=2, folders=folders, load=load, steps=STEPS)


NMNIST = _of_events("nmnist", ("nmnist", "N-MNIST"), nmnist)
NMNIST_MODEL = _of_events("nmnist-model", ("MNIST", "mnist"), nmnist_model)
