"""Data sets: the digits' split never moves; classes are left out, and added again."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from crossloom.sim.errors import ConfigError
from crossloom.training.config import DataConfig
from crossloom.training.data.digits import digits
from crossloom.training.data.labelled import Dataset, split
from crossloom.training.data.loading import load_dataset
from crossloom.training.data.regroup import exclude, with_class

pytest.importorskip("sklearn", reason="scikit-learn is not installed")


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
    images, labels = np.random.default_rng(5).integers(0, 256, (40, 6, 5, 1), np.uint8), np.arange(40) % 4
    order = np.random.default_rng(1).permutation(40)
    parts, moved = split(images, labels, 0.1), split(images[order], labels[order], 0.1)
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
