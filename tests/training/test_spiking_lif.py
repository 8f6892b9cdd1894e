"""The trainer's neurons: every membrane and spike is the simulator's, and gradients are those of the same rule."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from brevitas.quant_tensor import IntQuantTensor

from crossloom.sim import Edge, ExportError, InputError, NetworkError, QType, Threshold
from crossloom.training.spiking.layers import Count, Last, LIFLayer
from crossloom.training.spiking.lif import Neurons, Rule, State, carrier, lif

N, C, STEPS, FRAC = 6, 4, 12, 3
RULES = [
    {"reset": reset, "when": when, "strict": strict, "most": most, "bits": bits}
    for reset, when, strict, most, bits in itertools.product(
        ("subtract", "zero", "none"), ("now", "next"), (False, True), (1, 3), (None, 9)
    )
    if not (when == "next" and reset == "none") and not (most > 1 and (strict or reset != "subtract"))
]


def quantized(codes, frac):
    """What a layer returns: values with a scale of 2^-frac for all channels, or one each."""
    scale = torch.tensor(2.0) ** -torch.as_tensor(frac, dtype=torch.float32)
    scale = scale.reshape(1, -1, *(1,) * (codes.dim() - 2)) if scale.dim() else scale
    values = codes.to(torch.get_default_dtype() if codes.abs().max() < 2**24 else torch.float64) * scale
    return IntQuantTensor(values, scale, torch.zeros(()), torch.tensor(32.0), True, False)


def listening(layer):
    """Runs a layer; returns its result and the membranes that it showed."""
    heard = []
    handle = layer.membrane.register_forward_hook(lambda module, given, shown: heard.append(shown))

    def run(x):
        heard.clear()
        result = layer(x)
        return result, heard[0].detach()

    run.handle = handle
    return run


def simulated(layer, codes, frac, bits):
    """Membranes and spikes (T, N, C, ...) int64 of the simulator, for the codes that the layer reads."""
    op = layer.operator(frac, bits)
    rows = codes.reshape(1 if layer.first else layer.steps, -1, *codes.shape[1:]).numpy()
    rows = np.moveaxis(rows, 2, -1).swapaxes(0, 1)  # (N, T, ..., C)
    shape, peak = rows.shape[2:], int(np.abs(rows).max())
    edge = Edge(shape, QType(-peak, peak, frac), True, peak, rows.shape[1])
    out = op.output_edge("lif", [edge], False)
    found = op.batch_kernel([edge], out)(rows.reshape(len(rows), *edge.image_shape).astype(edge.carrier))
    threshold = Threshold(op.levels, 0, 1, 0)
    spikes = threshold.batch_kernel([out], threshold.output_edge("spikes", [out], False))(found)
    whole = (len(rows), layer.steps, *shape)
    return [np.moveaxis(a.reshape(whole).swapaxes(0, 1), -1, 2).astype(np.int64) for a in (found, spikes)]


def assert_equal_to_the_bit(layer, codes, frac, bits):
    fired, shown = listening(layer)(quantized(codes, frac))
    membranes, spikes = simulated(layer, codes, frac, bits)
    unit = torch.exp2(torch.as_tensor(frac, dtype=torch.float64) + layer.guard)
    unit = unit.reshape(-1, *(1,) * (codes.dim() - 2)) if unit.dim() else unit
    np.testing.assert_array_equal((shown.double() * unit).numpy(), membranes.reshape(shown.shape))
    if not layer.readout:
        np.testing.assert_array_equal(fired.value.detach().numpy(), spikes.reshape(fired.value.shape))
    return spikes


@pytest.mark.parametrize("rule", RULES, ids=lambda r: "-".join(map(str, r.values())))
def test_every_membrane_and_spike_is_the_simulators_under_every_rule(rule):
    random = torch.Generator().manual_seed(len(str(rule)))
    fired = 0
    for leak, guard, first in itertools.product((0, 1, 4), (0, 5), (False, True)):
        bits = rule["bits"] + guard if rule["bits"] else None
        layer = LIFLayer(
            C, steps=STEPS, rule=Rule(**{**rule, "bits": bits}), theta=7.3, leak=leak, guard=guard, first=first
        )
        codes = torch.randint(-150, 260, ((N if first else N * STEPS), C), generator=random)
        fired += assert_equal_to_the_bit(layer, codes, FRAC, bits or 30).sum()
    assert fired > 100


@pytest.mark.parametrize("learn", [(), ("theta",), ("leak",), ("theta", "leak")])
def test_images_and_scales_thresholds_and_leaks_of_every_channel_are_the_simulators(learn):
    random, frac = torch.Generator().manual_seed(3), (5, 3, 4, 1)
    layer = LIFLayer(C, steps=5, theta=1.0, leak=2, guard=6, learn=learn)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter += 2 * torch.rand(C, generator=random)
    codes = torch.randint(-20, 40, (5 * 2, C, 3, 2), generator=random)
    op = layer.operator(frac, 24)
    assert (len(op.theta), len(op.leak)) == (C, C if "leak" in learn else 1)
    assert assert_equal_to_the_bit(layer, codes, frac, 24).any()


def test_sums_past_what_float32_carries_are_carried_in_float64_and_past_that_refused():
    layer = LIFLayer(C, steps=20, theta=3.0, leak=3, guard=8)
    codes = torch.randint(-(1 << 20), 1 << 20, (20 * N, C), generator=torch.Generator().manual_seed(1))
    assert_equal_to_the_bit(layer, codes, 18, 40)
    rule, small = Rule(), torch.ones(20, N, C)
    units = Neurons(torch.tensor(10.0), torch.tensor(3.0), torch.tensor(1.0))
    assert carrier(small, units, rule, 20) is torch.float32
    assert carrier(small * 2.0**20, units, rule, 20) is torch.float64
    with pytest.raises(ExportError, match="needed less than 2\\^53"):
        carrier(small * 2.0**50, units, rule, 20)


def test_a_readout_shows_membranes_that_nothing_resets_and_its_last_is_the_answer():
    layer = LIFLayer(C, steps=4, leak=0, guard=8, readout=True)
    codes = torch.randint(-50, 50, (4 * N, C), generator=torch.Generator().manual_seed(2))
    assert_equal_to_the_bit(layer, codes, FRAC, 30)
    shown = layer(quantized(codes, FRAC))
    assert torch.equal(Last(4)(shown), codes.reshape(4, N, C).sum(0) / 2.0**FRAC)
    assert torch.equal(Count(4)(shown), shown.reshape(4, N, C).sum(0))


def test_one_step_after_the_other_from_the_state_is_all_steps_at_once():
    for rule in RULES:
        layer = LIFLayer(C, steps=STEPS, rule=Rule(**rule), theta=7.3, leak=2, guard=2)
        codes = torch.randint(-150, 260, (STEPS, N, C), generator=torch.Generator().manual_seed(4))
        whole = layer(quantized(codes.flatten(0, 1), FRAC)).value.reshape(STEPS, N, C)
        layer.stepping = True
        assert torch.equal(torch.stack([layer(quantized(row, FRAC)).value for row in codes]), whole), rule


class _Spike(torch.autograd.Function):
    """A spike with the derivative of a surrogate, written as in its paper."""

    @staticmethod
    def forward(ctx, z, rule):
        ctx.save_for_backward(z)
        ctx.rule = rule
        return torch.clamp(torch.floor(z + 1), 0, rule.most) if rule.most > 1 else (z >= 0).to(z.dtype)

    @staticmethod
    def backward(ctx, gradient):
        (z,), w = ctx.saved_tensors, ctx.rule.width
        if ctx.rule.most > 1:
            z = z + 1 - torch.clamp(torch.round(z + 1), 1, ctx.rule.most)
        if ctx.rule.surrogate == "atan":
            return gradient * w / 2 / (1 + (math.pi / 2 * w * z) ** 2), None
        return gradient * torch.relu(1 - z.abs() / w) / w, None


def by_autograd(x, theta, leak, rule, steps):
    """The same neurons, nothing rounded, of plain torch operations: spikes and membranes."""
    v, before, spikes, membranes = torch.zeros_like(x[0]), None, [], []
    off_by = theta.detach() if rule.detach_reset else theta
    for step in range(steps):
        u = v * (1 - torch.exp2(-leak))
        u = (u if rule.through_time else u.detach()) + x[step % len(x)]
        off = None if before is None else before.detach() if rule.detach_reset else before
        if rule.when == "next" and off is not None:
            u = u * (1 - off) if rule.reset == "zero" else u - off_by * off
        fired = _Spike.apply(u / theta - 1, rule)
        off = fired.detach() if rule.detach_reset else fired
        v = u
        if rule.when == "now" and rule.reset != "none":
            v = u * (1 - off) if rule.reset == "zero" else u - off_by * off
        before = fired if rule.reset != "none" else None
        spikes.append(fired)
        membranes.append(u)
    return torch.stack(spikes), torch.stack(membranes)


GRADIENTS = [
    Rule(rounds=False, reset=reset, when=when, most=most, surrogate=surrogate, detach_reset=detach)
    for reset, when, most, surrogate, detach in itertools.product(
        ("subtract", "zero", "none"), ("now", "next"), (1, 2), ("atan", "triangle"), (True, False)
    )
    if not (when == "next" and reset == "none") and not (most > 1 and reset != "subtract")
    if not (when == "next" and (reset == "zero" and not detach))
]


@pytest.mark.parametrize("rule", GRADIENTS, ids=str)
def test_gradients_are_those_of_the_same_recurrence_by_autograd(rule):
    random = torch.Generator().manual_seed(5)
    for rows, kind, each, width in itertools.product((1, 7), ("spikes", "membranes"), ((), (C,)), (0.7, 2.0)):
        rule = replace(rule, width=width)
        x = torch.randn(rows, N, C, generator=random, requires_grad=True)
        theta = (0.5 + torch.rand(each, generator=random)).requires_grad_()
        leak = (1.0 + 2 * torch.rand(each, generator=random)).requires_grad_()
        weights = torch.randn(7, N, C, generator=random)
        found = lif(x, Neurons(theta, leak, torch.ones(())), rule, 7, membranes=True)
        wanted = by_autograd(x, theta, leak, rule, 7)
        learned = [x, theta, leak]
        mine = torch.autograd.grad((found[kind == "membranes"] * weights).sum(), learned, allow_unused=True)
        theirs = torch.autograd.grad((wanted[kind == "membranes"] * weights).sum(), learned, allow_unused=True)
        assert torch.equal(found.spikes, wanted[0])
        for a, b in zip(mine, theirs, strict=True):
            torch.testing.assert_close(a, torch.zeros_like(a) if b is None else b, rtol=1e-4, atol=1e-4)


def test_without_gradients_through_time_a_step_is_on_its_own():
    rule = Rule(rounds=False, through_time=False)
    x = torch.randn(7, N, C, generator=torch.Generator().manual_seed(6), requires_grad=True)
    units = Neurons(torch.tensor(0.7), torch.tensor(2.0), torch.ones(()))
    weights = torch.randn(7, N, C, generator=torch.Generator().manual_seed(7))
    (whole,) = torch.autograd.grad((lif(x, units, rule, 7).spikes * weights).sum(), x)
    state = None
    for step in range(7):
        found = lif(x[step : step + 1], units, rule, 1, state)
        state = State(*(None if t is None else t.detach() for t in found.state))
        (single,) = torch.autograd.grad((found.spikes * weights[step]).sum(), x)
        torch.testing.assert_close(single[step], whole[step], rtol=1e-6, atol=0)
        assert not single[:step].any() and not single[step + 1 :].any()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"rule": Rule(most=2, reset="zero")}, "several spikes a step"),
        ({"rule": Rule(when="next", reset="none")}, "when next; a reset is needed"),
        ({"rule": Rule(reset="twice")}, "reset 'twice'; needed one of subtract, zero, none"),
        ({"rule": Rule(when="next", reset="zero", detach_reset=False)}, "needed True; leave it out"),
        ({"rule": Rule(most=4, bits=3)}, "4 spikes a step in membranes of 3 bits; .* 4 bits or more"),
        ({"rule": Rule(surrogate="sigmoid")}, "surrogate 'sigmoid'; needed one of atan, triangle"),
        ({"leak": 16}, "leak: code 16 at \\[0\\]; the type holds 0..15"),
        ({"guard": 25}, "needed an integer in 0..24"),
        ({"steps": 0}, "needed an integer in 1..4096"),
        ({"theta": 0.0}, "needed a number above 0"),
        ({"learn": ("bias",)}, "needed theta or leak"),
        ({"learn": ("leak",), "leak": 0}, "needed theta or leak, of neurons that have it"),
    ],
)
def test_what_no_neuron_is_is_refused_by_name(given, words):
    with pytest.raises((InputError, NetworkError), match=words) as error:
        LIFLayer(C, **{"steps": 4, **given})
    assert "\n" not in str(error.value)


def test_an_input_without_a_scale_or_of_other_steps_is_refused():
    layer = LIFLayer(C, steps=4)
    with pytest.raises(InputError, match="carries no scale; set return_quant_tensor=True"):
        layer(torch.zeros(8, C))
    for shape in ((6, C), (8, C + 1)):
        with pytest.raises(InputError, match="check steps, first"):
            layer(quantized(torch.zeros(shape), 0))
