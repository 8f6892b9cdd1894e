"""docs/spiking.md: its snippet runs and its artifact verifies, its tables name what the importer knows."""

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("brevitas", reason="Brevitas is not installed")

from crossloom.host.cli import main
from crossloom.sim import load
from crossloom.training.importing.libraries.known import LIBRARIES
from crossloom.training.importing.nir_dialects import WRITERS
from crossloom.training.importing.nir_graph import _LAYERS, NEURONS

PAGE = (Path(__file__).parents[2] / "docs" / "spiking.md").read_text(encoding="utf-8")


@pytest.mark.skipif(find_spec("snntorch") is None, reason="a spiking library is not installed: snnTorch")
def test_the_snippet_makes_an_artifact_that_verifies_in_c_simulation_and_in_rtl(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (snippet,) = re.findall(r"```python\n(.*?)```", PAGE, re.S)
    names = {}
    exec(snippet, names)
    report = names["found"].report()
    assert report["spikes_differing"] <= report["spikes"] / 20 and report["accuracy"] > 0.9
    assert abs(report["accuracy"] - report["accuracy_original"]) < 0.02
    assert load("mine.loom").info["imported"]["against"].startswith("the model itself, snnTorch")
    (command,) = re.findall(r"^    crossloom (verify mine.loom .*)$", PAGE, re.M)
    assert main(command.split()) == 0, capsys.readouterr()


def test_the_page_names_every_class_node_and_writer():
    for library in LIBRARIES.values():
        for name in library.neurons:
            assert f"`{name.removesuffix('Squeeze')}`" in PAGE, name
    (nodes,) = re.findall(r"Nodes: ([^.]*)\.", PAGE)
    assert set(re.split(r",\s+", nodes)) == {*_LAYERS, *NEURONS}
    for writer in WRITERS:
        assert f"\n| {writer} | " in PAGE
