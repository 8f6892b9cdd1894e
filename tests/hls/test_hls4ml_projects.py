"""hls4ml projects leave nothing to a default or to chance."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from expressible import expressible_network
from hls4ml_networks import corners, dense, network_of

from crossloom.hls import build_library
from crossloom.hls.hls4ml_model import take_apart
from crossloom.hls.hls4ml_project import write_core
from crossloom.hls.hls4ml_torch import torch_module
from crossloom.hls.hls4ml_types import edge_type
from crossloom.host import find_design
from crossloom.sim import Flatten, load, random_codes, run

pytest.importorskip("hls4ml")


def test_a_routed_network_has_a_project_for_trunk_head_and_each_branch(tmp_path):
    core = write_core(load(find_design("digits-sha")).network, tmp_path)
    folders = sorted(p.name for p in tmp_path.iterdir() if p.is_dir())
    assert folders == [*(f"branch{i}" for i in range(5)), "head", "nnet_utils", "trunk"]
    assert "crossloom" not in "".join(path.read_text() for path in (tmp_path / "nnet_utils").iterdir())
    assert core.read_text().count("case ") + core.read_text().count("default:") == 5


def test_no_type_is_left_at_a_default(tmp_path):
    """Every ap type of a project is one that the model names, and none is hls4ml's default."""
    network = load(find_design("digits-cnn")).network
    write_core(network, tmp_path)
    (project,) = take_apart(network).projects
    named = {t for layer in project.layers for t in layer.types.values()} | {edge_type(project.input)}
    named = {t.replace("SAT>", "SAT,0>").replace("SYM>", "SYM,0>") for t in named}  # saturation bits, as hls4ml has it
    text = (tmp_path / "network" / "defines.h").read_text()
    found = set(re.findall(r"ap_u?fixed<[^>]*>", text))
    assert found and found <= named
    assert "default_t" not in text


def test_the_torch_module_computes_the_values_that_the_codes_stand_for():
    import torch

    network = network_of([("flat", Flatten(), ("input",)), ("logits", dense(4, 72, frac=3), ("flat",))])
    codes = random_codes(network, 0, 5)
    before = torch.random.get_rng_state()
    module = torch_module(take_apart(network).projects[0])
    assert torch.equal(torch.random.get_rng_state(), before)
    found = module(torch.from_numpy(codes / 16).permute(0, 3, 1, 2))
    assert found.dtype == torch.float64
    assert (found.detach().numpy() * 2**7 == run(network, codes=codes).logits).all()


def test_synthesis_and_simulation_have_the_same_weights(tmp_path):
    network = network_of([("flat", Flatten(), ("input",)), ("logits", dense(4, 72, frac=9), ("flat",))])
    write_core(network, tmp_path)
    text = (tmp_path / "network" / "weights" / "w3.h").read_text()
    lists = [[float(v) for v in values.split(",")] for values in re.findall(r" = \{(.*)\};", text)]
    weight = network.nodes[1].op.weight
    assert lists[0] == lists[1] == (weight.ravel() / 512).tolist()
    assert text.index("#ifdef __SYNTHESIS__") < text.index("weight_t w3[288] = {")


def test_the_form_that_synthesis_reads_compiles(tmp_path):
    """g++ cannot be Vitis HLS; it can read what only `__SYNTHESIS__` selects, once ap_types are in."""
    routed = list(corners())[-1]
    core = write_core(routed, tmp_path / "core")
    (tmp_path / "synthesis.cpp").write_text(
        '#include <iostream>\n#include "ap_fixed.h"\n#include "ap_shift_reg.h"\n#include "hls_math.h"\n'
        '#include "hls_stream.h"\n#define __SYNTHESIS__\n#include "core.hpp"\n'
        'static_assert(crossloom_routed_from_the_input_core::kLoadBeats == 0, "");\n'
    )
    build_library([tmp_path / "synthesis.cpp"], [core.parent], where="synthesis", optimize=0)


def test_projects_are_quiet_the_same_bytes_anywhere_and_inside_their_folder(tmp_path, monkeypatch, capfd):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    network = expressible_network(4)
    write_core(network, tmp_path / "one")
    assert capfd.readouterr() == ("", "")
    code = (
        f"import sys; sys.path[:0] = {[str(Path(__file__).parent), *sys.path]}\n"
        "from pathlib import Path; from expressible import expressible_network\n"
        "from crossloom.hls.hls4ml_project import write_core\n"
        f"write_core(expressible_network(4), Path({str(tmp_path / 'two')!r}))"
    )
    environment = {
        "PATH": "/usr/bin:/bin",
        "PYTHONHASHSEED": "7",
        "HOME": str(elsewhere),
        "LC_ALL": "C",
        "HLSCONFIG": "x",
    }
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=elsewhere, env=environment, capture_output=True, text=True, check=True
    )
    assert said.stdout == said.stderr == ""
    one, two = (
        {p.relative_to(tmp_path / name).as_posix(): p.read_bytes() for p in (tmp_path / name).rglob("*") if p.is_file()}
        for name in ("one", "two")
    )
    assert one == two and "core.hpp" in one
    assert list(elsewhere.iterdir()) == []
