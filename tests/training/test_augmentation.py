"""Random changes of images: what moves, what stays, and what comes in from outside."""

from __future__ import annotations

import numpy as np

from crossloom.training.augment import augment
from crossloom.training.config import AugmentationConfig

RNG = np.random.default_rng(5)


def test_a_shift_moves_whole_images_and_fills_the_rim_with_zero() -> None:
    images = np.full((64, 5, 4, 2), 7, np.uint8)
    images[:, 2, 1] = 200
    moved = augment(images, AugmentationConfig(shift=2), np.random.default_rng(0))
    places = {tuple(int(i) for i in np.argwhere(m[..., 0] == 200)[0]) for m in moved if (m == 200).any()}
    assert len(places) > 15 and set(np.unique(moved)) == {0, 7, 200} and (images[0, 0] == 7).all()


def test_turning_and_scaling_by_nothing_keeps_every_pixel_and_a_turn_keeps_the_centre() -> None:
    images = RNG.integers(0, 256, size=(9, 7, 7, 1), dtype=np.uint8)
    still = augment(images, AugmentationConfig(rotate=1e-9, scale=1e-9), np.random.default_rng(0))
    assert (still == images).all()
    turned = augment(images, AugmentationConfig(rotate=90.0), np.random.default_rng(0))
    assert (turned[:, 3, 3] == images[:, 3, 3]).all() and (turned != images).any()


def test_a_flip_mirrors_about_half_of_the_images() -> None:
    images = RNG.integers(0, 256, size=(200, 3, 4, 1), dtype=np.uint8)
    flipped = augment(images, AugmentationConfig(flip=True), np.random.default_rng(0))
    mirrored = (flipped == images[:, :, ::-1]).all(axis=(1, 2, 3))
    assert 60 < mirrored.sum() < 140 and (flipped[~mirrored] == images[~mirrored]).all()
