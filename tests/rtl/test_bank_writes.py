"""Writes to places that no bank has change nothing and are told, through the ports of a whole core."""

import contextlib

import numpy as np
import pytest

from crossloom.host import find_design
from crossloom.rtl.compiler.program import Folding, compile_network
from crossloom.rtl.core.simulation import CoreModel
from crossloom.sim import input_codes, load, run

VALUE = 1 << 4


@pytest.fixture(scope="module")
def design():
    artifact = load(find_design("digits-sha"))
    compiled = compile_network(artifact.network, Folding(8, 8, 2, 4))
    with contextlib.closing(CoreModel(compiled)) as model:
        yield model, input_codes(artifact.network.input, artifact.golden.inputs[:8])


def test_places_that_no_bank_has_are_refused_and_answers_stay(design):
    model, codes = design
    sizes = model.program.sizes
    weight_parts = -(-8 * 8 * sizes.w_bits // 36)
    param_parts = -(-4 * (sizes.acc_bits + 7) // 36)
    wrong = [
        (0, sizes.weights, 0), (0, 1 << 13, 0), (0, 0xFFFFF, 0), (0, 0, weight_parts), (0, 0, 65528),
        (1, sizes.params, 0), (1, 1 << 19, 0), (1, 0, param_parts),
        (2, 0, 0), (3, sizes.branches, 0), (3, 0, 1),
    ]  # fmt: skip
    wanted = run(model.network, codes=codes)
    for memory, word, part in wrong:
        model.write("ERROR", 0xFFFFFFFF)
        before = model.identity("WEIGHTS")
        model.write("BANK_PLACE", memory << 20 | word)
        model.write("BANK_PART", part)
        model.write("BANK_DATA", 0xFFFFFFFF)
        assert model.read("ERROR") == VALUE, (memory, word, part)
        assert model.identity("WEIGHTS") == before
    capacity = model.network.route.capacity
    for rows in 0, capacity + 1, 1 << 17 | 1, 0xFFFFFFFF:
        model.write("BANK_PLACE", 3 << 20)
        model.write("BANK_PART", 0)
        model.write("ERROR", 0xFFFFFFFF)
        model.write("BANK_DATA", rows)
        assert model.read("ERROR") == VALUE, f"a branch of {rows} classes"
    answers, _ = model.run(codes)
    assert np.array_equal(answers.fine, wanted.fine) and np.array_equal(answers.branch, wanted.branch)
    # All rows of a branch may be in use.
    model.write("BANK_PART", 0)
    model.write("ERROR", 0xFFFFFFFF)
    model.write("BANK_DATA", capacity)
    assert model.read("ERROR") == 0
    # The last place of each is there; the write takes the name away.
    model.write("ERROR", 0xFFFFFFFF)
    for memory, word, part in [(0, sizes.weights - 1, weight_parts - 1), (1, sizes.params - 1, param_parts - 1)]:
        model.write("BANK_PLACE", memory << 20 | word)
        model.write("BANK_PART", part)
        model.write("BANK_DATA", 0)
    assert model.read("ERROR") == 0 and int(model.identity("WEIGHTS"), 16) == 0
