"""CIFAR-10 and CIFAR-100, from their files for Python; the latter with its 20 super-classes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from crossloom.sim.errors import ConfigError

from .files import shown
from .labelled import Dataset, Images, Ints, check_labels, split
from .named import NamedData
from .plain_pickles import read_plain_pickle

LEVELS, SIDE, CHANNELS = 256, 32, 3
TEN, HUNDRED = "cifar-10-batches-py", "cifar-100-python"
_TEN = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_HUNDRED_NAMES = (
    "apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can "
    "castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin "
    "elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard "
    "lobster man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear "
    "pickup_truck pine_tree plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark "
    "shrew skunk skyscraper snail snake spider squirrel streetcar sunflower sweet_pepper table tank telephone "
    "television tiger tractor train trout tulip turtle wardrobe whale willow_tree wolf woman worm"
)
_HUNDRED = tuple(_HUNDRED_NAMES.split())
_NEEDED = "needed the original files; get them again"


def cifar10(folder: Path, validation: float) -> Dataset:
    """Return CIFAR-10 from `data_batch_1` to `data_batch_5`, `test_batch` and `batches.meta`, the test part as given.

    They lie in `folder` or in `folder/cifar-10-batches-py`. Raises ConfigError naming the file that is missing,
    damaged or of another data set.
    """
    place = _place("cifar10", folder, TEN, "batches.meta")
    meta = read_plain_pickle(place / "batches.meta")
    _same_names(place / "batches.meta", meta, "label_names", _TEN)
    batches = []
    for name in (*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"):
        images, labels = _batch(place / name, "labels", len(_TEN))[:2]
        if len(images) != meta.get("num_cases_per_batch"):
            found = f"{len(images)} images; batches.meta says {meta.get('num_cases_per_batch')!s:.20}"
            raise ConfigError(f"{shown(place / name)}: {found}; {_NEEDED}")
        batches.append((images, labels))
    return _dataset(CIFAR10, batches[:5], batches[5], validation)


def cifar100(folder: Path, validation: float) -> Dataset:
    """Return CIFAR-100 from `train`, `test` and `meta`, with the super-class of every class, the test part as given.

    They lie in `folder` or in `folder/cifar-100-python`; the images may be in any order. Raises ConfigError naming the
    file that is missing, damaged or of another data set.
    """
    place = _place("cifar100", folder, HUNDRED, "meta")
    meta = read_plain_pickle(place / "meta")
    _same_names(place / "meta", meta, "fine_label_names", _HUNDRED)
    coarse_names = meta.get("coarse_label_names")
    if not isinstance(coarse_names, list) or not all(isinstance(name, str) for name in coarse_names):
        raise ConfigError(f"{shown(place / 'meta')}: no list coarse_label_names; {_NEEDED}")
    of_class: dict[int, int] = {}
    parts = []
    for name in ("train", "test"):
        images, labels, batch = _batch(place / name, "fine_labels", len(_HUNDRED))
        coarse = _labels(place / name, batch, "coarse_labels", len(images), len(coarse_names))
        for fine, group in np.unique(np.stack([labels, coarse], axis=1), axis=0).tolist():
            if of_class.setdefault(fine, group) != group:
                found = f"class {_HUNDRED[fine]!r} in two super-classes"
                raise ConfigError(f"{shown(place / name)}: {found}; {_NEEDED}")
        parts.append((images, labels))
    missing = [name for label, name in enumerate(_HUNDRED) if label not in of_class]
    if missing:
        raise ConfigError(f"{shown(place)}: no image of class {missing[0]!r}; {_NEEDED}")
    superclasses = tuple(coarse_names[of_class[label]] for label in range(len(_HUNDRED)))
    return _dataset(CIFAR100, parts[:1], parts[1], validation, superclasses)


def _place(name: str, folder: Path, subfolder: str, file: str) -> Path:
    for place in (folder, folder / subfolder):
        if (place / file).is_file():
            return place
    found = f"no {subfolder}/{file} in {shown(folder)}"
    raise ConfigError(f"{name}: {found}; needed the files of the version for Python, unpacked; check the path")


def _same_names(path: Path, meta: dict[str, Any], key: str, classes: Sequence[str]) -> None:
    if meta.get(key) != list(classes):
        raise ConfigError(f"{shown(path)}: other classes in {key}; {_NEEDED}")


def _batch(path: Path, key: str, classes: int) -> tuple[Images, Ints, dict[str, Any]]:
    """Return images (N, 32, 32, 3), labels (N,) and all of a file's dict."""
    batch = read_plain_pickle(path)
    data = batch.get("data")
    size = CHANNELS * SIDE * SIDE
    if not isinstance(data, np.ndarray) or data.ndim != 2 or data.shape[1] != size or not len(data):
        found = f"data of shape {list(data.shape)}" if isinstance(data, np.ndarray) else "no array data"
        raise ConfigError(f"{shown(path)}: {found}; needed (N, {size}); get the original files again")
    images = np.ascontiguousarray(data.reshape(-1, CHANNELS, SIDE, SIDE).transpose(0, 2, 3, 1))
    return images, _labels(path, batch, key, len(images), classes), batch


def _labels(path: Path, batch: dict[str, Any], key: str, count: int, classes: int) -> Ints:
    found = batch.get(key)
    if not isinstance(found, list) or not all(type(label) is int and abs(label) < 1 << 31 for label in found):
        raise ConfigError(f"{shown(path)}: no list of integers {key}; {_NEEDED}")
    labels = np.array(found, np.int64)
    check_labels(f"{shown(path)}: {key}", labels, count, classes)
    return labels


def _dataset(
    known: NamedData,
    training: Sequence[tuple[Images, Ints]],
    tests: tuple[Images, Ints],
    validation: float,
    superclasses: tuple[str, ...] | None = None,
) -> Dataset:
    images, labels = (np.concatenate([part[k] for part in (*training, tests)]) for k in (0, 1))
    test = np.arange(len(images) - len(tests[0]), len(images), dtype=np.int64)
    parts = split(images, labels, validation, test=test)
    return Dataset(known.name, known.classes, known.levels, images, labels, *parts, superclasses)


CIFAR10 = NamedData(
    "cifar10",
    _TEN,
    levels=LEVELS,
    channels=CHANNELS,
    folders=(TEN,),
    load=lambda folder, validation, _steps, _bars: cifar10(folder, validation),
)
CIFAR100 = NamedData(
    "cifar100",
    _HUNDRED,
    levels=LEVELS,
    channels=CHANNELS,
    folders=(HUNDRED,),
    load=lambda folder, validation, _steps, _bars: cifar100(folder, validation),
)
