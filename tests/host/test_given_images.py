"""`verify`, `report` and `crossbar` with test images of the user's own: alone, with training images, and others."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from handmade import dense

from crossloom.host.cli import main
from crossloom.host.testset import test_set as labelled
from crossloom.sim import Artifact, Flatten, Input, InputError, QType, load, make_golden, run, save
from crossloom.sim.builder import Section, finish

SHAPE = (6, 5, 3)
CLASSES = ("ant", "bee", "cat")
RNG = np.random.default_rng(4)
IMAGES = RNG.integers(0, 256, (60, *SHAPE), dtype=np.uint8)
LABELS = np.arange(60) % 3


def whole(path, **more):
    """A data set to train on, as `train` takes it."""
    np.savez(path, images=IMAGES, labels=LABELS, classes=np.array(CLASSES), **more)
    return path


@pytest.fixture
def bare(tmp_path):
    """A design of that data set, which carries digests of its test images but not the images; and these."""
    from crossloom.training.data.own import user_dataset

    source = Input(SHAPE, QType(0, 255, 8), np.arange(256)[:, None])
    section = Section.of_input(source)
    section.add(Flatten())
    section.add(dense(3, 90, 1))
    network = finish("bare", source, section, CLASSES)
    test = user_dataset(whole(tmp_path / "whole.npz")).test
    images, labels = IMAGES[test], LABELS[test]
    golden = replace(make_golden(network, "whole test", images, labels), inputs=None, labels=None)
    save(Artifact(network, {}, golden), tmp_path / "bare.loom")
    return tmp_path / "bare.loom", images, labels


def verified(capsys, design, data):
    code = main(["verify", str(design), "--data", str(data), "--devices", "integer", "--json"])
    captured = capsys.readouterr()
    assert captured.err == ""
    found = json.loads(captured.out)
    return code, found["differences"], found["images"], found["beyond"], found["missing"]


RIGHT = {"golden": 0, "integer": 0}


@pytest.mark.parametrize("names", [("images", "labels"), ("test_images", "test_labels"), ("images",), ("test_images",)])
@pytest.mark.parametrize("classes", [{}, {"classes": np.array(CLASSES)}])
def test_the_test_images_alone_are_verified(capsys, bare, tmp_path, names, classes):
    design, images, labels = bare
    arrays = dict(zip(names, (images, labels), strict=False))
    np.savez(tmp_path / "own.npz", **arrays, **classes)
    assert verified(capsys, design, tmp_path / "own.npz") == (0, RIGHT, 12, 0, 0)


def test_an_array_and_a_folder_of_them_are_verified_too(capsys, bare, tmp_path):
    Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    design, images, labels = bare
    np.save(tmp_path / "own.npy", images)
    assert verified(capsys, design, tmp_path / "own.npy") == (0, RIGHT, 12, 0, 0)
    for i, (image, label) in enumerate(zip(images, labels, strict=True)):
        (tmp_path / "own" / CLASSES[label]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(tmp_path / "own" / CLASSES[label] / f"{i}.png")
    assert verified(capsys, design, tmp_path / "own") == (0, RIGHT, 12, 0, 0)


def test_a_data_set_to_train_on_is_verified_on_its_test_part(capsys, bare, tmp_path):
    design, images, labels = bare
    assert verified(capsys, design, tmp_path / "whole.npz") == (0, RIGHT, 12, 0, 0)
    named = whole(tmp_path / "named.npz", test_images=images[::-1], test_labels=labels[::-1])
    assert verified(capsys, design, named) == (0, RIGHT, 12, 0, 0)


def test_what_is_beyond_the_digests_and_what_is_missing_is_said(capsys, bare, tmp_path):
    design, images, _ = bare
    others = IMAGES[:3] ^ np.uint8(255)
    given = np.concatenate([others, images[::-1][:7], images[11:]])
    np.savez(tmp_path / "own.npz", images=given)
    assert verified(capsys, design, tmp_path / "own.npz") == (0, RIGHT, 11, 3, 5)
    assert main(["verify", str(design), "--data", str(tmp_path / "own.npz")]) == 0
    text = capsys.readouterr().out
    assert "images given: 11, of which 8 have digests here" in text
    assert "3 are beyond the digests" in text and "5 of the test images with digests are not among them" in text
    np.savez(tmp_path / "own.npz", images=others, labels=LABELS[:3])
    assert verified(capsys, design, tmp_path / "own.npz") == (0, RIGHT, 3, 3, 12)


def test_a_given_image_with_a_wrong_digest_is_told_by_its_place_in_the_file(capsys, bare, tmp_path):
    design, images, _ = bare
    artifact = load(design)
    digests = artifact.golden.digests.copy()
    digests[4, -1] += 1
    save(replace(artifact, golden=replace(artifact.golden, digests=digests)), design)
    np.save(tmp_path / "own.npy", np.concatenate([IMAGES[:2] ^ np.uint8(255), images[3:6]]))
    argv = ["verify", str(design), "--data", str(tmp_path / "own.npy"), "--json"]
    assert main(argv) == 1
    assert "image 3: the digest differs" in json.loads(capsys.readouterr().out)["first"]["golden"]


def test_one_test_image_that_was_altered_is_a_difference(capsys, bare, tmp_path):
    design, images, _ = bare
    altered = images.copy()
    altered[5, 2, 2, 1] ^= 1
    np.save(tmp_path / "own.npy", altered)
    assert main(["verify", str(design), "--data", str(tmp_path / "own.npy"), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["first"]["golden"].startswith("edge input, image 5: the digest differs")


def test_equal_test_images_are_each_covered(capsys, bare, tmp_path):
    design, images, _ = bare
    network = load(design).network
    twice = np.concatenate([images, images[:4]])
    save(Artifact(network, {}, replace(make_golden(network, "own test", twice), inputs=None)), design)
    np.save(tmp_path / "own.npy", twice[::-1])
    assert verified(capsys, design, tmp_path / "own.npy") == (0, RIGHT, 16, 0, 0)


def test_images_of_another_shape_are_refused_in_one_line(capsys, bare, tmp_path):
    np.save(tmp_path / "own.npy", np.zeros((2, 9, 9, 3), np.uint8))
    assert main(["verify", str(bare[0]), "--data", str(tmp_path / "own.npy")]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert main(["verify", str(bare[0])]) == 1
    assert "give them by --data" in capsys.readouterr().err


@pytest.mark.parametrize("shape", [(4,), (1, 1, 4)])
def test_a_network_on_features_takes_arrays_of_them(capsys, tmp_path, shape):
    rng = np.random.default_rng(0)
    source = Input(shape, QType(0, 15, 4), np.arange(16)[:, None])
    section = Section.of_input(source)
    if len(shape) == 3:
        section.add(Flatten())
    section.add(dense(3, 4, 1))
    network = finish("features", source, section, ("a", "b", "c"))
    rows = rng.integers(0, 16, (12, 4), dtype=np.uint8)
    labels = run(network, rows).labels
    design = tmp_path / "features.loom"
    golden = make_golden(network, "own test", rows.reshape(12, *shape), labels)
    save(Artifact(network, {}, replace(golden, inputs=None, labels=None)), design)
    np.save(tmp_path / "rows.npy", rows[::-1])
    np.save(tmp_path / "shaped.npy", rows.reshape(12, *shape))
    np.savez(tmp_path / "tests.npz", test_images=rows, test_labels=labels)
    np.savez(tmp_path / "all.npz", images=rows, labels=labels)
    for name in ("rows.npy", "shaped.npy", "tests.npz", "all.npz"):
        code, differences, *counts = verified(capsys, design, tmp_path / name)
        assert (code, differences["golden"], counts) == (0, 0, [12, 0, 0]), name
    for name in ("rows.npy", "shaped.npy"):
        assert main(["run", str(design), str(tmp_path / name)]) == 0
    page = tmp_path / "x.html"
    assert main(["report", str(design), "--data", str(tmp_path / "all.npz"), "--out", str(page)]) == 0
    np.save(tmp_path / "wide.npy", np.zeros((3, 5), np.uint8))
    capsys.readouterr()
    for argv in (["verify", str(design), "--data"], ["run", str(design)]):
        assert main([*argv, str(tmp_path / "wide.npy")]) == 1
        error = capsys.readouterr().err
        assert "needed (N, " in error and error.count("\n") == 1


@pytest.mark.parametrize("classes", [{}, {"classes": np.array(CLASSES)}])
def test_a_report_takes_exactly_the_test_images_with_labels(capsys, bare, tmp_path, classes):
    design, images, labels = bare
    args = SimpleNamespace(design=str(design), data=str(tmp_path / "own.npz"), data_dir=None)
    np.savez(args.data, images=images[::-1], labels=labels[::-1], **classes)
    found, targets = labelled(load(design), args)
    assert (found == images[::-1]).all() and targets.tolist() == labels[::-1].tolist()
    assert main(["report", str(design), "--data", args.data, "--out", str(tmp_path / "x.html")]) == 0
    np.savez(args.data, images=images[1:], labels=labels[1:], **classes)
    with pytest.raises(InputError, match=r"11 of its 11 images are of the 12 test images.*needed all of these"):
        labelled(load(design), args)
    np.savez(args.data, images=images)
    with pytest.raises(InputError, match="without labels"):
        labelled(load(design), args)
