"""Edges with time: stateless operators see each step as an image, and what carries codes carries every step."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest
from handmade import SOURCE, flat_network

from crossloom.sim import Add, Edge, Network, NetworkError, Node, QType, compare, cost, digest, make_golden, run
from crossloom.sim.frames import frame_beats, frame_layout, unpack
from crossloom.sim.golden import Golden
from crossloom.sim.identity import structure, weights_sha256
from crossloom.sim.ops.base import Op, accumulator_edge
from crossloom.sim.simulator import Simulator

STEPS = 3


@dataclass(frozen=True)
class Fade(Op):
    """y[t] = x >> t: an operator that makes time."""

    kind: ClassVar[str] = "fade"
    timed: ClassVar[bool] = True

    def infer(self, where, inputs, banked):
        return replace(inputs[0], steps=STEPS)

    def kernel(self, inputs, output):
        return lambda x: np.stack([np.floor(x / (1 << t)) for t in range(STEPS)], axis=1).astype(output.carrier)

    def reads(self, index, inputs):
        return (index[1:],)


@dataclass(frozen=True)
class Total(Op):
    """acc = the sum of all steps: an operator that ends time."""

    kind: ClassVar[str] = "total"
    timed: ClassVar[bool] = True

    def infer(self, where, inputs, banked):
        (x,) = inputs
        lo, hi = x.steps * x.type.lo, x.steps * x.type.hi
        return accumulator_edge(where, x.shape, lo, hi, x.type.frac, x.steps * max(-lo, hi))

    def kernel(self, inputs, output):
        return lambda x: x.sum(axis=1, dtype=output.carrier)

    def reads(self, index, inputs):
        return ((slice(None), *index),)


def timed_network():
    """`flat_network` at each of three steps, its logits added up."""
    plain = flat_network()
    first, *rest = plain.nodes
    nodes = (Node("fade", Fade(), ("input",)), replace(first, inputs=("fade",)), *rest)
    return replace(plain, nodes=(*nodes, Node("total", Total(), ("fc",))), output="total")


def images():
    return np.random.default_rng(1).integers(0, 4, (6, 3, 3, 1), dtype=np.uint8)


def ran():
    return run(timed_network(), images(), edges=timed_network().edges)


def test_a_stateless_operator_sees_each_step_as_an_image():
    found, plain = ran(), flat_network()
    codes = found.edges["input"]
    for t in range(STEPS):
        alone = run(plain, codes=codes >> t, edges=plain.edges)
        for name in ("conv", "conv_q", "flat", "fc"):
            assert found.edges[name].shape == (6, STEPS, *plain.edges[name].shape)
            assert np.array_equal(found.edges[name][:, t], alone.edges[name])
    assert np.array_equal(found.logits, found.edges["fc"].sum(axis=1))


def test_products_are_done_at_every_step():
    assert ran().macs.tolist() == [STEPS * cost(flat_network()).macs] * 6
    assert cost(timed_network()).macs == STEPS * cost(flat_network()).macs


def test_a_chunk_holds_all_steps(monkeypatch):
    monkeypatch.setattr("crossloom.sim.simulator.CHUNK_BYTES", 1)
    network = timed_network()
    found, whole = run(network, images(), edges=network.edges), ran()
    assert all(np.array_equal(found.edges[name], whole.edges[name]) for name in network.edges)


def test_memory_is_counted_for_all_steps(monkeypatch):
    assert Simulator(timed_network()).chunk() <= Simulator(flat_network()).chunk() / STEPS + 1
    monkeypatch.setattr("crossloom.sim.network.MAX_EDGE", 18)
    assert flat_network().edges["conv"].size == 18
    with pytest.raises(NetworkError, match=r"27 codes per image, \[3, 3, 3, 1\]; at most 18"):
        timed_network()


def test_a_difference_names_its_step_and_the_codes_of_that_step():
    network, expected = timed_network(), ran().edges
    found = {name: codes.copy() for name, codes in expected.items()}
    found["conv_q"][4, 2, 1, 0, 1] += 1
    first = compare(network, expected, found, first_image=10).first
    assert (first.image, first.step, first.index) == (14, 2, (1, 0, 1))
    value = expected["conv_q"][4, 2, 1, 0, 1]
    assert str(first) == (
        f"edge conv_q (requant), image 14, step 2, [1, 0, 1]: {value + 1} instead of {value}; "
        f"made from conv {expected['conv'][4, 2, 1, 0, 1]}"
    )


def test_a_difference_where_time_begins_or_ends_names_what_it_was_made_of():
    network, expected = timed_network(), ran().edges
    for name, at, inputs in (
        ("fade", (0, 1, 2, 1, 0), f"input {expected['input'][0, 2, 1, 0]}"),
        ("total", (0, 1), f"fc {', '.join(map(str, expected['fc'][0, :, 1]))}"),
    ):
        found = {**expected, name: expected[name].copy()}
        found[name][at] += 1
        assert compare(network, expected, found).first.inputs == inputs


def test_digests_and_golden_codes_cover_all_steps():
    network = timed_network()
    golden, weights = make_golden(network, "hand test", images()), weights_sha256(network)
    back = Golden.decode(*golden.encode(weights), network, weights)
    assert all(np.array_equal(back.codes[name], golden.codes[name]) for name in network.edges)
    column = golden.edges.index("fc")
    codes = ran().edges["fc"]
    assert golden.digests[3, column] == digest(codes[3], network.edges["fc"].type)
    codes[3, 2, 0] += 1
    assert golden.digests[3, column] != digest(codes[3], network.edges["fc"].type)


def test_the_structure_names_steps_where_there_are_some():
    edges = {node["name"]: node["edge"] for node in structure(timed_network())["nodes"]}
    assert edges["fade"] == {"shape": [3, 3, 1], "bits": 2, "signed": False, "steps": STEPS}
    assert "steps" not in edges["total"]
    assert "steps" not in str(structure(flat_network()))


class Of:
    """What frames ask of a network."""


def test_a_frame_carries_the_codes_step_by_step():
    edge = Edge((2, 4), QType(-3, 4), steps=STEPS)
    network = Of()
    network.edges, network.route, network.classes, network.output = {"input": edge, "fc": edge}, None, "ab", "fc"
    codes = np.arange(2 * edge.image_size).reshape(2, *edge.image_shape) % 8 - 3
    layout, frames = frame_layout(network), frame_beats(network, codes)
    assert (layout.codes, layout.frame_beats) == (24, 2)
    back = unpack(frames, layout.input_bits, layout.input_signed, layout.codes)
    assert np.array_equal(back.reshape(codes.shape), codes)


def test_different_numbers_of_steps_do_not_meet_and_logits_have_none():
    nodes = (Node("fade", Fade(), ("input",)), Node("sum", Add(), ("input", "fade")))
    with pytest.raises(NetworkError, match=r"^node 'sum' \(add\): reads \[1, 3\] time steps; needed equal numbers$"):
        Network("mixed", SOURCE, nodes, "sum", ("a", "b"))
    network = timed_network()
    with pytest.raises(NetworkError, match=r"output has shape \[3, 3\]; needed \[3\], one row per class"):
        replace(network, nodes=network.nodes[:-1], output="fc")
