"""Networks of ours as NIR files: they come back as they were, and other readers see their numbers."""

import h5py
import nir
import numpy as np
import pytest
from nir_files import NEURONS, conv, dense, of, refused

from crossloom.sim import ForeignError, random_network
from crossloom.sim.identity import structure_sha256, weights_sha256
from crossloom.training.importing.importer import import_nir
from crossloom.training.importing.integers import ImportSettings
from crossloom.training.importing.nir_own import export_nir

EXACT = ImportSettings(6, divisor=256.0)
WRITERS = sorted(NEURONS)


def ours():
    """Random spiking networks, of which NIR can say some."""
    for seed in range(2000, 2150):
        network = random_network(seed, 1)
        yield network


def test_networks_of_ours_come_back_with_both_identities(tmp_path):
    path, count = tmp_path / "a.nir", 0
    for network in ours():
        try:
            export_nir(network, path, 1e-3)
        except ForeignError:
            continue
        back = import_nir(path, "crossloom").network
        count += 1
        assert structure_sha256(back) == structure_sha256(network) and weights_sha256(back) == weights_sha256(network)
        assert back.name == network.name
    assert count >= 3


@pytest.mark.parametrize("writer", WRITERS)
def test_an_import_goes_out_and_comes_back_and_another_reader_sees_its_numbers(tmp_path, writer):
    nodes = conv(NEURONS[writer]) if writer != "spyx" else dense(NEURONS[writer], biases=False)
    network = import_nir(of(writer, tmp_path / "a.nir", nodes), writer, EXACT).network
    export_nir(network, tmp_path / "b.nir")
    back = import_nir(tmp_path / "b.nir", "crossloom").network
    assert structure_sha256(back) == structure_sha256(network) and weights_sha256(back) == weights_sha256(network)
    graph = nir.read(tmp_path / "b.nir", type_check=False)
    kinds = [type(graph.nodes[name]).__name__ for name in ("input", *(b for _, b in sorted(graph.edges)))]
    assert {"Input", "Output", "LIF", "Affine"} <= set(kinds)
    ours = next(node for node in graph.nodes.values() if isinstance(node, nir.LIF))
    assert np.allclose(ours.tau, 4e-4) and ours.metadata["steps"] == network.steps
    assert ours.metadata["strict"] == next(n.op.strict for n in network.nodes if n.op.kind == "lif")
    first = next(node for node in graph.nodes.values() if isinstance(node, nir.Affine | nir.Conv2d))
    wanted = nodes["conv" if "conv" in nodes else "0"].weight
    assert np.array_equal(first.weight, wanted)


def test_a_file_of_ours_whose_numbers_were_changed_is_refused(tmp_path):
    network = import_nir(of("snntorch", tmp_path / "a.nir"), "snntorch", EXACT).network
    for name, key in (("n0", "weight"), ("n1_membrane", "v_threshold")):
        export_nir(network, tmp_path / "b.nir")
        with h5py.File(tmp_path / "b.nir", "a") as file:
            file[f"node/nodes/{name}/{key}"][...] *= 2
        refused(tmp_path / "b.nir", f"node '{name}': its {key} is not that of the integers", "crossloom")
    export_nir(network, tmp_path / "b.nir")
    with h5py.File(tmp_path / "b.nir", "a") as file:
        del file["node/nodes/n1_membrane/metadata/reset"]
        file["node/nodes/n1_membrane/metadata/reset"] = "zero"
    refused(tmp_path / "b.nir", "node 'n1_membrane': the reset in its metadata is not", "crossloom")
    refused(tmp_path / "a.nir", "carries no integers of ours", "crossloom")


def test_what_nir_cannot_say_is_refused_by_name(tmp_path):
    wanted = {"routed network", "no NIR node says it", "channels with a leak and without", "NIR pads evenly"}
    for seed in range(2000, 2100):
        try:
            export_nir(random_network(seed, 3), tmp_path / "a.nir")
        except ForeignError as error:
            wanted -= {words for words in wanted if words in str(error)}
    assert not wanted
