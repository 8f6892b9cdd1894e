"""Reads the images that a person names on the command line, with the reader that training has."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from crossloom.sim import ConfigError, Input, InputError
from crossloom.sim.text import printable
from crossloom.sim.types import AnyArray

if TYPE_CHECKING:
    from crossloom.training.data.events.given import Wanted


def read_images(path: str, source: Input) -> AnyArray:
    """Return the images of an .npy, an .npz (array "images") or a picture file for a network with this input.

    As (N, *image_shape) or (N, H, W). A picture becomes uint8 with as many channels as the input has; its size must be
    right already. Recordings of an event camera (`.npz` as packed, `.bin`, `.aedat4`, `.raw`) are counted for a network
    that reads counts. Raises InputError.
    """
    try:
        return _read(Path(path), source)
    except ConfigError as error:  # as the reader of data sets says it
        raise InputError(str(error)) from None


def recordings_for(source: Input) -> Wanted | None:
    """Return how recordings are counted for a network, None where it reads no counts by polarity."""
    from crossloom.training.data.events.given import Wanted

    if source.encoder != "events" or len(source.shape) != 3 or source.shape[2] != 2:
        return None
    return Wanted(source.steps, source.shape[:2], source.levels)


def _read(file: Path, source: Input) -> AnyArray:
    # Here, as a stage is imported only where it is needed; these need no torch.
    from crossloom.training.data.arrays import check_channels_last, read_npy, read_npz
    from crossloom.training.data.events.given import reader_of
    from crossloom.training.data.files import check_file
    from crossloom.training.data.pictures import read_picture

    shape = source.image_shape
    where, kind = printable(file, 400), file.suffix.lower()
    wanted = recordings_for(source)
    reader = None if wanted is None else reader_of(file)
    if wanted is not None and reader is not None:
        return reader(file, wanted).counts
    check_file(file, "needed .npy, .npz or a picture; check the path")
    if kind in (".npy", ".npz"):
        if kind == ".npy":
            images = read_npy(file)
        else:
            arrays = read_npz(file)
            if "images" not in arrays:
                found = printable(", ".join(arrays) or "none")
                raise InputError(f"{where}: arrays: {found}; needed one named 'images'; save it under that name")
            images = arrays["images"]
        if images.shape[1:] != shape:
            check_channels_last(where, images)
        return images
    if len(shape) != 3 or shape[2] not in (1, 3):
        raise InputError(f"{where}: this design reads {list(shape)}, not pictures; needed .npy or .npz; save an array")
    return read_picture(file, shape[2])[None]


def image_batches(images: Iterable[Any] | str | os.PathLike[str], size: int, source: Input) -> Iterator[AnyArray]:
    """Images of an iterable, or the pictures of a folder by name, in batches of up to `size`, read as they go.

    An item is an array or a path. Raises InputError for anything else, with the item's number.
    """
    if isinstance(images, (str, os.PathLike)):
        folder = Path(images)
        if not folder.is_dir():
            raise InputError(f"{printable(folder, 400)}: no folder; needed one with pictures, or an iterable of images")
        images = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    kept: list[AnyArray] = []
    shape = source.image_shape
    for number, item in enumerate(images):
        image = read_images(os.fspath(item), source)[0] if isinstance(item, (str, os.PathLike)) else np.asarray(item)
        if image.shape != shape and image.shape != shape[:-1]:
            raise InputError(f"image {number}: shape {list(image.shape)}; needed {list(shape)}; convert it")
        kept.append(image.reshape(shape))
        if len(kept) == size:
            yield _stacked(kept, number)
            kept = []
    if kept:
        yield _stacked(kept, number)


def _stacked(kept: list[AnyArray], last: int) -> AnyArray:
    kinds = {image.dtype.str for image in kept}
    if len(kinds) > 1:
        raise InputError(f"images {last + 1 - len(kept)} to {last}: dtypes {', '.join(sorted(kinds))}; needed one")
    return np.stack(kept)
