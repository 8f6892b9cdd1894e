"""Data sets: the digits' split never moves, and bad images are refused in one clear line."""

from __future__ import annotations

import gzip
import re
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crossloom.sim.errors import ConfigError
from crossloom.training.augment import augment
from crossloom.training.config import AugmentationConfig, DataConfig
from crossloom.training.datasets import digits, exclude, idx_dataset, load_dataset, with_class
from crossloom.training.labelled import Dataset, split
from crossloom.training.userdata import user_dataset

Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
pytest.importorskip("sklearn", reason="scikit-learn is not installed")
RNG = np.random.default_rng(5)
IMAGES = RNG.integers(0, 256, size=(40, 6, 5), dtype=np.uint8)
LABELS = np.arange(40) % 4


def test_digits_are_the_1797_real_images_with_a_fixed_balanced_split() -> None:
    data = digits()
    assert (data.images.shape, data.levels, len(data.classes)) == ((1797, 8, 8, 1), 17, 10)
    assert np.bincount(data.labels[data.test]).tolist() == [36] * 10
    assert sorted(np.concatenate([data.train, data.validation, data.test])) == list(range(1797))
    assert data.sha256 == "3576855f2acaea9c1cea43d062669c6f5610aba144feea609caba64cf41d0ef5"


def test_no_image_of_the_digits_test_is_in_training_too() -> None:
    data = digits()
    kept = {data.images[i].tobytes() for i in data.test}
    assert not kept & {data.images[i].tobytes() for i in (*data.train, *data.validation)}


def test_the_split_of_a_class_depends_on_its_images_alone() -> None:
    images = IMAGES[..., None]
    order = np.random.default_rng(1).permutation(40)
    parts, moved = split(images, LABELS, 0.1), split(images[order], LABELS[order], 0.1)
    for part, other in zip(parts, moved, strict=True):
        assert {images[i].tobytes() for i in part} == {images[order][i].tobytes() for i in other}


def test_the_arrays_of_a_data_set_are_read_only() -> None:
    with pytest.raises(ValueError, match="read-only"):
        digits().images[0, 0, 0, 0] = 1


def test_excluding_classes_keeps_every_other_image_in_its_part() -> None:
    data = digits()
    rest = exclude(data, ["7", "2"])
    assert (rest.name, rest.classes, rest.levels) == ("digits", ("0", "1", "3", "4", "5", "6", "8", "9"), 17)
    for part in ("train", "validation", "test"):
        before, after = getattr(data, part), getattr(rest, part)
        stay = before[~np.isin(data.labels[before], (2, 7))]
        assert (data.images[stay] == rest.images[after]).all()
        assert [data.classes[i] for i in data.labels[stay]] == [rest.classes[i] for i in rest.labels[after]]
    assert len(rest.images) == len(data.images) - np.isin(data.labels, (2, 7)).sum()


def test_excluding_nothing_changes_nothing_and_a_recipe_can_exclude() -> None:
    assert exclude(digits(), ()).sha256 == digits().sha256
    assert load_dataset(DataConfig(name="digits", exclude=("4",))).sha256 == exclude(digits(), ["4"]).sha256


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["10"], "'10' is none of its 10 classes; needed one of them; did you mean '1'"),
        (["ten"], "'ten' is none of its 10 classes; needed one of them; correct the name"),
        ([3], "3 is none of its 10 classes"),
        (["3", "3"], "'3' is there twice"),
        ([str(d) for d in range(9)], r"1 class\(es\) would remain"),
        ([str(d) for d in range(10)], r"0 class\(es\) would remain"),
    ],
)
def test_a_bad_exclusion_is_refused_in_one_line(names: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=f"^digits: class to exclude: {message}") as caught:
        exclude(digits(), names)
    assert "\n" not in str(caught.value) and "; needed" in str(caught.value)


def grouped(*superclasses: str) -> Dataset:
    count = len(superclasses)
    images = np.arange(3 * count, dtype=np.uint8).reshape(-1, 1, 1, 1)
    train, validation, test = (np.arange(3 * count)[i::3] for i in range(3))
    classes = tuple(f"c{i}" for i in range(count))
    return Dataset("own", classes, 256, images, np.repeat(np.arange(count), 3), train, validation, test, superclasses)


def test_super_classes_follow_an_exclusion() -> None:
    assert exclude(grouped("a", "b", "a", "c", "b"), ["c2", "c3"]).superclasses == ("a", "b", "b")


