"""Networks of time steps in the engine's compiler: what random ones never have, and what is refused by name."""

import numpy as np
import pytest
from engine_interpreter import differing

from crossloom.rtl import RtlError
from crossloom.rtl.compiler.program import Folding, compile_network
from crossloom.sim import random_codes
from crossloom.sim.network import Input, Network, Node
from crossloom.sim.ops import LIF, Conv2d, Count, Dense, First, Flatten, Last, LeakyReLU, Requant, Threshold
from crossloom.sim.types import QType, Rounding

FOLDING = Folding(8, 4, 2, 2)


def neurons(steps, reset="subtract", theta=40, most=1, bits=16):
    return LIF(np.array([theta]), np.array([2]), 2, reset, "now", False, most, bits, steps)


def dense(inputs, outputs, seed):
    rng = np.random.default_rng(seed)
    weight = rng.integers(-7, 8, (outputs, inputs))
    return Dense(weight, rng.integers(-9, 9, outputs), QType(-7, 7), 12)


def network(*nodes, output="scores", steps=1, top=3, shape=(4, 4, 2)):
    table = np.arange(4)[:, None] * top // 3
    encoder = "direct" if steps == 1 else "events"
    given = Input(shape, QType(0, top), table, encoder, steps)
    return Network("timed", given, nodes, output, ("a", "b", "c"))


def requant(shift, lo, hi, frac):
    return Requant([shift], Rounding.HALF_UP, QType(lo, hi, frac))


def conv(channels, seed, inputs=2):
    rng = np.random.default_rng(seed)
    return Conv2d(rng.integers(-7, 8, (channels, 2, 2, inputs)), rng.integers(-9, 9, channels), QType(-7, 7), 12)


@pytest.mark.parametrize("reset", ["subtract", "none"])
@pytest.mark.parametrize("steps", [1, 4])
def test_the_last_membranes_or_sums_are_quantized_as_any_sums_are(steps, reset):
    found = network(
        Node("first", conv(6, 1), ("input",)),
        Node("membranes", neurons(5 if steps == 1 else steps, reset), ("first",)),
        Node("end", Last(), ("membranes",)),
        Node("codes", requant(4, 0, 15, -2), ("end",)),
        Node("again", conv(4, 2, inputs=6), ("codes",)),
        Node("last", Last(), ("again",)),
        Node("more", requant(3, -4, 3, -5), ("last",)),
        Node("flat", Flatten(), ("more",)),
        Node("scores", dense(2 * 2 * 4, 3, 3), ("flat",)),
        steps=steps,
    )
    assert differing(compile_network(found, FOLDING), random_codes(found, 1, 5)) == 0


def test_sums_of_several_steps_end_in_their_last_one():
    found = network(
        Node("sums", conv(6, 1), ("input",)),
        Node("end", Last(), ("sums",)),
        Node("codes", requant(2, 0, 15, -2), ("end",)),
        Node("flat", Flatten(), ("codes",)),
        Node("scores", dense(54, 3, 3), ("flat",)),
        steps=3,
    )
    assert differing(compile_network(found, FOLDING), random_codes(found, 1, 5)) == 0


def test_the_first_of_codes_with_many_bits_doubles_the_sums_between_steps():
    found = network(
        Node("end", First(), ("input",)),
        Node("flat", Flatten(), ("end",)),
        Node("scores", dense(32, 3, 3), ("flat",)),
        steps=9,
        top=30,
    )
    compiled = compile_network(found, FOLDING)
    assert compiled.sizes.doubling and compiled.sizes.acc_bits == 46
    assert differing(compiled, random_codes(found, 1, 8)) == 0


def refused(*nodes, **how):
    with pytest.raises(RtlError, match=r"^[^\n]*$") as error:
        compile_network(network(*nodes, **how), FOLDING)
    return str(error.value)


def test_neurons_behind_what_the_engine_has_no_neurons_of_are_refused_by_name():
    sums, scores = Node("sums", dense(32, 3, 1), ("flat",)), Node("scores", Count(), ("spikes",))
    flat, spikes = Node("flat", Flatten(), ("input",)), Node("spikes", Threshold(neurons(3).levels, 0, 1, 0), ("lif",))
    leaky = Node("leaky", LeakyReLU(2), ("sums",)), Node("lif", neurons(3), ("leaky",))
    assert "layer 'lif': neurons behind leakyrelu" in refused(flat, sums, *leaky, spikes, scores)
    twice = Node("below", neurons(3, "none"), ("sums",)), Node("lif", neurons(3), ("below",))
    assert "layer 'lif': neurons behind lif" in refused(flat, sums, *twice, spikes, scores)


def test_more_spikes_a_step_than_a_lane_takes_off_are_refused_by_name():
    op = neurons(3, most=16)
    nodes = Node("lif", op, ("sums",)), Node("spikes", Threshold(op.levels, 0, 1, 0), ("lif",))
    flat, sums = Node("flat", Flatten(), ("input",)), Node("sums", dense(32, 3, 1), ("flat",))
    said = refused(flat, sums, *nodes, Node("scores", Count(), ("spikes",)))
    assert "layer 'lif': up to 16 spikes a step; the engine has 15" in said


def test_a_first_of_more_bits_than_sums_have_is_refused_by_name():
    nodes = Node("end", First(), ("input",)), Node("flat", Flatten(), ("end",))
    said = refused(*nodes, Node("scores", dense(32, 3, 3), ("flat",)), steps=10, top=30)
    assert "layer 'end': the first of 10 steps of codes of 5 bits; the engine has 48" in said
