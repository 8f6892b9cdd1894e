"""`bench sha`: every training once, figures that are their own, and a stopped run that goes on."""

import json

import numpy as np
import pytest

from crossloom.host.cli import main
from crossloom.host.commands.bench import sha as bench_sha
from crossloom.sim import load

RECIPE = """
name = "tiny"
[hierarchy]
source = "discover"
superclasses = 2
discovery_epochs = 1
[training]
epochs = 1
float_epochs = 1
batch_size = 16
threads = 1
[[layers]]
type = "conv"
channels = 3
[[coarse]]
type = "maxpool"
kernel = 4
[[coarse]]
type = "flatten"
[[coarse]]
type = "dense"
[[branch]]
type = "flatten"
[[branch]]
type = "dense"
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A recipe, images of three classes, and the results of one run."""
    path = tmp_path_factory.mktemp("bench")
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 4
    images = (rng.random((60, 4, 4)) < 0.2 + 0.2 * labels[:, None, None]).astype(np.uint8)
    np.savez(path / "own.npz", images=images, labels=labels, levels=2)
    (path / "tiny.toml").write_text(RECIPE)
    assert main(argv(path)) == 0
    return path


def argv(path, *more):
    own = ("--data", str(path / "own.npz"), "--out", str(path / "out"))
    return ["bench", "sha", str(path / "tiny.toml"), "--seeds", "1", *own, "--json", *more]


def test_every_training_is_there_once_and_its_figures_are_those_of_its_artifact(folder, capsys, monkeypatch):
    monkeypatch.setattr(bench_sha, "perform", None)  # everything is there already: nothing may be trained again
    assert main(argv(folder)) == 0
    data = json.loads(capsys.readouterr().out)
    tasks = json.loads((folder / "out" / "results.json").read_text())["tasks"]
    assert sorted(tasks) == sorted(["sha/1", "flat/1", "bcnn/1", *(f"grow/1/{i}" for i in range(4))])
    for kind, name in (("sha", "tiny"), ("flat", "tiny-flat")):
        artifact = load(folder / "out" / kind / "1" / f"{name}.loom")
        assert data[kind]["accuracy"]["values"] == [artifact.info["accuracy"]["value"]]
    assert data["saved_flat"] == 1 - data["macs_mean"] / data["macs_flat"]
    assert data["saved_bcnn"] == 1 - data["macs_mean"] / data["macs_bcnn"]
    grown = load(folder / "out" / "grow" / "1" / "2" / "grown.loom")
    (record,) = grown.info["grown"]
    assert record["class"] == grown.network.classes[-1] == "2"
    assert data["grow"]["retrained"]["new_accuracy"]["values"][2] == record["retrained"]["new_accuracy"]
    lost = record["old_before"] - record["retrained"]["old_after"]
    assert data["grow"]["retrained"]["old_lost"]["values"][2] == lost


def test_what_is_missing_is_trained_and_nothing_else(folder, capsys, monkeypatch):
    path = folder / "out" / "results.json"
    before = path.read_text()
    results = json.loads(before)
    wanted = results["tasks"].pop("bcnn/1")
    path.write_text(json.dumps(results))
    done, perform = [], bench_sha.perform
    monkeypatch.setattr(bench_sha, "perform", lambda task, *rest: done.append(task) or perform(task, *rest))
    assert main(argv(folder, "--no-grow")) == 0
    assert done == ["bcnn/1"]
    assert "grow" not in json.loads(capsys.readouterr().out)
    assert json.loads(path.read_text())["tasks"]["bcnn/1"] == wanted


def test_results_of_another_recipe_a_flat_one_and_bad_numbers_are_refused_in_one_line(folder, tmp_path, capsys):
    def refused(*args):
        assert main(list(args)) == 1
        text = capsys.readouterr().err
        assert text.count("\n") == 1
        return text

    other = tmp_path / "other.toml"
    other.write_text(RECIPE.replace("channels = 3", "channels = 4"))
    assert "results of another recipe" in refused(*[str(other) if a.endswith("toml") else a for a in argv(folder)])
    (tmp_path / "results.json").write_text("[]")
    assert "not the results of an earlier run" in refused("bench", "sha", "--out", str(tmp_path))
    assert "a flat recipe" in refused("bench", "sha", "digits-cnn", "--out", str(tmp_path / "x"))
    assert "--seeds: 0" in refused("bench", "sha", "--seeds", "0")
    assert "--jobs: 0" in refused("bench", "sha", "--jobs", "0")
