"""Designs whose input has time: recordings and counts that `run` and `verify` are given, and images that are spikes."""

import json
import re
from dataclasses import replace

import event_files as files
import numpy as np
import pytest
from handmade import dense

from crossloom.host import Accelerator
from crossloom.host.cli import main
from crossloom.host.testset import test_set as labelled
from crossloom.sim import LIF, Artifact, Count, Flatten, Input, InputError, QType, Threshold, make_golden, run, save
from crossloom.sim.builder import Section, finish
from crossloom.training.data.events.sets import nmnist
from crossloom.training.spiking.encoding import Encoder

CLASSES = tuple(str(digit) for digit in range(10))
EVENTS = Input((34, 34, 2), QType(0, 15, 4), np.arange(16)[:, None], "events", 3)
RATE = Encoder("rate", 3, 5).source((6, 6, 1), 256)
LATENCY = Encoder("latency", 3).source((6, 6, 1), 256)


def network(source):
    """Neurons on all of the input, counted."""
    section = Section.of_input(source)
    section.add(Flatten())
    section.add(dense(10, source.edge.size, 3))
    neurons = LIF(np.array([40]), np.array([2]), 2, "subtract", "now", False, 1, 24, 3)
    section.add(neurons)
    section.add(Threshold(neurons.levels, 0, 1, 0))
    section.add(Count())
    return finish("timed", source, section, CLASSES)


def saved(path, source, images, labels, dataset="given test", bare=True):
    made = network(source)
    golden = make_golden(made, dataset, images, labels)
    save(Artifact(made, {}, replace(golden, inputs=None, labels=None) if bare else golden), path)
    return path


@pytest.fixture
def real(tmp_path):
    """The folder of recordings, a design with digests of the test recordings, and one with those of all."""
    files.write_nmnist(tmp_path)
    data = nmnist(tmp_path, 0.1, 3)
    every = np.concatenate([data.test, np.setdiff1d(np.arange(40), data.test)])
    few = saved(tmp_path / "few.loom", EVENTS, data.images[data.test], data.labels[data.test], "nmnist test")
    whole = saved(tmp_path / "all.loom", EVENTS, data.images[every], data.labels[every], "nmnist all")
    return tmp_path, data, few, whole


def verified(capsys, design, *argv):
    code = main(["verify", str(design), *map(str, argv), "--devices", "integer", "--json"])
    captured = capsys.readouterr()
    assert captured.err == ""
    found = json.loads(captured.out)
    return code, found["differences"], found["images"], found["beyond"], found["missing"]


RIGHT = {"golden": 0, "integer": 0}


def refused(capsys, *argv):
    assert main(list(map(str, argv))) == 1
    told = capsys.readouterr().err.strip()
    assert "\n" not in told
    return told


def test_recordings_are_verified_as_packed_as_the_folder_of_them_and_as_counts(capsys, real):
    folder, data, few, whole = real
    for place in (folder, folder / "nmnist_1100.npz"):
        assert verified(capsys, few, "--data", place) == (0, RIGHT, 10, 0, 0)
        assert verified(capsys, whole, "--data", place) == (0, RIGHT, 40, 0, 0)
    np.savez(folder / "counts.npz", images=data.images[::-1], levels=16)
    assert verified(capsys, whole, "--data", folder / "counts.npz") == (0, RIGHT, 40, 0, 0)
    np.save(folder / "counts.npy", data.images[5:])
    assert verified(capsys, whole, "--data", folder / "counts.npy") == (0, RIGHT, 35, 0, 5)
    for design, count in ((few, 10), (whole, 40)):
        assert verified(capsys, design, "--data-dir", folder) == (0, RIGHT, count, 0, 0)


def test_the_original_folders_are_verified_too(capsys, real):
    folder, _, few, whole = real
    for k, (events, label, test) in enumerate(zip(*files.nmnist(), strict=True)):
        place = folder / "bin" / ("Test" if test else "Train") / str(label)
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{k:05}.bin").write_bytes(files.atis(events))
    assert verified(capsys, few, "--data", folder / "bin") == (0, RIGHT, 10, 0, 0)
    assert verified(capsys, whole, "--data", folder / "bin") == (0, RIGHT, 40, 0, 0)


def test_recordings_have_their_labels(real):
    from argparse import Namespace

    from crossloom.sim import load

    folder, data, _, whole = real
    images, labels = labelled(load(whole), Namespace(design=str(whole), data=str(folder / "nmnist_1100.npz")))
    assert np.array_equal(images, data.images) and np.array_equal(labels, data.labels)


