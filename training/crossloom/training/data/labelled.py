"""A data set: labelled images in memory in three parts, and the checks that every source of images shares."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from crossloom.sim.errors import ConfigError

MAX_BYTES = 4 << 30
MAX_SIDE = 4096
MAX_CLASSES = 65536
TEST_SHARE = 0.2
"""Share of a user's images kept for the test where they bring no test images."""

TEST, ALL = " test", " all"
"""What follows the name of a data set in the name of its test images, and of all of its images."""

HASHED = 64 << 20

Images = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images (N, H, W, C) uint8 below `levels` (2..256), labels (N,) int64, and the indices of the three parts.

    Images that change in time are (N, steps, H, W, C). `origins` (N,): which image of a set behind both each one shows,
    so that a set of other recordings of it can be told apart. `tests` are the names and sizes of the pieces that the
    test part has, in their order, and `test_set` its name, where it is another data set's. `classes` are the class
    names in label order, and `superclasses` the name of each class's super-class, where the images come with a
    hierarchy; a single class serves to be added to others. Every class has images in each part; the parts share no
    image index. The arrays are read-only. Raises ConfigError where any of this does not hold.
    """

    name: str
    classes: tuple[str, ...]
    levels: int
    images: Images
    labels: Ints
    train: Ints
    validation: Ints
    test: Ints
    superclasses: tuple[str, ...] | None = None
    origins: Ints | None = None
    test_set: str = ""
    tests: tuple[tuple[str, int], ...] = ()

    def __post_init__(self) -> None:
        where = self.name
        check_classes(where, self.classes, least=1)
        if self.superclasses is not None:
            check_superclasses(where, self.superclasses, len(self.classes))
        check_images(where, self.images, self.levels, timed=True)
        check_labels(where, self.labels, len(self.images), len(self.classes))
        if self.origins is not None and self.origins.shape != self.labels.shape:
            raise ConfigError(f"{where}: {len(self.origins)} origins of {len(self.labels)} images; needed one of each")
        parts = (self.train, self.validation, self.test)
        every = np.concatenate(parts)
        if len(np.unique(every)) != len(every) or ((every < 0) | (every >= len(self.images))).any():
            raise ConfigError(f"{where}: the parts overlap or leave the images; needed distinct indices of images")
        for part, indices in zip(("training", "validation", "test"), parts, strict=True):
            counts = np.bincount(self.labels[indices], minlength=len(self.classes))
            if not counts.all():
                found = f"class {self.classes[int(counts.argmin())]!r} has no {part} image"
                raise ConfigError(f"{where}: {found}; needed at least one; add images")
        for name in ("images", "labels", "train", "validation", "test"):
            view = getattr(self, name).view()
            view.setflags(write=False)
            object.__setattr__(self, name, view)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width, channels."""
        h, w, c = self.images.shape[-3:]
        return h, w, c

    @property
    def test_name(self) -> str:
        """The name of the test part."""
        return self.test_set or self.name + TEST

    @property
    def steps(self) -> int:
        """Steps of time, 1 for images that stand still."""
        return self.images.shape[1] if self.images.ndim == 5 else 1

    @cached_property
    def sha256(self) -> str:
        """Hash of images, labels, class and super-class names, and parts: two data sets with it train the same."""
        digest = hashlib.sha256(repr((self.classes, self.levels, self.images.shape)).encode())
        for array in (self.images, self.labels, self.train, self.validation, self.test):
            for part in np.array_split(array, max(1, array.nbytes // HASHED)):  # no second time in memory
                digest.update(np.ascontiguousarray(part).tobytes())
        if self.superclasses is not None:
            digest.update(repr(self.superclasses).encode())
        return digest.hexdigest()


def split(
    images: Images,
    labels: Ints,
    validation: float,
    test_per_class: int | None = None,
    test: Ints | None = None,
    given: Ints | None = None,
) -> tuple[Ints, Ints, Ints]:
    """Return the indices (train, validation, test), each sorted, the same on every machine and library version.

    In each class the images are ordered by the SHA-256 of their bytes (equal images stay together, ties by index);
    the first go to the test, the next to the validation. The test takes `test_per_class` images, or TEST_SHARE of the
    class; the validation its share of the rest; each at least one. `test` and `given` are the indices of the test and
    the validation part instead, where they are known.
    """
    keys = [hashlib.sha256(image.tobytes()).digest() for image in images]
    trains: list[int] = []
    validations: list[int] = [] if given is None else given.tolist()
    tests: list[int] = [] if test is None else test.tolist()
    placed = {*validations, *tests}
    for label in np.unique(labels):
        members = [int(i) for i in np.flatnonzero(labels == label) if int(i) not in placed]
        members.sort(key=lambda i: (keys[i], i))
        count = 0
        if test is None:
            count = max(1, round(TEST_SHARE * len(members))) if test_per_class is None else test_per_class
        tests += members[:count]
        rest = members[count:]
        count = max(1, round(validation * len(rest))) if given is None else 0
        validations += rest[:count]
        trains += rest[count:]
    train, valid, tested = (np.array(sorted(part), dtype=np.int64) for part in (trains, validations, tests))
    return train, valid, tested


def check_classes(where: str, classes: Sequence[str], least: int = 2) -> None:
    """Raise ConfigError unless there are `least` to 65536 distinct names of 1 to 80 printable characters."""
    if not least <= len(classes) <= MAX_CLASSES:
        found = f"{len(classes)} class(es)"
        raise ConfigError(f"{where}: {found}; needed {least} to {MAX_CLASSES}; add images of another class")
    _check_names(where, "class", classes)


def check_superclasses(where: str, superclasses: Sequence[str], classes: int) -> None:
    """Raise ConfigError unless each of `classes` classes has its super-class's name, of 2 to `classes` - 1 names.

    A name has 1 to 80 printable characters.
    """
    if len(superclasses) != classes:
        raise ConfigError(
            f"{where}: {len(superclasses)} super-class names for {classes} classes; needed one a class; correct them"
        )
    distinct = list(dict.fromkeys(superclasses))
    _check_names(where, "super-class", distinct)
    if not 2 <= len(distinct) < classes:
        found = f"{len(distinct)} super-class(es) of {classes} classes"
        raise ConfigError(f"{where}: {found}; needed at least 2 and fewer than classes; regroup the classes")


def _check_names(where: str, kind: str, names: Sequence[str]) -> None:
    """Raise ConfigError unless the names are printable and differ by more than case and spaces."""
    seen: dict[str, str] = {}
    for name in names:
        if not isinstance(name, str) or not name.strip() or len(name) > 80 or not name.isprintable():
            found = f"{kind} name {str(name)[:80]!r}"
            raise ConfigError(f"{where}: {found}; needed 1 to 80 printable characters; rename it")
        key = " ".join(name.casefold().split())
        if key in seen:
            raise ConfigError(
                f"{where}: {kind} names {seen[key]!r} and {name!r} are the same; needed distinct names; rename one"
            )
        seen[key] = name


def check_images(where: str, images: npt.NDArray[Any], levels: int, timed: bool = False) -> None:
    """Raise ConfigError unless `images` is uint8 (N, H, W, C) with every value below `levels`, itself 2..256.

    `timed`: (N, steps, H, W, C) is taken as well.
    """
    if images.dtype != np.uint8:
        advice = "store them as uint8, for example (255 * x).round().astype('uint8')"
        found = f"images are {images.dtype}"
        if images.dtype.kind == "f" and images.size and not np.isfinite(images).all():
            found += " with NaN or infinity"
        raise ConfigError(f"{where}: {found}; needed uint8; {advice}")
    if images.ndim not in ((4, 5) if timed else (4,)) or 0 in images.shape or max(images.shape[1:]) > MAX_SIDE:
        raise ConfigError(
            f"{where}: images of shape {list(images.shape)}; needed (N, H, W, C), sides 1..{MAX_SIDE}; reshape them"
        )
    if isinstance(levels, bool) or not isinstance(levels, int) or not 2 <= levels <= 256:
        raise ConfigError(f"{where}: levels {levels!r}; needed an integer in 2..256; leave it out for 256")
    if int(images.max()) >= levels:
        raise ConfigError(
            f"{where}: image value {int(images.max())} with {levels} levels; needed 0..{levels - 1}; correct levels"
        )


def check_labels(where: str, labels: npt.NDArray[Any], count: int, classes: int) -> None:
    """Raise ConfigError unless `labels` are `count` integers 0..classes-1."""
    if labels.dtype.kind not in "iu":
        raise ConfigError(f"{where}: labels are {labels.dtype}; needed integers 0..{classes - 1}; convert them")
    if labels.shape != (count,):
        raise ConfigError(
            f"{where}: labels of shape {list(labels.shape)} for {count} images; needed ({count},); correct them"
        )
    bad = np.flatnonzero((labels < 0) | (labels >= classes))
    if len(bad):
        i = int(bad[0])
        raise ConfigError(
            f"{where}: label {int(labels[i])} at index {i}; needed 0..{classes - 1}; correct it or name its class"
        )
