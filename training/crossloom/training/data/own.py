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

from .labelled import (
    MAX_BYTES,
    MAX_SIDE,
    Dataset,
    Images,
    Ints,
    check_classes,
    check_images,
    check_labels,
    check_superclasses,
    split,
)

_ARRAYS = ("images", "labels", "classes", "superclasses", "test_images", "test_labels", "levels")


def user_dataset(path: Path, validation: float = 0.1, least: int = 2) -> Dataset:
    """Return the data set in `path`: a folder of images by class, or a `.npz` file, of at least `least` classes.

    Raises ConfigError in one line.
    """
    if path.is_dir():
        return folder_dataset(path, validation, least)
    if path.is_file() and path.suffix.lower() == ".npz":
        return npz_dataset(path, validation, least)
    found = "a file of another kind" if path.exists() else "nothing there"
    raise ConfigError(
        f"{path}: {found}; needed a folder with a subfolder of images per class, or a .npz file; check the path"
    )


def npz_dataset(path: Path, validation: float = 0.1, least: int = 2) -> Dataset:
    """Return the data set of a `.npz` file.

    Arrays: `images` uint8 (N, H, W) or (N, H, W, C) and `labels` (N,) integers; optional `classes` (names in label
    order), `superclasses` (the name of each class's super-class, in the same order), `levels` (one integer, 256 unless
    given), `test_images` with `test_labels`. Nothing is unpickled.
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
    classes = _classes(path, arrays, least)
    superclasses = _names(path, arrays, "superclasses")
    if superclasses is not None:
        check_superclasses(str(path), superclasses, len(classes))
    for these, targets, prefix in parts:
        check_labels(f"{path}: {prefix}labels", targets, len(these), len(classes))
    every = np.concatenate([p[0] for p in parts])
    targets = np.concatenate([p[1].astype(np.int64) for p in parts])
    test = np.arange(len(images), len(every), dtype=np.int64) if len(parts) > 1 else None
    return _finish(path, classes, superclasses, levels, every, targets, test, validation)


def folder_dataset(path: Path, validation: float = 0.1, least: int = 2) -> Dataset:
    """Return the data set of a folder: one subfolder per class, its name the class; 8-bit grey or RGB files.

    The class folders may lie in folders of super-classes: `SUPERCLASS/CLASS/*.png`. With subfolders `train` and
    `test` all this lies in each of them. Classes are sorted by name, whatever their super-class. All images must have
    one size and kind. Hidden files are skipped, any other file must be an image that Pillow reads.
    """
    subfolders = {p.name for p in path.iterdir() if p.is_dir()}
    if {"train", "test"} <= subfolders:
        roots = [path / "train", path / "test"]
        strays = subfolders - {"train", "test"}
        if any(not name.startswith(".") for name in strays):
            raise ConfigError(f"{path}: {sorted(strays)[0]!r} beside train and test; needed these two alone; move it")
    else:
        roots = [path]
    folders = [_class_folders(root) for root in roots]
    if folders[0].keys() != folders[-1].keys():
        odd = sorted(folders[0].keys() ^ folders[-1].keys())[0]
        raise ConfigError(
            f"{path}: class {odd!r} is in one of train and test only; needed the same classes in both; add or remove it"
        )
    classes = tuple(sorted(folders[0]))
    check_classes(str(path), classes, least)
    superclasses = _superclasses(path, roots, folders, classes)
    images: list[Images] = []
    labels: list[int] = []
    starts = []
    total = 0
    first: Path | None = None
    for by_class in folders:
        starts.append(len(images))
        for label, name in enumerate(classes):
            folder = by_class[name]
            files = sorted(p for p in folder.iterdir() if p.is_file() and not p.name.startswith("."))
            if not files:
                raise ConfigError(
                    f"{folder}: a class without images; needed at least one; add images or remove the folder"
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
    targets = np.array(labels, dtype=np.int64)
    return _finish(path, classes, superclasses, 256, np.stack(images), targets, test, validation)


def _finish(
    path: Path,
    classes: tuple[str, ...],
    superclasses: tuple[str, ...] | None,
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
    parts = split(images, labels, validation, test=test)
    return Dataset(path.resolve().name, classes, levels, images, labels, *parts, superclasses)


def _class_folders(root: Path) -> dict[str, Path]:
    """Return the folder of each class: `root/CLASS`, or `root/SUPERCLASS/CLASS` where all of root's hold folders."""
    tops = _folders(root)
    nested = [top for top in tops if _holds_folders(top)]
    if not nested:
        return {top.name: top for top in tops}
    flat = [top for top in tops if top not in nested]
    if flat:
        found = f"{nested[0].name!r} holds folders and {flat[0].name!r} holds none"
        raise ConfigError(f"{root}: {found}; needed classes alone, or all of them in super-classes; move one")
    found_in: dict[str, Path] = {}
    for top in nested:
        for folder in _folders(top):
            if folder.name in found_in:
                names = f"{found_in[folder.name].parent.name!r} and {top.name!r}"
                raise ConfigError(
                    f"{root}: class {folder.name!r} is in super-classes {names}; needed it in one; rename or move it"
                )
            if _holds_folders(folder):
                raise ConfigError(f"{folder}: holds folders; needed SUPERCLASS/CLASS and images; flatten it")
            found_in[folder.name] = folder
    return found_in


