"""Labelled images in memory: the digits that scikit-learn ships, MNIST's file format, and the user's own."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from crossloom.sim.errors import ConfigError, MissingExtraError

from .config import DataConfig

MAX_BYTES = 4 << 30
MAX_SIDE = 4096
MAX_CLASSES = 65536
TEST_SHARE = 0.2
"""Share of a user's images kept for the test where they bring no test images."""

Images = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images (N, H, W, C) uint8 below `levels` (2..256), labels (N,) int64, and the indices of the three parts.

    `classes` are the class names in label order. Every class has images in each part; the parts share no image
    index. The arrays are read-only. Raises ConfigError where any of this does not hold.
    """

    name: str
    classes: tuple[str, ...]
    levels: int
    images: Images
    labels: Ints
    train: Ints
    validation: Ints
    test: Ints

    def __post_init__(self) -> None:
        where = self.name
        check_classes(where, self.classes)
        check_images(where, self.images, self.levels)
        check_labels(where, self.labels, len(self.images), len(self.classes))
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
        _, h, w, c = self.images.shape
        return h, w, c

    @cached_property
    def sha256(self) -> str:
        """Hash of images, labels, class names and parts: two data sets with it train the same."""
        digest = hashlib.sha256(repr((self.classes, self.levels, self.images.shape)).encode())
        for array in (self.images, self.labels, self.train, self.validation, self.test):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()


def load_dataset(data: DataConfig) -> Dataset:
    """Return the data set of a recipe's [data]; raise ConfigError (one line) where it cannot be used as it is."""
    if data.name == "digits":
        return digits(data.validation)
    if data.path is None:
        found = f"missing for the data set {data.name!r}"
        raise ConfigError(f"[data] key 'path': {found}; needed the folder with its files; write path or use --data-dir")
    path = Path(data.path).expanduser()
    if data.name is not None:
        return idx_dataset(data.name, path, data.validation)
    from .userdata import user_dataset

    return user_dataset(path, data.validation)


