"""Scores of a network that stops early are those of the same network with fewer steps."""

from dataclasses import replace

import numpy as np
import pytest
from handmade import routed_network, spiking_network

from crossloom.sim import Network, input_codes, random_codes, random_network, run
from crossloom.sim.ops.base import parameters
from crossloom.sim.stopping import Stopping


def cut(network, steps):
    """The network with fewer steps; what reads the end of time must read any number of steps."""
    nodes = [
        replace(node, op=replace(node.op, steps=steps)) if "steps" in parameters(node.op) else node
        for node in network.nodes
    ]
    given = network.input
    if given.steps > 1:
        table = np.minimum(given.table, steps) if given.encoder == "latency" else given.table
        given = replace(given, steps=steps, table=table)
    return Network(network.name, given, tuple(nodes), network.output, network.classes)


def stopped(network, codes):
    stopping = Stopping(network)
    return stopping.scores(run(network, codes=codes, edges=stopping.edges).edges)


def test_a_network_that_stops_early_answers_as_one_with_fewer_steps():
    network = spiking_network()
    codes = input_codes(network.input, np.random.default_rng(0).integers(0, 4, (40, 3, 3, 1), dtype=np.uint8))
    found = stopped(network, codes)
    assert found.shape == (40, 3, 3)
    for steps in (1, 2, 3):
        assert (found[:, steps - 1] == run(cut(network, steps), codes=codes).logits).all()
    assert (found[:, 0] != found[:, 2]).any()


@pytest.mark.parametrize("seed", [2000, 2001, 2007, 2014, 2015, 2058])  # sum, last and first, with and without encoder
def test_random_networks_stop_early_as_with_fewer_steps(seed):
    network = random_network(seed)
    codes = random_codes(network, seed, 12)
    found = stopped(network, codes)
    assert found.shape[1] == network.steps > 1
    for steps in range(1, network.steps + 1):
        part = codes[:, :steps] if network.input.steps > 1 else codes
        fewer = cut(network, steps)
        part = part.reshape(len(part), *fewer.input.edge.image_shape)
        assert (found[:, steps - 1] == run(fewer, codes=part).logits).all(), steps


@pytest.mark.parametrize("seed", [2008, 2011, 2018, 2036, 2069, 2108])
def test_the_last_scores_are_the_networks_where_layers_follow_the_end_of_time(seed):
    network = random_network(seed)
    codes = random_codes(network, seed, 12)
    found = stopped(network, codes)
    assert found.shape[1] == network.steps > 1
    assert (found[:, -1] == run(network, codes=codes).logits).all()


def test_nothing_is_said_of_networks_without_time_or_with_branches():
    assert Stopping(random_network(3)).steps == 0
    assert Stopping(routed_network()).steps == 0 and Stopping(routed_network()).edges == ()