@pytest.mark.parametrize("names", [["c2"], ["c0", "c1"]])
def test_super_classes_that_an_exclusion_leaves_senseless_are_dropped_with_a_warning(
    names: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    rest = exclude(grouped("a", "b", "a") if names == ["c2"] else grouped("a", "a", "b", "b"), names)
    assert rest.superclasses is None and "which is no hierarchy" in caplog.text


def test_super_classes_are_part_of_the_hash_of_a_data_set() -> None:
    hashes = {
        grouped("a", "b", "a").sha256,
        grouped("a", "b", "b").sha256,
        replace(grouped("a", "b", "a"), superclasses=None).sha256,
    }
    assert len(hashes) == 3


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


def folder(root: Path, classes: tuple[str, ...] = ("ant", "bee"), count: int = 5, mode: str = "RGB") -> Path:
    for c, name in enumerate(classes):
        (root / name).mkdir(parents=True, exist_ok=True)
        for i in range(count):
            size = (6, 5, 3) if mode == "RGB" else (6, 5)
            pixels = np.random.default_rng([c, i]).integers(0, 256, size=size, dtype=np.uint8)
            Image.fromarray(pixels).save(root / name / f"{i}.png")
    return root


def test_a_folder_of_images_by_class_is_read_as_it_is(tmp_path: Path) -> None:
    data = user_dataset(folder(tmp_path / "own"))
    assert (data.classes, data.shape, data.levels, data.name) == (("ant", "bee"), (6, 5, 3), 256, "own")
    expected = np.random.default_rng([1, 2]).integers(0, 256, size=(6, 5, 3), dtype=np.uint8)
    assert (data.images[5 + 2] == expected).all() and data.labels.tolist() == [0] * 5 + [1] * 5


def test_grey_images_have_one_channel_and_train_and_test_folders_are_kept(tmp_path: Path) -> None:
    folder(tmp_path / "train", mode="L")
    folder(tmp_path / "test", count=2, mode="L")
    data = user_dataset(tmp_path)
    assert data.shape == (6, 5, 1) and data.test.tolist() == [10, 11, 12, 13]


def test_class_folders_inside_super_class_folders_keep_the_labels_of_a_flat_folder(tmp_path: Path) -> None:
    flat = user_dataset(folder(tmp_path / "flat", ("ant", "bat", "cod")))
    folder(tmp_path / "own" / "wings", ("ant", "bat"))
    folder(tmp_path / "own" / "a fish", ("cod",))
    for i in range(5):  # the same pixels as in the flat folder
        name = f"{i}.png"
        (tmp_path / "own" / "a fish" / "cod" / name).write_bytes((tmp_path / "flat" / "cod" / name).read_bytes())
    data = user_dataset(tmp_path / "own")
    assert (data.classes, data.superclasses) == (flat.classes, ("wings", "wings", "a fish"))
    assert (data.images == flat.images).all() and (data.labels == flat.labels).all() and (data.test == flat.test).all()


def nested(root: Path, count: int = 4) -> Path:
    folder(root / "insect", ("ant", "bee"), count)
    folder(root / "fish", ("cod", "eel"), count)
    return root


def test_super_classes_inside_train_and_test_are_read(tmp_path: Path) -> None:
    nested(tmp_path / "train")
    nested(tmp_path / "test", 2)
    data = user_dataset(tmp_path)
    assert data.classes == ("ant", "bee", "cod", "eel") and data.superclasses == ("insect", "insect", "fish", "fish")
    assert data.test.tolist() == list(range(16, 24))


def class_beside(root: Path) -> None:
    folder(root, ("fly",))


def empty_beside(root: Path) -> None:
    (root / "bird").mkdir()


def class_twice(root: Path) -> None:
    folder(root / "insect", ("cod",))


def class_twice_but_for_case(root: Path) -> None:
    folder(root / "insect", ("Cod",))


def third_level(root: Path) -> None:
    folder(root / "insect" / "ant", ("red",))


def image_beside_classes(root: Path) -> None:
    Image.new("L", (5, 6)).save(root / "fish" / "0.png")


def one_super_class(root: Path) -> None:
    (root / "fish").rename(root.parent / "away")


def class_each(root: Path) -> None:
    for name in ("insect/ant", "fish/cod"):
        (root / name).rename(root.parent / Path(name).name)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (class_beside, "own: 'fish' holds folders and 'fly' holds none; needed classes alone, or all of them in super"),
        (empty_beside, "'fish' holds folders and 'bird' holds none"),
        (class_twice, "class 'cod' is in super-classes 'fish' and 'insect'; needed it in one"),
        (class_twice_but_for_case, "'Cod' and 'cod' are the same"),
        (third_level, r"ant: holds folders; needed SUPERCLASS/CLASS"),
        (image_beside_classes, r"0.png: a file beside the class folders"),
        (one_super_class, r"1 super-class\(es\) of 2 classes; needed at least 2"),
        (class_each, r"2 super-class\(es\) of 2 classes; .*fewer than classes"),
    ],
)
def test_badly_nested_folders_are_refused_in_one_line(
    tmp_path: Path, spoil: Callable[[Path], None], message: str
) -> None:
    root = nested(tmp_path / "own")
    spoil(root)
    with pytest.raises(ConfigError, match=message) as caught:
        user_dataset(root)
    assert "\n" not in str(caught.value) and "; needed" in str(caught.value)


