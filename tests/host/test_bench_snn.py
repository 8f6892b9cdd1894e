"""`bench snn`: its keys, with and without the libraries it compares with, and that their networks are the same."""

import argparse
import json
import sys
from importlib import import_module
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("brevitas", reason="Brevitas is not installed")

from crossloom.sim import InputError  # noqa: E402

bench = import_module("crossloom.host.commands.bench.snn")
models = import_module("crossloom.host.commands.bench.snn_models")
memory = import_module("crossloom.host.commands.bench.snn_memory")


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(bench, "SECONDS", 0.01)
    monkeypatch.setattr(models, "STEPS", 3)
    monkeypatch.setattr(models, "BATCH", 8)
    monkeypatch.setattr(bench, "_memory", lambda mode, steps: 1.0 * steps)


def test_without_the_libraries_their_keys_are_null_and_the_text_says_what_to_install(small, monkeypatch):
    for name in ("snntorch", "spikingjelly"):
        monkeypatch.setitem(sys.modules, name, None)
    report = bench.run(argparse.Namespace(runs=5, out=None))
    assert list(report.data) == ["step_ms", "peak_mib", "images_per_s", "origin", "runs", "versions"]
    assert report.data["versions"]["torch"].startswith(torch.__version__.partition("+")[0])
    assert list(report.data["step_ms"]) == ["crossloom", "snntorch", "spikingjelly"]
    assert report.data["step_ms"]["crossloom"] > 0 and report.data["step_ms"]["snntorch"] is None
    assert report.data["peak_mib"] == {mode: {"4": 4.0, "8": 8.0, "16": 16.0, "32": 32.0} for mode in ("bptt", "sltt")}
    assert report.data["images_per_s"]["integer"] > 0 and report.data["images_per_s"]["snntorch"] is None
    assert "snnTorch and SpikingJelly not installed; to compare: pip install 'crossloom[snn-bench]'" in report.text


class Leaky(torch.nn.Module):
    """A neuron without a membrane, in the place of snnTorch's."""

    def __init__(self, beta, spike_grad):
        super().__init__()
        assert beta == 0.75

    def init_leaky(self):
        return torch.zeros(())

    def forward(self, x, membrane):
        return torch.sigmoid(x), membrane


def test_with_a_library_its_step_and_its_forward_pass_are_measured(small, monkeypatch):
    monkeypatch.setitem(sys.modules, "snntorch", SimpleNamespace(Leaky=Leaky))
    monkeypatch.setitem(sys.modules, "snntorch.surrogate", SimpleNamespace(atan=lambda: None))
    monkeypatch.setitem(sys.modules, "spikingjelly", None)
    report = bench.run(argparse.Namespace(runs=5, out=None))
    assert report.data["step_ms"]["snntorch"] > 0 and report.data["step_ms"]["spikingjelly"] is None
    assert report.data["images_per_s"]["snntorch"] > 0
    assert "SpikingJelly not installed" in report.text and "snnTorch and" not in report.text


def test_results_are_written_where_they_are_to_go(small, monkeypatch, tmp_path):
    for name in ("snntorch", "spikingjelly"):
        monkeypatch.setitem(sys.modules, name, None)
    out = tmp_path / "snn.json"
    report = bench.run(argparse.Namespace(runs=5, out=str(out)))
    assert json.loads(out.read_text()) == report.data
    out.write_text("{}")
    with pytest.raises(InputError, match=r"snn\.json"):
        bench.run(argparse.Namespace(runs=5, out=str(out)))


def test_too_few_runs_are_refused():
    with pytest.raises(InputError, match="--runs 2; needed at least 5"):
        bench.run(argparse.Namespace(runs=2, out=None))


@pytest.mark.parametrize("mode", ["bptt", "sltt"])
def test_a_step_of_either_mode_gives_gradients(mode):
    model = models.crossloom(3, mode)
    models.by_steps(model, 8)()
    assert all(p.grad is not None for p in model.learned_parameters() if p.dim() > 1)
