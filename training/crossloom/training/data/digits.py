"""scikit-learn's handwritten digits, which need no file."""

from __future__ import annotations

from typing import Any

import numpy as np

from crossloom.sim.errors import MissingExtraError

from .labelled import Dataset, split
from .named import NamedData


def digits(validation: float = 0.1) -> Dataset:
    """Return scikit-learn's 1,797 handwritten digits, 8x8, levels 0..16; the test part is 36 images of each class.

    Source: E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten Digits (UCI), its test part.
    Raises MissingExtraError without scikit-learn.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise MissingExtraError(
            "digits: scikit-learn is not installed; needed for its images; pip install 'crossloom[training]'"
        ) from None
    bunch: Any = load_digits()
    images = np.ascontiguousarray(bunch.images.astype(np.uint8)[..., None])
    labels = bunch.target.astype(np.int64)
    parts = split(images, labels, validation, test_per_class=36)
    return Dataset(DIGITS.name, DIGITS.classes, DIGITS.levels, images, labels, *parts)


DIGITS = NamedData(
    "digits",
    tuple(str(digit) for digit in range(10)),
    levels=17,
    channels=1,
    folders=(),
    load=lambda _folder, validation, _steps, _bars: digits(validation),
)
