"""Arrays in `.npy` and `.npz` files, read strictly: nothing is unpickled, and nothing damaged is passed on."""

from __future__ import annotations

import difflib
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from crossloom.sim.errors import ConfigError
from crossloom.sim.text import printable

from .files import check_file, reason, shown
from .labelled import MAX_BYTES


def read_npy(path: Path) -> npt.NDArray[Any]:
    """Return the array of a `.npy` file; raise ConfigError (one line) where it cannot be read."""
    check_file(path, "needed a .npy file; check the path")
    try:
        with path.open("rb") as file:
            _check_sizes(file)
        array = np.load(path, allow_pickle=False)
        if not isinstance(array, np.ndarray):
            raise ValueError("it holds several arrays")
    except Exception as error:  # numpy's readers raise nearly anything on damaged files
        raise ConfigError(
            f"{shown(path)}: no readable array ({reason(error)}); needed a file by numpy.save; save it"
        ) from None
    return array


def _check_sizes(file: IO[bytes]) -> None:
    """Raise ValueError for an array with a negative size, which numpy 1 takes for one that it may choose."""
    form = np.lib.format
    try:
        version = form.read_magic(file)
        if version not in ((1, 0), (2, 0)):
            return
        shape = (form.read_array_header_1_0(file) if version == (1, 0) else form.read_array_header_2_0(file))[0]
    except Exception:  # on damaged files it raises nearly anything, and numpy's reader says better what is wrong
        return
    if any(size < 0 for size in shape):
        raise ValueError(f"sizes {list(shape)}")


def array_names(path: Path) -> list[str]:
    """Return the names of a `.npz` file's arrays; none where it cannot be read, which its reader will say."""
    try:
        with zipfile.ZipFile(path) as archive:
            return [name.removesuffix(".npy") for name in archive.namelist()]
    except (OSError, zipfile.BadZipFile):
        return []


def read_npz(path: Path, known: Sequence[str] = ()) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays of a `.npz` file by name; with `known` names, no other may be there.

    Raises ConfigError (one line).
    """
    check_file(path, "needed a .npz file; check the path")
    where = shown(path)
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
            for entry in infos:
                with archive.open(entry) as file:
                    _check_sizes(file)
        if sum(entry.file_size for entry in infos) > MAX_BYTES:
            raise ConfigError(
                f"{where}: unpacks to more than {MAX_BYTES >> 30} GiB; needed less; use fewer or smaller images"
            )
        names = [entry.filename.removesuffix(".npy") for entry in infos]
        for name in names:
            if (known and name not in known) or names.count(name) > 1:
                near = difflib.get_close_matches(name, known, n=1)
                advice = f"did you mean {near[0]!r}?" if near and name not in known else "remove it"
                found = f"array '{printable(name, 60)}' is unknown or there twice"
                raise ConfigError(f"{where}: {found}; needed {', '.join(known) or 'distinct names'}; {advice}")
        with np.load(path, allow_pickle=False) as file:
            return {name: _array(where, file, name) for name in names}
    except ConfigError:
        raise
    except Exception as error:  # as above; a bomb that does not fit is a MemoryError
        raise ConfigError(
            f"{where}: damaged or no .npz ({reason(error)}); needed a file by numpy.savez; save it"
        ) from None


def _array(where: str, file: Any, name: str) -> npt.NDArray[Any]:
    try:
        array = file[name]
    except ValueError as error:
        if "allow_pickle" not in str(error):
            raise
        found = f"array '{printable(name, 60)}' holds Python objects"
        raise ConfigError(f"{where}: {found}; needed plain numbers or text; convert it") from None
    if not isinstance(array, np.ndarray):
        raise ValueError(f"{name} is no array")
    return array


def check_channels_last(where: str, images: npt.NDArray[Any]) -> None:
    """Raise ConfigError for images (N, C, H, W), as torch has them: they would be read as small ones of many channels.

    Features as the channels of one pixel are no such images.

    >>> check_channels_last("x", np.zeros((9, 28, 28, 1)))
    """
    pixel = images.shape[1:3] == (1, 1)
    if images.ndim == 4 and images.shape[1] in (1, 3) and images.shape[3] not in (1, 3) and not pixel:
        raise ConfigError(
            f"{where}: images of shape {list(images.shape)}, channels first; needed (N, H, W, C), channels last; "
            "turn them by images.transpose(0, 2, 3, 1)"
        )
