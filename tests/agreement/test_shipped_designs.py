"""Every shipped design computes, on every edge of every test image, what its golden vectors say."""

import json

import numpy as np
import pytest
import shipped_designs

from crossloom.host import Accelerator, design_names, find_design
from crossloom.sim import cost, load, run, simulated_digests, weights_sha256

DESIGNS = design_names()


def test_a_flat_and_a_hierarchical_design_are_shipped():
    routed = {name: load(find_design(name)).network.route is not None for name in DESIGNS}
    assert routed["digits-cnn"] is False and routed["digits-sha"] is True


def test_spiking_designs_of_still_and_moving_images_are_shipped():
    of = {name: load(find_design(name)).network for name in DESIGNS}
    assert {name: network.input.encoder for name, network in of.items() if network.timed} == {
        "digits-snn": "direct",
        "mnist-snn": "direct",
        "nmnist-snn": "events",
    }


def test_routing_saves_a_quarter_of_the_products_of_either_baseline():
    network = load(find_design("digits-sha")).network
    total = cost(network)
    assert (run(network, load(find_design("digits-sha")).golden.inputs).macs == total.macs).all()
    assert total.saved_flat >= 0.25 and total.saved_bcnn >= 0.25


@pytest.mark.parametrize("name", DESIGNS)
def test_every_edge_of_the_first_test_images_equals_the_golden_vectors(name):
    artifact = load(find_design(name))
    golden = artifact.golden
    full = run(artifact.network, golden.images, edges=golden.edges).edges
    assert all(np.array_equal(full[edge], golden.codes[edge]) for edge in golden.edges)
    assert np.array_equal(simulated_digests(artifact.network, golden.images), golden.digests[: len(golden.images)])


@pytest.mark.parametrize("name", DESIGNS)
def test_every_edge_of_every_test_image_equals_the_golden_vectors(name):
    artifact = load(find_design(name))
    images, _ = shipped_designs.test_images(name)
    some = images[: None if len(images) <= 360 else 200]
    assert np.array_equal(simulated_digests(artifact.network, some), artifact.golden.digests[: len(some)])


@pytest.mark.long
@pytest.mark.parametrize("name", [name for name in DESIGNS if load(find_design(name)).golden.inputs is None])
def test_every_edge_of_each_of_many_test_images_equals_the_golden_vectors(name):
    artifact = load(find_design(name))
    images, _ = shipped_designs.test_images(name)
    assert np.array_equal(simulated_digests(artifact.network, images), artifact.golden.digests)


@pytest.mark.long
@pytest.mark.parametrize("name", [name for name in DESIGNS if load(find_design(name)).network.timed])
def test_every_spike_and_membrane_of_a_thousand_test_images_is_torchs(name):
    pytest.importorskip("torch", reason="torch is not installed")
    from crossloom.training.prove import convert_model, prove
    from crossloom.training.restore import restore
    from crossloom.training.spiking.fitting import encoder_of

    network = load(find_design(name)).network
    restored = restore(load(find_design(name)))
    found = convert_model(
        restored.model,
        name,
        network.classes,
        network.input.shape,
        restored.values,
        encoder_of(restored.config),
    )
    assert weights_sha256(found.network) == weights_sha256(network)
    images = shipped_designs.test_images(name)[0][:1000]
    proof = prove(found, images)  # raises at the first code that differs
    assert proof.edges == len(network.edges)
    assert proof.codes == len(images) * sum(edge.image_size for edge in network.edges.values())


@pytest.mark.parametrize("name", DESIGNS)
def test_the_stated_accuracy_is_the_one_that_comes_out(name):
    artifact = load(find_design(name))
    images, labels = shipped_designs.test_images(name)
    with Accelerator(name) as accelerator:
        found = accelerator(images).labels
    assert artifact.info["accuracy"]["value"] == (found == labels).mean() >= shipped_designs.LEAST[name]


@pytest.mark.parametrize("name", DESIGNS)
def test_the_results_beside_a_design_are_its_own(name):
    artifact = load(find_design(name))
    results = json.loads((find_design(name).parent / "results.json").read_text())
    assert results["sha256"] == artifact.sha256
    assert results["weights_sha256"] == weights_sha256(artifact.network)
    assert results["test_accuracy"] == artifact.info["accuracy"]["value"]
    assert results["differences"] == 0
    assert results["origin"] == "measured"
