"""A user's own images in an `.npz`: read as they are, and bad ones refused in one clear line."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crossloom.sim.errors import ConfigError
from crossloom.training.config import DataConfig
from crossloom.training.data.loading import load_dataset
from crossloom.training.data.own import user_dataset

RNG = np.random.default_rng(5)
IMAGES = RNG.integers(0, 256, size=(40, 6, 5), dtype=np.uint8)
LABELS = np.arange(40) % 4


def save(path: Path, **arrays: Any) -> Path:
    np.savez(path / "own.npz", **{"images": IMAGES, "labels": LABELS, **arrays})
    return path / "own.npz"


def test_an_npz_gives_its_images_names_and_levels(tmp_path: Path) -> None:
    path = save(tmp_path, images=IMAGES % 7, classes=np.array(["a", "b", "c", "d"]), levels=7)
    data = load_dataset(DataConfig(path=str(path)))
    assert (data.classes, data.levels, data.shape) == (("a", "b", "c", "d"), 7, (6, 5, 1))
    assert (data.images[..., 0] == IMAGES % 7).all() and len(data.test) == 8


def test_an_npz_with_test_images_keeps_them_as_the_test(tmp_path: Path) -> None:
    data = user_dataset(save(tmp_path, test_images=IMAGES[:8], test_labels=LABELS[:8]))
    assert data.test.tolist() == list(range(40, 48)) and data.test.min() > max(data.train.max(), data.validation.max())


def test_an_npz_may_name_the_super_class_of_each_class(tmp_path: Path) -> None:
    flat = user_dataset(save(tmp_path))
    data = user_dataset(save(tmp_path, superclasses=np.array(["odd", "even", "odd", "even"])))
    assert data.superclasses == ("odd", "even", "odd", "even") and flat.superclasses is None
    assert data.sha256 != flat.sha256 and (data.train == flat.train).all() and data.classes == flat.classes


NAN = np.where(np.arange(40)[:, None, None] == 3, np.nan, IMAGES / 255)
BAD_NPZ: list[tuple[dict[str, Any], str]] = [
    ({"labels": np.zeros(40, int)}, "1 class"),
    ({"labels": np.where(LABELS == 2, 3, LABELS)}, "class '2' without images"),
    ({"labels": np.where(np.arange(40) == 2, 1, LABELS * 0), "classes": ["a", "b"]}, "class 'b' with 1 image"),
    ({"classes": ["a", "b", "c", "b"]}, "'b' and 'b' are the same"),
    ({"classes": ["Cat", "b", "c", "cat "]}, "'Cat' and 'cat ' are the same"),
    ({"classes": ["a", "b", "c", "x\ny"]}, "printable"),
    ({"classes": [1, 2, 3, 4]}, "classes are int64"),
    ({"classes": ["a", "b", "c"]}, "label 3 at index 3; needed 0..2"),
    ({"superclasses": ["a", "b", "a"]}, "3 super-class names for 4 classes"),
    ({"superclasses": ["a"] * 4}, r"1 super-class\(es\) of 4 classes; needed at least 2"),
    ({"superclasses": ["a", "b", "c", "d"]}, r"4 super-class\(es\) of 4 classes.*fewer than classes"),
    ({"superclasses": ["a", "b", "a", " "]}, "super-class name ' '; needed 1 to 80 printable"),
    ({"superclasses": ["a", "b", "a", "x\ny"]}, "super-class name .* printable"),
    ({"superclasses": ["a", "b", "a", "x" * 81]}, "super-class name 'xxx.*1 to 80"),
    ({"superclasses": ["Cat", "b", "Cat", "cat"]}, "super-class names 'Cat' and 'cat' are the same"),
    ({"superclasses": [0, 1, 0, 1]}, "superclasses are int64"),
    ({"superclasses": [["a", "b", "a", "b"]]}, r"superclasses are <U1 of shape \[1, 4\]"),
    ({"superclass": ["a", "b", "a", "b"]}, "'superclass' is unknown.*did you mean 'superclasses'"),
    ({"labels": LABELS - 1}, "label -1 at index 0"),
    ({"labels": LABELS.astype(float)}, "labels are float64"),
    ({"labels": LABELS[:9]}, r"labels of shape \[9\] for 40 images"),
    ({"labels": LABELS * 10**6}, "65537 class"),
    ({"images": IMAGES / 255}, r"images are float64; needed uint8; store them as uint8"),
    ({"images": NAN}, "images are float64 with NaN"),
    ({"images": IMAGES.astype(np.int64)}, "images are int64"),
    ({"images": IMAGES[:, 0]}, "images of shape"),
    ({"images": IMAGES[:0], "labels": LABELS[:0]}, "images of shape"),
    ({"images": np.array([object()] * 40)}, "'images' holds Python objects"),
    ({"classes": np.array(["a", None, "c", "d"], object)}, "'classes' holds Python objects"),
    ({"levels": 300}, "levels 300; needed an integer in 2..256"),
    ({"levels": 2.5}, "levels is float64"),
    ({"levels": 16}, "image value 255 with 16 levels"),
    ({"label": LABELS}, "'label' is unknown.*did you mean 'labels'"),
    ({"test_images": IMAGES}, "needed both or none"),
    ({"test_images": IMAGES[:, :3], "test_labels": LABELS}, "needed equal"),
    ({"test_images": IMAGES[:4], "test_labels": LABELS[:4] + 9}, "class '4' without images"),
    ({"test_images": IMAGES[:3], "test_labels": LABELS[:3]}, "class '3' has no test image"),
]


@pytest.mark.parametrize(("arrays", "message"), BAD_NPZ, ids=[str(i) for i in range(len(BAD_NPZ))])
def test_a_bad_npz_is_refused_in_one_line(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        user_dataset(save(tmp_path, **arrays))
    text = str(caught.value)
    assert "\n" not in text and "own" in text and "; needed" in text


def test_an_npz_without_labels_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "own.npz", images=IMAGES)
    with pytest.raises(ConfigError, match="no array 'labels'"):
        user_dataset(tmp_path / "own.npz")


def test_a_cut_or_flipped_or_bombed_npz_is_refused(tmp_path: Path) -> None:
    whole = save(tmp_path).read_bytes()
    bad = tmp_path / "bad.npz"
    flipped = bytearray(whole)
    flipped[len(whole) // 4] ^= 0xFF
    for content in (whole[: len(whole) // 2], b"", bytes(flipped)):
        bad.write_bytes(content)
        with pytest.raises(ConfigError, match=r"damaged or no \.npz"):
            user_dataset(bad)
    np.savez_compressed(bad, images=IMAGES, labels=LABELS)
    squeezed = bytearray(bad.read_bytes())
    squeezed[200:220] = bytes(20)
    bad.write_bytes(squeezed)
    with pytest.raises(ConfigError, match=r"damaged or no \.npz"):
        user_dataset(bad)
    with zipfile.ZipFile(bad, "w", zipfile.ZIP_DEFLATED) as archive:
        header = b"\x93NUMPY\x01\x00" + (118).to_bytes(2, "little")
        text = "{'descr': '|u1', 'fortran_order': False, 'shape': (9999999999999999,), }"
        archive.writestr("images.npy", header + text.ljust(117).encode() + b"\n")
    with pytest.raises(ConfigError, match=r"damaged or no \.npz"):
        user_dataset(bad)
