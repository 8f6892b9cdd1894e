"""The table from image values to the floats a network is trained on, the same that export turns into codes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from crossloom.sim import input_codes
from crossloom.sim.errors import ConfigError, InputError
from crossloom.sim.types import IntArray

from .spiking.encoding import DIRECT, Encoder

if TYPE_CHECKING:
    from torch import Tensor

FloatArray = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
NORMALIZATIONS = ("unit", "standard")
COUNTED = 1024


def input_values(
    images: npt.NDArray[np.uint8], levels: int, normalization: str = "unit", rows: Ints | None = None
) -> FloatArray:
    """Return the table (levels, 1) or (levels, C) of float32 for training `images` (N, ..., H, W, C) uint8.

    Of a larger set, `rows` are the training images.

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
    counts = np.zeros((levels, images.shape[-1]), np.int64)
    every = np.arange(len(images)) if rows is None else rows
    for part in np.array_split(every, -(-len(every) // COUNTED)):  # a large set is copied in parts
        for c in range(images.shape[-1]):
            counts[:, c] += np.bincount(images[part, ..., c].reshape(-1), minlength=levels)
    weights = counts / counts.sum(axis=0)
    mean = (weights * grid).sum(axis=0)
    deviation = np.sqrt((weights * (grid - mean) ** 2).sum(axis=0))
    values: FloatArray = ((grid - mean) / np.where(deviation > 0, deviation, 1.0)).astype(np.float32)
    return values


def to_float(
    images: npt.NDArray[Any], values: FloatArray, encoder: Encoder = DIRECT, index: int | IntArray = 0
) -> Tensor:
    """Return the float32 tensor (N, C, H, W) of `images` (N, H, W, C) uint8 through the table `values`.

    Samples (N, C) of C features give (N, C). `values` is (levels, 1 or C) float32, as `input_values` makes it. With an
    `encoder` of several steps rows t * N to (t + 1) * N are step t, to the bit what the integer simulator reads: of
    "events" `images` are (N, steps, H, W, C), of spikes `values` says the number of levels alone, and `index` is the
    first image's number, or those of all (N,).
    Raises InputError for another dtype or shape, or an image value that the table lacks.
    """
    import torch

    if encoder.spikes:
        codes = input_codes(encoder.source(images.shape[1:], len(values)), images, index).astype(np.float32)
        return torch.from_numpy(_planes(_step_by_step(codes, encoder.steps)))
    if encoder.kind == "events" and encoder.steps > 1:
        if images.ndim < 3 or images.shape[1] != encoder.steps:
            found = f"{images.dtype} of shape {list(images.shape)}"
            raise InputError(f"images: {found}; needed uint8 of (N, {encoder.steps} steps, H, W, C)")
        images = _step_by_step(images, encoder.steps)
    if images.dtype != np.uint8 or images.ndim not in (2, 4):
        raise InputError(f"images: {images.dtype} of shape {list(images.shape)}; needed uint8 of (N, H, W, C)")
    channels = images.shape[-1]
    if values.shape[1] not in (1, channels):
        raise InputError(f"images: {channels} channels; the input table has {values.shape[1]}")
    if images.size and int(images.max()) >= len(values):
        raise InputError(f"images: value {int(images.max())}; the input table has levels 0..{len(values) - 1}")
    columns = np.arange(channels) if values.shape[1] > 1 else 0
    return torch.from_numpy(_planes(values[images, columns]))


def _planes(found: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.ascontiguousarray(found.transpose(0, 3, 1, 2) if found.ndim == 4 else found)


def _step_by_step(images: npt.NDArray[Any], steps: int) -> npt.NDArray[Any]:
    """(N, steps, ...) to (steps * N, ...); of one step the axis may be left out."""
    return images.swapaxes(0, 1).reshape(-1, *images.shape[2:]) if steps > 1 else images
