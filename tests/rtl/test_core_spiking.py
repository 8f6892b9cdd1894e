"""A spiking network behind its AXI ports: exact on every edge and step, and alive after every fault of test_core."""

from types import SimpleNamespace

import pytest
from core_cases import FOLDING
from spiking_networks import spiking_digits
from test_core import (  # noqa: F401  # the same tests, whose core here is a spiking one
    test_a_frame_without_tlast_is_told_and_clearing_the_error_accepts_the_next,
    test_a_long_frame_is_dropped_to_its_end_and_answered_with_its_status,
    test_a_packet_that_ends_within_a_frame_or_late_is_told_and_the_next_is_exact,
    test_a_reset_drops_what_is_inside_and_keeps_banks,
    test_a_short_frame_is_answered_with_its_status,
    test_addresses_without_a_register_and_partial_words_are_told,
    test_after_missing_results_nothing_old_is_left_inside,
    test_endless_backpressure_is_told_and_loses_nothing,
    test_frames_of_another_size_are_refused,
    test_frames_of_one_packet_are_answered_in_one_packet,
    test_packets_keep_their_size_while_an_image_is_inside,
    test_random_pauses_on_both_sides_change_nothing,
)

from crossloom.rtl.compiler.program import compile_network
from crossloom.rtl.core.simulation import CoreModel
from crossloom.rtl.estimate.cycles import image_cycles
from crossloom.sim import compare, random_codes, run
from crossloom.sim.frames import frame_beats


@pytest.fixture(scope="module")
def sha():
    return SimpleNamespace(network=spiking_digits())


@pytest.fixture(scope="module")
def shared(sha):
    model = CoreModel(compile_network(sha.network, FOLDING), seed=5, trace=True)
    yield model
    model.close()


@pytest.fixture(scope="module")
def cases(sha):
    codes = random_codes(sha.network, 1, 4)
    return frame_beats(sha.network, codes), codes


def test_every_spike_and_membrane_is_the_simulators(core, sha):
    network, codes = sha.network, random_codes(sha.network, 2, 20)
    wanted = run(network, codes=codes, edges=list(network.edges))
    core.run(codes)
    edges = core.edges()
    assert set(edges) == set(network.edges) - {"input"}
    found = compare(network, wanted.edges, edges)
    assert (found.total, found.first) == (0, None)
    assert found.codes == sum(len(codes) * network.edges[name].image_size for name in edges)
    assert edges["spikes0"].shape == (20, 3, 6, 6, 8)
    assert 0.02 < edges["spikes0"].mean() < 0.5 and 0.02 < edges["spikes1"].mean() < 0.5
    spikes = sum(int(edges[name].sum()) for name in ("spikes0", "spikes1"))
    assert core.counters()["SPIKES"] == spikes > 0
    alone = core.run(codes[:1])[1]
    assert alone.latency == image_cycles(core.program).latency + 4
