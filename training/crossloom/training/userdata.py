"""The user's own images: a folder with a subfolder per class, or a `.npz` file."""

from __future__ import annotations

import difflib
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from crossloom.sim.errors import ConfigError, MissingExtraError

from .datasets import MAX_BYTES, MAX_SIDE, Dataset, Images, Ints, check_classes, check_images, check_labels, split

_ARRAYS = ("images", "labels", "classes", "test_images", "test_labels", "levels")


def user_dataset(path: Path, validation: float = 0.1) -> Dataset:
    """Return the data set in `path`: a folder of images by class, or a `.npz` file; raise ConfigError in one line."""
    if path.is_dir():
        return folder_dataset(path, validation)
    if path.is_file() and path.suffix.lower() == ".npz":
        return npz_dataset(path, validation)
    found = "a file of another kind" if path.exists() else "nothing there"
    raise ConfigError(
        f"{path}: {found}; needed a folder with a subfolder of images per class, or a .npz file; check the path"
    )


def npz_dataset(path: Path, validation: float = 0.1) -> Dataset:
    """Return the data set of a `.npz` file.

    Arrays: `images` uint8 (N, H, W) or (N, H, W, C) and `labels` (N,) integers; optional `classes` (names in label
    order), `levels` (one integer, 256 unless given), `test_images` with `test_labels`. Nothing is unpickled.
    """
    arrays = _read_npz(path)
    for name in ("images", "labels"):
        if name not in arrays:
            raise ConfigError(f"{path}: no array {name!r}; needed images and labels; add it")
    if ("test_images" in arrays) != ("test_labels" in arrays):
        raise ConfigError(f"{path}: test_images and test_labels; found one of them; needed both or none; add the other")
    levels = _levels(path, arrays)
    images = _with_channels(arrays["images"])
    check_images(f"{path}: images", images, levels)
    labels = arrays["labels"]
    parts = [(images, labels, "")]
    if "test_images" in arrays:
        tests = _with_channels(arrays["test_images"])
        check_images(f"{path}: test_images", tests, levels)
        if tests.shape[1:] != images.shape[1:]:
            found = f"test_images are {list(tests.shape[1:])}, images {list(images.shape[1:])}"
            raise ConfigError(f"{path}: {found}; needed equal (H, W, C); resize them")
        parts.append((tests, arrays["test_labels"], "test_"))
    classes = _classes(path, arrays)
    for these, targets, prefix in parts:
        check_labels(f"{path}: {prefix}labels", targets, len(these), len(classes))
    every = np.concatenate([p[0] for p in parts])
    targets = np.concatenate([p[1].astype(np.int64) for p in parts])
    test = np.arange(len(images), len(every), dtype=np.int64) if len(parts) > 1 else None
    return _finish(path, classes, levels, every, targets, test, validation)


def folder_dataset(path: Path, validation: float = 0.1) -> Dataset:
    """Return the data set of a folder: one subfolder per class, its name the class; 8-bit grey or RGB files.

    With subfolders `train` and `test` the classes lie in each of them. All images must have one size and kind.
    Hidden files are skipped, any other file must be an image that Pillow reads.
    """
    subfolders = {p.name for p in path.iterdir() if p.is_dir()}
    if {"train", "test"} <= subfolders:
        roots = [path / "train", path / "test"]
        strays = subfolders - {"train", "test"}
        if any(not name.startswith(".") for name in strays):
            raise ConfigError(f"{path}: {sorted(strays)[0]!r} beside train and test; needed these two alone; move it")
    else:
        roots = [path]
    names = [_class_folders(root) for root in roots]
    if names[0] != names[-1]:
        odd = sorted(set(names[0]) ^ set(names[-1]))[0]
        raise ConfigError(
            f"{path}: class {odd!r} is in one of train and test only; needed the same classes in both; add or remove it"
        )
    check_classes(str(path), names[0])
    images: list[Images] = []
    labels: list[int] = []
    starts = []
    total = 0
    first: Path | None = None
    for root in roots:
        starts.append(len(images))
        for label, name in enumerate(names[0]):
            files = sorted(p for p in (root / name).iterdir() if p.is_file() and not p.name.startswith("."))
            if not files:
                raise ConfigError(
                    f"{root / name}: a class without images; needed at least one; add images or remove the folder"
                )
            for file in files:
                image = _read_image(file)
                first = first or file
                if images and image.shape != images[0].shape:
                    raise ConfigError(
                        f"{file}: {_size(image)}; needed {_size(images[0])} as in {first.name!r}; resize or convert it"
                    )
                total += image.size
                if total > MAX_BYTES:
                    raise ConfigError(
                        f"{path}: more than {MAX_BYTES >> 30} GiB of pixels; needed less; make the images smaller"
                    )
                images.append(image)
                labels.append(label)
    test = np.arange(starts[1], len(images), dtype=np.int64) if len(roots) > 1 else None
    return _finish(path, names[0], 256, np.stack(images), np.array(labels, dtype=np.int64), test, validation)


