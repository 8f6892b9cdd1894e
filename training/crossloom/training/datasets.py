"""The data sets that a recipe may name: scikit-learn's digits, MNIST's file format, or the user's own images."""

from __future__ import annotations

import gzip
import logging
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from crossloom.sim.errors import ConfigError, MissingExtraError

from .config import DataConfig
from .labelled import MAX_BYTES, check_labels
from .labelled import Dataset as Dataset
from .labelled import Images as Images
from .labelled import Ints as Ints
from .labelled import split as split
from .rules import shown, suggestion
from .userdata import user_dataset

log = logging.getLogger(__name__)


def load_dataset(data: DataConfig, least: int = 2) -> Dataset:
    """Return the data set of a recipe's [data], of at least `least` classes where it is the user's own.

    Raises ConfigError (one line) where it cannot be used as it is.
    """
    return exclude(_source(data, least), data.exclude)


def _source(data: DataConfig, least: int) -> Dataset:
    if data.name == "digits":
        return digits(data.validation)
    if data.path is None:
        found = f"missing for the data set {data.name!r}"
        raise ConfigError(f"[data] key 'path': {found}; needed the folder with its files; write path or use --data-dir")
    path = Path(data.path).expanduser()
    if data.name is not None:
        return idx_dataset(data.name, path, data.validation)
    return user_dataset(path, data.validation, least)


def exclude(dataset: Dataset, names: Sequence[str]) -> Dataset:
    """Return the data set without the classes `names`; what remains keeps its order, its name and its part.

    Where fewer than 2 super-classes remain, or as many as classes, the result has none and a warning says so. Raises
    ConfigError for a name that is no class, one named twice, and where fewer than 2 classes remain.
    """
    if not names:
        return dataset
    where = f"{dataset.name}: class to exclude"
    for i, name in enumerate(names):
        if name not in dataset.classes:
            found = f"{shown(name)} is none of its {len(dataset.classes)} classes"
            advice = suggestion(name, list(dataset.classes), "correct the name")
            raise ConfigError(f"{where}: {found}; needed one of them; {advice}")
        if name in names[:i]:
            raise ConfigError(f"{where}: {shown(name)} is there twice; needed distinct classes; write it once")
    kept = [label for label, name in enumerate(dataset.classes) if name not in names]
    if len(kept) < 2:
        raise ConfigError(f"{where}: {len(kept)} class(es) would remain; needed at least 2; exclude fewer")
    label_of = np.full(len(dataset.classes), -1)
    label_of[kept] = np.arange(len(kept))
    stays = np.isin(dataset.labels, kept)
    index_of = np.cumsum(stays) - 1
    train, validation, test = (index_of[p[stays[p]]] for p in (dataset.train, dataset.validation, dataset.test))
    superclasses = None
    if dataset.superclasses is not None:
        superclasses = tuple(dataset.superclasses[label] for label in kept)
        if not 2 <= len(set(superclasses)) < len(kept):
            found = f"{len(set(superclasses))} super-class(es) of {len(kept)} classes remain"
            log.warning("%s: %s, which is no hierarchy; it goes on without super-classes", dataset.name, found)
            superclasses = None
    return replace(
        dataset,
        classes=tuple(dataset.classes[label] for label in kept),
        images=dataset.images[stays],
        labels=label_of[dataset.labels[stays]],
        train=train,
        validation=validation,
        test=test,
        superclasses=superclasses,
    )


def with_class(dataset: Dataset, other: Dataset, name: str) -> Dataset:
    """Return the data set with the class `name` of another one as its last; images keep their parts.

    Images that the data set has of that class itself are left out. Raises ConfigError where the other has no such
    class, or its images have another shape or values beyond the data set's levels.
    """
    where = f"{other.name}: class {shown(name)}"
    if name not in other.classes:
        raise ConfigError(f"{where}: no images; needed some; {suggestion(name, list(other.classes), 'add them')}")
    if other.shape != dataset.shape:
        found = f"images of {list(other.shape)}"
        raise ConfigError(f"{where}: {found}; needed {list(dataset.shape)} as in {dataset.name}; resize them")
    own = exclude(dataset, [name]) if name in dataset.classes else dataset
    label = other.classes.index(name)
    images = other.images[other.labels == label]
    if int(images.max()) >= own.levels:
        found = f"value {int(images.max())}"
        raise ConfigError(f"{where}: {found}; needed below {own.levels}, the levels of {own.name}; scale the images")
    index_of = np.cumsum(other.labels == label) - 1 + len(own.images)
    added = [index_of[p[other.labels[p] == label]] for p in (other.train, other.validation, other.test)]
    parts = zip((own.train, own.validation, own.test), added, strict=True)
    train, validation, test = (np.concatenate(pair) for pair in parts)
    return Dataset(
        own.name,
        (*own.classes, name),
        own.levels,
        np.concatenate([own.images, images]),
        np.concatenate([own.labels, np.full(len(images), len(own.classes), np.int64)]),
        train,
        validation,
        test,
    )


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
