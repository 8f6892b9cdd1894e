"""Generated cores behind the top function: exact, reloadable, and refused loads are noticed by the host."""

from dataclasses import replace

import numpy as np
import pytest
from banks import rewritten
from tiny_flow import TINY, run_testbench, tiny_network

from crossloom.hls import HlsError
from crossloom.hls.device import open_simulation, simulation_library
from crossloom.hls.emit import FLOWS, emit
from crossloom.sim import Artifact, compare, differing, random_codes, random_network, run
from crossloom.sim.frames import frame_layout, load_beats


def routed_network():
    network = random_network(24, 3)
    assert network.route is not None and frame_layout(network).frame_beats > 1
    return network


def same(found, expected):
    return not differing(expected, found).any()


@pytest.fixture(scope="module")
def simulation():
    return open_simulation(routed_network(), "native", trace=True, optimize=0)


def test_every_edge_of_a_routed_network_comes_through_the_top_function(simulation):
    network = routed_network()
    codes = random_codes(network, 1, 100)  # more than the 64 frames of one command
    assert same(simulation.run(codes), run(network, codes=codes))
    edges = simulation.edges()
    assert list(edges) == list(network.edges)
    assert compare(network, run(network, codes=codes, edges=edges).edges, edges).first is None


def test_banks_are_rewritten_through_the_top_function_and_back(simulation):
    network, other = routed_network(), rewritten(routed_network(), 5)
    codes = random_codes(network, 2, 40)
    expected = run(other, codes=codes)
    assert not same(run(network, codes=codes), expected)
    simulation.load(other)
    assert same(simulation.run(codes), expected)
    simulation.load(network)
    assert same(simulation.run(codes), run(network, codes=codes))


def test_the_host_notices_a_load_that_the_core_refused(simulation, monkeypatch):
    network = routed_network()
    monkeypatch.setattr("crossloom.hls.csim.load_beats", lambda n: load_beats(n)[:-1])
    with pytest.raises(HlsError, match="load: status 3"):
        simulation.load(network)
    monkeypatch.undo()
    simulation.load(network)
    codes = random_codes(network, 3, 5)
    assert same(simulation.run(codes), run(network, codes=codes))


def test_the_test_bench_of_a_routed_network_loads_it(tmp_path):
    emit(Artifact(routed_network()), "native", tmp_path)
    found = run_testbench(tmp_path)
    assert (found.returncode, found.stdout) == (0, "PASS: 8 frames\n"), found.stderr
    load = tmp_path / "tb" / "load.txt"
    load.write_text(load.read_text()[:-17])  # a beat less
    assert "FAIL: status of a load" in run_testbench(tmp_path, compiled=True).stdout


def test_a_library_is_found_by_its_network_without_generating_it_again(tmp_path, monkeypatch):
    def build(sources, include, **options):
        (tmp_path / "built").write_text(f"{sources[0].read_text()} {sorted(options.items())}")
        return tmp_path / "built"

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("crossloom.hls.device.build_library", build)
    monkeypatch.setattr("crossloom.sim.cache.complaint", lambda path, needs: "")
    monkeypatch.setitem(FLOWS, "tiny", TINY)
    first = simulation_library(tiny_network(), "tiny", optimize=0)
    monkeypatch.setitem(FLOWS, "tiny", replace(TINY, write=None))
    assert simulation_library(tiny_network(), "tiny", optimize=0) == first
    monkeypatch.setitem(FLOWS, "tiny", TINY)
    others = [
        simulation_library(tiny_network(1), "tiny", optimize=0),
        simulation_library(tiny_network(name="other"), "tiny", optimize=0),
        simulation_library(tiny_network(), "tiny", optimize=1),
    ]
    assert len({first, *others}) == 4


def test_two_networks_with_the_same_layer_names_keep_their_own_weights(tmp_path, monkeypatch):
    monkeypatch.setitem(FLOWS, "tiny", TINY)
    networks = [tiny_network(0), tiny_network(1)]
    simulations = [open_simulation(n, "tiny", optimize=0) for n in networks]
    codes = random_codes(networks[0], 0, 20)
    for _ in range(2):
        for network, simulation in zip(networks, simulations, strict=True):
            assert np.array_equal(simulation.run(codes).scores, run(network, codes=codes).logits)
