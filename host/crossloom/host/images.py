"""Reads the images that a person names on the command line."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from crossloom.sim import InputError, MissingExtraError
from crossloom.sim.types import AnyArray


def read_images(path: str, shape: tuple[int, ...]) -> AnyArray:
    """Return the images of an .npy, an .npz (array "images") or a picture file as (N, *shape) or (N, H, W).

    A picture becomes uint8 with as many channels as `shape` has; its size must be right already. Raises InputError.
    """
    file = Path(path)
    if not file.is_file():
        raise InputError(f"{file}: no such file; needed .npy, .npz or a picture")
    if file.suffix in (".npy", ".npz"):
        try:
            found = np.load(file, allow_pickle=False)
            if file.suffix == ".npy":
                return np.asarray(found)
            with found:
                if "images" not in found.files:
                    raise InputError(f"{file}: arrays {found.files}; needed one named 'images'")
                return np.asarray(found["images"])
        except InputError:
            raise
        except (OSError, ValueError, EOFError) as error:
            raise InputError(f"{file}: no readable array ({error})") from error
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError as error:
        raise MissingExtraError(f"{file}: reading a picture needs Pillow; pip install 'crossloom[training]'") from error
    if len(shape) != 3 or shape[2] not in (1, 3):
        raise InputError(f"{file}: this design reads {list(shape)}, not pictures; needed .npy or .npz")
    try:
        with Image.open(file) as picture:
            pixels = np.asarray(picture.convert("L" if shape[2] == 1 else "RGB"))
    except (UnidentifiedImageError, OSError) as error:
        raise InputError(f"{file}: no picture that Pillow can read; needed .npy, .npz or a picture") from error
    return pixels[None]
