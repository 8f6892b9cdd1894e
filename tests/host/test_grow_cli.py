"""`crossloom grow` on the command line: what it prints and writes, where it writes, and every refusal in one line."""

import json
import logging
import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("brevitas", reason="Brevitas is not installed")
pytest.importorskip("sklearn", reason="scikit-learn is not installed")

from crossloom.host.cli import main
from crossloom.sim import load, save
from crossloom.sim.identity import structure_sha256, weights_sha256

RECIPE = """
name = "tiny"
[data]
{data}
[hierarchy]
source = "file"
file = "{file}"
[training]
float_epochs = 2
epochs = 1
batch_size = 64
float_learning_rate = 2e-2
learning_rate = 2e-2
threads = 1
[[layers]]
type = "conv"
channels = 4
stride = 2
[[coarse]]
type = "flatten"
[[coarse]]
type = "dense"
[[branch]]
type = "flatten"
[[branch]]
type = "dense"
"""
GROUPS = {"round": ["0", "6", "8"], "straight": ["1", "4"], "other": ["2", "3", "5", "9"]}
ODD = "été ../../x 7/"


def _recipe(folder, groups, data='name = "digits"'):
    (folder / "groups.json").write_text(json.dumps(groups))
    path = folder / "tiny.toml"
    path.write_text(RECIPE.format(file=(folder / "groups.json").as_posix(), data=data))
    return path


def _json(capsys, *argv):
    code = main([*map(str, argv), "--json"])
    return code, json.loads(capsys.readouterr().out)


def _refused(capsys, *argv):
    code = main([*map(str, argv)])
    captured = capsys.readouterr()
    assert code == 1
    assert captured.out == ""
    assert captured.err.count("\n") == 1, captured.err
    assert captured.err.startswith("crossloom: ")
    return captured.err


@pytest.fixture(scope="module")
def nine(tmp_path_factory):
    """A hierarchical network of nine digits."""
    folder = tmp_path_factory.mktemp("nine")
    assert main(["train", str(_recipe(folder, GROUPS)), "--exclude", "7", "--out", str(folder / "run")]) == 0
    return folder / "run" / "tiny.loom"


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """The folder of a network of a user's own pictures, with those and a class more: (design, pictures)."""
    folder = tmp_path_factory.mktemp("own")
    rng = np.random.default_rng(0)
    classes = ["a", "b", "c", "d", ODD]
    labels = np.repeat(np.arange(5), 24)
    shapes = 120 * rng.integers(0, 2, (5, 8, 8))
    images = (shapes[labels] + rng.integers(0, 60, (120, 8, 8))).astype(np.uint8)
    np.savez(folder / "digits.npz", images=images, labels=labels, classes=np.array(classes))
    # The recipe names digits; the pictures come from elsewhere.
    recipe = _recipe(folder, {"low": ["a", "b"], "high": ["c", "d"]})
    argv = ["train", str(recipe), "--data", str(folder / "digits.npz"), "--exclude", ODD, "--out", str(folder / "run")]
    assert main(argv) == 0
    return folder / "run" / "tiny.loom", folder / "digits.npz"


KEYS = {
    "old_before", "old_after", "new_accuracy", "branch", "coarse_retrained", "changed_tensors", "unchanged_tensors",
    "structure_unchanged",
}  # fmt: skip


