"""The long way on the command line: train, verify, demo, bench, on a recipe cut short."""

import contextlib
import io
import json

import numpy as np
import pytest

from crossloom.host.cli import main
from crossloom.host.commands.bench import sim as bench
from crossloom.sim import InputError, load, save
from crossloom.training import workflow
from crossloom.training.config import override

SHORT = {"training": {"epochs": 1, "float_epochs": 2}}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with a short run of the shipped recipe, and what `train --json` said of it."""
    folder = tmp_path_factory.mktemp("run")
    argv = ["train", "digits-cnn", "--out", str(folder), "--seed", "3", "--json"]
    found, said = workflow.find_recipe, io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(said):
        patch.setattr(workflow, "find_recipe", lambda *a: override(found(*a), SHORT))
        assert main(argv) == 0
    return folder, json.loads(said.getvalue())


@pytest.fixture(scope="module")
def run_dir(trained):
    """The folder alone."""
    return trained[0]


def _json(capsys, *argv):
    code = main([*map(str, argv), "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_train_writes_a_proved_artifact_and_says_how_good_it_is(trained):
    folder, data = trained
    assert data["seed"] == 3
    assert data["proof"]["samples"] >= 1000
    artifact = load(data["artifact"])
    assert artifact.sha256 == data["sha256"]
    assert artifact.info["seed"] == 3
    assert str(folder.parent) not in json.dumps(dict(artifact.info))
    assert artifact.info["accuracy"]["value"] == data["test_accuracy"] == data["torch_test_accuracy"]
    lines = (folder / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["phase"] for line in lines] == ["float", "float", "qat"]


def test_train_says_how_good_the_network_was_with_more_steps(capsys, tmp_path, monkeypatch):
    found, stages = workflow.find_recipe, {"steps": 1, "from_steps": 2}
    fewer = {"training": {"epochs": 1, "float_epochs": 0}, "spiking": stages}
    monkeypatch.setattr(workflow, "find_recipe", lambda *a: override(found(*a), fewer))
    assert main(["train", "digits-snn", "--out", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    artifact = load(tmp_path / "digits-snn.loom")
    (stage,) = artifact.info["stages"]
    assert stage["steps"] == 2 and stage["origin"] == "measured by torch on digits test"
    shown = f"{100 * stage['test_accuracy']:.2f} % (torch)"
    assert [line.split("steps")[1].strip() for line in text.splitlines() if "at 2 steps" in line] == [shown]


def test_the_same_run_exports_to_the_same_bytes(run_dir):
    first = (run_dir / "digits-cnn.loom").read_bytes()
    config = override(workflow.find_recipe("digits-cnn", 3), SHORT)
    dataset = workflow.find_dataset(config.data)
    finished = workflow.train_and_export(config, dataset, run_dir, resume=True)
    assert finished.path.read_bytes() == first


def test_verify_compares_with_the_torch_model_at_hand(capsys, run_dir):
    code, data = _json(capsys, "verify", run_dir / "digits-cnn.loom", "--run", run_dir, "--devices", "integer")
    assert code == 0
    assert data["differences"] == {"golden": 0, "torch": 0, "integer": 0}
    assert (data["vectors"], data["layers"]) == (360, 16)
    assert main(["verify", str(run_dir / "digits-cnn.loom"), "--run", str(run_dir)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "differences: 0"


def test_verify_leaves_out_a_torch_model_that_is_not_at_hand_and_says_so(capsys, run_dir, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, data = _json(capsys, "verify", run_dir / "digits-cnn.loom")
    assert code == 0
    assert data["differences"] == {"golden": 0}
    assert "no checkpoint" in data["skipped"]["torch"]
    assert main(["verify", str(run_dir / "digits-cnn.loom"), "--run", str(tmp_path)]) == 1
    assert "holds no checkpoint.pt" in capsys.readouterr().err


def test_verify_leaves_out_a_checkpoint_that_cannot_be_read_and_says_so(capsys, run_dir, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "digits-cnn").mkdir(parents=True)
    (tmp_path / "runs" / "digits-cnn" / "checkpoint.pt").write_bytes(b"no checkpoint")
    code, data = _json(capsys, "verify", run_dir / "digits-cnn.loom")
    assert code == 0
    assert data["differences"] == {"golden": 0}
    assert "not a whole checkpoint" in data["skipped"]["torch"]
    assert main(["verify", str(run_dir / "digits-cnn.loom"), "--run", "runs/digits-cnn"]) == 1
    assert "not a whole checkpoint" in capsys.readouterr().err


def test_verify_refuses_the_run_of_another_network(capsys, run_dir):
    assert main(["verify", "digits-cnn", "--run", str(run_dir)]) == 1
    assert "its checkpoint holds other weights" in capsys.readouterr().err


def test_demo_goes_the_whole_way_and_closes_with_the_line(capsys, tmp_path, monkeypatch):
    found, short = workflow.find_recipe, {**SHORT, "hierarchy": {"discovery_epochs": 1}}
    monkeypatch.setattr(workflow, "find_recipe", lambda *a: override(found(*a), short))
    assert main(["demo", "--out", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "differences: 0"
    folder = tmp_path / "digits-sha"
    assert {"checkpoint.pt", "digits-sha.loom", "report.html"} <= {path.name for path in folder.iterdir()}

    def stop(config, dataset, out, **how):
        assert out == folder and not folder.exists()
        raise InputError("a second demo replaces the first")

    monkeypatch.setattr(workflow, "train_and_export", stop)
    assert main(["demo", "--out", str(tmp_path)]) == 1
    assert "a second demo replaces the first" in capsys.readouterr().err
    (tmp_path / "other" / "digits-sha").mkdir(parents=True)
    assert main(["demo", "--out", str(tmp_path / "other")]) == 1
    assert "exists and is no earlier demo" in capsys.readouterr().err


def test_demo_goes_the_same_way_with_spikes(capsys, tmp_path, monkeypatch):
    found = workflow.find_recipe
    monkeypatch.setattr(workflow, "find_recipe", lambda *a: override(found(*a), SHORT))
    assert main(["demo", "digits-snn", "--out", str(tmp_path), "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["differences"] == 0 and data["verify"]["differences"] == {"golden": 0, "torch": 0}
    assert data["spikes"]["steps"] == 4 and data["spikes"]["spikes_mean"] > 0
    assert main(["demo", "nonesuch", "--out", str(tmp_path)]) == 1
    assert "demo: 'nonesuch'; needed one of digits-sha, digits-snn, digits-cnn" in capsys.readouterr().err


def test_bench_measures_all_three_and_the_memory(capsys, monkeypatch):
    monkeypatch.setattr(bench, "SECONDS", 0.01)
    monkeypatch.setattr(bench, "MEMORY_IMAGES", 64)
    code, data = _json(capsys, "bench", "sim", "--runs", "5")
    assert code == 0
    for batch in ("1", "256"):
        assert all(data[batch][name] > 0 for name in ("integer", "brevitas", "torch"))
    assert data["memory"]["images"] == 64
    assert 20 < data["memory"]["peak_mib"] < 2048
    assert main(["bench", "sim", "--runs", "4"]) == 1
    assert "needed at least 5" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["train", "nonesuch"], "recipe 'nonesuch': not found; shipped recipes: cifar10-resnet20"),
        (["train", "absent.toml"], "absent.toml"),
        (["train", "digits-cnn", "--data", "absent.npz"], "absent.npz"),
    ],
)
def test_what_cannot_be_trained_is_refused_in_one_line(capsys, tmp_path, monkeypatch, argv, words):
    monkeypatch.chdir(tmp_path)
    assert main(argv) == 1
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert words in captured.err
    assert not list(tmp_path.iterdir())


def test_a_users_own_images_train_and_verify(capsys, tmp_path, monkeypatch):
    found = workflow.find_recipe
    monkeypatch.setattr(workflow, "find_recipe", lambda *a: override(found(*a), SHORT))
    rng = np.random.default_rng(0)
    labels = np.arange(120) % 3
    images = rng.integers(0, 60, (120, 8, 8, 1), dtype=np.uint8) + (60 * labels).astype(np.uint8)[:, None, None, None]
    np.savez(tmp_path / "own.npz", images=images, labels=labels, classes=np.array(["dark", "grey", "light"]))
    code, data = _json(capsys, "train", "digits-cnn", "--data", tmp_path / "own.npz", "--out", tmp_path / "run")
    assert code == 0
    assert data["test_accuracy"] > 0.5
    code, data = _json(capsys, "verify", data["artifact"], "--run", tmp_path / "run")
    assert code == 0
    assert data["differences"] == {"golden": 0, "torch": 0}


def test_a_design_without_its_test_images_is_verified_from_the_data_set(capsys, tmp_path, run_dir, monkeypatch):
    from dataclasses import replace

    artifact = load(run_dir / "digits-cnn.loom")
    path = tmp_path / "bare.loom"
    save(replace(artifact, golden=replace(artifact.golden, inputs=None, labels=None)), path)
    monkeypatch.chdir(tmp_path)
    code, data = _json(capsys, "verify", path)
    assert code == 0
    assert data["differences"] == {"golden": 0}
    np.savez(tmp_path / "own.npz", images=artifact.golden.inputs, labels=artifact.golden.labels, levels=17)
    code, data = _json(capsys, "verify", path, "--data", tmp_path / "own.npz")
    assert (code, data["differences"], data["beyond"], data["missing"]) == (0, {"golden": 0}, 0, 0)
    assert main(["report", str(path)]) == 0
    bare = capsys.readouterr().out.replace("bare.loom", "x")
    assert main(["report", str(run_dir / "digits-cnn.loom")]) == 0
    assert capsys.readouterr().out.splitlines()[:3] == bare.splitlines()[:3]
    save(replace(artifact, golden=replace(artifact.golden, inputs=None, labels=None, dataset="moon test")), path)
    assert main(["verify", str(path), "--data-dir", str(tmp_path)]) == 1
    assert "test images 'moon': not at hand; needed" in capsys.readouterr().err