def test_another_nesting_in_train_than_in_test_is_refused(tmp_path: Path) -> None:
    nested(tmp_path / "train")
    nested(tmp_path / "test")
    (tmp_path / "test" / "fish" / "cod").rename(tmp_path / "test" / "insect" / "cod")
    with pytest.raises(ConfigError, match="class 'cod' is in 'fish' in train and in 'insect' in test"):
        user_dataset(tmp_path)
    for place in ("fish/eel", "insect/cod", "insect/ant", "insect/bee"):
        (tmp_path / "test" / place).rename(tmp_path / "test" / Path(place).name)
    for name in ("fish", "insect"):
        (tmp_path / "test" / name).rmdir()
    with pytest.raises(ConfigError, match="class 'ant' is in 'insect' in train and in no super-class in test"):
        user_dataset(tmp_path)


def test_an_image_folder_inside_a_class_folder_is_no_longer_passed_over(tmp_path: Path) -> None:
    root = folder(tmp_path / "own")
    folder(root / "ant", ("more",))
    with pytest.raises(ConfigError, match="'ant' holds folders and 'bee' holds none"):
        user_dataset(root)


def odd_size(root: Path) -> None:
    Image.new("RGB", (4, 6)).save(root / "bee" / "3.png")


def odd_mode(root: Path) -> None:
    Image.new("L", (5, 6)).save(root / "ant" / "4.png")


def transparent(root: Path) -> None:
    Image.new("RGBA", (5, 6)).save(root / "ant" / "0.png")


def deep(root: Path) -> None:
    Image.fromarray(np.zeros((6, 5), np.uint16)).save(root / "ant" / "0.png")


def text(root: Path) -> None:
    (root / "ant" / "notes.txt").write_text("hello")


def cut(root: Path) -> None:
    path = root / "bee" / "1.png"
    path.write_bytes(path.read_bytes()[:60])


def empty_class(root: Path) -> None:
    (root / "cat").mkdir()


def stray_file(root: Path) -> None:
    (root / "readme").write_text("")


def same_names(root: Path) -> None:
    folder(root, ("Bee",))


def few(root: Path) -> None:
    folder(root, ("cat",), count=2)


def one_sided(root: Path) -> None:
    folder(root / "train", ("ant", "bee", "cat"))
    folder(root / "test")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (odd_size, r"3.png: 4x6 RGB; needed 5x6 RGB as in '0.png'"),
        (odd_mode, r"4.png: 5x6 grey; needed 5x6 RGB"),
        (transparent, "0.png: mode RGBA; needed 8-bit"),
        (deep, "0.png: mode I;16"),
        (text, "notes.txt: not an image"),
        (cut, "1.png: damaged"),
        (empty_class, "cat: a class without images"),
        (stray_file, "readme: a file beside the class folders"),
        (same_names, "'Bee' and 'bee' are the same"),
        (few, r"class 'cat' with 2 image\(s\); needed at least 3"),
    ],
)
def test_a_bad_folder_is_refused_naming_the_file(tmp_path: Path, spoil: Callable[[Path], None], message: str) -> None:
    root = folder(tmp_path / "own")
    spoil(root)
    with pytest.raises(ConfigError, match=message) as caught:
        user_dataset(root)
    assert "\n" not in str(caught.value)


def test_a_class_in_one_of_train_and_test_is_refused(tmp_path: Path) -> None:
    one_sided(tmp_path)
    with pytest.raises(ConfigError, match="class 'cat' is in one of train and test only"):
        user_dataset(tmp_path)


def test_a_folder_of_one_class_or_nothing_at_all_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"1 class\(es\)"):
        user_dataset(folder(tmp_path / "own", ("ant",)))
    with pytest.raises(ConfigError, match="nothing there"):
        user_dataset(tmp_path / "none")
    (tmp_path / "x.csv").write_text("")
    with pytest.raises(ConfigError, match="a file of another kind"):
        user_dataset(tmp_path / "x.csv")


