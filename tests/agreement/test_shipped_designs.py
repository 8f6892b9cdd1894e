"""Every shipped design computes, on every edge of every test image, what its golden vectors say."""

import json

import numpy as np
import pytest

from crossloom.host import Accelerator, design_names, find_design
from crossloom.sim import cost, load, run, simulated_digests, weights_sha256

DESIGNS = design_names()


def test_a_flat_and_a_hierarchical_design_are_shipped():
    routed = {name: load(find_design(name)).network.route is not None for name in DESIGNS}
    assert routed["digits-cnn"] is False and routed["digits-sha"] is True


def test_routing_saves_a_quarter_of_the_products_of_either_baseline():
    network = load(find_design("digits-sha")).network
    total = cost(network)
    assert (run(network, load(find_design("digits-sha")).golden.inputs).macs == total.macs).all()
    assert total.saved_flat >= 0.25 and total.saved_bcnn >= 0.25


@pytest.mark.parametrize("name", DESIGNS)
def test_every_edge_of_every_test_image_equals_the_golden_vectors(name):
    artifact = load(find_design(name))
    golden = artifact.golden
    assert np.array_equal(simulated_digests(artifact.network, golden.inputs), golden.digests)
    full = run(artifact.network, golden.images, edges=golden.edges).edges
    assert all(np.array_equal(full[edge], golden.codes[edge]) for edge in golden.edges)


@pytest.mark.parametrize("name", DESIGNS)
def test_the_stated_accuracy_is_the_one_that_comes_out(name):
    artifact = load(find_design(name))
    with Accelerator(name) as accelerator:
        labels = accelerator(artifact.golden.inputs).labels
    assert artifact.info["accuracy"]["value"] == (labels == artifact.golden.labels).mean() >= 0.98


@pytest.mark.parametrize("name", DESIGNS)
def test_the_results_beside_a_design_are_its_own(name):
    artifact = load(find_design(name))
    results = json.loads((find_design(name).parent / "results.json").read_text())
    assert results["sha256"] == artifact.sha256
    assert results["weights_sha256"] == weights_sha256(artifact.network)
    assert results["test_accuracy"] == artifact.info["accuracy"]["value"]
    assert results["differences"] == 0
    assert results["origin"] == "measured"
