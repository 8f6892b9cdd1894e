"""The user's own images as they lie in files, before they are split, and the data set that they become."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from crossloom.sim.errors import ConfigError

from .files import shown
from .labelled import Dataset, Images, Ints, split


@dataclass(frozen=True, eq=False)
class Parts:
    """Images (N, H, W, C) uint8 below `levels` and labels (N,); `validation` and `test` index those that files name.

    None for a part that no file names: it is taken from the rest.
    """

    path: Path
    classes: tuple[str, ...]
    superclasses: tuple[str, ...] | None
    levels: int
    images: Images
    labels: Ints
    validation: Ints | None = None
    test: Ints | None = None

    def tests(self) -> Ints:
        """Return the indices of the images that are the test part in the data set that these become."""
        return split(self.images, self.labels, 0.1, test=self.test, given=self.validation)[2]

    def dataset(self, validation: float) -> Dataset:
        """Return the data set; raise ConfigError naming the first class with too few images.

        `validation`: the share of the training images that is kept for it, where no file names them.
        """
        taken = [(part, indices) for part, indices in (("validate", self.validation), ("test", self.test))]
        purposes = ["train", *(part for part, indices in taken if indices is None)]
        named = [indices for _, indices in taken if indices is not None]
        own = np.setdiff1d(np.arange(len(self.images)), np.concatenate([np.zeros(0, np.int64), *named]))
        counts = np.bincount(self.labels[own], minlength=len(self.classes))
        if counts.min() < len(purposes):
            label = int(np.argmax(counts < len(purposes)))
            where = f"{shown(self.path)}: class {self.classes[label]!r}"
            found = "without images" if counts[label] == 0 else f"with {int(counts[label])} image(s)"
            words = " and ".join([", ".join(purposes[:-1]), purposes[-1]] if len(purposes) > 1 else purposes)
            raise ConfigError(f"{where} {found}; needed at least {len(purposes)} to {words}; add images or remove it")
        parts = split(self.images, self.labels, validation, test=self.test, given=self.validation)
        name = self.path.resolve().name
        return Dataset(name, self.classes, self.levels, self.images, self.labels, *parts, self.superclasses)
