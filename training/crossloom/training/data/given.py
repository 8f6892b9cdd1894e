"""The test images of an artifact: those of the data set that its recipe names, or images that a user gives alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from crossloom.sim.errors import ConfigError
from crossloom.sim.text import printable

from ..config import DataConfig
from .arrays import read_npy, read_npz
from .events.given import Wanted, reader_of
from .files import shown
from .labelled import ALL, TEST, Images, Ints, check_images
from .loading import load_dataset
from .npz import ARRAYS, npz_levels, npz_parts, with_channels
from .own import read_own
from .registry import NAMED_DATA
from .regroup import exclude, labels_in, test_first


@dataclass(frozen=True, eq=False)
class Given:
    """Images (N, H, W, C) uint8, their labels (N,) among a network's classes where they are known, and `tests`.

    Images that change in time are (N, steps, H, W, C). `tests`: indices of the images that are the test part, were
    these a data set to train on; None where they are test images alone. `named`: whether the test part is one by its
    name, not by a split.
    """

    images: Images
    labels: Ints | None
    tests: Ints | None = None
    named: bool = False


def named_test_images(
    dataset: str, classes: Sequence[str], data_dir: str | None = None, steps: int | None = None
) -> Given:
    """Return the test images called `dataset` of a data set that has a name; classes beyond `classes` are left out.

    Of recordings, counts of so many `steps`. Raises ConfigError where it has none.
    """
    name = dataset.removesuffix(ALL).removesuffix(TEST)
    if name not in NAMED_DATA:
        found = f"test images '{printable(name)}': not at hand"
        raise ConfigError(f"{found}; needed to go on; give them by --data")
    if data_dir is None and NAMED_DATA[name].needs_folder:
        found = f"test images '{printable(name)}': they do not travel with the design"
        raise ConfigError(f"{found}; needed the folder of the data set's files; give it by --data-dir")
    data = load_dataset(DataConfig(name=name, path=data_dir), steps=steps)
    data = exclude(data, [c for c in data.classes if c not in classes])
    which = test_first(data) if dataset.endswith(ALL) else data.test
    return Given(data.images[which], labels_in(classes, data)[which])


def given_images(
    path: Path, classes: Sequence[str], *, features: bool = False, recordings: Wanted | None = None
) -> Given:
    """Return the images of a `.npy`, a `.npz` or a folder by class: a data set to train on, or test images alone.

    A `.npz` may hold only `images` or only `test_images`, with labels or without. Labels without names of classes are
    the names "0", "1", ... where `classes` has some of them, else places in `classes`. Images of classes that
    `classes` lacks are left out, unless it lacks all. With `features`, arrays (N, C) are images of one pixel; with
    `recordings`, those of an event camera are counted as it says. Raises ConfigError (one line).
    """
    reader = reader_of(path) if recordings is not None else None
    if recordings is not None and reader is not None:
        found = reader(path, recordings)
        known = [str(label) for label in range(len(classes))] == list(classes)
        return Given(found.counts, found.labels if known else None, found.tests)
    kind = path.suffix.lower()
    if kind == ".npy" and not path.is_dir():
        images = with_channels(shown(path), _pixels(read_npy(path), features))
        check_images(shown(path), images, 256, timed=True)
        return Given(images, None)
    if kind != ".npz" or path.is_dir():
        parts = read_own(path, least=1)
    else:
        arrays = {
            name: _pixels(array, features and name.endswith("images")) for name, array in read_npz(path, ARRAYS).items()
        }
        if "images" not in arrays:
            arrays = {name.removeprefix("test_"): array for name, array in arrays.items()}
        if "labels" not in arrays and "images" in arrays:
            images = with_channels(f"{shown(path)}: images", arrays["images"])
            check_images(f"{shown(path)}: images", images, npz_levels(shown(path), arrays), timed=True)
            return Given(images, None)
        parts = npz_parts(path, arrays, least=1)
        if "classes" not in arrays and not set(parts.classes) & set(classes) and len(parts.classes) <= len(classes):
            return Given(parts.images, parts.labels, parts.tests(), parts.test is not None)
    place = np.array([classes.index(name) if name in classes else -1 for name in parts.classes])
    labels = place[parts.labels]
    if (labels < 0).all():
        return Given(parts.images, None, parts.tests(), parts.test is not None)
    kept = labels >= 0
    tests = parts.tests()
    tests = (np.cumsum(kept) - 1)[tests[kept[tests]]]
    images = parts.images if kept.all() else parts.images[kept]
    return Given(images, labels[kept], tests, parts.test is not None)


def _pixels(array: npt.NDArray[Any], features: bool) -> npt.NDArray[Any]:
    """Return features (N, C) as (N, 1, 1, C), the form of images, and anything else as it is."""
    return array[:, None, None] if features and array.ndim == 2 else array
