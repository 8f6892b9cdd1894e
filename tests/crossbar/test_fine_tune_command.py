"""`crossloom fine-tune`: a proved artifact that does better on its arrays, and every refusal in one line."""

import json

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("brevitas", reason="Brevitas is not installed")
pytest.importorskip("sklearn", reason="scikit-learn is not installed")

from crossloom.host import find_design
from crossloom.host.cli import main
from crossloom.sim import load, run, save
from crossloom.sim.crossbar import ArraySpec, Physics, build_network, plan_network
from crossloom.training import physics

RHO = 2e-3
IMAGES = 120  # of the 360 test images


@pytest.fixture(scope="module", autouse=True)
def short_epochs():
    """Epochs of half of every third batch; the tests of training have a whole one."""
    with pytest.MonkeyPatch.context() as patch:
        batches_of = physics.batches_of
        patch.setattr(physics, "batches_of", lambda rows, size: [batch[::2] for batch in batches_of(rows, size)[::3]])
        yield


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    """The folder with an artifact tuned for two short epochs."""
    folder = tmp_path_factory.mktemp("tuned")
    argv = ["fine-tune", "digits-cnn", "--rho", RHO, "--epochs", 2, "--images", IMAGES, "--out", folder / "t.loom"]
    assert main([*map(str, argv)]) == 0
    return folder


def refused(capsys, *argv):
    assert main(["fine-tune", *map(str, argv)]) == 1
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1 and captured.err.startswith("crossloom: ")
    return captured.err


def test_what_it_writes_is_what_it_says(tuned, tmp_path, capsys):
    out = tmp_path / "again.loom"
    argv = ["fine-tune", tuned / "t.loom", "--rho", RHO, "--epochs", 1, "--images", 60, "--methods", "pwa+gain"]
    assert main([*map(str, argv), "--out", str(out), "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    again, first = load(out), load(tuned / "t.loom")
    assert (data["differences"], data["images"], data["same_data"]) == (0, 60, True)
    assert data["sha256"] == again.sha256 and data["accuracy"] == again.info["accuracy"]["value"]
    assert [record["arrays"]["active_rows"] for record in again.info["fine_tuned"]] == [None, 32]
    low, high = data["interval"]["after"]
    assert low < data["after"] < high or data["after"] == high == 1
    some = np.linspace(0, 359, 60).astype(int)
    exact = run(again.network, first.golden.inputs[some]).labels == first.golden.labels[some]
    assert data["ideal_after"] == exact.mean()


def test_the_tuned_network_does_better_on_its_arrays(tuned):
    before, after = load(find_design("digits-cnn")), load(tuned / "t.loom")
    record, some = after.info["fine_tuned"][0], np.linspace(0, 359, IMAGES).astype(int)
    inputs, labels = before.golden.inputs[some], before.golden.labels[some]
    shares = []
    for artifact in (before, after):
        built = build_network(plan_network(artifact.network, ArraySpec()), Physics(rho=RHO)).network
        shares.append((run(built, inputs).labels == labels).mean())
    assert [record["before"], record["after"]] == shares
    assert shares[1] > shares[0] + 0.05


def test_bad_input_is_refused_in_one_line(tuned, tmp_path, capsys):
    bare = load(find_design("digits-cnn"))
    bare.info.pop("config")
    save(bare, tmp_path / "bare.loom")
    for words, argv in (
        ("exists already", ("digits-cnn", "--rho", 1e-3, "--out", tuned / "t.loom")),
        ("--epochs 0; needed at least 1", ("digits-cnn", "--rho", 1e-3, "--epochs", 0)),
        ("--images 0; needed at least 1", ("digits-cnn", "--rho", 1e-3, "--images", 0)),
        ("rho -1.0; needed", ("digits-cnn", "--rho", -1)),
        ("rho nan; needed", ("digits-cnn", "--rho", "nan")),
        ("'magic' is unknown", ("digits-cnn", "--rho", 1e-3, "--methods", "magic")),
        ("'magic': unknown; needed one of", ("digits-cnn", "--rho", 1e-3, "--cells", "magic")),
        ("its recipe: missing", (tmp_path / "bare.loom", "--rho", 1e-3)),
        ("nothing there", ("digits-cnn", "--rho", 1e-3, "--data", tmp_path / "none")),
    ):
        more = () if "--out" in argv else ("--out", tmp_path / "new.loom")
        assert words in refused(capsys, *argv, *more)
    assert not (tmp_path / "new.loom").exists()
