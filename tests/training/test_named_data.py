"""Data sets with a name: they are what the registry says; bad files of MNIST's format are refused in one line."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cifar_files import write_cifar10, write_cifar100
from event_files import write_nmnist

from crossloom.sim.errors import ConfigError
from crossloom.training.config import DataConfig, parse_config
from crossloom.training.data.labelled import Dataset
from crossloom.training.data.loading import load_dataset
from crossloom.training.data.named import NamedData
from crossloom.training.data.registry import NAMED_DATA

pytest.importorskip("sklearn", reason="scikit-learn is not installed")


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


def mnist_in(folder: Path) -> Dataset:
    return load_dataset(DataConfig(name="mnist", path=str(folder)))


def named(name: str, **keys: Any) -> dict[str, Any]:
    return {"name": "x", "data": {"name": name, **keys}, "layers": [{"type": "flatten"}, {"type": "dense"}]}


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.delenv("CROSSLOOM_DATA", raising=False)


@pytest.mark.parametrize("known", NAMED_DATA.values(), ids=lambda known: known.name)
def test_a_named_set_is_what_the_registry_says(tmp_path: Path, known: NamedData) -> None:
    if known.needs_folder:
        write_mnist(tmp_path)
        write_nmnist(tmp_path)
        write_cifar10(tmp_path)
        write_cifar100(tmp_path)
    data = known.load(tmp_path, 0.25, known.steps, None)
    assert (data.name, data.classes, data.levels) == (known.name, known.classes, known.levels)
    assert (data.shape[2], data.steps) == (known.channels, known.steps)
    assert (data.superclasses is not None) is (known.name == "cifar100")
    assert len(data.validation) / (len(data.train) + len(data.validation)) == pytest.approx(0.25, abs=0.1)
    path = {"path": str(tmp_path)} if known.needs_folder else {}
    config = parse_config(named(known.name, validation=0.25, **path))
    assert load_dataset(config.data).sha256 == data.sha256


@pytest.mark.parametrize("known", NAMED_DATA.values(), ids=lambda known: known.name)
def test_a_folder_is_asked_of_a_set_that_needs_one_and_of_no_other(known: NamedData) -> None:
    assert NAMED_DATA[known.name] is known
    bare = parse_config(named(known.name)).data
    if known.needs_folder:
        with pytest.raises(
            ConfigError, match=f"missing for the data set '{known.name}', and no folder .*; needed the folder"
        ):
            load_dataset(bare)
    else:
        assert load_dataset(bare).name == known.name
        with pytest.raises(ConfigError, match=f"found 'x' beside name '{known.name}'.*remove the other"):
            parse_config(named(known.name, path="x"))


def test_data_sets_are_found_in_a_given_folder_the_environments_and_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for place in ("cache/crossloom/data", "named", "given"):
        write_cifar10(tmp_path / place, each=20 + 10 * len(found))
        found.append(load_dataset(DataConfig(name="cifar10", path=str(tmp_path / place))).sha256)
    assert len(set(found)) == 3
    bare = DataConfig(name="cifar10")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert load_dataset(bare).sha256 == found[0]
    monkeypatch.setenv("CROSSLOOM_DATA", str(tmp_path / "absent"))
    assert load_dataset(bare).sha256 == found[0]
    monkeypatch.setenv("CROSSLOOM_DATA", str(tmp_path / "named"))
    assert load_dataset(bare).sha256 == found[1]
    given = DataConfig(name="cifar10", path=str(tmp_path / "given"))
    assert load_dataset(given).sha256 == found[2]
    with pytest.raises(ConfigError, match=r"cifar10: no cifar-10-batches-py/batches.meta in .*absent"):
        load_dataset(DataConfig(name="cifar10", path=str(tmp_path / "absent")))
    with pytest.raises(ConfigError, match=r"no folder cifar-100-python in .*named or .*cache/crossloom/data; needed"):
        load_dataset(DataConfig(name="cifar100"))
    (tmp_path / "named" / "mnist").mkdir()
    write_mnist(tmp_path / "named" / "FashionMNIST" / "raw")
    assert load_dataset(DataConfig(name="fashion-mnist")).name == "fashion-mnist"
    with pytest.raises(ConfigError, match=r"mnist: no train-images-idx3-ubyte.gz in .*named/mnist"):
        load_dataset(DataConfig(name="mnist"))


def test_mnist_files_are_read_from_the_folder_or_torchvisions_layout(tmp_path: Path) -> None:
    write_mnist(tmp_path / "MNIST" / "raw")
    data = mnist_in(tmp_path)
    assert data.images.shape == (80, 4, 4, 1) and data.test.tolist() == list(range(60, 80))
    expected = np.random.default_rng(20).integers(0, 256, (20, 4, 4))
    assert (data.images[60:, ..., 0] == expected).all()
    assert mnist_in(tmp_path / "MNIST" / "raw").sha256 == data.sha256


@pytest.mark.parametrize("packed", [True, False])
def test_either_spelling_of_mnists_files_is_read(tmp_path: Path, packed: bool) -> None:
    write_mnist(tmp_path / "a")
    write_mnist(tmp_path / "b")
    for path in list((tmp_path / "b").iterdir()):
        other = path.with_name(path.name.replace("-idx", ".idx").removesuffix("" if packed else ".gz"))
        other.write_bytes(path.read_bytes() if packed else gzip.decompress(path.read_bytes()))
        path.unlink()
    assert (tmp_path / "b" / ("train-images.idx3-ubyte" + ".gz" * packed)).is_file()
    assert mnist_in(tmp_path / "b").sha256 == mnist_in(tmp_path / "a").sha256


def test_missing_cut_or_foreign_mnist_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="needed the folder with its files"):
        load_dataset(DataConfig(name="mnist"))
    with pytest.raises(ConfigError, match=r"no train-images-idx3-ubyte.gz"):
        load_dataset(DataConfig(name="fashion-mnist", path=str(tmp_path)))
    write_mnist(tmp_path)
    path = tmp_path / "t10k-images-idx3-ubyte.gz"
    write_idx(path, np.zeros((20, 4, 4)), cut=3)
    with pytest.raises(ConfigError, match="its header says 320"):
        mnist_in(tmp_path)
    path.write_bytes(gzip.compress(b"not idx at all, but long enough"))
    with pytest.raises(ConfigError, match="not an IDX file"):
        mnist_in(tmp_path)
    path.write_bytes(b"not gzip")
    with pytest.raises(ConfigError, match="cannot be read"):
        mnist_in(tmp_path)
    write_idx(path, np.zeros((19, 4, 4)))
    with pytest.raises(ConfigError, match="19 images and 20 labels"):
        mnist_in(tmp_path)
