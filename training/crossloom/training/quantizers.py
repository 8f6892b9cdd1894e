"""Brevitas quantizers whose scales are powers of two, so that every tensor of a trained network is integers."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from brevitas.function.ops_ste import ceil_ste
from brevitas.inject import ExtendedInjector
from brevitas.quant import Int32Bias
from brevitas.quant.base import (
    IntQuant,
    MaxStatsScaling,
    NarrowIntQuant,
    ParamMinMaxInitScaling,
    PerChannelPoTScaling8bit,
    PerTensorPoTScaling8bit,
    UintQuant,
)
from brevitas.quant.solver.act import ActQuantSolver
from brevitas.quant.solver.weight import WeightQuantSolver
from torch import Tensor, nn

from crossloom.sim.errors import ConfigError

CHANNEL_SPAN = 8
"""Bits that a channel's scale may lie below the largest scale of its layer."""

DEAD = 2.0**-32
"""A channel whose weights are all smaller than this in magnitude is dead: it quantizes to zeros."""

MIN_BITS, MAX_BITS = 2, 8

BiasQuant = Int32Bias
"""Bias codes at the accumulator's own scale (input scale times weight scale, per channel), rounded half to even.

Exact in float32 while a code stays below 2^24, which the accumulator's bound asks for anyway. A 16-bit bias would
saturate in a channel whose scale lies 8 bits below its layer's largest.
"""


