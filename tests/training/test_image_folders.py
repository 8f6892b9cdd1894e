"""A user's own images in folders by class and super-class, and what is refused in one clear line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from crossloom.sim.errors import ConfigError
from crossloom.training.data.own import user_dataset

Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")


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


@pytest.mark.parametrize("name", ["val", "valid", "validation", "Validation", "dev"])
def test_images_for_validation_beside_train_are_that_part(tmp_path: Path, name: str) -> None:
    folder(tmp_path / "train", count=10)
    folder(tmp_path / name, count=2)
    data = user_dataset(tmp_path)
    assert (data.classes, data.superclasses) == (("ant", "bee"), None)
    assert data.validation.tolist() == [20, 21, 22, 23]
    assert len(data.test) == 4 and data.test.max() < 20 and len(data.train) == 16


@pytest.mark.parametrize("name", ["train", "Training"])
def test_training_images_alone_in_their_folder_are_no_super_class(tmp_path: Path, name: str) -> None:
    folder(tmp_path / "bare")
    folder(tmp_path / "set" / name)
    bare, found = user_dataset(tmp_path / "bare"), user_dataset(tmp_path / "set")
    assert found.superclasses is None and found.classes == bare.classes
    assert found.sha256 == bare.sha256


def test_a_class_without_enough_images_beside_its_parts_says_what_for(tmp_path: Path) -> None:
    folder(tmp_path / "train", count=1)
    folder(tmp_path / "val", count=1)
    with pytest.raises(ConfigError, match=r"1 image\(s\); needed at least 2 to train and test"):
        user_dataset(tmp_path)


@pytest.mark.parametrize("nest", [folder, nested])
def test_three_parts_are_what_they_say(tmp_path: Path, nest: Callable[..., Path]) -> None:
    for name, count in (("test", 1), ("train", 3), ("valid", 2)):
        nest(tmp_path / name, count=count)
    data = user_dataset(tmp_path)
    n = len(data.classes)
    assert (data.superclasses is not None) == (nest is nested)
    assert data.train.tolist() == list(range(3 * n))
    assert data.validation.tolist() == list(range(3 * n, 5 * n))
    assert data.test.tolist() == list(range(5 * n, 6 * n))


def test_two_folders_for_one_part_a_stray_and_a_missing_class_are_refused(tmp_path: Path) -> None:
    for name in ("train", "val", "test"):
        folder(tmp_path / name)
    (tmp_path / "valid").mkdir()
    with pytest.raises(ConfigError, match="'val' and 'valid' are both the validation part"):
        user_dataset(tmp_path)
    (tmp_path / "valid").rename(tmp_path / "labels")
    with pytest.raises(ConfigError, match=r"'labels' beside .*train.* move it"):
        user_dataset(tmp_path)
    (tmp_path / "labels").rmdir()
    folder(tmp_path / "val", ("cat",))
    with pytest.raises(ConfigError, match="class 'cat' is in one of train and val only"):
        user_dataset(tmp_path)


def test_a_part_that_is_a_link_to_nothing_is_not_passed_over(tmp_path: Path) -> None:
    folder(tmp_path / "train")
    folder(tmp_path / "test")
    (tmp_path / "val").symlink_to("nowhere")
    with pytest.raises(ConfigError, match="val: a link to data that is not there; needed"):
        user_dataset(tmp_path)


def test_a_folder_that_may_not_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(self: Path) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "iterdir", denied)
    with pytest.raises(ConfigError, match=r"cannot be read \(.*Permission denied.*\); needed") as caught:
        user_dataset(tmp_path)
    assert str(caught.value).isprintable()


def test_a_class_may_be_called_as_a_part_is(tmp_path: Path) -> None:
    assert user_dataset(folder(tmp_path / "own", ("bus", "train"))).classes == ("bus", "train")
    assert user_dataset(folder(tmp_path / "two", ("test", "valid"))).classes == ("test", "valid")


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
        (transparent, "0.png: transparency; needed"),
        (deep, "0.png: 16 bits a channel"),
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
