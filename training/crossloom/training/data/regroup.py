"""Data sets with classes left out, with one of another data set added, or tested on another data set."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from crossloom.sim.errors import ConfigError
from crossloom.sim.text import printable

from ..rules import shown, suggestion
from .labelled import ALL, TEST, Dataset, Ints

log = logging.getLogger(__name__)
ROWS = 1024


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
            log.warning(
                "%s: %s, which is no hierarchy; it goes on without super-classes", printable(dataset.name), found
            )
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
        origins=None if dataset.origins is None else dataset.origins[stays],
        tests=_fewer(dataset, stays),
    )


def _fewer(dataset: Dataset, stays: npt.NDArray[np.bool_]) -> tuple[tuple[str, int], ...]:
    """The pieces of the test part, of what stays."""
    ends = np.cumsum([0, *(size for _, size in dataset.tests)]).tolist()
    pieces = zip(dataset.tests, ends, ends[1:], strict=False)
    return tuple((name, int(stays[dataset.test[first:last]].sum())) for (name, _), first, last in pieces)


def test_first(data: Dataset) -> Ints:
    """Return the indices of all images: those of the test part, and then the others in their order."""
    return np.concatenate([data.test, np.sort(np.concatenate([data.train, data.validation]))])


def tested_on(dataset: Dataset, other: Dataset) -> Dataset:
    """Return the training and validation images of the one data set with all images of the other as its test images.

    The other's test part comes first. What shows the same as one of these (`origins`) is left out of both. Raises
    ConfigError where classes, shape, steps or levels differ.
    """
    for what in ("classes", "shape", "steps", "levels"):
        found, needed = (getattr(data, what) for data in (other, dataset))
        if found != needed:
            wanted = f"needed {shown(needed)} to test what {dataset.name} trains"
            raise ConfigError(f"{other.name}: {what} {shown(found)}; {wanted}; correct the recipe")
    which = test_first(other)
    parts = [dataset.train, dataset.validation]
    if dataset.origins is not None and other.origins is not None:
        seen = np.isin(dataset.origins, other.origins)
        left_out = int(seen[np.concatenate(parts)].sum())
        parts = [part[~seen[part]] for part in parts]
        log.info("%s: %d images that %s shows are left out", dataset.name, left_out, other.name)
    kept, count = np.sort(np.concatenate(parts)), sum(map(len, parts))
    train, validation = (np.searchsorted(kept, part) for part in parts)
    images = np.empty((count + len(which), *dataset.images.shape[1:]), np.uint8)
    for first in range(0, count, ROWS):
        images[first : min(first + ROWS, count)] = dataset.images[kept[first : first + ROWS]]
    images[count:] = other.images[which]
    return Dataset(
        dataset.name,
        dataset.classes,
        dataset.levels,
        images,
        np.concatenate([dataset.labels[kept], other.labels[which]]),
        train,
        validation,
        np.arange(count, len(images)),
        dataset.superclasses,
        test_set=other.name + ALL,
        tests=((other.name + TEST, len(other.test)), (f"{other.name} training", len(which) - len(other.test))),
    )


def labels_in(classes: Sequence[str], data: Dataset) -> Ints:
    """Return the labels (N,) of the data set's images as places in `classes`, which has every class of it."""
    return np.array([classes.index(name) for name in data.classes])[data.labels]


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