def write_idx(path: Path, array: Any, cut: int = 0) -> None:
    head = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    data = head + array.astype(np.uint8).tobytes()
    path.write_bytes(gzip.compress(data[: len(data) - cut]))


def write_mnist(raw: Path) -> None:
    raw.mkdir(parents=True, exist_ok=True)
    labels = np.arange(60) % 10
    for part, count in (("train", 60), ("t10k", 20)):
        images = np.random.default_rng(count).integers(0, 256, (count, 4, 4))
        write_idx(raw / f"{part}-images-idx3-ubyte.gz", images)
        write_idx(raw / f"{part}-labels-idx1-ubyte.gz", labels[:count])


def test_mnist_files_are_read_from_the_folder_or_torchvisions_layout(tmp_path: Path) -> None:
    write_mnist(tmp_path / "MNIST" / "raw")
    data = load_dataset(DataConfig(name="mnist", path=str(tmp_path)))
    assert data.images.shape == (80, 4, 4, 1) and data.test.tolist() == list(range(60, 80))
    expected = np.random.default_rng(20).integers(0, 256, (20, 4, 4))
    assert (data.images[60:, ..., 0] == expected).all()
    assert idx_dataset("mnist", tmp_path / "MNIST" / "raw").sha256 == data.sha256


def test_missing_cut_or_foreign_mnist_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="needed the folder with its files"):
        load_dataset(DataConfig(name="mnist"))
    with pytest.raises(ConfigError, match=r"no train-images-idx3-ubyte.gz"):
        idx_dataset("fashion-mnist", tmp_path)
    write_mnist(tmp_path)
    path = tmp_path / "t10k-images-idx3-ubyte.gz"
    write_idx(path, np.zeros((20, 4, 4)), cut=3)
    with pytest.raises(ConfigError, match="its header says 320"):
        idx_dataset("mnist", tmp_path)
    path.write_bytes(gzip.compress(b"not idx at all, but long enough"))
    with pytest.raises(ConfigError, match="not an IDX file"):
        idx_dataset("mnist", tmp_path)
    path.write_bytes(b"not gzip")
    with pytest.raises(ConfigError, match="cannot be read"):
        idx_dataset("mnist", tmp_path)
    write_idx(path, np.zeros((19, 4, 4)))
    with pytest.raises(ConfigError, match="19 images and 20 labels"):
        idx_dataset("mnist", tmp_path)


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


def test_one_class_can_be_added_to_others_and_its_images_keep_their_parts(tmp_path):
    whole = digits()
    rest = exclude(whole, ["7"])
    mine = whole.labels == 7
    np.savez(
        tmp_path / "seven.npz", images=whole.images[mine], labels=np.zeros(mine.sum(), int), classes=["7"], levels=17
    )
    seven = load_dataset(DataConfig(path=str(tmp_path / "seven.npz")), least=1)
    for base in (rest, whole):  # images that it has of the class already make way
        both = with_class(base, seven, "7")
        assert both.classes == (*rest.classes, "7") and both.levels == 17
        assert len(both.images) == len(whole.images)
        for part in ("train", "validation", "test"):
            new = getattr(both, part)[both.labels[getattr(both, part)] == 9]
            assert np.array_equal(both.images[new], seven.images[getattr(seven, part)])
            old = getattr(both, part)[both.labels[getattr(both, part)] < 9]
            assert np.array_equal(both.images[old], rest.images[getattr(rest, part)])


def test_a_class_that_does_not_fit_is_refused_in_one_line(tmp_path):
    rng = np.random.default_rng(0)
    for name, size, levels, words in (
        ("big", 9, 17, "images of [9, 9, 1]; needed [8, 8, 1]"),
        ("bright", 8, 256, "value 255; needed below 17"),
    ):
        images = rng.integers(0, levels, (12, size, size), dtype=np.uint8)
        images[:, 0, 0] = levels - 1
        np.savez(tmp_path / f"{name}.npz", images=images, labels=np.zeros(12, int), classes=["x"], levels=levels)
        other = load_dataset(DataConfig(path=str(tmp_path / f"{name}.npz")), least=1)
        with pytest.raises(ConfigError, match=re.escape(words)):
            with_class(digits(), other, "x")
        with pytest.raises(ConfigError, match="class 'y': no images"):
            with_class(digits(), other, "y")
        with pytest.raises(ConfigError, match=re.escape("1 class(es); needed 2")):
            load_dataset(DataConfig(path=str(tmp_path / f"{name}.npz")))