def test_recordings_and_counts_are_run(capsys, real):
    folder, data, few, _ = real
    (folder / "one.bin").write_bytes(files.atis(files.nmnist()[0][7]))
    np.save(folder / "counts.npy", data.images)
    answers = run(network(EVENTS), data.images).labels
    for name, wanted in (("nmnist_1100.npz", answers), ("counts.npy", answers), ("one.bin", answers[7:8])):
        assert main(["run", str(few), str(folder / name), "--device", "integer", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["labels"] == wanted.tolist()
    accelerator = Accelerator(few, "integer")
    assert np.array_equal(accelerator(data.images).labels, answers)
    streamed = [*accelerator.stream([folder / "one.bin", data.images[3]])]
    assert streamed[0].labels.tolist() == [answers[7], answers[3]]


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((4, 34, 34, 2), "shape [5, 4, 34, 34, 2]; needed (N, 3, 34, 34, 2)"),
        ((34, 34, 2), "shape [5, 34, 34, 2]; needed (N, 3, 34, 34, 2)"),
        ((3, 32, 34, 2), "shape [5, 3, 32, 34, 2]; needed (N, 3, 34, 34, 2)"),
    ],
)
def test_counts_of_another_shape_are_refused_in_one_line(capsys, real, shape, words):
    folder, _, few, _ = real
    counts = np.zeros((5, *shape), np.uint8)
    np.save(folder / "counts.npy", counts)
    np.savez(folder / "counts.npz", images=counts)
    for name in ("counts.npy", "counts.npz"):
        assert words in refused(capsys, "run", few, folder / name)
        assert words in refused(capsys, "verify", few, "--data", folder / name)
    with pytest.raises(InputError, match=re.escape(words)):
        Accelerator(few, "integer")(counts)


def test_recordings_of_another_sensor_and_damaged_ones_are_refused_in_one_line(capsys, real):
    folder, _, few, _ = real
    events, labels, tests = files.nmnist()
    np.savez(folder / "other.npz", **files.packed(events, (40, 34), label=labels, split=tests))
    arrays = files.packed(events)
    np.savez(folder / "bad.npz", **{**arrays, "x": np.full(len(arrays["x"]), 34)})
    (folder / "bad.bin").write_bytes(b"123")
    for name, words in [
        ("other.npz", "a sensor of 40 x 34 pixels; needed 34 x 34; take a recording of that camera"),
        ("bad.npz", "event 0 has x 34; needed 0..33"),
        ("bad.bin", "3 bytes, no multiple of 5"),
    ]:
        assert words in refused(capsys, "run", few, folder / name)
        assert words in refused(capsys, "verify", few, "--data", folder / name)


def test_recordings_are_no_images_of_a_network_without_time(capsys, real):
    folder, *_ = real
    assert "needed one named 'images'" in refused(capsys, "run", "digits-cnn", folder / "nmnist_1100.npz")
    assert "nmnist_1100.npz: array" in refused(capsys, "verify", "digits-cnn", "--data", folder / "nmnist_1100.npz")


@pytest.mark.parametrize("source", [RATE, LATENCY], ids=["rate", "latency"])
def test_images_that_become_spikes_are_known_in_any_order(capsys, tmp_path, source):
    rng = np.random.default_rng(2)
    images, labels = rng.integers(0, 256, (30, 6, 6, 1), np.uint8), np.arange(30) % 10
    design = saved(tmp_path / "x.loom", source, images, labels)
    order = rng.permutation(30)
    for own, found in ((order, (30, 0, 0)), (order[:11], (11, 0, 19)), (np.arange(30), (30, 0, 0))):
        np.savez(tmp_path / "own.npz", images=images[own], labels=labels[own])
        assert verified(capsys, design, "--data", tmp_path / "own.npz") == (0, RIGHT, *found)
    np.save(tmp_path / "more.npy", np.concatenate([255 - images[:2], images[::-1]]))
    assert verified(capsys, design, "--data", tmp_path / "more.npy") == (0, RIGHT, 32, 2, 0)


def test_the_labelled_images_of_a_drawing_encoder_come_in_the_order_of_their_numbers(tmp_path):
    from argparse import Namespace

    from crossloom.sim import load

    rng = np.random.default_rng(2)
    images, labels = rng.integers(0, 256, (30, 6, 6, 1), np.uint8), np.arange(30) % 10
    design = saved(tmp_path / "x.loom", RATE, images, labels)
    np.savez(tmp_path / "own.npz", images=images[::-1], labels=labels[::-1])
    found, known = labelled(load(design), Namespace(design=str(design), data=str(tmp_path / "own.npz")))
    assert np.array_equal(found, images) and np.array_equal(known, labels)


def test_golden_digests_of_a_drawing_encoder_without_those_of_the_pixels_are_refused():
    from crossloom.sim import ArtifactError
    from crossloom.sim.golden import Golden

    images = np.zeros((3, 6, 6, 1), np.uint8)
    made = network(RATE)
    golden = make_golden(made, "x", images)
    index, arrays = golden.encode("w")
    assert np.array_equal(Golden.decode(index, arrays, made, "w").pixels, golden.pixels)
    del arrays["pixels"]
    with pytest.raises(ArtifactError, match=r"golden/pixels.npy is missing"):
        Golden.decode(index, arrays, made, "w")
