"""What is known of a data set by its name alone, before it is loaded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .labelled import Dataset


@dataclass(frozen=True)
class NamedData:
    """A data set that a recipe may name: its classes in label order, the image values 0..levels-1, and how it loads.

    `load` gets the folder of its files, any path where it does not need one, and the share of the training images
    that is kept for validation. What it returns has this name, and these classes, levels, channels and steps of time.
    """

    name: str
    classes: tuple[str, ...]
    levels: int
    channels: int
    needs_folder: bool
    load: Callable[[Path, float], Dataset]
    steps: int = 1