def digits(validation: float = 0.1) -> Dataset:
    """Return scikit-learn's 1,797 handwritten digits, 8x8, levels 0..16; the test part is 36 images of each class.

    Source: E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten Digits (UCI), its test part.
    Raises MissingExtraError without scikit-learn.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise MissingExtraError(
            "digits: scikit-learn is not installed; needed for its images; pip install 'crossloom[training]'"
        ) from None
    bunch: Any = load_digits()
    images = np.ascontiguousarray(bunch.images.astype(np.uint8)[..., None])
    labels = bunch.target.astype(np.int64)
    parts = split(images, labels, validation, test_per_class=36)
    return Dataset("digits", tuple(str(d) for d in range(10)), 17, images, labels, *parts)


def split(
    images: Images, labels: Ints, validation: float, test_per_class: int | None = None, test: Ints | None = None
) -> tuple[Ints, Ints, Ints]:
    """Return the indices (train, validation, test), each sorted, the same on every machine and library version.

    In each class the images are ordered by the SHA-256 of their bytes (equal images stay together, ties by index);
    the first go to the test, the next to the validation. `test` gives the test part instead. The test takes
    `test_per_class` images, or TEST_SHARE of the class; the validation its share of the rest; each at least one.
    """
    keys = [hashlib.sha256(image.tobytes()).digest() for image in images]
    given = set() if test is None else set(test.tolist())
    trains: list[int] = []
    validations: list[int] = []
    tests: list[int] = sorted(given)
    for label in np.unique(labels):
        members = [int(i) for i in np.flatnonzero(labels == label) if int(i) not in given]
        members.sort(key=lambda i: (keys[i], i))
        count = 0
        if test is None:
            count = max(1, round(TEST_SHARE * len(members))) if test_per_class is None else test_per_class
        tests += members[:count]
        rest = members[count:]
        count = max(1, round(validation * len(rest)))
        validations += rest[:count]
        trains += rest[count:]
    train, valid, tested = (np.array(sorted(part), dtype=np.int64) for part in (trains, validations, tests))
    return train, valid, tested


def check_classes(where: str, classes: Sequence[str]) -> None:
    """Raise ConfigError unless there are 2 to 65536 distinct names of 1 to 80 printable characters."""
    if not 2 <= len(classes) <= MAX_CLASSES:
        raise ConfigError(f"{where}: {len(classes)} class(es); needed 2 to {MAX_CLASSES}; add images of another class")
    seen: dict[str, str] = {}
    for name in classes:
        if not isinstance(name, str) or not name.strip() or len(name) > 80 or not name.isprintable():
            raise ConfigError(f"{where}: class name {str(name)[:80]!r}; needed 1 to 80 printable characters; rename it")
        key = " ".join(name.casefold().split())
        if key in seen:
            raise ConfigError(
                f"{where}: class names {seen[key]!r} and {name!r} are the same; needed distinct names; rename one"
            )
        seen[key] = name


def check_images(where: str, images: npt.NDArray[Any], levels: int) -> None:
    """Raise ConfigError unless `images` is uint8 (N, H, W, C) with every value below `levels`, itself 2..256."""
    if images.dtype != np.uint8:
        advice = "store them as uint8, for example (255 * x).round().astype('uint8')"
        found = f"images are {images.dtype}"
        if images.dtype.kind == "f" and images.size and not np.isfinite(images).all():
            found += " with NaN or infinity"
        raise ConfigError(f"{where}: {found}; needed uint8; {advice}")
    if images.ndim != 4 or 0 in images.shape or max(images.shape[1:]) > MAX_SIDE:
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


_FOLDERS = {"mnist": "MNIST", "fashion-mnist": "FashionMNIST"}
_FASHION = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")


def idx_dataset(name: str, folder: Path, validation: float = 0.1) -> Dataset:
    """Return "mnist" or "fashion-mnist" from its four `*-ubyte` or `*-ubyte.gz` files.

    They may lie in `folder` itself, or as torchvision lays them out, in `folder/MNIST/raw` or
    `folder/FashionMNIST/raw`. Raises ConfigError naming the file that is missing or damaged.
    """
    places = [folder, folder / "raw", folder / _FOLDERS[name] / "raw", folder / _FOLDERS[name]]
    images, labels = [], []
    for part in ("train", "t10k"):
        images.append(_read_idx(_find(name, places, f"{part}-images-idx3-ubyte"), 3))
        labels.append(_read_idx(_find(name, places, f"{part}-labels-idx1-ubyte"), 1))
        if len(images[-1]) != len(labels[-1]) or images[-1].shape[1:] != images[0].shape[1:]:
            found = f"{len(images[-1])} images and {len(labels[-1])} labels"
            raise ConfigError(f"{name}: the {part} files hold {found}; needed the original files; get them again")
    every = np.concatenate(images)[..., None]
    targets = np.concatenate(labels).astype(np.int64)
    test = np.arange(len(images[0]), len(every), dtype=np.int64)
    classes = _FASHION if name == "fashion-mnist" else tuple(str(d) for d in range(10))
    check_labels(name, targets, len(every), len(classes))
    return Dataset(name, classes, 256, every, targets, *split(every, targets, validation, test=test))


def _find(name: str, places: Sequence[Path], stem: str) -> Path:
    for place in places:
        for path in (place / f"{stem}.gz", place / stem):
            if path.is_file():
                return path
    raise ConfigError(f"{name}: no {stem}.gz in {places[0]}; needed the four files of the data set; check the path")


def _read_idx(path: Path, dims: int) -> Images:
    """Return the unsigned bytes of an IDX file: 00 00 08 dims, each size as big-endian uint32, then the data."""
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            head = file.read(4 + 4 * dims)
            shape = tuple(int.from_bytes(head[i : i + 4], "big") for i in range(4, 4 + 4 * dims, 4))
            size = int(np.prod(shape, dtype=np.float64)) if len(head) == 4 + 4 * dims else -1
            if head[:4] != bytes([0, 0, 8, dims]) or not 0 < size <= MAX_BYTES:
                raise ConfigError(
                    f"{path}: not an IDX file of {dims}-dimensional bytes; needed the original file; get it again"
                )
            data = file.read(size + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise ConfigError(f"{path}: cannot be read ({error}); needed the original file; get it again") from None
    if len(data) != size:
        raise ConfigError(
            f"{path}: {len(data)} bytes of data; its header says {size}; needed the original file; get it again"
        )
    return np.frombuffer(data, np.uint8).reshape(shape)
