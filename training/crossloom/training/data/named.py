"""What is known of a data set by its name alone, before it is loaded."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from .labelled import Dataset

Bars: TypeAlias = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]
"""Makes a progress bar from a label and a total; it is told how many are done."""


@dataclass(frozen=True)
class NamedData:
    """A data set that a recipe may name: its classes in label order, the image values 0..levels-1, and how it loads.

    `load` gets the folder of its files, any path where it does not need one, the share of the training images that is
    kept for validation, how many steps of time recordings are counted in, and what makes progress bars, or None. What
    it returns has this name, and these classes, levels and channels. `folders`: what the folder of its files is called
    among other data sets, one of these; none where it needs no files. `steps`: 1 for images, else what is usual.
    """

    name: str
    classes: tuple[str, ...]
    levels: int
    channels: int
    folders: tuple[str, ...]
    load: Callable[[Path, float, int, Bars | None], Dataset]
    steps: int = 1

    @property
    def needs_folder(self) -> bool:
        """Whether it is read from files."""
        return bool(self.folders)
