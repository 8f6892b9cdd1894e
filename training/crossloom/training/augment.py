"""Random changes of training images, on uint8 and for a whole batch at once."""

from __future__ import annotations

import numpy as np

from .config import AugmentationConfig
from .data.labelled import Images


def augment(images: Images, how: AugmentationConfig, rng: np.random.Generator) -> Images:
    """Return the batch (N, H, W, C) with each image moved, turned, scaled and maybe mirrored at random.

    Of a batch (N, steps, H, W, C) all steps of an image change alike.

    Shifts are whole pixels where nothing turns or scales, else fractions of pixels too, by bilinear interpolation
    rounded half to even. What comes in from outside the image is 0. The input is not changed.
    """
    if images.ndim == 5:  # every step of an image moves alike: as channels they do
        n, steps, h, w, c = images.shape
        moved = augment(images.transpose(0, 2, 3, 1, 4).reshape(n, h, w, steps * c), how, rng)
        return moved.reshape(n, h, w, steps, c).transpose(0, 3, 1, 2, 4)
    if how.rotate or how.scale:
        images = _warp(images, how, rng)
    elif how.shift:
        images = _shift(images, how.shift, rng)
    if how.flip:
        mirrored = rng.random(len(images)) < 0.5
        images = np.where(mirrored[:, None, None, None], images[:, :, ::-1], images)
    return images


def _shift(images: Images, reach: int, rng: np.random.Generator) -> Images:
    count, height, width, _ = images.shape
    padded = np.pad(images, ((0, 0), (reach, reach), (reach, reach), (0, 0)))
    offsets = rng.integers(0, 2 * reach + 1, size=(2, count))
    rows = offsets[0][:, None, None] + np.arange(height)[None, :, None]
    columns = offsets[1][:, None, None] + np.arange(width)[None, None, :]
    shifted: Images = padded[np.arange(count)[:, None, None], rows, columns]
    return shifted


def _warp(images: Images, how: AugmentationConfig, rng: np.random.Generator) -> Images:
    """Turn by up to `rotate` degrees, scale by up to 1 +- `scale`, move by up to `shift` pixels, about the centre."""
    count, height, width, _ = images.shape
    draw = rng.uniform(-1.0, 1.0, size=(4, count, 1, 1))
    angle, zoom = np.radians(how.rotate) * draw[0], 1.0 + how.scale * draw[1]
    y = np.arange(height)[:, None] - (height - 1) / 2
    x = np.arange(width)[None, :] - (width - 1) / 2
    cos, sin = np.cos(angle) / zoom, np.sin(angle) / zoom
    # Where each pixel of the result comes from; one pixel of rim all round holds the outside.
    rows = np.clip(cos * y + sin * x + (height - 1) / 2 + how.shift * draw[2], -1, height) + 1
    columns = np.clip(cos * x - sin * y + (width - 1) / 2 + how.shift * draw[3], -1, width) + 1
    padded = np.pad(images, ((0, 0), (1, 2), (1, 2), (0, 0))).astype(np.float32)
    top, left = rows.astype(np.int64), columns.astype(np.int64)
    down, right = (rows - top).astype(np.float32)[..., None], (columns - left).astype(np.float32)[..., None]
    which = np.arange(count)[:, None, None]
    upper = padded[which, top, left] * (1 - right) + padded[which, top, left + 1] * right
    lower = padded[which, top + 1, left] * (1 - right) + padded[which, top + 1, left + 1] * right
    warped: Images = np.rint(upper * (1 - down) + lower * down).astype(np.uint8)
    return warped