def test_a_class_is_added_from_the_designs_own_data_set_and_the_result_verifies(capsys, nine, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, data = _json(capsys, "grow", nine, "--class", "7", "--epochs", "2")
    assert code == 0
    assert data.keys() >= KEYS
    assert data["artifact"] == "runs/tiny-plus-7/tiny.loom"
    assert data["coarse_retrained"] is data["structure_unchanged"] is True
    before, after = load(nine), load(data["artifact"])
    assert after.sha256 == data["sha256"]
    assert structure_sha256(before.network) == structure_sha256(after.network)
    assert after.network.classes == (*before.network.classes, "7")
    assert "7" in after.network.hierarchy[data["branch"]]
    assert set(data["changed_tensors"]).isdisjoint(data["unchanged_tensors"])
    for key in ("old_before", "old_after", "new_accuracy"):
        assert 0 <= data[key] <= 1
    assert (data["old_after"], data["new_accuracy"]) == tuple(data["retrained"].values())
    assert data["old_before"] == pytest.approx(before.info["accuracy"]["value"])
    assert sum(data["responses"].values()) == pytest.approx(1)
    assert max(data["responses"], key=data["responses"].get) == data["branch"]
    code, found = _json(capsys, "verify", data["artifact"], "--devices", "integer")
    assert code == 0
    assert found["differences"] == {"golden": 0, "integer": 0}
    assert found["vectors"] == 360
    code, facts = _json(capsys, "info", data["artifact"])
    assert facts["accuracy"] == after.info["accuracy"]["value"]
    assert str(nine.parents[1]) not in json.dumps(dict(after.info))
    assert "exists already; needed a new file" in _refused(capsys, "grow", nine, "--class", "7")


def test_the_coarse_head_is_kept_where_asked_and_both_results_are_shown(capsys, own, tmp_path):
    argv = ("grow", own[0], "--data", own[1], "--class", ODD, "--epochs", "1", "--out")
    code, data = _json(capsys, *argv, tmp_path / "a" / "b.loom", "--keep-coarse")
    assert code == 0
    assert data["coarse_retrained"] is False
    assert (data["old_after"], data["new_accuracy"]) == tuple(data["kept"].values())
    assert not [name for name in data["changed_tensors"] if name.startswith("coarse")]
    assert {"coarse_dense2.weight", "coarse_dense2.bias"} <= set(data["unchanged_tensors"])
    assert main([*map(str, argv), str(tmp_path / "c.loom")]) == 0
    text = capsys.readouterr().out
    assert "coarse head retrained (written)" in text
    assert "coarse head kept" in text
    assert "unchanged" in text


def test_the_same_seed_writes_the_same_bytes(capsys, own, tmp_path):
    files = []
    for i, seed in enumerate(("5", "5", "6")):
        argv = ["grow", own[0], "--data", own[1], "--class", ODD, "--epochs", "1", "--seed", seed]
        assert main([*map(str, argv), "--out", str(tmp_path / f"{i}.loom")]) == 0
        files.append((tmp_path / f"{i}.loom").read_bytes())
    assert files[0] == files[1] != files[2]


@pytest.mark.parametrize("name", [ODD, "../../x", "..", "/etc/x", "日本", "a b", "CON", "x" * 80, "-"])
def test_the_default_file_lies_in_runs_whatever_the_class_is_called(nine, tmp_path, monkeypatch, capsys, name):
    from crossloom.training import workflow

    monkeypatch.chdir(tmp_path)
    found = []

    def stop(artifact, dataset, name, path, **options):
        found.append(path)
        raise KeyboardInterrupt

    monkeypatch.setattr(workflow, "grow_and_export", stop)
    assert main(["grow", str(nine), f"--class={name}"]) == 1
    (path,) = found
    assert path.resolve().is_relative_to((tmp_path / "runs").resolve())
    assert re.fullmatch(r"runs/tiny-plus-[a-z0-9-]+/tiny\.loom", path.as_posix())
    assert capsys.readouterr().err == "crossloom: interrupted\n"


def test_a_users_own_pictures_grow_by_a_class_of_an_odd_name(capsys, own, tmp_path, monkeypatch):
    design, pictures = own
    monkeypatch.chdir(tmp_path)
    code, data = _json(capsys, "grow", design, "--data", pictures, "--class", ODD, "--epochs", "2")
    assert code == 0
    assert data["class"] == ODD
    assert sorted(p.as_posix() for p in Path().rglob("*.loom")) == [data["artifact"]]
    assert load(data["artifact"]).network.classes == ("a", "b", "c", "d", ODD)
    code, found = _json(capsys, "verify", data["artifact"])
    assert found["differences"] == {"golden": 0}


def test_the_validation_share_is_that_of_the_training(own, tmp_path, capsys, caplog):
    pictures = own[1]
    recipe = _recipe(tmp_path, {"low": ["a", "b"], "high": ["c", "d"]}, f'path = "{pictures}"\nvalidation = 0.3')
    assert main(["train", str(recipe), "--exclude", ODD, "--out", str(tmp_path / "run")]) == 0
    with caplog.at_level(logging.WARNING):
        argv = ["grow", tmp_path / "run" / "tiny.loom", "--data", pictures, "--class", ODD, "--epochs", "1"]
        assert main([*map(str, argv), "--out", str(tmp_path / "grown.loom")]) == 0
    assert "trained on other images" not in caplog.text


def test_training_data_that_is_not_at_hand_is_one_line(capsys, own, nine, tmp_path):
    # The pictures' file is called digits, and the recipe names digits: neither makes them digits.
    text = _refused(capsys, "grow", own[0], "--class", "7")
    assert "its training data ('digits.npz') is not at hand; needed the new class and every class it knows" in text
    assert "name them by --data" in text
    artifact = load(nine)
    for name, info in {
        "mnist": {"config": {"data": {"name": "mnist"}}, "dataset": "mnist test"},
        "path alone": {"config": {"data": {"validation": 0.1}}, "dataset": "pets test"},
        "no recipe": {},
        "rubbish": {"config": {"data": 3}, "dataset": ["digits test"]},
    }.items():
        path = tmp_path / f"{name}.loom"
        save(replace(artifact, info=info), path)
        text = _refused(capsys, "grow", path, "--class", "7")
        assert "is not at hand" in text
        assert ("--data-dir" in text) is (name == "mnist")
    for data in ({"name": "digits", "validation": "x"}, {"name": 3}, {"name": "imagenet"}, {"validation": -1}):
        save(replace(artifact, info={**artifact.info, "config": {"data": data}}), tmp_path / "odd.loom")
        assert "its recipe: [data] key" in _refused(capsys, "grow", tmp_path / "odd.loom", "--class", "7")


def test_mnist_grows_from_the_folder_it_is_shown(capsys, nine, tmp_path):
    path = tmp_path / "mnist.loom"
    save(replace(load(nine), info={"config": {"data": {"name": "mnist"}}, "dataset": "mnist test"}), path)
    text = _refused(capsys, "grow", path, "--class", "7", "--data-dir", tmp_path / "empty")
    assert "mnist: no train-images-idx3-ubyte" in text


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--class", "4"], "tiny: knows class '4' already"),
        (["--class", "ten"], "digits has no images of class 'ten'"),
        (["--class", "7", "--epochs", "0"], "--epochs: 0; needed at least 1"),
        (["--class", "7", "--epochs", "-3"], "--epochs: -3; needed at least 1"),
        (["--class", "7", "--seed", "-1"], "key 'seed': found -1"),
        (["--class", "7", "--data", "absent.npz"], "absent.npz: nothing there"),
    ],
)
def test_what_cannot_be_grown_is_refused_in_one_line_and_writes_nothing(
    capsys, nine, tmp_path, monkeypatch, argv, words
):
    monkeypatch.chdir(tmp_path)
    assert words in _refused(capsys, "grow", nine, *argv)
    assert not list(tmp_path.iterdir())


