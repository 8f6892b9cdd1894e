"""The user's own images in folders, one for each class, which may lie in folders of super-classes and of parts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from crossloom.sim.errors import ConfigError
from crossloom.sim.text import printable

from .files import shown
from .labelled import MAX_BYTES, Images, check_classes, check_superclasses
from .parts import Parts
from .pictures import read_picture

_PARTS = {
    "train": "train", "training": "train",
    "val": "validation", "valid": "validation", "validation": "validation", "dev": "validation",
    "test": "test", "testing": "test",
}  # fmt: skip
"""What folders are called that hold a part of the data set, in any case."""


def read_own_folder(path: Path, least: int = 2) -> Parts:
    """Return the images of a folder: one subfolder per class, its name the class; pictures as `read_picture` has them.

    The class folders may lie in folders of super-classes: `SUPERCLASS/CLASS/*.png`. With subfolders `train` and
    `test`, `val` (or `valid`, `validation`, `dev`) or both, all this lies in each of them, and their images are that
    part; `train` may be there alone.
    Classes are sorted by name, whatever their super-class. All images must have one size and kind. Hidden files are
    skipped, any other must be a picture. Raises ConfigError (one line); OSError where a folder cannot be read.
    """
    roots = _parts(path) or {"train": path}
    folders = {part: _class_folders(root) for part, root in roots.items()}
    known = folders["train"].keys()
    for part, by_class in folders.items():
        if odd := sorted(known ^ by_class.keys()):
            found = f"class {odd[0]!r} is in one of {roots['train'].name} and {roots[part].name} only"
            raise ConfigError(f"{shown(path)}: {found}; needed the same classes in both; add or remove it")
    classes = tuple(sorted(known))
    check_classes(shown(path), classes, least)
    superclasses = _superclasses(path, roots, folders, classes)
    images: list[Images] = []
    labels: list[int] = []
    first: Path | None = None
    indices = {}
    for part, by_class in folders.items():
        start = len(images)
        for label, name in enumerate(classes):
            first = _read_class(path, by_class[name], images, first)
            labels += [label] * (len(images) - len(labels))
        indices[part] = np.arange(start, len(images), dtype=np.int64)
    return Parts(
        path,
        classes,
        superclasses,
        256,
        np.stack(images),
        np.array(labels, dtype=np.int64),
        indices.get("validation"),
        indices.get("test"),
    )


def _read_class(path: Path, folder: Path, images: list[Images], first: Path | None) -> Path:
    """Append the pictures of a class's folder to `images`, which are of one shape; return the first file of all."""
    files = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    if not files:
        raise ConfigError(
            f"{shown(folder)}: a class without images; needed at least one; add images or remove the folder"
        )
    for file in files:
        image = read_picture(file)
        first = first or file
        if images and image.shape != images[0].shape:
            needed = f"{_size(images[0])} as in '{printable(first.name)}'"
            raise ConfigError(f"{shown(file)}: {_size(image)}; needed {needed}; resize or convert it")
        if (len(images) + 1) * image.size > MAX_BYTES:
            raise ConfigError(
                f"{shown(path)}: more than {MAX_BYTES >> 30} GiB of pixels; needed less; make the images smaller"
            )
        images.append(image)
    assert first is not None
    return first


def _parts(path: Path) -> dict[str, Path]:
    """Return the folder of each part, "train" first; none where `train` lies neither with another part nor alone."""
    entries = sorted(entry for entry in path.iterdir() if not entry.name.startswith("."))
    for entry in entries:
        if entry.name.casefold() in _PARTS and not entry.exists():
            found_there = "a link to data that is not there"
            raise ConfigError(f"{shown(entry)}: {found_there}; needed a folder of classes; remove or mend it")
    folders = [entry for entry in entries if entry.is_dir()]
    found: dict[str, Path] = {}
    strays = []
    for folder in folders:
        part = _PARTS.get(folder.name.casefold())
        if part is None:
            strays.append(folder)
        elif part in found:
            names = f"{found[part].name!r} and {folder.name!r}"
            raise ConfigError(f"{shown(path)}: {names} are both the {part} part; needed one; rename or move the other")
        else:
            found[part] = folder
    if "train" not in found or (len(found) == 1 and (strays or not _holds_folders(found["train"]))):
        return {}
    if strays:
        names = " and ".join(folder.name for folder in found.values())
        raise ConfigError(f"{shown(path)}: {strays[0].name!r} beside {names}; needed these alone; move it")
    return {part: found[part] for part in ("train", "validation", "test") if part in found}


def _class_folders(root: Path) -> dict[str, Path]:
    """Return the folder of each class: `root/CLASS`, or `root/SUPERCLASS/CLASS` where all of root's hold folders."""
    tops = _folders(root)
    nested = [top for top in tops if _holds_folders(top)]
    if not nested:
        return {top.name: top for top in tops}
    flat = [top for top in tops if top not in nested]
    if flat:
        found = f"{nested[0].name!r} holds folders and {flat[0].name!r} holds none"
        raise ConfigError(f"{shown(root)}: {found}; needed classes alone, or all of them in super-classes; move one")
    found_in: dict[str, Path] = {}
    for top in nested:
        for folder in _folders(top):
            if folder.name in found_in:
                names = f"{found_in[folder.name].parent.name!r} and {top.name!r}"
                found = f"class {folder.name!r} is in super-classes {names}"
                raise ConfigError(f"{shown(root)}: {found}; needed it in one; rename or move it")
            if _holds_folders(folder):
                raise ConfigError(f"{shown(folder)}: holds folders; needed SUPERCLASS/CLASS and images; flatten it")
            found_in[folder.name] = folder
    return found_in


def _superclasses(
    path: Path, roots: Mapping[str, Path], folders: Mapping[str, Mapping[str, Path]], classes: tuple[str, ...]
) -> tuple[str, ...] | None:
    """Return the super-class of each class, or None where the classes lie in the roots themselves."""

    def parents(part: str) -> tuple[str, ...]:
        found = [folders[part][name].parent for name in classes]
        return tuple("" if parent == roots[part] else parent.name for parent in found)

    every = parents("train")
    for part in roots:
        for name, first, other in zip(classes, every, parents(part), strict=True):
            if first != other:
                a, b = (f"in {parent!r}" if parent else "in no super-class" for parent in (first, other))
                found = f"class {name!r} is {a} in {roots['train'].name} and {b} in {roots[part].name}"
                raise ConfigError(f"{shown(path)}: {found}; needed the same super-class in both; move one")
    if not every[0]:
        return None
    check_superclasses(shown(path), every, len(classes))
    return every


def _folders(root: Path) -> list[Path]:
    """Return the folders in `root`, sorted; raise ConfigError for a file beside them."""
    entries = [entry for entry in sorted(root.iterdir()) if not entry.name.startswith(".")]
    for entry in entries:
        if not entry.is_dir():
            what = "a file" if entry.exists() else "a link to data that is not there"
            raise ConfigError(
                f"{shown(entry)}: {what} beside the class folders; needed images inside a folder per class; move it"
            )
    return entries


def _holds_folders(folder: Path) -> bool:
    return any(entry.is_dir() and not entry.name.startswith(".") for entry in folder.iterdir())


def _size(image: Images) -> str:
    return f"{image.shape[1]}x{image.shape[0]} {'RGB' if image.shape[2] == 3 else 'grey'}"