class PowerOfTwoWeightScaling(nn.Module):
    """Scale of a weight tensor from its greatest magnitudes: 2^ceil(log2 max|w|) over the quantizer's threshold.

    `scaling_shape` is () for one scale, or (channels, 1, ...) for one per output channel (dimension 0). A channel's
    scale is at least 2^-CHANNEL_SPAN of the largest one; a dead channel takes the largest one, which is the scale
    that the whole tensor would have; a tensor with nothing alive takes 1. Gradients reach the weights as in
    Brevitas: straight through the ceiling, and through the largest scale where the clamp or a dead channel uses it.
    """

    def __init__(self, scaling_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.scaling_shape = scaling_shape
        self.span = float(CHANNEL_SPAN)
        self.dead = DEAD

    def forward(self, x: Tensor, threshold: Tensor | None = None) -> Tensor:
        """Return the scales of the weights `x`, of `scaling_shape`; `threshold` is 2^(bits-1), an exact division."""
        rows = x.abs().flatten(1) if len(self.scaling_shape) else x.abs().reshape(1, -1)
        peak = rows.max(dim=1)[0]
        largest = peak.max()
        peak = torch.where(peak < self.dead, largest, peak)
        peak = torch.where(peak < self.dead, torch.ones_like(peak), peak)
        exponent = ceil_ste(torch.log2(peak))
        exponent = torch.maximum(exponent, exponent.max() - self.span)
        scale = (2.0**exponent).reshape(self.scaling_shape)
        return scale if threshold is None else scale / threshold


class _TensorWeight(NarrowIntQuant, MaxStatsScaling, PerTensorPoTScaling8bit, WeightQuantSolver):  # type: ignore[misc]  # Brevitas is untyped
    """Narrow-range weights with one power-of-two scale."""

    scaling_impl = PowerOfTwoWeightScaling


class _ChannelWeight(NarrowIntQuant, MaxStatsScaling, PerChannelPoTScaling8bit, WeightQuantSolver):  # type: ignore[misc]  # Brevitas is untyped
    """Narrow-range weights with one power-of-two scale per output channel."""

    scaling_impl = PowerOfTwoWeightScaling


class _UnsignedActivation(UintQuant, ParamMinMaxInitScaling, PerTensorPoTScaling8bit, ActQuantSolver):  # type: ignore[misc]  # Brevitas is untyped
    """Codes 0..2^bits-1 with a learned power-of-two scale; rounds half to even."""

    min_val = 0.0
    max_val = 1.0


class _SignedActivation(IntQuant, ParamMinMaxInitScaling, PerTensorPoTScaling8bit, ActQuantSolver):  # type: ignore[misc]  # Brevitas is untyped
    """Codes -2^(bits-1)..2^(bits-1)-1 with a learned power-of-two scale; rounds half to even."""

    min_val = -1.0
    max_val = 1.0


def _check_bits(what: str, bits: int) -> int:
    if isinstance(bits, bool) or not isinstance(bits, int) or not MIN_BITS <= bits <= MAX_BITS:
        raise ConfigError(f"{what}: {bits!r} bits; needed {MIN_BITS} to {MAX_BITS}")
    return bits


@lru_cache(maxsize=None, typed=True)  # typed: 4.0 must not find the entry of 4
def weight_quantizer(bits: int, per_channel: bool) -> type[ExtendedInjector]:
    """Return the Brevitas weight quantizer of `bits` bits: codes -(2^(bits-1)-1)..2^(bits-1)-1 (narrow range).

    Its scales are powers of two from the weights' greatest magnitudes, one per output channel or one per tensor.
    Raises ConfigError unless bits is 2 to 8.
    """
    base: Any = _ChannelWeight if per_channel else _TensorWeight
    quantizer: type[ExtendedInjector] = base.let(bit_width=_check_bits("weight quantizer", bits))
    return quantizer


@lru_cache(maxsize=None, typed=True)  # typed: 4.0 must not find the entry of 4
def activation_quantizer(bits: int, signed: bool) -> type[ExtendedInjector]:
    """Return the Brevitas activation quantizer of `bits` bits, unsigned or signed, with a learned power-of-two scale.

    The learned parameter is log2 of the range; its ceiling counts: `calibrate` sets it from values.
    Raises ConfigError unless bits is 2 to 8.
    """
    base: Any = _SignedActivation if signed else _UnsignedActivation
    quantizer: type[ExtendedInjector] = base.let(bit_width=_check_bits("activation quantizer", bits))
    return quantizer


def range_parameter(layer: nn.Module) -> nn.Parameter:
    """Return the learned log2 range of a QuantReLU or QuantIdentity that `activation_quantizer` made."""
    proxy: Any = layer.act_quant
    parameter = proxy.fused_activation_quant_proxy.tensor_quant.scaling_impl.value
    assert isinstance(parameter, nn.Parameter)
    return parameter


def best_range(values: Tensor, bits: int, signed: bool, candidates: int = 5) -> int:
    """Return the exponent k for which a range of 2^k represents `values` (any shape) with the least squared error.

    The step is 2^(k - bits), or 2^(k - bits + 1) when signed. Tries the smallest range that clips nothing and the
    `candidates - 1` smaller ones; on a tie the larger range wins. All zeros give 0.
    """
    flat = values.detach().reshape(-1).double()
    if not signed:
        flat = flat.clamp(min=0)
    peak = float(flat.abs().max()) if flat.numel() else 0.0
    if peak < DEAD:
        return 0
    top = int(torch.ceil(torch.log2(torch.tensor(peak, dtype=torch.float64))))
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    best, least = top, float("inf")
    for k in range(top, top - candidates, -1):
        step = 2.0 ** (k - bits + (1 if signed else 0))
        error = float(((flat / step).round().clamp(low, high) * step - flat).square().sum())
        if error < least:
            best, least = k, error
    return best


def calibrate(layer: nn.Module, values: Tensor) -> None:
    """Set the scale of a QuantReLU or QuantIdentity to the best one for the float `values` that will reach it.

    The parameter starts half a bit inside its step of the ceiling, so that training does not flip it at once.
    """
    proxy: Any = layer.act_quant
    bits, signed = int(proxy.bit_width()), bool(proxy.is_signed)
    with torch.no_grad():
        range_parameter(layer).fill_(best_range(values, bits, signed) - 0.5)
