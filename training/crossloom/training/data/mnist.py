"""MNIST and Fashion-MNIST, from files in MNIST's own format."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from crossloom.sim.errors import ConfigError

from .files import reason, shown
from .labelled import MAX_BYTES, Dataset, Images, check_labels, split
from .named import NamedData

LEVELS = 256
_FASHION = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")


def idx_dataset(name: str, classes: tuple[str, ...], subfolder: str, folder: Path, validation: float) -> Dataset:
    """Return the data set `name` from the four `*-ubyte` or `*-ubyte.gz` files of MNIST's format.

    Either spelling is read: `train-images-idx3-ubyte` and, as some unpackers write it, `train-images.idx3-ubyte`. They
    may lie in `folder` itself, or as torchvision lays them out, in `folder/SUBFOLDER/raw`. Raises ConfigError
    naming the file that is missing or damaged.
    """
    places = [folder, folder / "raw", folder / subfolder / "raw", folder / subfolder]
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
    check_labels(name, targets, len(every), len(classes))
    return Dataset(name, classes, LEVELS, every, targets, *split(every, targets, validation, test=test))


def _find(name: str, places: Sequence[Path], stem: str) -> Path:
    for place in places:
        for spelling in (stem, stem.replace("-idx", ".idx")):
            for path in (place / f"{spelling}.gz", place / spelling):
                if path.is_file():
                    return path
    raise ConfigError(
        f"{name}: no {stem}.gz in {shown(places[0])}; needed the four files of the data set; check the path"
    )


def _read_idx(path: Path, dims: int) -> Images:
    """Return the unsigned bytes of an IDX file: 00 00 08 dims, each size as big-endian uint32, then the data."""
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            head = file.read(4 + 4 * dims)
            shape = tuple(int.from_bytes(head[i : i + 4], "big") for i in range(4, 4 + 4 * dims, 4))
            size = int(np.prod(shape, dtype=np.float64)) if len(head) == 4 + 4 * dims else -1
            if head[:4] != bytes([0, 0, 8, dims]) or not 0 < size <= MAX_BYTES:
                found = f"not an IDX file of {dims}-dimensional bytes"
                raise ConfigError(f"{shown(path)}: {found}; needed the original file; get it again")
            data = file.read(size + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise ConfigError(
            f"{shown(path)}: cannot be read ({reason(error)}); needed the original file; get it again"
        ) from None
    if len(data) != size:
        raise ConfigError(
            f"{shown(path)}: {len(data)} bytes of data; its header says {size}; needed the original file; get it again"
        )
    return np.frombuffer(data, np.uint8).reshape(shape)


def _of_bytes(name: str, classes: tuple[str, ...], subfolder: str) -> NamedData:
    return NamedData(
        name,
        classes,
        levels=LEVELS,
        channels=1,
        folders=(subfolder, name),
        load=lambda folder, validation, _steps, _bars: idx_dataset(name, classes, subfolder, folder, validation),
    )


MNIST = _of_bytes("mnist", tuple(str(digit) for digit in range(10)), "MNIST")
FASHION_MNIST = _of_bytes("fashion-mnist", _FASHION, "FashionMNIST")
