"""What info, diff, verify and cost say of networks with time."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from handmade import spiking_network, with_node

from crossloom.host.cli import main
from crossloom.host.energy import estimate, shown
from crossloom.sim import Artifact, compare, cost, make_golden, random_network, run, save
from crossloom.sim.activity import activity

IMAGES = np.random.default_rng(0).integers(0, 4, (30, 3, 3, 1), dtype=np.uint8)


def said(capsys, *argv):
    """Exit code, JSON and text of a command."""
    argv = [str(a) for a in argv]
    code = main([*argv, "--json"])
    data = json.loads(capsys.readouterr().out)
    assert main(argv) == code
    return code, data, capsys.readouterr().out


def written(folder, network, images=IMAGES, name="x"):
    path = folder / f"{name}.loom"
    save(Artifact(network, {}, make_golden(network, "random", images)), path)
    return path


def test_info_tells_steps_membranes_spikes_synaptic_operations_and_energy(tmp_path, capsys, flat):
    network = random_network(2003)
    images = np.random.default_rng(0).integers(0, network.input.levels, (6, *network.input.shape), dtype=np.uint8)
    _, data, text = said(capsys, "info", written(tmp_path, network, images))
    found = activity(network, images)
    operations = {name: float(counts.mean()) for name, counts in found.operations.items()}
    assert data["steps"] == 3 and "3 steps, " in text
    assert data["membrane_bits"] == cost(network).membrane_bits > 0
    assert data["synaptic_operations_mean"] == sum(operations.values())
    assert f"{data['synaptic_operations_mean']:,.0f} (simulated on 6 images)" in text
    assert data["spikes_mean"] == {name: counts.mean() for name, counts in found.spikes.items()}
    for name, mean in data["spikes_mean"].items():
        assert f"  {name} " in text and f"{mean:,.1f}, {mean / network.edges[name].image_size:.4f} a neuron" in text
    wanted = estimate(network, operations)
    assert data["energy_estimate"] == wanted.to_json()
    assert f"{shown(wanted.spiking.total)}, " in text and "(estimated, 45 nm)" in text
    _, data, text = said(capsys, "info", flat)
    absent = ("spikes_mean", "synaptic_operations_mean", "energy_estimate")
    assert (data["steps"], data["membrane_bits"], *(data[key] for key in absent)) == (1, 0, None, None, None)
    assert "steps" not in text and "energy" not in text


def test_info_without_golden_images_counts_no_spikes(tmp_path, capsys):
    save(Artifact(spiking_network(), {}, None), tmp_path / "x.loom")
    _, data, text = said(capsys, "info", tmp_path / "x.loom")
    assert data["spikes_mean"] is data["energy_estimate"] is None
    assert "no golden images to count them on" in text


def test_cost_says_the_steps_of_each_edge_where_there_are_several(tmp_path, capsys, flat):
    _, data, text = said(capsys, "cost", written(tmp_path, spiking_network()))
    rows = {line.split()[0]: line.split() for line in text.splitlines()}
    assert rows["layer"][3] == "steps" and rows["conv"][3] == "1" and rows["neurons"][3] == "3"
    assert [layer["name"] for layer in data["layers"]][:2] == ["conv", "neurons"]
    assert "steps" not in said(capsys, "cost", flat)[2]


def test_diff_names_the_first_code_that_differs_by_layer_step_and_neuron(tmp_path, capsys):
    network = spiking_network()
    op = replace(network.producers["neurons"].op, theta=network.producers["neurons"].op.theta + np.array([0, 9]))
    nodes = [
        replace(node, op=op)
        if node.name == "neurons"
        else replace(node, op=replace(node.op, thresholds=op.levels))
        if node.name == "spikes"
        else node
        for node in network.nodes
    ]
    other = replace(network, nodes=tuple(nodes))
    a, b = (written(tmp_path, one, name=name) for one, name in ((network, "a"), (other, "b")))
    _, data, text = said(capsys, "diff", a, b)
    found = compare(network, *(run(one, IMAGES, edges=network.edges).edges for one in (network, other)))
    assert found.total > 0
    assert data["edges"]["codes"] == found.codes and data["edges"]["differences"] == dict(found.differences)
    assert re.match(r"edge neurons \(lif\), image \d+, step [12], \[\d, \d, 1\]: -?\d+ instead", data["edges"]["first"])
    assert data["edges"]["first"] == str(found.first) and f"first, b beside a: {found.first}" in text
    _, data, text = said(capsys, "diff", a, a)
    assert data["edges"]["first"] is None and data["edges"]["differences"] == {} and "first" not in text


def test_diff_compares_no_edges_of_other_structures(tmp_path, capsys):
    network = spiking_network()
    other = with_node(network, "membranes", bits=11)
    a, b = (written(tmp_path, one, name=name) for one, name in ((network, "a"), (other, "b")))
    _, data, _ = said(capsys, "diff", a, b)
    assert data["edges"] is None and not data["same_structure"]


def test_verify_tells_a_golden_code_that_is_wrong_with_its_step_neuron_and_both_codes(tmp_path, capsys):
    network = spiking_network()
    golden = make_golden(network, "random", IMAGES)
    codes = {name: array.copy() for name, array in golden.codes.items()}
    right = int(codes["neurons"][3, 2, 1, 0, 1])
    codes["neurons"][3, 2, 1, 0, 1] += 1
    save(Artifact(network, {}, replace(golden, codes=codes)), tmp_path / "x.loom")
    code, data, text = said(capsys, "verify", tmp_path / "x.loom")
    assert (code, data["differences"]["golden"]) == (1, 1)
    wanted = f"edge neurons (lif), image 3, step 2, [1, 0, 1]: {right} instead of {right + 1}; made from conv "
    assert data["first"]["golden"].startswith(wanted) and wanted in text


@pytest.mark.parametrize("command", [["crossbar", "mnist-snn"], ["fine-tune", "mnist-snn", "--rho", "1e-3"]])
def test_commands_for_arrays_refuse_time_before_they_ask_for_images(capsys, command):
    assert main(command) == 1
    said = capsys.readouterr().err
    assert said.startswith("crossloom: mnist-snn: node 'conv1_lif' (lif): arrays do not read time steps yet; needed")
    assert said.count("\n") == 1


def test_hls4ml_is_not_timed_on_a_network_that_it_refuses(capsys):
    assert main(["bench", "hls", "digits-snn"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("crossloom: digits-snn: node 'conv1_lif' (lif): hls4ml, which is timed beside our kernels")
    assert said.count("\n") == 1


@pytest.mark.parametrize("command", ["verify", "report"])
def test_a_design_whose_test_images_lie_elsewhere_says_how_to_give_them(capsys, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    assert main([command, "mnist-snn"]) == 1
    said = capsys.readouterr().err
    needed = "needed the folder of the data set's files; give it by --data-dir"
    assert said == f"crossloom: test images 'mnist': they do not travel with the design; {needed}\n"
