"""Each kernel against the operator that defines it, on corners, with one product a cycle and with many."""

import numpy as np
import pytest
from corners import corner_codes, corner_networks
from native_checks import check, folded, mixed, parallel

from crossloom.hls import simulate
from crossloom.sim import run

NETWORKS = {network.name: network for network in corner_networks()}


@pytest.fixture(scope="module", params=[folded, mixed, pytest.param(parallel, marks=pytest.mark.long)])
def simulations(request, tmp_path_factory):
    networks = list(NETWORKS.values())
    foldings = [request.param(network) for network in networks]
    folder = tmp_path_factory.mktemp("kernels")
    found = simulate(networks, folder, trace=True, optimize=0, foldings=foldings)
    return dict(zip(NETWORKS, found, strict=True))


@pytest.mark.parametrize("name", NETWORKS)
def test_a_kernel_is_exact_on_a_corner(simulations, name):
    network = NETWORKS[name]
    codes = corner_codes(network)
    check(network, simulations[name], codes)
    check(network, simulations[name], codes[::-1])


def test_the_corners_reach_ties_on_both_sides_of_zero_at_every_shift():
    network = NETWORKS["round-word-half_even"]
    first = network.nodes[0].name
    sums = run(network, codes=corner_codes(network), edges=(first,)).edges[first]
    for channel, shift in enumerate(network.nodes[1].op.shift):
        if shift > 0:
            half = 1 << (int(shift) - 1)
            ties = np.unique(sums[..., channel][(sums[..., channel] + half) % (2 * half) == 0])
            assert (ties > 0).any() if channel % 2 == 0 else (ties < 0).any(), (channel, shift)