def _finish(
    path: Path,
    classes: tuple[str, ...],
    levels: int,
    images: Images,
    labels: Ints,
    test: Ints | None,
    validation: float,
) -> Dataset:
    """Split and wrap; name the first class with too few images."""
    own = np.setdiff1d(np.arange(len(images)), test) if test is not None else np.arange(len(images))
    need = 2 if test is not None else 3
    counts = np.bincount(labels[own], minlength=len(classes))
    if counts.min() < need:
        label = int(np.argmax(counts < need))
        found = "without images" if counts[label] == 0 else f"with {int(counts[label])} image(s)"
        purpose = "to train and validate" if test is not None else "to train, validate and test"
        raise ConfigError(
            f"{path}: class {classes[label]!r} {found}; needed at least {need} {purpose}; add images or remove it"
        )
    return Dataset(path.resolve().name, classes, levels, images, labels, *split(images, labels, validation, test=test))


def _class_folders(root: Path) -> tuple[str, ...]:
    names = []
    for entry in sorted(root.iterdir()):
        if entry.name.startswith("."):
            continue
        if not entry.is_dir():
            raise ConfigError(
                f"{entry}: a file beside the class folders; needed images inside a folder per class; move it"
            )
        names.append(entry.name)
    return tuple(names)


def _size(image: Images) -> str:
    return f"{image.shape[1]}x{image.shape[0]} {'RGB' if image.shape[2] == 3 else 'grey'}"


def _read_image(path: Path) -> Images:
    """Return one image (H, W, C) uint8."""
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError:
        raise MissingExtraError(
            "image folder: Pillow is not installed; needed to read images; pip install 'crossloom[training]'"
        ) from None
    try:
        with Image.open(path) as image:
            if max(image.size) > MAX_SIDE:
                raise ConfigError(
                    f"{path}: {image.size[0]}x{image.size[1]} pixels; needed sides up to {MAX_SIDE}; make it smaller"
                )
            frames = getattr(image, "n_frames", 1)
            if frames != 1:
                raise ConfigError(f"{path}: {frames} frames; needed one image a file; save them apart")
            kind = {"1": "L", "L": "L", "RGB": "RGB", "P": "RGB"}.get(image.mode)
            if kind is None or "transparency" in image.info:
                found = "transparency" if "transparency" in image.info else f"mode {image.mode}"
                raise ConfigError(f"{path}: {found}; needed 8-bit grey or RGB; convert it")
            pixels = np.array(image.convert(kind), dtype=np.uint8)
    except UnidentifiedImageError:
        raise ConfigError(
            f"{path}: not an image that Pillow reads; needed images alone in a class folder; remove it"
        ) from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        if isinstance(error, ConfigError):
            raise
        raise ConfigError(
            f"{path}: damaged ({' '.join(str(error).split())}); needed a whole image; replace it"
        ) from None
    return pixels[..., None] if pixels.ndim == 2 else pixels


def _read_npz(path: Path) -> dict[str, npt.NDArray[Any]]:
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > MAX_BYTES:
                raise ConfigError(
                    f"{path}: unpacks to more than {MAX_BYTES >> 30} GiB; needed less; use fewer or smaller images"
                )
            entries = [entry.filename for entry in archive.infolist()]
        known = [f"{name}.npy" for name in _ARRAYS]
        for name in entries:
            if name not in known or entries.count(name) > 1:
                near = difflib.get_close_matches(name.removesuffix(".npy"), _ARRAYS, n=1)
                advice = f"did you mean {near[0]!r}?" if near and name not in known else "remove it"
                found = f"array {name.removesuffix('.npy')[:60]!r} is unknown or there twice"
                raise ConfigError(f"{path}: {found}; needed {', '.join(_ARRAYS)}; {advice}")
        arrays = {}
        with np.load(path, allow_pickle=False) as file:
            for entry in entries:
                name = entry.removesuffix(".npy")
                try:
                    arrays[name] = file[name]
                except ValueError as error:
                    if "allow_pickle" not in str(error):
                        raise
                    raise ConfigError(
                        f"{path}: array {name!r} holds Python objects; needed plain numbers or text; convert it"
                    ) from None
        return arrays
    except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, RuntimeError, MemoryError) as error:
        if isinstance(error, ConfigError):
            raise
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(f"{path}: damaged or no .npz ({reason}); needed a file by numpy.savez; save it") from None


def _levels(path: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> int:
    value = arrays.get("levels")
    if value is None:
        return 256
    if value.dtype.kind not in "iu" or value.size != 1:
        raise ConfigError(
            f"{path}: levels is {value.dtype} of shape {list(value.shape)}; needed one integer in 2..256; correct it"
        )
    return int(value.reshape(-1)[0])


def _classes(path: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> tuple[str, ...]:
    """Return the class names given, or "0", "1", ... up to the largest label."""
    names = arrays.get("classes")
    if names is None:
        labels = [arrays[key].reshape(-1) for key in ("labels", "test_labels") if key in arrays]
        whole = [array for array in labels if array.dtype.kind in "iu" and array.size]
        largest = max((int(array.max()) for array in whole), default=1)
        names = np.arange(max(largest, 0) + 1 if largest < 65536 else 65537).astype(str)
    elif names.dtype.kind != "U" or names.ndim != 1:
        raise ConfigError(
            f"{path}: classes are {names.dtype} of shape {list(names.shape)}; needed a list of names; store text"
        )
    classes = tuple(str(name) for name in names)
    check_classes(str(path), classes)
    return classes


def _with_channels(images: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return images[..., None] if images.ndim == 3 else images
