"""LIF, Count, Last and First against plain Python integers, and LIF against the rules of the field's libraries."""

from fractions import Fraction

import numpy as np
import pytest
import reference

from crossloom.sim import LIF, Count, Edge, First, Last, NetworkError, QType, Threshold, membrane_bits
from crossloom.sim.ops.lif import MAX_LEAK, RESETS, WHENS

STEPS, CHANNELS = 12, 5
ACC = QType(-40, 60, 3)


def lif(**given):
    plain = {"theta": [90], "leak": [2], "guard": 2, "reset": "subtract", "when": "now", "strict": False}
    plain |= {"most": 1, "bits": 16, "steps": STEPS} | given
    return LIF(np.array(plain.pop("theta")), np.array(plain.pop("leak")), **plain)


def ran(op, acc, type_=ACC):
    """Membranes and spikes (N, steps, channels) of sums (N, steps or 1, channels)."""
    steps = acc.shape[1]
    edge = Edge((acc.shape[-1],), type_, True, max(-type_.lo, type_.hi), steps)
    out = op.output_edge("lif", [edge], False)
    codes = acc if steps > 1 else acc[:, 0]
    membranes = op.batch_kernel([edge], out)(codes.astype(edge.carrier))
    threshold = Threshold(op.levels, 0, 1, 0)
    spikes = threshold.batch_kernel([out], threshold.output_edge("spikes", [out], False))(membranes)
    shape = len(acc), op.steps, acc.shape[-1]
    assert out.type.lo <= membranes.min() and membranes.max() <= out.type.hi
    return membranes.reshape(shape).astype(np.int64), spikes.reshape(shape).astype(np.int64)


OPTIONS = [
    {"reset": reset, "when": when, "strict": strict}
    for reset in RESETS
    for when in WHENS
    for strict in (False, True)
    if not (reset == "none" and when == "next")
] + [{"most": 3}, {"most": 255, "when": "next", "theta": [7]}, {"guard": 0}, {"steps": 1}, {"bits": 9, "theta": [200]}]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("leak", [[0], [1], [4], [0, 1, 2, 3, MAX_LEAK]])
def test_every_membrane_and_spike_is_what_the_definition_says(options, leak):
    op = lif(leak=leak, **options)
    rng = np.random.default_rng(7)
    acc = rng.integers(ACC.lo, ACC.hi, (40, op.steps, CHANNELS), endpoint=True)
    acc[0], acc[1] = ACC.hi, ACC.lo
    acc[2, ::2], acc[2, 1::2] = ACC.hi, ACC.lo
    membranes, spikes = ran(op, acc)
    wanted = [reference.neurons(op, image) for image in acc.tolist()]
    np.testing.assert_array_equal(membranes, [w[0] for w in wanted])
    np.testing.assert_array_equal(spikes, [w[1] for w in wanted])
    assert spikes.any() and not (spikes > 0).all()


def test_thresholds_of_each_channel_reset_their_own_channel():
    op = lif(theta=[40, 90, 150, 500, 3], leak=[0, 1, 2, 3, 4])
    acc = np.random.default_rng(1).integers(ACC.lo, ACC.hi, (20, STEPS, CHANNELS))
    membranes, spikes = ran(op, acc)
    wanted = [reference.neurons(op, image) for image in acc.tolist()]
    np.testing.assert_array_equal(membranes, [w[0] for w in wanted])
    np.testing.assert_array_equal(spikes, [w[1] for w in wanted])


