"""The table from image values to the floats a network is trained on, the same that export turns into codes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from crossloom.sim.errors import ConfigError, InputError

if TYPE_CHECKING:
    from torch import Tensor

FloatArray = npt.NDArray[np.float32]
NORMALIZATIONS = ("unit", "standard")


def input_values(images: npt.NDArray[np.uint8], levels: int, normalization: str = "unit") -> FloatArray:
    """Return the table (levels, 1) or (levels, C) of float32 for training `images` (N, H, W, C) uint8.

    "unit": u over the smallest power of two >= levels - 1, so that the codes of 8 bits are the 256 image values.
    "standard": (u - mean) / deviation of each channel, a constant channel being divided by 1.
    Raises ConfigError for another name.
    """
    grid = np.arange(levels, dtype=np.float64)[:, None]
    if normalization == "unit":
        return (grid / (1 << (levels - 2).bit_length())).astype(np.float32)
    if normalization != "standard":
        raise ConfigError(
            f"input table: normalization {normalization!r}; needed one of {', '.join(NORMALIZATIONS)}; choose one"
        )
    counts = np.stack(
        [np.bincount(images[..., c].reshape(-1), minlength=levels) for c in range(images.shape[3])], axis=1
    )
    weights = counts / counts.sum(axis=0)
    mean = (weights * grid).sum(axis=0)
    deviation = np.sqrt((weights * (grid - mean) ** 2).sum(axis=0))
    values: FloatArray = ((grid - mean) / np.where(deviation > 0, deviation, 1.0)).astype(np.float32)
    return values


def to_float(images: npt.NDArray[Any], values: FloatArray) -> Tensor:
    """Return the float32 tensor (N, C, H, W) of `images` (N, H, W, C) uint8 through the table `values`.

    Samples (N, C) of C features give (N, C). `values` is (levels, 1 or C) float32, as `input_values` makes it.
    Raises InputError for another dtype or shape, or an image value that the table lacks.
    """
    import torch

    if images.dtype != np.uint8 or images.ndim not in (2, 4):
        raise InputError(f"images: {images.dtype} of shape {list(images.shape)}; needed uint8 of (N, H, W, C)")
    channels = images.shape[-1]
    if values.shape[1] not in (1, channels):
        raise InputError(f"images: {channels} channels; the input table has {values.shape[1]}")
    if images.size and int(images.max()) >= len(values):
        raise InputError(f"images: value {int(images.max())}; the input table has levels 0..{len(values) - 1}")
    columns = np.arange(channels) if values.shape[1] > 1 else 0
    found = values[images, columns]
    planes = np.ascontiguousarray(found.transpose(0, 3, 1, 2) if images.ndim == 4 else found)
    return torch.from_numpy(planes)
