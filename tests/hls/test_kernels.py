"""Each kernel against the operator that defines it, on corners, with one product a cycle and with many."""

import numpy as np
import pytest
from corners import corner_codes, corner_networks
from native_checks import check, folded, mixed, parallel
from spiking_corners import spiking_networks

from crossloom.hls import simulate
from crossloom.sim import run

NETWORKS = {network.name: network for network in [*corner_networks(), *spiking_networks()]}
# A requantizer alone is no other in a folded network but for its lanes; mixed and parallel have all of them.
FOLDED = [name for name in NETWORKS if not name.startswith("round-") or name == "round-byte-half_even"]


@pytest.fixture(scope="module")
def simulations(tmp_path_factory):
    """Cores of the corners by name, for a folding; compiled together when first asked for."""
    made = {}

    def make(fold):
        if fold not in made:
            networks = [NETWORKS[name] for name in (FOLDED if fold is folded else NETWORKS)]
            foldings, folder = [fold(network) for network in networks], tmp_path_factory.mktemp("kernels")
            found = simulate(networks, folder, trace=True, optimize=0, foldings=foldings)
            made[fold] = {network.name: simulation for network, simulation in zip(networks, found, strict=True)}
        return made[fold]

    return make


@pytest.mark.parametrize(
    ("fold", "name"),
    [
        *((folded, name) for name in FOLDED),
        *((mixed, name) for name in NETWORKS),
        *(pytest.param(parallel, name, marks=pytest.mark.long) for name in NETWORKS),
    ],
)
def test_a_kernel_is_exact_on_a_corner(simulations, fold, name):
    network, core = NETWORKS[name], simulations(fold)[name]
    codes = corner_codes(network)
    check(network, core, codes)
    check(network, core, codes[::-1])


def test_the_corners_reach_ties_on_both_sides_of_zero_at_every_shift():
    network = NETWORKS["round-word-half_even"]
    first = network.nodes[0].name
    sums = run(network, codes=corner_codes(network), edges=(first,)).edges[first]
    for channel, shift in enumerate(network.nodes[1].op.shift):
        if shift > 0:
            half = 1 << (int(shift) - 1)
            ties = np.unique(sums[..., channel][(sums[..., channel] + half) % (2 * half) == 0])
            assert (ties > 0).any() if channel % 2 == 0 else (ties < 0).any(), (channel, shift)
