"""N-MNIST and its model as data sets by name, from small files; the real recordings where they are at hand."""

from __future__ import annotations

import logging
import os
from contextlib import nullcontext
from pathlib import Path

import event_files as files
import numpy as np
import pytest

from crossloom.sim.cache import cache_entries, clear_cache
from crossloom.sim.errors import ConfigError
from crossloom.training.config import DataConfig, parse_config
from crossloom.training.data.events.camera import CameraModel
from crossloom.training.data.events.packed import read_packed
from crossloom.training.data.events.sets import CLASSES, nmnist, nmnist_model
from crossloom.training.data.given import named_test_images
from crossloom.training.data.loading import load_dataset
from crossloom.training.data.mnist import idx_dataset
from crossloom.training.data.regroup import exclude

SHARED = Path(os.environ.get("CROSSLOOM_SHARED", Path(__file__).parents[3] / "shared")) / "data"


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    """A cache of each test's own."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder / "crossloom"


def test_real_recordings_become_counts_in_their_published_parts(tmp_path):
    files.write_nmnist(tmp_path)
    data = load_dataset(DataConfig(name="nmnist", path=str(tmp_path)))
    assert (data.images.shape, data.steps, data.shape, data.levels) == ((40, 6, 34, 34, 2), 6, (34, 34, 2), 16)
    assert data.test.tolist() == list(range(30, 40)) and len(data.validation) == 10 and len(data.train) == 20
    counts = data.images[37]
    assert counts.sum() == 5 and counts[0, 1, 3, 0] == 1
    assert (counts[0, 2, 1, 1], counts[1, 0, 33, 0], counts[5, 6, 5, 1]) == (2, 1, 1)
    given = named_test_images("nmnist test", data.classes, str(tmp_path))
    assert given.images.shape == (10, 6, 34, 34, 2)


def test_the_original_folders_give_the_same_counts(tmp_path):
    events, labels, tests = files.nmnist()
    for k, (these, label, test) in enumerate(zip(events, labels, tests, strict=True)):
        folder = tmp_path / ("Test" if test else "Train") / str(label)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{k:05}.bin").write_bytes(files.atis(these))
    files.write_nmnist(tmp_path)
    packed = nmnist(tmp_path, 0.1, 2)
    (tmp_path / "nmnist_1100.npz").unlink()
    found = nmnist(tmp_path, 0.1, 2)
    order = np.lexsort((np.arange(40), packed.labels, tests))
    assert np.array_equal(found.images, packed.images[order]) and np.array_equal(found.labels, packed.labels[order])


def test_events_that_no_count_holds_are_told(tmp_path, caplog):
    events, labels, tests = files.nmnist()
    events[0] += [(315_000, 1, 1, 1)] * 3
    events[1] += [(314_999, 5, 6, 1)] * 20
    np.savez(tmp_path / "nmnist_1100.npz", **files.packed(events, label=labels, split=tests))
    with caplog.at_level(logging.WARNING):
        data = nmnist(tmp_path, 0.1)
    assert "nmnist: of 223 events 6 are past a count of 15 and 3 outside of the steps" in caplog.text
    assert int(data.images.sum()) == 214


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: None, "nmnist: neither nmnist_1100.npz nor Train/0/*.bin in "),
        (lambda folder: files.write_nmnist(folder, size=np.array([34, 40])), "needed 34 x 34"),
        (lambda folder: files.write_nmnist(folder, label=np.full(40, 10)), "label 10"),
        (lambda folder: np.savez(folder / "nmnist_1100.npz", **files.packed([[(0, 1, 2, 1)]])), "no array 'label'"),
    ],
)
def test_recordings_that_are_no_n_mnist_are_refused_in_one_line(tmp_path, make, message):
    make(tmp_path)
    with pytest.raises(ConfigError) as caught:
        nmnist(tmp_path, 0.1)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def write_mnist(folder, train=40, test=20, seed=1):
    rng = np.random.default_rng(seed)
    for part, count in (("train", train), ("t10k", test)):
        images = np.zeros((count, 28, 28), np.uint8)
        images[:, 8:20, 8:20] = np.kron(rng.integers(0, 256, (count, 3, 3)), np.ones((4, 4)))
        heads = [bytes([0, 0, 8, 3]), *(size.to_bytes(4, "big") for size in images.shape)]
        (folder / f"{part}-images-idx3-ubyte").write_bytes(b"".join(heads) + images.tobytes())
        labels = (np.arange(count) % 10).astype(np.uint8)
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(
            bytes([0, 0, 8, 1]) + count.to_bytes(4, "big") + labels.tobytes()
        )


def test_the_model_is_mnist_before_the_camera_in_the_parts_of_mnist(tmp_path):
    write_mnist(tmp_path)
    ticks = []
    data = nmnist_model(tmp_path, 0.1, 3, lambda label, total: nullcontext(ticks.append))
    still = load_dataset(DataConfig(name="mnist", path=str(tmp_path)))
    assert (data.name, data.images.shape, data.levels, ticks) == ("nmnist-model", (60, 3, 34, 34, 2), 16, [32, 60])
    for part in ("labels", "train", "validation", "test"):
        assert np.array_equal(getattr(data, part), getattr(still, part))
    expected, _, _ = CameraModel().counts(still.images[57:58, :, :, 0], np.array([57]), 3, 105_000, 15)
    assert np.array_equal(data.images[57], expected[0])
    named = load_dataset(DataConfig(name="nmnist-model", path=str(tmp_path)))
    assert named.steps == 6 and named.sha256 == nmnist_model(tmp_path, 0.1).sha256


def test_the_models_counts_are_made_once_and_mapped_and_made_again_where_the_file_is_damaged(
    tmp_path, cache, monkeypatch
):
    write_mnist(tmp_path)
    watched = []
    counts = CameraModel.counts

    def watch(self, images, indices, *rest):
        watched.extend(indices.tolist())
        return counts(self, images, indices, *rest)

    monkeypatch.setattr(CameraModel, "counts", watch)
    first = nmnist_model(tmp_path, 0.1, 2)
    digest = first.sha256
    assert watched == list(range(60)) and isinstance(first.images.base, np.memmap)
    assert nmnist_model(tmp_path, 0.2, 2).images.tobytes() == first.images.tobytes() and len(watched) == 60
    (entry,) = cache_entries()
    assert (entry.kind, entry.design) == ("event counts", "nmnist-model, 2 steps")
    data = bytearray(entry.path.read_bytes())
    data[-1] ^= 1
    entry.path.write_bytes(data)
    assert nmnist_model(tmp_path, 0.1, 2).sha256 == digest and len(watched) == 120
    others = [{"steps": 3}, {"camera": CameraModel(seed=2)}, {"camera": CameraModel(threshold=0.5)}]
    for count, other in enumerate(others, 3):
        assert nmnist_model(tmp_path, 0.1, **{"steps": 2, **other}).sha256 != digest
        assert len(watched) == 60 * count
    write_mnist(tmp_path, seed=2)  # other images
    nmnist_model(tmp_path, 0.1, 2)
    assert len(watched) == 360 and len(cache_entries()) == 5  # the newest four stayed
    assert not clear_cache() and not list(cache.iterdir())


def test_a_set_is_tested_on_all_recordings_of_another_and_trained_on_none_of_their_images(tmp_path):
    write_mnist(tmp_path, train=300)
    shown = np.array([*range(1, 31), *range(60_001, 60_011)], np.uint16)
    files.write_nmnist(tmp_path, index=shown)
    data = load_dataset(DataConfig(name="nmnist-model", path=str(tmp_path), test="nmnist"), steps=2)
    real, model = nmnist(tmp_path, 0.1, 2), nmnist_model(tmp_path, 0.1, 2)
    assert (data.name, data.test_name, data.steps) == ("nmnist-model", "nmnist all", 2)
    assert data.tests == (("nmnist test", 10), ("nmnist training", 30))
    assert np.array_equal(data.images[data.test[:10]], real.images[real.test])
    assert np.array_equal(data.images[data.test[10:]], real.images[:30])
    assert data.labels[data.test].tolist() == [*range(10), *[k % 10 for k in range(30)]]
    kept = [part[part >= 30] for part in (model.train, model.validation)]
    for part, own in zip((data.train, data.validation), kept, strict=True):
        assert np.array_equal(data.images[part], model.images[own])
        assert np.array_equal(data.labels[part], model.labels[own])
    given = named_test_images(data.test_name, data.classes, str(tmp_path), steps=2)
    assert np.array_equal(given.images, data.images[data.test])
    assert np.array_equal(given.labels, data.labels[data.test])
    fewer = load_dataset(DataConfig(name="nmnist-model", path=str(tmp_path), test="nmnist", exclude=("3",)), steps=2)
    assert fewer.tests == (("nmnist test", 9), ("nmnist training", 27)) and len(fewer.test) == 36
    assert exclude(data, ["3"]).tests == fewer.tests


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"test": "mnist"}, r"^mnist: shape \(28, 28, 1\); needed \(34, 34, 2\) to test what nmnist trains"),
        ({"test": "nmnist"}, r"key 'test': found 'nmnist', its own name; needed another data set's"),
        ({"test_path": "x"}, r"key 'test_path': given, but test is not"),
        ({"test": "emnist"}, r"key 'test': found 'emnist'; needed one of \"digits\", \"mnist\""),
    ],
)
def test_a_test_set_that_does_not_fit_is_refused(tmp_path, data, message):
    write_mnist(tmp_path)
    files.write_nmnist(tmp_path)
    table = {"name": "x", "data": {"name": "nmnist", "path": str(tmp_path), **data}, "layers": [{"type": "dense"}]}
    with pytest.raises(ConfigError, match=message) as caught:
        load_dataset(parse_config(table).data)
    assert "\n" not in str(caught.value)


def test_the_original_folders_say_which_image_a_recording_shows_by_their_names(tmp_path):
    events, labels, tests = files.nmnist()
    for k, (these, label, test) in enumerate(zip(events, labels, tests, strict=True)):
        folder = tmp_path / ("Test" if test else "Train") / str(label)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{k + 1:05}.bin").write_bytes(files.atis(these))
    data = nmnist(tmp_path, 0.1, 2)
    assert data.origins.tolist()[:4] == [0, 10, 20, 1] and data.origins.tolist()[-2:] == [60_038, 60_039]
    (tmp_path / "Test" / "9" / "00040.bin").rename(tmp_path / "Test" / "9" / "last.bin")
    assert nmnist(tmp_path, 0.1, 2).origins is None


def test_too_many_steps_are_refused(tmp_path):
    write_mnist(tmp_path)
    for steps in (0, 100_000):
        with pytest.raises(ConfigError, match=rf"^nmnist-model: {steps} steps; needed 1..\d+ for 60 recordings"):
            nmnist_model(tmp_path, 0.1, steps)


def statistics(recording, t, x, y, p):
    """Events a recording (N,), events a saccade, means and deviations of x and y a saccade, share of brighter ones.

    And how far, in each saccade, brighter events are right of and below darker ones.
    """
    saccades = [(first <= t) & (t < last) for first, last in ((0, 97_000), (97_000, 215_000), (215_000, 340_000))]
    count, on = recording.max() + 1, p == 1
    places = [[v(part[s]) for part in (x, y) for v in (np.mean, np.std)] for s in saccades]
    apart = [[part[s & on].mean() - part[s & ~on].mean() for part in (x, y)] for s in saccades]
    each = [s.sum() / count for s in saccades]
    return np.bincount(recording), each, np.array(places), p.mean(), np.array(apart)


@pytest.mark.long
def test_the_model_resembles_the_real_recordings():
    if not (SHARED / "events").is_dir():
        pytest.skip("shared data not at hand")
    packed = read_packed(SHARED / "events" / "nmnist_1100.npz")
    real = [packed.recording(k) for k in range(len(packed))]
    which = np.repeat(np.arange(len(real)), [len(r) for r in real])
    counts, saccades, places, brighter, apart = statistics(
        which, *(np.concatenate([getattr(r, name) for r in real]) for name in ("t", "x", "y", "p"))
    )
    mnist = idx_dataset("mnist", CLASSES, "MNIST", SHARED / "mnist", 0.1).images[..., 0]
    index = packed.extras["index"].astype(int) - 1
    image, t, pixel, p = CameraModel().watch(mnist[index], index)
    model = statistics(image, t, pixel % 34, pixel // 34, p)
    print(f"events a recording: real {counts.mean():.0f} ({counts.std():.0f}), ", end="")
    print(f"model {model[0].mean():.0f} ({model[0].std():.0f}), correlation {np.corrcoef(counts, model[0])[0, 1]:.3f}")
    print(f"events a saccade: real {np.round(saccades)}, model {np.round(model[1])}")
    print(f"x mean, x deviation, y mean, y deviation:\nreal\n{places.round(2)}\nmodel\n{model[2].round(2)}")
    print(f"brighter: real {brighter:.4f}, model {model[3]:.4f}")
    print(f"brighter events right of and below darker ones:\nreal\n{apart.round(2)}\nmodel\n{model[4].round(2)}")
    assert model[0].mean() == pytest.approx(counts.mean(), rel=0.05)
    assert np.corrcoef(counts, model[0])[0, 1] > 0.95
    assert model[1] == pytest.approx(saccades, rel=0.2)
    assert np.abs(model[2] - places).max() < 0.5
    assert model[3] == pytest.approx(brighter, abs=0.01)
    assert np.abs(model[4] - apart).max() < 1.5