def test_the_same_input_at_every_step_is_given_once():
    op = lif()
    once = np.random.default_rng(2).integers(ACC.lo, ACC.hi, (9, 1, CHANNELS))
    for one, other in zip(ran(op, once), ran(op, np.repeat(once, STEPS, axis=1)), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("carrier", [1 << 10, 1 << 22, 1 << 30])
def test_wide_sums_are_exact(carrier):
    type_ = QType(-carrier, carrier)
    op = lif(theta=[3 * carrier + 1], leak=[1, 2, 3, 5, 15], guard=8, bits=48, most=2)
    acc = np.random.default_rng(3).integers(-carrier, carrier, (8, STEPS, CHANNELS), endpoint=True)
    acc[0] = carrier
    membranes, spikes = ran(op, acc, type_)
    wanted = [reference.neurons(op, image) for image in acc.tolist()]
    np.testing.assert_array_equal(membranes, [w[0] for w in wanted])
    np.testing.assert_array_equal(spikes, [w[1] for w in wanted])


@pytest.mark.parametrize("options", OPTIONS[:-1], ids=str)
@pytest.mark.parametrize("leak", [0, 1, 3, 7])
def test_the_membrane_that_is_proved_never_saturates_and_one_bit_less_may(options, leak):
    wide = lif(leak=[leak], **options | {"bits": 40})
    given = {"reset": wide.reset, "when": wide.when, "most": wide.most, "strict": wide.strict}
    bits = membrane_bits(
        ACC.lo, ACC.hi, theta=int(wide.theta[0]), leak=leak, guard=wide.guard, steps=wide.steps, **given
    )
    rng = np.random.default_rng(leak)
    acc = rng.choice([ACC.lo, ACC.hi], (300, wide.steps, CHANNELS))
    acc[:2] = ACC.hi
    acc[2:4] = ACC.lo
    membranes, _ = ran(wide, acc)
    assert -(1 << (bits - 1)) <= membranes.min() and membranes.max() < 1 << (bits - 1)
    if wide.when == "now" and wide.most == 1:  # where the bound is reached
        assert membranes.min() < -(1 << (bits - 2)) or membranes.max() >= 1 << (bits - 2)


def test_a_membrane_saturates_at_both_ends():
    op = lif(bits=8, theta=[127], leak=[0], reset="none", guard=0)
    membranes, _ = ran(op, np.array([[[50] * CHANNELS] * STEPS, [[-40] * CHANNELS] * STEPS]))
    assert membranes[0, :, 0].tolist() == [50, 100, *[127] * (STEPS - 2)]
    assert membranes[1, :, 0].tolist() == [-40, -80, -120, *[-128] * (STEPS - 3)]


# The rules of libraries, with a membrane that is never rounded; see docs/arithmetic.md.


def library(acc, leak, theta, *, strict, reset, when, scaled=False, most=1):
    """Spikes (steps, neurons) of an unrounded membrane: the rule that a library was seen to follow."""
    theta = Fraction(theta) * (1 << leak if scaled else 1)
    v, pending, out = [Fraction(0)] * len(acc[0]), [0] * len(acc[0]), []
    for row in acc:
        spikes = []
        for i, a in enumerate(row):
            v[i] = v[i] * (1 - Fraction(1, 1 << leak)) + int(a)
            if when == "next":
                v[i] = (Fraction(0) if pending[i] else v[i]) if reset == "zero" else v[i] - pending[i] * theta
            fired = v[i] > theta if strict else v[i] >= theta
            count = 0 if not fired else 1 if most == 1 else int(v[i] // theta)
            assert count <= most
            spikes.append(count)
            if when == "now" and fired:
                v[i] = Fraction(0) if reset == "zero" else v[i] - count * theta if reset == "subtract" else v[i]
        pending = spikes
        out.append(spikes)
    return out


LIBRARIES = {
    "snnTorch Leaky subtract": {"strict": True, "reset": "subtract", "when": "next"},
    "snnTorch Leaky zero": {"strict": True, "reset": "zero", "when": "now"},
    "snnTorch Synaptic zero": {"strict": True, "reset": "zero", "when": "next"},
    "snnTorch Leaky none": {"strict": True, "reset": "none", "when": "now"},
    "SpikingJelly decay_input=False, v_reset=0": {"strict": False, "reset": "zero", "when": "now"},
    "SpikingJelly decay_input=False, v_reset=None": {"strict": False, "reset": "subtract", "when": "now"},
    "SpikingJelly default": {"strict": False, "reset": "zero", "when": "now", "scaled": True},
    "norse LIFBoxCell": {"strict": True, "reset": "zero", "when": "now", "scaled": True},
    "sinabs LIF SingleSpike, norm_input=False": {"strict": False, "reset": "subtract", "when": "now"},
    "sinabs LIF default": {"strict": False, "reset": "subtract", "when": "now", "scaled": True, "most": 255},
    "rockpool LIFNeuronTorch": {"strict": False, "reset": "subtract", "when": "now", "most": 255},
}


@pytest.mark.parametrize("name", LIBRARIES)
@pytest.mark.parametrize("leak", [1, 2, 3, 4])
def test_a_librarys_rule_is_followed_where_nothing_is_rounded(name, leak):
    """Leaks of a membrane that is a multiple of 2^(leak * steps) are whole: inputs come so scaled."""
    rule, steps = LIBRARIES[name], 8
    unit = 1 << leak * steps
    rng = np.random.default_rng(leak)
    acc = rng.integers(-6, 14, (steps, 16)) * (6 if "most" in rule else 1)
    theta = 2 if rule.get("scaled") else 16
    wanted = library(acc.tolist(), leak, theta, **rule)
    op = lif(
        theta=[theta * unit << (leak if rule.get("scaled") else 0)],
        leak=[leak],
        guard=0,
        bits=48,
        steps=steps,
        **{key: rule[key] for key in ("strict", "reset", "when", "most") if key in rule},
    )
    limit = 6 * 14 * unit
    _, spikes = ran(op, acc[None] * unit, QType(-limit, limit))
    np.testing.assert_array_equal(spikes[0], wanted)
    assert spikes.any()
    assert spikes.max() > 1 or "most" not in rule


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"theta": [0]}, "lif: theta: code 0 at"),
        ({"theta": [-3, 4]}, "lif: theta: code -3"),
        ({"theta": [1 << 15]}, "lif: theta: code 32768"),
        ({"leak": [16]}, "lif: leak: code 16"),
        ({"leak": [-1]}, "lif: leak: code -1"),
        ({"guard": 25}, "lif: guard"),
        ({"bits": 1}, "lif: bits"),
        ({"bits": 49}, "lif: bits"),
        ({"steps": 0}, "lif: steps"),
        ({"most": 0}, "lif: most"),
        ({"reset": "hard"}, "lif: reset 'hard'; needed one of subtract, zero, none"),
        ({"when": "later"}, "lif: when 'later'; needed one of now, next"),
        ({"strict": 1}, "lif: strict '1'"),
        ({"most": 2, "strict": True}, "several spikes a step"),
        ({"most": 2, "reset": "zero"}, "several spikes a step"),
        ({"reset": "none", "when": "next"}, "lif: when next"),
    ],
)
def test_what_no_neuron_can_be_is_refused(given, match):
    with pytest.raises(NetworkError, match=match) as told:
        lif(**given)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("op", "edge", "match"),
    [
        (lif(theta=[5, 6]), Edge((3,), ACC, True, 60), "2 of theta; 3 channels need 1 or 3"),
        (lif(leak=[1, 2]), Edge((3,), ACC, True, 60), "2 of leak; 3 channels need 1 or 3"),
        (lif(), Edge((3,), ACC, True, 60, steps=5), "reads 5 time steps; needed 1 or its own 12"),
        (lif(guard=24), Edge((3,), QType(-(1 << 40), 1 << 40), True, 1 << 40), "accumulator needs"),
        (Count(), Edge((3,), ACC, True, 60, steps=5), "reads an accumulator"),
        (First(), Edge((3,), QType(-1, 1), steps=5), "reads codes from -1; needed spikes"),
    ],
)
def test_an_edge_that_does_not_fit_is_refused(op, edge, match):
    with pytest.raises(NetworkError, match=match):
        op.output_edge("here", [edge], False)


def reduced(op, codes, type_):
    edge = Edge(codes.shape[2:], type_, steps=codes.shape[1])
    out = op.output_edge("reduce", [edge], False)
    assert out.steps == 1
    return op.batch_kernel([edge], out)(codes.astype(edge.carrier)).astype(int).tolist(), out


def test_count_last_and_first_end_time():
    codes = np.array([[[0, 0, 2], [0, 1, 0], [0, 1, 1]], [[1, 0, 0], [0, 0, 0], [0, 0, 3]]])
    counts, edge = reduced(Count(), codes, QType(0, 3, 1))
    assert counts == [[0, 2, 3], [1, 0, 3]] and edge.type == QType(0, 9, 1) and edge.accumulator
    assert reduced(Last(), codes, QType(0, 3)) == ([[0, 1, 1], [0, 0, 3]], Edge((3,), QType(0, 3)))
    assert reduced(First(), codes, QType(0, 3)) == ([[0, 2, 3], [3, 0, 1]], Edge((3,), QType(0, 3)))
