"""Power-of-two scales: the rules hold in the forward pass, gradients arrive, codes are exact."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("brevitas", reason="Brevitas is not installed")

from brevitas.nn import QuantConv2d, QuantIdentity, QuantLinear, QuantReLU  # noqa: E402 - after the skip
from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from crossloom.sim.errors import ConfigError  # noqa: E402
from crossloom.training.quantizers import (  # noqa: E402
    CHANNEL_SPAN,
    BiasQuant,
    activation_quantizer,
    best_range,
    calibrate,
    range_parameter,
    weight_quantizer,
)


def layer_of(weights: Any, bits: int = 4, per_channel: bool = True) -> Any:
    weights = torch.tensor(weights, dtype=torch.float32)
    layer = QuantLinear(weights.shape[1], len(weights), bias=False, weight_quant=weight_quantizer(bits, per_channel))
    with torch.no_grad():
        layer.weight.copy_(weights)
    return layer


def scales_of(layer: Any) -> list[float]:
    return [float(s) for s in layer.quant_weight().scale.detach().flatten()]


def ceil_log2(x: float) -> int:
    mantissa, exponent = math.frexp(x)
    return exponent - 1 if mantissa == 0.5 else exponent


@settings(max_examples=60, deadline=None)
@given(
    bits=st.integers(2, 8),
    rows=st.lists(
        st.lists(st.floats(-100, 100, width=32, allow_subnormal=False), min_size=3, max_size=3), min_size=1, max_size=5
    ),
)
def test_channel_scales_are_powers_of_two_within_the_span_and_codes_are_narrow(
    bits: int, rows: list[list[float]]
) -> None:
    layer = layer_of(rows, bits)
    weights = layer.quant_weight()
    peaks = [max(abs(v) for v in row) for row in rows]
    peaks = [p if p >= 2.0**-32 else 0.0 for p in peaks]
    top = ceil_log2(max(peaks)) if max(peaks) else 0
    expected = [2.0 ** (max(ceil_log2(p), top - CHANNEL_SPAN) if p else top) / 2 ** (bits - 1) for p in peaks]
    assert scales_of(layer) == expected
    limit = 2 ** (bits - 1) - 1
    for row, codes, scale in zip(rows, weights.int().tolist(), expected, strict=True):
        assert codes == [max(-limit, min(limit, round(Fraction(v) / Fraction(scale)))) for v in row]


def test_a_dead_channel_takes_the_scale_of_the_tensor() -> None:
    rows = [[0.9, -0.1], [0.0, 0.0], [0.2, 0.01]]
    assert scales_of(layer_of(rows)) == [0.125, 0.125, 0.03125]
    assert scales_of(layer_of(rows, per_channel=False)) == [0.125]
    assert scales_of(layer_of([[3.6, -0.1], [0.0, 0.0]])) == [0.5, 0.5]


def test_a_layer_without_a_living_weight_has_a_finite_scale_and_zero_codes() -> None:
    layer = layer_of([[0.0, 0.0], [0.0, -1e-12]])
    assert scales_of(layer) == [0.125, 0.125] and not layer.quant_weight().int().any()


def test_a_faint_channel_is_clamped_eight_bits_below_the_largest() -> None:
    scales = scales_of(layer_of([[1.0, 0.5], [1e-6, 0.0], [2.0**-8, 0.0], [2.0**-7, 0.0]]))
    assert scales == [2.0**-3, 2.0**-11, 2.0**-11, 2.0**-10]


def test_the_clamp_and_dead_channels_hold_while_training_and_gradients_reach_the_weights() -> None:
    layer = layer_of([[1.0, 0.5], [1e-6, 2e-6], [0.0, 0.0]])
    layer.train()
    optimizer = torch.optim.SGD(layer.parameters(), lr=1e-3)
    for _ in range(5):
        loss = (layer(torch.tensor([[0.7, -0.3]])) - torch.tensor([[0.3, 0.2, 0.1]])).square().sum()
        optimizer.zero_grad()
        loss.backward()
        assert torch.isfinite(layer.weight.grad).all() and (layer.weight.grad[2] != 0).all()
        optimizer.step()
        scales = scales_of(layer)
        assert max(scales) / min(scales) <= 2**CHANNEL_SPAN
    assert layer.weight[2].abs().sum() > 0


def test_the_gradient_of_a_living_channel_is_the_one_of_brevitas_own_quantizer() -> None:
    from brevitas.quant.fixed_point import Int8WeightPerChannelFixedPoint

    torch.manual_seed(3)
    ours = QuantConv2d(3, 5, 3, bias=False, weight_quant=weight_quantizer(4, True))
    theirs = QuantConv2d(3, 5, 3, bias=False, weight_quant=Int8WeightPerChannelFixedPoint, weight_bit_width=4)
    with torch.no_grad():
        theirs.weight.copy_(ours.weight)
    x = torch.randn(2, 3, 6, 6)
    results = [layer(x) for layer in (ours, theirs)]
    for result in results:
        result.square().sum().backward()
    assert torch.equal(results[0], results[1])
    assert torch.allclose(ours.weight.grad, theirs.weight.grad, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("bits", [2, 4, 8])
def test_activations_round_half_to_even_and_clip_at_their_codes(bits: int, signed: bool) -> None:
    layer = QuantIdentity(activation_quantizer(bits, signed), return_quant_tensor=True)
    with torch.no_grad():
        range_parameter(layer).fill_(1.5)  # its ceiling: a range of 4
    scale = 4.0 / 2 ** (bits - 1 if signed else bits)
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    halves = np.arange(-2 * high - 7, 2 * high + 8) / 2
    out = layer(torch.tensor(halves * scale, dtype=torch.float32))
    assert float(out.scale.detach()) == scale
    assert out.int().tolist() == [min(high, max(low, round(Fraction(h)))) for h in halves.tolist()]


def test_the_range_of_an_activation_is_learned() -> None:
    layer = QuantReLU(activation_quantizer(4, False), return_quant_tensor=True)
    layer(torch.tensor([0.3, 5.0])).value.sum().backward()
    gradient = range_parameter(layer).grad
    assert gradient is not None and float(gradient) > 0  # a wider range would clip the 5 less


def test_calibration_chooses_the_power_of_two_with_the_least_error() -> None:
    values = torch.cat([torch.linspace(0, 1, 4000), torch.tensor([9.0])])
    errors = {}
    for k in range(-3, 5):
        step = 2.0**k / 16
        errors[k] = float(((values / step).round().clamp(0, 15) * step - values).square().sum())
    best = min(errors, key=lambda k: errors[k])
    assert best_range(values, 4, signed=False) == best < 4
    assert best_range(torch.linspace(0, 0.9, 100), 4, signed=False) == 0  # nothing to clip
    layer = QuantReLU(activation_quantizer(4, False), return_quant_tensor=True)
    calibrate(layer, values)
    assert float(layer.act_quant.scale().detach()) == 2.0**best / 16


def test_nothing_to_calibrate_on_gives_a_range_of_one() -> None:
    assert best_range(torch.zeros(9), 4, signed=True) == 0
    assert best_range(torch.full((9,), -3.0), 4, signed=False) == 0


def test_a_bias_is_integers_at_the_accumulators_scale_even_in_a_faint_channel() -> None:
    source = QuantIdentity(activation_quantizer(4, False), return_quant_tensor=True)
    layer = layer_of([[1.0, 0.5], [1e-6, 0.0]])
    layer = QuantLinear(2, 2, bias=True, weight_quant=weight_quantizer(4, True), bias_quant=BiasQuant)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, 0.5], [1e-6, 0.0]]))
        layer.bias.copy_(torch.tensor([0.26, -30.0]))
    x = source(torch.tensor([[0.5, 1.0]]))
    scales = [s * 2.0**-4 for s in scales_of(layer)]
    bias = layer.bias_quant(layer.bias, x, layer.quant_weight())
    assert bias.int().tolist() == [round(0.26 / scales[0]), round(-30.0 / scales[1])]
    assert abs(int(bias.int()[1])) > 2**15  # sixteen bits would have saturated
    codes = [[round(v / s) for v in row] for row, s in zip([[1.0, 0.5], [1e-6, 0]], scales_of(layer), strict=True)]
    exact = [
        (sum(min(c, 7) * q for c, q in zip(row, [8, 15], strict=True)) + b) * s
        for row, b, s in zip(codes, bias.int().tolist(), scales, strict=True)
    ]
    assert layer(x).flatten().tolist() == exact


@pytest.mark.parametrize("bits", [1, 9, 4.0, True, "4"])
def test_widths_outside_two_to_eight_bits_are_refused(bits: Any) -> None:
    with pytest.raises(ConfigError, match="needed 2 to 8"):
        weight_quantizer(bits, True)
    with pytest.raises(ConfigError, match="needed 2 to 8"):
        activation_quantizer(bits, False)
