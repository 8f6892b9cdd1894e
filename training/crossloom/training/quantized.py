"""Reads integer types and codes out of Brevitas quantizers, refusing what is not a power of two."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
from brevitas.proxy.runtime_quant import ActQuantProxyFromInjector, DynamicActQuantProxyFromInjector

from crossloom.sim import ExportError, QType, Rounding
from crossloom.sim.types import AnyArray, IntArray

from .quantizers import CHANNEL_SPAN
from .tracing import plain

_ROUNDINGS = {"ROUND": Rounding.HALF_EVEN, "FLOOR": Rounding.FLOOR}


def frac_of(where: str, scale: float) -> int:
    """Return f with scale == 2**-f; raise ExportError for any other number."""
    mantissa, exponent = math.frexp(scale) if math.isfinite(scale) and scale > 0 else (0.0, 0)
    if mantissa != 0.5:
        raise ExportError(
            f"{where}: scale {scale!r} is no power of two; needed a power-of-two quantizer: "
            "crossloom.training.activation_quantizer or weight_quantizer, or one of brevitas.quant.fixed_point"
        )
    return 1 - exponent


def int_range(bits: int, signed: bool, narrow: bool) -> tuple[int, int]:
    """Return the lowest and highest code of a Brevitas integer quantizer."""
    if not signed:
        return 0, (1 << bits) - 1 - int(narrow)
    return -(1 << (bits - 1)) + int(narrow), (1 << (bits - 1)) - 1


def rounding_of(where: str, mode: str) -> Rounding:
    """Return our name of a Brevitas rounding mode; raise ExportError for one we do not have."""
    if mode.upper() not in _ROUNDINGS:
        raise ExportError(f"{where}: rounding {mode}; needed ROUND (half to even) or FLOOR")
    return _ROUNDINGS[mode.upper()]


def _check_integers(where: str, proxy: Any, zero_point: Any) -> None:
    fused = getattr(proxy, "fused_activation_quant_proxy", None)
    quantizer = proxy.tensor_quant if fused is None else fused.tensor_quant
    if not hasattr(quantizer, "int_quant"):
        raise ExportError(f"{where}: {type(quantizer).__name__}; needed an integer quantizer of 2 bits or more")
    if bool((zero_point != 0).any()):
        raise ExportError(f"{where}: its zero point is not 0; needed a symmetric quantizer")


def activation_type(where: str, proxy: Any) -> tuple[QType, Rounding]:
    """Return the stream type and rounding of an activation quantizer; raise ExportError unless it is fixed-point."""
    if not isinstance(proxy, ActQuantProxyFromInjector) or isinstance(proxy, DynamicActQuantProxyFromInjector):
        raise ExportError(
            f"{where}: {type(proxy).__name__}; needed an integer quantizer whose scale is fixed after training"
        )
    scale, zero_point, bits = (value.detach() for value in (proxy.scale(), proxy.zero_point(), proxy.bit_width()))
    _check_integers(where, proxy, zero_point)
    if scale.numel() != 1:
        raise ExportError(f"{where}: {scale.numel()} scales; an activation has one scale: use per-tensor scaling")
    lo, hi = int_range(round(float(bits)), bool(proxy.is_signed), bool(proxy.is_narrow_range))
    return QType(lo, hi, frac_of(where, float(scale))), rounding_of(where, str(proxy.rounding_mode))


def linear_codes(where: str, module: Any, source: int, bias: Any) -> tuple[IntArray, IntArray, QType]:
    """Return a layer's weight codes in torch's layout, its bias codes (channels,), and the type of the weights.

    `source` is the frac of what the layer reads, `bias` what its quantizer showed. The type has one frac, or one per
    output channel. Any scale serves a channel of zeros: where its own is far from the others', which is what
    Brevitas gives a pruned channel, it takes the largest, or the least fine one that its bias allows.
    """
    proxy = getattr(module, "weight_quant", None)
    if proxy is None or not proxy.is_quant_enabled:
        raise ExportError(
            f"{where}: its weights are not quantized; needed a weight quantizer: crossloom.training.weight_quantizer"
        )
    weight = module.quant_weight()
    if not hasattr(weight, "scale") or not hasattr(weight, "zero_point"):
        raise ExportError(f"{where}: {type(weight).__name__}; needed integer weights")
    _check_integers(where, proxy, weight.zero_point)
    values, scale = plain(weight).numpy(), weight.scale.detach().flatten()
    channels = len(values)
    if len(scale) not in (1, channels):
        raise ExportError(f"{where}: {len(scale)} weight scales; needed 1, or one per output channel ({channels})")
    alive = [bool(row.any()) for row in values]
    own = np.broadcast_to(scale.numpy(), (channels,))
    names = [f"{where}: weights of channel {i}" for i in range(channels)]
    known = {i: frac_of(names[i], float(own[i])) for i in range(channels) if alive[i]}
    least = min(known.values(), default=0)
    shown = _bias_values(where, bias, channels) if module.bias is not None else None
    fracs = [
        known[i] if i in known else _idle_frac(float(own[i]), least, source, 0.0 if shown is None else shown[i])
        for i in range(channels)
    ]
    codes = codes_of(where, values, np.array(fracs).reshape([-1] + [1] * (values.ndim - 1)))
    lo, hi = int_range(round(float(weight.bit_width.detach())), bool(weight.signed), bool(proxy.is_narrow_range))
    type_ = QType(lo, hi, fracs[0] if len(set(fracs)) == 1 else tuple(fracs))
    if shown is None:
        return codes, np.zeros(channels, np.int64), type_
    scales = np.broadcast_to(bias.scale.detach().flatten().numpy(), (channels,))
    for i, frac in known.items():
        if frac_of(f"{where}: bias of channel {i}", float(scales[i])) != frac + source:
            raise ExportError(
                f"{where}: its bias has a scale of its own; needed the accumulator's: use Int32Bias of brevitas.quant"
            )
    return codes, codes_of(f"{where}: bias", shown, np.array(fracs) + source), type_


def _bias_values(where: str, bias: Any, channels: int) -> AnyArray:
    if not hasattr(bias, "scale") or bias.scale is None:
        raise ExportError(
            f"{where}: its bias is not quantized; needed bias_quant=Int32Bias (or Int16Bias) of brevitas.quant"
        )
    values: AnyArray = plain(bias).numpy().astype(np.float64)
    return values


def _idle_frac(scale: float, least: int, source: int, bias: float) -> int:
    """The frac of a channel whose weights are zeros, in a layer whose least frac is `least`."""
    mantissa, exponent = math.frexp(scale) if math.isfinite(scale) and scale > 0 else (0.0, 0)
    if mantissa == 0.5 and abs(1 - exponent - least) <= CHANNEL_SPAN:
        return 1 - exponent
    if bias == 0 or not math.isfinite(bias):
        return least
    _, denominator = bias.as_integer_ratio()
    return max(least, denominator.bit_length() - 1 - source)


def rounded(value: Fraction, rounding: Rounding) -> int:
    """Return a number as an integer: rounded down, or to nearest with ties to even."""
    return math.floor(value) if rounding is Rounding.FLOOR else round(value)


def least_code(code: int, factor: Fraction, rounding: Rounding) -> int:
    """Return the least integer whose product with `factor` > 0 rounds to `code` or more."""
    if rounding is Rounding.FLOOR:
        return math.ceil(code / factor)
    edge = (code - Fraction(1, 2)) / factor
    return int(edge) if edge.denominator == 1 and code % 2 == 0 else math.floor(edge) + 1


def codes_of(where: str, values: AnyArray, frac: Any) -> IntArray:
    """Return values * 2**frac as int64, exactly; raise ExportError where that is no integer."""
    scaled = np.ldexp(values.astype(np.float64), frac)
    wrong = np.rint(scaled) != scaled
    if wrong.any():
        index = np.unravel_index(int(np.argmax(wrong)), wrong.shape)
        raise ExportError(
            f"{where}: value {float(values[index])!r} at {[int(i) for i in index]} is no multiple of its scale"
        )
    found: IntArray = scaled.astype(np.int64)
    return found