def _superclasses(
    path: Path, roots: list[Path], folders: list[dict[str, Path]], classes: tuple[str, ...]
) -> tuple[str, ...] | None:
    """Return the super-class of each class, or None where the classes lie in the roots themselves."""
    every = []
    for root, by_class in zip(roots, folders, strict=True):
        parents = [by_class[name].parent for name in classes]
        every.append(tuple("" if parent == root else parent.name for parent in parents))
    if every[0] != every[-1]:
        i = next(i for i, (a, b) in enumerate(zip(every[0], every[-1], strict=True)) if a != b)
        places = [f"in {names[i]!r}" if names[i] else "in no super-class" for names in every]
        found = f"class {classes[i]!r} is {places[0]} in train and {places[1]} in test"
        raise ConfigError(f"{path}: {found}; needed the same super-class in both; move one")
    if not every[0][0]:
        return None
    check_superclasses(str(path), every[0], len(classes))
    return every[0]


def _folders(root: Path) -> list[Path]:
    """Return the folders in `root`, sorted; raise ConfigError for a file beside them."""
    entries = [entry for entry in sorted(root.iterdir()) if not entry.name.startswith(".")]
    for entry in entries:
        if not entry.is_dir():
            raise ConfigError(
                f"{entry}: a file beside the class folders; needed images inside a folder per class; move it"
            )
    return entries


def _holds_folders(folder: Path) -> bool:
    return any(entry.is_dir() and not entry.name.startswith(".") for entry in folder.iterdir())


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


def _classes(path: Path, arrays: Mapping[str, npt.NDArray[Any]], least: int) -> tuple[str, ...]:
    """Return the class names given, or "0", "1", ... up to the largest label."""
    classes = _names(path, arrays, "classes")
    if classes is None:
        labels = [arrays[key].reshape(-1) for key in ("labels", "test_labels") if key in arrays]
        whole = [array for array in labels if array.dtype.kind in "iu" and array.size]
        largest = max((int(array.max()) for array in whole), default=1)
        classes = tuple(str(label) for label in range(max(largest, 0) + 1 if largest < 65536 else 65537))
    check_classes(str(path), classes, least)
    return classes


def _names(path: Path, arrays: Mapping[str, npt.NDArray[Any]], key: str) -> tuple[str, ...] | None:
    """Return an array of names, or None where there is none."""
    names = arrays.get(key)
    if names is None:
        return None
    if names.dtype.kind != "U" or names.ndim != 1:
        raise ConfigError(
            f"{path}: {key} are {names.dtype} of shape {list(names.shape)}; needed a list of names; store text"
        )
    return tuple(str(name) for name in names)


def _with_channels(images: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return images[..., None] if images.ndim == 3 else images