def test_designs_that_cannot_grow_are_refused_in_one_line(capsys, nine, tmp_path):
    assert "digits-cnn: a flat network; needed a hierarchical one" in _refused(
        capsys, "grow", "digits-cnn", "--class", "ten", "--out", tmp_path / "x.loom"
    )
    path = tmp_path / "bare.loom"
    artifact = load(nine)
    config = {"data": {"name": "digits"}}
    save(replace(artifact, info={"config": config, "dataset": "digits test"}), path)
    assert "its recipe: key 'name': missing" in _refused(capsys, "grow", path, "--class", "7")
    assert "nonesuch" in _refused(capsys, "grow", "nonesuch", "--class", "7")


def test_a_place_that_cannot_be_written_is_one_line(capsys, own, tmp_path):
    (tmp_path / "file").write_text("")
    argv = ("grow", own[0], "--data", own[1], "--class", ODD, "--epochs", "1", "--out")
    assert "cannot be written" in _refused(capsys, *argv, tmp_path / "file" / "sub" / "x.loom")
    assert "exists already" in _refused(capsys, *argv, tmp_path)
    if os.geteuid():
        (tmp_path / "locked").mkdir(mode=0o500)
        _refused(capsys, *argv, tmp_path / "locked" / "x.loom")


# -- hierarchical training --------------------------------------------------------------------------------------


def test_training_tells_the_super_classes_and_writes_them(capsys, own, tmp_path):
    pictures = own[1]
    recipe = _recipe(tmp_path, {"low": ["a", "b"], "high": ["c", "d", ODD]})
    code, data = _json(capsys, "train", recipe, "--data", pictures, "--out", tmp_path / "run")
    assert code == 0
    assert data["hierarchy"] == {"low": ["a", "b"], "high": ["c", "d", ODD]}
    assert data["coarse_accuracy"] == load(data["artifact"]).info["accuracy"]["coarse"]
    assert data["coarse_accuracy"] >= data["test_accuracy"] == data["torch_test_accuracy"]
    assert json.loads((tmp_path / "run" / "hierarchy.json").read_text())["superclasses"] == data["hierarchy"]
    info = load(data["artifact"]).info
    assert info["hierarchy_origin"] == "file groups.json"
    code, data = _json(capsys, "verify", data["artifact"], "--run", tmp_path / "run")
    assert (code, data["differences"]) == (0, {"golden": 0, "torch": 0})


