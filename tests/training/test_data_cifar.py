"""CIFAR-10 and CIFAR-100: what the files hold is what is loaded; what they lack is said in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cifar_files import COARSE, pickled, pixels, write_cifar10, write_cifar100

from crossloom.sim.errors import ConfigError
from crossloom.training.config import DataConfig
from crossloom.training.data import cifar
from crossloom.training.data.labelled import Dataset
from crossloom.training.data.loading import load_dataset


def loaded(name: str, folder: Path) -> Dataset:
    return load_dataset(DataConfig(name=name, path=str(folder)))


def test_the_images_of_cifar10_are_red_green_and_blue_planes_of_five_batches_and_a_test(tmp_path: Path) -> None:
    write_cifar10(tmp_path)
    data = loaded("cifar10", tmp_path)
    assert data.images.shape == (120, 32, 32, 3) and data.test.tolist() == list(range(100, 120))
    for batch in range(6):
        planes = pixels(batch, 20).reshape(20, 3, 32, 32)
        for channel in range(3):
            assert (data.images[20 * batch : 20 * batch + 20, ..., channel] == planes[:, channel]).all()
    assert data.labels.tolist() == [k % 10 for k in range(20)] * 6 and data.superclasses is None
    assert loaded("cifar10", tmp_path / "cifar-10-batches-py").sha256 == data.sha256


def test_cifar100_has_its_super_classes_whatever_the_order_of_its_images(tmp_path: Path) -> None:
    write_cifar100(tmp_path)
    data = loaded("cifar100", tmp_path)
    assert data.superclasses == tuple(COARSE[k // 5] for k in range(100))
    assert data.images.shape == (500, 32, 32, 3) and data.test.tolist() == list(range(400, 500))
    assert (data.images[400:, 0, :, 1] == pixels(1, 100)[:, 1024:1056]).all()
    order = np.random.default_rng(0).permutation(400)
    fine = [int(k) % 100 for k in order]
    batch = {"fine_labels": fine, "coarse_labels": [k // 5 for k in fine], "data": pixels(0, 400)[order]}
    (tmp_path / "cifar-100-python" / "train").write_bytes(pickled(batch))
    other = loaded("cifar100", tmp_path)
    assert other.superclasses == data.superclasses and (other.images[:400] == data.images[order]).all()


def rewrite(path: Path, **changes: Any) -> None:
    values = {**cifar.read_plain_pickle(path), **changes}
    path.write_bytes(pickled({key: value for key, value in values.items() if value is not None}))


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("data_batch_4", None, r"data_batch_4: no such file; needed a file of the data set"),
        (
            "batches.meta",
            None,
            r"no cifar-10-batches-py/batches.meta in .*; needed the files of the version for Python",
        ),
        ("data_batch_2", {"labels": [0] * 19}, r"labels of shape \[19\] for 20 images"),
        ("data_batch_2", {"labels": [10] * 20}, r"data_batch_2: labels: label 10 at index 0; needed 0..9"),
        ("data_batch_2", {"labels": [-1] * 20}, r"label -1 at index 0"),
        ("data_batch_2", {"labels": None}, r"no list of integers labels"),
        ("data_batch_2", {"labels": [True] * 20}, r"no list of integers labels"),
        ("data_batch_3", {"data": pixels(0, 19), "labels": [0] * 19}, r"data_batch_3: 19 images; batches.meta says 20"),
        ("test_batch", {"data": pixels(0, 20)[:, 1:]}, r"data of shape \[20, 3071\]; needed \(N, 3072\)"),
        ("test_batch", {"data": None}, r"no array data"),
        ("batches.meta", {"label_names": ["cat", "dog"]}, r"batches.meta: other classes in label_names"),
    ],
)
def test_half_a_cifar10_or_one_with_other_labels_is_one_line(
    tmp_path: Path, name: str, changes: dict[str, Any] | None, words: str
) -> None:
    write_cifar10(tmp_path)
    path = tmp_path / "cifar-10-batches-py" / name
    if changes is None:
        path.unlink()
    else:
        rewrite(path, **changes)
    with pytest.raises(ConfigError, match=words) as caught:
        loaded("cifar10", tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("train", {"coarse_labels": [0] * 400}, r"test: class 'bed' in two super-classes"),
        ("test", {"coarse_labels": [20] * 100}, r"coarse_labels: label 20 at index 0; needed 0..19"),
        ("test", {"fine_labels": [100] * 100}, r"fine_labels: label 100 at index 0; needed 0..99"),
        ("meta", {"coarse_label_names": [1]}, r"meta: no list coarse_label_names"),
    ],
)
def test_a_cifar100_that_contradicts_itself_is_one_line(
    tmp_path: Path, name: str, changes: dict[str, Any], words: str
) -> None:
    write_cifar100(tmp_path)
    rewrite(tmp_path / "cifar-100-python" / name, **changes)
    with pytest.raises(ConfigError, match=words):
        loaded("cifar100", tmp_path)
