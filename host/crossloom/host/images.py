"""Reads the images that a person names on the command line, with the reader that training has."""

from __future__ import annotations

from pathlib import Path

from crossloom.sim import ConfigError, InputError
from crossloom.sim.text import printable
from crossloom.sim.types import AnyArray


def read_images(path: str, shape: tuple[int, ...]) -> AnyArray:
    """Return the images of an .npy, an .npz (array "images") or a picture file as (N, *shape) or (N, H, W).

    A picture becomes uint8 with as many channels as `shape` has; its size must be right already. Raises InputError.
    """
    try:
        return _read(Path(path), shape)
    except ConfigError as error:  # as the reader of data sets says it
        raise InputError(str(error)) from None


def _read(file: Path, shape: tuple[int, ...]) -> AnyArray:
    # Here, as a stage is imported only where it is needed; these need no torch.
    from crossloom.training.data.arrays import check_channels_last, read_npy, read_npz
    from crossloom.training.data.files import check_file
    from crossloom.training.data.pictures import read_picture

    where, kind = printable(file, 400), file.suffix.lower()
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
