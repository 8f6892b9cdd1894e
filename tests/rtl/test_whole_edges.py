"""An edge that is only read as a whole costs what the same codes cost as a vector, and no answer changes."""

import pytest
from engine_interpreter import differing
from whole_networks import made_whole, perceptron, read_both_ways

from crossloom.rtl.compiler import lowering, whole_edges
from crossloom.rtl.compiler.bank_layout import bank_layout
from crossloom.rtl.compiler.program import Folding, compile_network
from crossloom.rtl.estimate.choice import estimate
from crossloom.rtl.estimate.layers import model_layers
from crossloom.sim import random_codes, random_network

FOLDINGS = [Folding(8, 8, 2, 4), Folding(4, 8, 2, 2), Folding(16, 4, 1, 4), Folding(24, 8, 1, 8)]


def stacks(compiled):
    """Rows side by side of every edge that has some."""
    return {entry.codes: entry.stack for entry in compiled.passes if entry.stack > 1}


@pytest.mark.parametrize("convolved", [False, True])
@pytest.mark.parametrize("shape", [(28, 28, 1), (16, 16, 3), (1, 98, 8), (49, 1, 16)])
@pytest.mark.parametrize("side", [8, 16, 32])
@pytest.mark.parametrize("pix", [1, 2])
def test_dense_on_an_image_costs_what_it_costs_on_a_vector(pix, side, shape, convolved):
    outputs = (512, 512, 512, 10)
    folding = Folding(side, side, pix, min(side // 2, 8), 0)
    image = estimate(compile_network(perceptron(shape, outputs, convolved=convolved), folding))
    assert image == estimate(compile_network(perceptron((1, 1, shape[0] * shape[1] * shape[2]), outputs), folding))


@pytest.mark.parametrize("convolved", [False, True])
@pytest.mark.parametrize("folding", FOLDINGS, ids=str)
def test_an_image_that_is_read_whole_is_a_vector_and_exact(folding, convolved):
    compiled = compile_network(perceptron((5, 4, 3), (9, 3), convolved=convolved), folding)
    assert compiled.regions["input"].shape == (1, 1, 60)
    assert differing(compiled, random_codes(compiled.network, 1, 5)) == 0


def test_an_image_with_more_codes_than_the_program_counts_is_a_column_of_vectors():
    compiled = compile_network(perceptron((64, 64, 3), (3,)), Folding(4, 4, 1, 2))
    assert compiled.regions["input"].shape == (2, 1, 6144)
    assert differing(compiled, random_codes(compiled.network, 1, 3)) == 0


@pytest.mark.parametrize("folding", FOLDINGS, ids=str)
def test_edges_that_convolutions_read_too_stay_images(folding):
    compiled = compile_network(read_both_ways(), folding)
    assert compiled.regions["input"].shape == (7, 5, 1) and "requant4" not in stacks(compiled)
    assert differing(compiled, random_codes(compiled.network, 1, 5)) == 0


@pytest.mark.parametrize("how", ["requant", "threshold", "maxpool", "concat"])
@pytest.mark.parametrize(("folding", "channels"), list(zip(FOLDINGS, [2, 1, 3, 5], strict=True)), ids=str)
def test_rows_that_lie_side_by_side_are_exact(folding, channels, how):
    # Rows that no stack divides, and of the last array some that lie across two words; enough outputs for it to pay.
    compiled = compile_network(made_whole((11, 6, 1), channels, 70, how), folding)
    assert stacks(compiled)
    assert differing(compiled, random_codes(compiled.network, 1, 4)) == 0


def test_an_edge_of_few_channels_is_read_in_fewer_cycles_and_words(monkeypatch):
    network = made_whole((28, 28, 1), 8, 128)
    folding = Folding(32, 32, 1, 8)
    monkeypatch.setattr(lowering, "place_columns", lambda passes, shape, *_: (shape, list(passes)))
    found = compile_network(network, folding)
    monkeypatch.setattr(whole_edges, "_stack", lambda *_: 1)
    before = compile_network(network, folding)
    assert stacks(found) == {"requant1": 4} and not stacks(before)
    (wrote, read), (slow_wrote, slow_read) = ([layer.cycles for layer in model_layers(p)][-2:] for p in (found, before))
    assert read < 0.3 * slow_read and slow_wrote <= wrote <= slow_wrote + 3 * 10
    assert estimate(found).latency < estimate(before).latency
    assert found.weight_memory.size < 0.35 * before.weight_memory.size


def test_no_sweeps_are_added_that_cost_more_than_they_save():
    compiled = compile_network(made_whole((4, 2, 1), 3, 2), Folding(8, 8, 2, 4))
    assert not stacks(compiled)


def test_a_host_writes_words_that_several_sweeps_read_once():
    network = random_network(5)
    compiled = compile_network(network, FOLDINGS[0])
    stacked = {entry.name for entry in compiled.passes if entry.stack > 1 and entry.banked}
    places = bank_layout(compiled).places
    assert stacked and len(set(places)) == len(places)
    assert [place.layer for place in places if place.layer in stacked] == sorted(stacked)
