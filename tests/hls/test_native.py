"""The native flow in C simulation against the integer simulator: every edge, every bank, every image."""

from dataclasses import replace

import numpy as np
import pytest
from banks import rewritten
from native_checks import check, check_random, random_cores

from crossloom.hls import HlsError, simulate
from crossloom.hls.device import open_simulation
from crossloom.host import find_design
from crossloom.sim import DeviceError, input_codes, load, random_codes, random_network

SPIKING = (2005, 2006, 2009, 2014, 2041)  # every neuron and end of time; routed, and of one step
# Every operator; ties to even in 12 and 15, pads that matter to a pool in 6.
QUICK = (3, 6, 7, 9, 12, 15, 21, 1000, *SPIKING)
LONG = 300
ROUTED = (15, 1000, 2005)


def test_random_networks_are_exact_on_every_edge(tmp_path):
    check_random(QUICK, tmp_path)


def test_the_types_of_synthesis_are_exact_too(tmp_path):
    check_random((3, 1000, 2041), tmp_path, synthesis_types=True)


@pytest.mark.long
@pytest.mark.parametrize("first", range(0, LONG, 25))
def test_hundreds_of_random_networks_are_exact_on_every_edge(first, tmp_path):
    check_random(range(first, first + 25), tmp_path, 4 + first // 25 % 5)


@pytest.mark.long
@pytest.mark.parametrize("first", range(2000, 2050, 10))
def test_many_random_spiking_networks_are_exact_on_every_spike_and_membrane(first, tmp_path):
    check_random(range(first, first + 10), tmp_path, 4 + first // 10 % 3)


def routed_cores(folder):
    """Cores of two routed networks, from the library of all quick ones."""
    return [random_cores(QUICK, folder)[seed] for seed in ROUTED]


def test_an_answer_does_not_depend_on_the_frames_before(tmp_path):
    simulation = routed_cores(tmp_path)[0]
    network = simulation.network
    codes = random_codes(network, 2, 24)
    order = np.random.default_rng(0).permutation(len(codes))
    for batch in (codes, codes[order], codes[::-1], codes[:1], codes[-1:]):
        check(network, simulation, batch)


def test_loading_other_weights_into_a_running_core_is_exact_and_so_are_the_first_ones_again(tmp_path):
    for simulation in routed_cores(tmp_path):
        network = simulation.network
        others = [rewritten(network, 1), rewritten(network, 2)]
        codes = random_codes(network, 1, 16)
        check(network, simulation, codes)
        for loaded in (others[0], others[1], network):
            simulation.load(loaded)
            check(loaded, simulation, codes)


def regrouped(network):
    """One class of the second branch moved to the first."""
    first, second, *rest = network.route.branches
    moved = replace(first, classes=(*first.classes, second.classes[0])), replace(second, classes=second.classes[1:])
    return replace(network, route=replace(network.route, branches=(*moved, *rest)))


def test_digits_sha_takes_other_branches_while_it_runs():
    design = load(find_design("digits-sha"))
    network, codes = design.network, input_codes(design.network.input, design.golden.inputs[:60])
    other = regrouped(rewritten(network, 3))
    assert {len(b.classes) for b in other.route.branches} == {1, 2, 3}
    simulation = open_simulation(network, "native", trace=True, optimize=1)
    for loaded in (other, network):
        simulation.load(loaded)
        check(loaded, simulation, codes)


def test_a_load_for_another_core_is_refused_and_changes_nothing(tmp_path):
    simulation, other, _ = routed_cores(tmp_path)
    first = simulation.network
    with pytest.raises(DeviceError, match="another structure or trunk"):
        simulation.load(other.network)
    check(first, simulation, random_codes(first, 0, 4))


def test_two_networks_with_the_same_layer_names_run_in_one_process_without_sharing_anything(tmp_path):
    first = routed_cores(tmp_path)[1]
    network, other = first.network, rewritten(first.network, 5)
    simulations = [first, simulate([other], tmp_path / "other", trace=True, optimize=0)[0]]
    codes = random_codes(network, 0, 16)
    for _ in range(2):
        for found, simulation in zip((network, other), simulations, strict=True):
            check(found, simulation, codes)
    simulations[0].load(other)
    check(other, simulations[0], codes)
    simulations[1].load(network)
    check(other, simulations[0], codes)
    assert [s.calls().sum() for s in simulations] == [64, 32]


def test_without_a_compiler_there_is_one_clear_line(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(
        HlsError, match=r"^C simulation of random-1-5: no program g\+\+; it is needed here; install it$"
    ):
        simulate([random_network(1)], tmp_path)