def test_the_baselines_train_from_the_same_recipe(capsys, own, tmp_path):
    recipe = _recipe(tmp_path, {"low": ["a", "b"], "high": ["c", "d", ODD]})
    argv = ("train", recipe, "--data", own[1], "--baseline")
    code, data = _json(capsys, *argv, "flat", "--out", tmp_path / "flat")
    assert (code, data["name"], data["hierarchy"]) == (0, "tiny-flat", None)
    code, data = _json(capsys, *argv, "bcnn", "--out", tmp_path / "bcnn")
    assert (code, data["name"], data["artifact"], data["origin"]) == (0, "tiny-bcnn", None, "measured by torch")
    assert data["coarse_accuracy"] is not None
    assert not list((tmp_path / "bcnn").glob("*.loom"))
    text = _refused(capsys, "train", "digits-cnn", "--baseline", "bcnn", "--out", tmp_path / "x")
    assert "digits-cnn is flat; a B-CNN baseline needs a hierarchical recipe" in text


def _pictures(path, **changes):
    labels = np.repeat(np.arange(4), 5)
    arrays = {"images": np.zeros((20, 8, 8), np.uint8), "labels": labels, "classes": np.array(list("abcd"))}
    np.savez(path, **{key: value for key, value in {**arrays, **changes}.items() if value is not None})
    return path


@pytest.mark.parametrize(
    ("changes", "groups", "words"),
    [
        ({"labels": np.zeros(20, int), "classes": None}, {}, "needed"),
        ({"labels": np.zeros(20, int), "classes": np.array(["a"])}, {}, "1 class(es); needed 2 to"),
        ({"classes": np.array(list("abcc"))}, {}, "class names 'c' and 'c' are the same"),
        ({"classes": np.array(list("abcde"))}, {}, "class 'e' without images"),
        ({"superclasses": np.array(["x"] * 4)}, {}, "1 super-class(es) of 4 classes; needed at least 2"),
        ({}, {"x": list("abcd")}, "1 super-class; needed 2 to"),
        ({}, {"x": ["a", "b"], "y": ["c"]}, "class 'd' is in no super-class"),
        ({}, {"x": ["a", "b"], "y": ["c", "d", "e"]}, "'e' is unknown"),
        ({}, {"x": ["a", "b"], "y": ["b", "c", "d"]}, "class 'b' is in 'x' and 'y'"),
    ],
)
def test_classes_that_make_no_hierarchy_are_refused_in_one_line(capsys, tmp_path, changes, groups, words):
    pictures = _pictures(tmp_path / "p.npz", **changes)
    recipe = _recipe(tmp_path, groups or {"x": ["a", "b"], "y": ["c", "d"]})
    text = _refused(capsys, "train", recipe, "--data", pictures, "--out", tmp_path / "run")
    assert words in text
    assert not (tmp_path / "run" / "checkpoint.pt").exists()


def test_one_line_where_too_many_classes_are_left_out(capsys, tmp_path):
    recipe = _recipe(tmp_path, GROUPS)
    text = _refused(capsys, "train", recipe, "--exclude", "7", "--exclude", "7", "--out", tmp_path / "run")
    assert "key 'exclude'" in text
    text = _refused(capsys, "train", recipe, "--exclude", "seven", "--out", tmp_path / "run")
    assert "'seven' is none of its 10 classes" in text


def test_what_is_grown_still_says_what_it_computes(own, tmp_path):
    argv = ["grow", own[0], "--data", own[1], "--class", ODD, "--epochs", "1", "--out", tmp_path / "g.loom"]
    assert main([*map(str, argv)]) == 0
    before, after = load(own[0]), load(tmp_path / "g.loom")
    assert weights_sha256(before.network) != weights_sha256(after.network)
    (record,) = after.info["grown"]
    assert (record["class"], record["coarse_retrained"]) == (ODD, True)
    assert after.info["config"] == before.info["config"]
    assert after.info["dataset_sha256"] == before.info["dataset_sha256"]
