"""`crossloom import` and `export`: what they print and write, and their refusals in one line."""

import json

import numpy as np
import pytest

nir = pytest.importorskip("nir", reason="nir is not installed")

from nir_files import NEURONS, dense, of  # noqa: E402

from crossloom.host.cli import main  # noqa: E402
from crossloom.sim import load, run  # noqa: E402
from crossloom.sim.identity import weights_sha256  # noqa: E402

pytest.importorskip("torch", reason="torch is not installed")

KEYS = ["writer", "layers", "spikes", "spikes_differing", "guard", "rounded"]


@pytest.fixture
def given(tmp_path, monkeypatch):
    """A file and images for it, in the folder where commands run; compared with the rules in float64."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("crossloom.training.importing.running.installed", lambda package: None)
    rng = np.random.default_rng(0)
    np.savez(
        tmp_path / "tests.npz", images=rng.integers(0, 256, (50, 3, 4, 1)).astype(np.uint8), labels=np.arange(50) % 3
    )
    return of("snntorch", tmp_path / "net.nir", dense(NEURONS["snntorch"]))


def called(capsys, *argv):
    code = main(list(map(str, argv)))
    out, err = capsys.readouterr()
    return code, out, err


ARGS = "--writer", "snntorch", "--steps", "6", "--divisor", "256", "--input", "3x4x1"


def test_an_import_measures_writes_an_artifact_and_prints_its_keys(given, capsys):
    code, out, _ = called(capsys, "import", given, *ARGS, "--data", "tests.npz", "--samples", "40", "--json")
    data = json.loads(out)
    assert code == 0 and list(data)[:6] == KEYS
    assert data["writer"] == "snntorch" and data["guard"] == 16 and data["rounded"] == [] and data["images"] == 40
    assert data["spikes"] > 30 and data["spikes_differing"] == 0
    assert [list(layer) for layer in data["layers"]] == [["name", "spikes", "differing", "guard"]] * 2
    artifact = load("runs/net/net.loom")
    assert artifact.sha256 == data["sha256"] and artifact.info["imported"]["file"] == "net.nir"
    assert artifact.info["accuracy"]["value"] == data["accuracy"] == data["accuracy_original"]
    assert artifact.golden.vectors == 40 and artifact.golden.dataset == "first 40 of tests.npz"
    assert called(capsys, "verify", "runs/net/net.loom")[0] == 0


def test_a_design_goes_out_and_comes_back_by_the_commands(given, capsys):
    code, out, _ = called(capsys, "import", given, *ARGS, "-o", "a.loom")
    assert code == 0 and "not measured: give --data" in out
    code, out, _ = called(capsys, "export", "a.loom", "--format", "nir", "-o", "b.nir", "--step", "1e-3")
    assert code == 0 and "the same network" in out
    code, out, _ = called(capsys, "import", "b.nir", "--writer", "crossloom", "--data", "tests.npz", "-o", "c.loom")
    assert code == 0 and "the integers as they were exported" in out
    a, c = load("a.loom"), load("c.loom")
    assert weights_sha256(a.network) == weights_sha256(c.network) and c.network.name == a.network.name
    images = c.golden.inputs
    assert c.info["accuracy"]["right"] == (run(a.network, images).labels == np.arange(50) % 3).sum()


def test_the_text_says_layer_by_layer_what_differs_and_what_was_rounded(given, capsys):
    code, out, _ = called(
        capsys, "import", given, *ARGS, "--guard", "0", "--weight-bits", "4", "--data", "tests.npz", "-o", "a.loom"
    )
    assert code == 0 and "against its rule in float64" in out
    for words in (
        "spikes",
        "differ; 0 guard bits",
        "layer '0': weights to 4 bits",
        "reset subtract, snntorch's default",
    ):
        assert words in out
    assert "before" in out and "after (measured)" in out


@pytest.mark.parametrize(
    ("argv", "match"),
    [
        (["import", "net.nir"], "--writer: missing"),
        (["import", "net.nir", "--writer", "snntorch"], "--steps: missing"),
        (["import", "net.nir", "--writer", "lava", "--steps", "6"], "--writer 'lava'"),
        (["import", "net.nir", *ARGS, "--input", "28x28"], "--input '28x28'"),
        (["import", "net.nir", *ARGS, "--input", "0x4x1"], "--input '0x4x1'"),
        (["import", "net.nir", *ARGS, "--samples", "0"], "--samples: 0"),
        (["import", "net.nir", *ARGS, "--most", "0"], "most: 0 spikes a step"),
        (["import", "net.nir", *ARGS, "--data", "none.npz"], "none.npz"),
        (["import", "net.nir", *ARGS, "--single"], "input norms and single spikes are sinabs' alone"),
        (["import", "net.onx", *ARGS], "net.onx: no kind of file that is known; needed a .nir file"),
        (["import", "net.nir", *ARGS, "-o", "tests.npz"], "tests.npz: exists already"),
        (["import", "none.nir", *ARGS], "none.nir: cannot be read"),
        (["export", "digits-cnn"], "no NIR node says it"),
        (["export", "digits-cnn", "-o", "tests.npz"], "tests.npz: exists already"),
        (["export", "none.loom"], "none.loom: no such file"),
    ],
)
def test_what_cannot_be_imported_or_exported_is_one_line(given, capsys, argv, match):
    code, out, err = called(capsys, *argv)
    assert code == 1 and out == "" and match in err and err.count("\n") == 1


def test_without_nir_the_extra_is_named(given, capsys, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "nir", None)
    code, _, err = called(capsys, "import", given, *ARGS)
    assert code == 1 and "pip install 'crossloom[nir]'" in err
