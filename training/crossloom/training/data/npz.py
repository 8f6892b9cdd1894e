"""The user's own images in a `.npz` file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from crossloom.sim.errors import ConfigError

from .arrays import check_channels_last, read_npz
from .files import shown
from .labelled import check_classes, check_images, check_labels, check_superclasses
from .parts import Parts

ARRAYS = ("images", "labels", "classes", "superclasses", "test_images", "test_labels", "levels")


def read_own_npz(path: Path, least: int = 2) -> Parts:
    """Return the images of a `.npz` file, of at least `least` classes.

    Arrays: `images` uint8 (N, H, W), (N, H, W, C) or, changing in time, (N, steps, H, W, C), and `labels` (N,)
    integers; optional `classes` (names in label order), `superclasses` (the name of each class's super-class, in the
    same order), `levels` (one integer, 256 unless given), `test_images` with `test_labels`. Nothing is unpickled.
    Raises ConfigError (one line).
    """
    return npz_parts(path, read_npz(path, ARRAYS), least)


def npz_parts(path: Path, arrays: Mapping[str, npt.NDArray[Any]], least: int = 2) -> Parts:
    """Return what such arrays hold; raises as `read_own_npz`."""
    where = shown(path)
    for name in ("images", "labels"):
        if name not in arrays:
            raise ConfigError(f"{where}: no array {name!r}; needed images and labels; add it")
    if ("test_images" in arrays) != ("test_labels" in arrays):
        raise ConfigError(
            f"{where}: test_images and test_labels; found one of them; needed both or none; add the other"
        )
    levels = npz_levels(where, arrays)
    images = with_channels(f"{where}: images", arrays["images"])
    check_images(f"{where}: images", images, levels, timed=True)
    labels = arrays["labels"]
    parts = [(images, labels, "")]
    if "test_images" in arrays:
        tests = with_channels(f"{where}: test_images", arrays["test_images"])
        check_images(f"{where}: test_images", tests, levels, timed=True)
        if tests.shape[1:] != images.shape[1:]:
            found = f"test_images are {list(tests.shape[1:])}, images {list(images.shape[1:])}"
            raise ConfigError(f"{where}: {found}; needed equal (H, W, C); resize them")
        parts.append((tests, arrays["test_labels"], "test_"))
    classes = _classes(where, arrays, least)
    superclasses = _names(where, arrays, "superclasses")
    if superclasses is not None:
        check_superclasses(where, superclasses, len(classes))
    for these, targets, prefix in parts:
        check_labels(f"{where}: {prefix}labels", targets, len(these), len(classes))
    every = np.concatenate([p[0] for p in parts])
    targets = np.concatenate([p[1].astype(np.int64) for p in parts])
    test = np.arange(len(images), len(every), dtype=np.int64) if len(parts) > 1 else None
    return Parts(path, classes, superclasses, levels, every, targets, test=test)


def npz_levels(where: str, arrays: Mapping[str, npt.NDArray[Any]]) -> int:
    """Return the array `levels`, or 256; raise ConfigError where it is no integer."""
    value = arrays.get("levels")
    if value is None:
        return 256
    if value.dtype.kind not in "iu" or value.size != 1:
        raise ConfigError(
            f"{where}: levels is {value.dtype} of shape {list(value.shape)}; needed one integer in 2..256; correct it"
        )
    return int(value.reshape(-1)[0])


def _classes(where: str, arrays: Mapping[str, npt.NDArray[Any]], least: int) -> tuple[str, ...]:
    """Return the class names given, or "0", "1", ... up to the largest label."""
    classes = _names(where, arrays, "classes")
    if classes is None:
        labels = [arrays[key].reshape(-1) for key in ("labels", "test_labels") if key in arrays]
        whole = [array for array in labels if array.dtype.kind in "iu" and array.size]
        largest = max((int(array.max()) for array in whole), default=1)
        classes = tuple(str(label) for label in range(max(largest, 0) + 1 if largest < 65536 else 65537))
    check_classes(where, classes, least)
    return classes


def _names(where: str, arrays: Mapping[str, npt.NDArray[Any]], key: str) -> tuple[str, ...] | None:
    """Return an array of names, or None where there is none."""
    names = arrays.get(key)
    if names is None:
        return None
    if names.dtype.kind != "U" or names.ndim != 1:
        raise ConfigError(
            f"{where}: {key} are {names.dtype} of shape {list(names.shape)}; needed a list of names; store text"
        )
    return tuple(str(name) for name in names)


def with_channels(where: str, images: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return (N, H, W) as (N, H, W, 1), anything else as it is; raise ConfigError for channels that come first."""
    images = images[..., None] if images.ndim == 3 else images
    check_channels_last(where, images)
    return images
