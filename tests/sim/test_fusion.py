"""Operators in a row as one kernel, where nobody asks for the edges between: the same bits as one by one."""

import numpy as np
import pytest

from crossloom.sim import (
    LIF,
    Conv2d,
    Count,
    Dense,
    Flatten,
    Input,
    Last,
    Network,
    Node,
    QType,
    Threshold,
    random_codes,
    random_network,
    run,
)
from crossloom.sim.ops import trains
from crossloom.sim.ops.lif import MAX_LEAK, RESETS, WHENS
from crossloom.sim.random_networks import SPIKING_FROM
from crossloom.sim.simulator import Simulator

CHANNELS, STEPS = 6, 11


@pytest.fixture(params=[0, 1 << 40], ids=["by steps", "by table"])
def patience(request, monkeypatch):
    """Whether tables are never made, or for the first image."""
    monkeypatch.setattr(trains, "PATIENCE", request.param)


def network(*, weights=4, outputs=3, side=None, end=Count, **given):
    """Codes 0..15 -> Dense -> LIF of the same input at every step -> Dense -> LIF -> `end`, edges a, v, s, b, w, t.

    With `side` the first layer is a convolution, its maps are (side, side) and the edge f is flat.
    """
    rng = np.random.default_rng(3)
    plain = {"theta": [90], "leak": [2], "guard": 2, "reset": "subtract", "when": "now", "strict": False}
    plain |= {"most": 1, "bits": 16, "steps": STEPS} | given
    first = LIF(np.array(plain.pop("theta")), np.array(plain.pop("leak")), **plain)
    second = LIF(np.array([3 << first.guard]), np.array([1]), **plain)

    def layer(kind, *shape, bits=4):
        type_ = QType(-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
        return kind(rng.integers(type_.lo, type_.hi, shape, endpoint=True), rng.integers(-9, 9, shape[0]), type_, 8)

    front = layer(Conv2d, CHANNELS, 1, 1, 5) if side else layer(Dense, CHANNELS, 5)
    nodes = [Node("a", front, ("input",)), Node("v", first, ("a",))]
    nodes += [Node("s", Threshold(first.levels, 0, 1, 0), ("v",))]
    nodes += [Node("f", Flatten(), ("s",))] if side else []
    nodes += [Node("b", layer(Dense, outputs, CHANNELS * (side or 1) ** 2, bits=weights), (nodes[-1].name,))]
    nodes += [Node("w", second, ("b",)), Node("t", Threshold(second.levels, 0, 1, 0), ("w",))]
    nodes += [Node("end", end(), ("t",))]
    source = Input((side, side, 5) if side else (5,), QType(0, 15), np.arange(16)[:, None])
    return Network("fused", source, tuple(nodes), "end", tuple(f"c{i}" for i in range(outputs)))


def images(count=70):
    return np.random.default_rng(5).integers(0, 16, (count, 5), np.uint8)


def hidden(net):
    """Names of the edges that a run without edges does not make."""
    return {name for step, _ in Simulator(net)._plans(())[0].steps for name in step.hidden}


OPTIONS = [
    {"reset": reset, "when": when, "strict": strict}
    for reset in RESETS
    for when in WHENS
    for strict in (False, True)
    if not (reset == "none" and when == "next")
] + [{"most": 3}, {"most": 255, "theta": [7]}, {"guard": 0}, {"steps": 1}, {"bits": 9, "theta": [200]}, {"bits": 30}]


@pytest.mark.usefixtures("patience")
@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("leak", [[0], [3], [0, 1, 2, 3, 4, MAX_LEAK]], ids=str)
def test_a_run_without_edges_gives_what_a_run_of_every_edge_gives(options, leak):
    net = network(leak=leak, **options)
    assert {"v", "w"} < hidden(net)
    every = run(net, images(), edges=net.edges)
    assert np.array_equal(run(net, images()).logits, every.logits)
    assert np.array_equal(every.logits, every.edges["t"].reshape(70, net.steps, -1).sum(1))
    assert every.edges["s"].any()


@pytest.mark.usefixtures("patience")
@pytest.mark.parametrize("asked", ["input", "a", "v", "s", "b", "w", "t", "end"])
def test_each_edge_is_the_same_whatever_else_is_asked_for(asked):
    net = network(theta=[30, 60, 90, 120, 200, 1000])
    whole = run(net, images(), edges=net.edges)
    alone = run(net, images(), edges=[asked])
    assert np.array_equal(alone.edges[asked], whole.edges[asked])
    assert np.array_equal(alone.logits, whole.logits)


@pytest.mark.usefixtures("patience")
@pytest.mark.parametrize("weights", [2, 4, 9, 16])
def test_sums_are_exact_however_few_steps_fit_a_word(weights):
    net = network(weights=weights, most=3, theta=[20, 21, 22, 25, 30, 40])
    assert np.array_equal(run(net, images(), edges=["b"]).edges["b"], run(net, images(), edges=net.edges).edges["b"])


@pytest.mark.usefixtures("patience")
@pytest.mark.parametrize("seed", range(SPIKING_FROM, SPIKING_FROM + 40))
def test_random_spiking_networks_answer_alike_with_and_without_edges(seed):
    net = random_network(seed, 4)
    codes = random_codes(net, seed, 9)
    every, none = run(net, codes=codes, edges=net.edges), run(net, codes=codes)
    assert np.array_equal(none.logits, every.logits)
    assert np.array_equal(none.labels, every.labels)
    assert np.ma.allequal(none.scores, every.scores)
    assert np.array_equal(none.macs, every.macs)


@pytest.mark.parametrize("bits", [*range(12, 19), 28, 29, 30, 31, 32, 33])
def test_membranes_at_the_bounds_of_integer_types_are_exact(bits):
    limit = 1 << (bits - 1)
    narrow = network(bits=bits, theta=[limit - 1], leak=[1, 15, 0, 2, 14, 3], guard=max(0, bits - 11))
    wide = network(bits=48, theta=[limit - 1], leak=[1, 15, 0, 2, 14, 3], guard=max(0, bits - 11))
    found, wanted = run(narrow, images(), edges=["v"]).edges["v"], run(wide, images(), edges=["v"]).edges["v"]
    assert found.min() >= -limit and found.max() <= limit - 1
    inside = np.abs(wanted).max(1) < limit // 2
    assert inside.any()
    assert np.array_equal(found.transpose(0, 2, 1)[inside], wanted.transpose(0, 2, 1)[inside])


def test_a_table_is_made_when_it_pays_and_never_grows_too_large(monkeypatch):
    made = []
    make = trains._Table.make
    monkeypatch.setattr(trains._Table, "make", lambda *given: made.append(make(*given)) or made[-1])
    net = network()
    span = net.edges["a"].type.hi - net.edges["a"].type.lo + 1
    few = images(-(-span // (trains.PATIENCE * CHANNELS)) - 1)
    run(net, few)
    assert not made
    run(net, few)
    run(net, few)
    assert len(made) == 1 and len(made[0].entries) == span
    monkeypatch.setattr(trains, "MAX_WORD_BYTES", 8)
    net = network()
    assert np.array_equal(run(net, images(500)).logits, run(net, images(500), edges=net.edges).logits)
    assert made[1:] == [None]
    monkeypatch.setattr(trains, "MAX_ENTRIES", span - 1)
    assert hidden(network()) == {"v", "w", "t"}


def test_images_of_a_chunk_and_of_a_block_change_nothing(monkeypatch):
    monkeypatch.setattr(trains, "PATIENCE", 1 << 40)
    whole = run(network(), images()).logits
    monkeypatch.setattr(trains, "BLOCK_BYTES", 1)
    assert np.array_equal(run(network(), images()).logits, whole)
    monkeypatch.setattr("crossloom.sim.ops.lif.BLOCK", 1)
    assert np.array_equal(run(network(), images()).logits, whole)
    monkeypatch.setattr("crossloom.sim.simulator.CHUNK_BYTES", 1)
    assert np.array_equal(run(network(), images()).logits, whole)


def test_a_readout_other_than_a_count_is_not_fused():
    net = network(end=Last)
    assert "t" not in hidden(net)
    assert np.array_equal(run(net, images()).logits, run(net, images(), edges=net.edges).logits)


@pytest.mark.usefixtures("patience")
@pytest.mark.parametrize("leak", [[2], [0, 1, 2, 3, 4, 5]], ids=str)
def test_neurons_of_maps_pass_through_a_flatten(leak):
    net = network(side=3, leak=leak)
    assert {"v", "s", "f"} < hidden(net)
    pixels = np.random.default_rng(6).integers(0, 16, (20, 3, 3, 5), np.uint8)
    assert np.array_equal(run(net, pixels).logits, run(net, pixels, edges=net.edges).logits)


def test_a_table_that_another_thread_made_meanwhile_stays(monkeypatch):
    made = []
    make = trains._Table.make
    monkeypatch.setattr(trains._Table, "make", lambda *given: made.append(make(*given)) or made[-1])
    net = network()
    nodes, edges = net.producers, net.edges
    kernel = trains.dense_of_trains(nodes["v"].op, nodes["b"].op, edges["a"], edges["s"], edges["b"])
    wanted = run(net, images(400), edges=["a", "b"]).edges
    made.clear()

    class Interrupted(np.ndarray):
        """Sums whose size is asked for just before another thread has run the kernel on all images."""

        @property
        def size(self):
            kernel(wanted["a"])
            return 1

    assert np.array_equal(kernel(wanted["a"][:1].view(Interrupted)), wanted["b"][:1])
    assert np.array_equal(kernel(wanted["a"]), wanted["b"]) and np.array_equal(kernel(wanted["a"]), wanted["b"])
    assert len(made) == 1
