"""Reads integer types and codes out of Brevitas quantizers, refusing what is not a power of two."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

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
    if type(proxy).__name__ != "ActQuantProxyFromInjector":
        raise ExportError(
            f"{where}: {type(proxy).__name__}; needed an integer quantizer whose scale is fixed after training"
        )
    scale, zero_point, bits = (value.detach() for value in (proxy.scale(), proxy.zero_point(), proxy.bit_width()))
    _check_integers(where, proxy, zero_point)
    if scale.numel() != 1:
        raise ExportError(f"{where}: {scale.numel()} scales; an activation has one scale: use per-tensor scaling")
    lo, hi = int_range(round(float(bits)), bool(proxy.is_signed), bool(proxy.is_narrow_range))
    return QType(lo, hi, frac_of(where, float(scale))), rounding_of(where, str(proxy.rounding_mode))


def weight_codes(where: str, module: Any) -> tuple[IntArray, QType]:
    """Return a layer's weight codes in torch's layout and their type, one frac or one per output channel."""
    proxy = getattr(module, "weight_quant", None)
    if proxy is None or not proxy.is_quant_enabled:
        raise ExportError(
            f"{where}: its weights are not quantized; needed a weight quantizer: crossloom.training.weight_quantizer"
        )
    weight = module.quant_weight()
    if not hasattr(weight, "scale") or not hasattr(weight, "zero_point"):
        raise ExportError(f"{where}: {type(weight).__name__}; needed integer weights")
    _check_integers(where, proxy, weight.zero_point)
    scale = weight.scale.detach()
    channels = weight.value.shape[0]
    if scale.numel() not in (1, channels):
        raise ExportError(f"{where}: {scale.numel()} weight scales; needed 1, or one per output channel ({channels})")
    fracs = [frac_of(f"{where}: weights of channel {i}", float(s)) for i, s in enumerate(scale.flatten())]
    least = min(fracs)
    for channel, frac in enumerate(fracs):
        if frac - least > CHANNEL_SPAN:
            raise ExportError(
                f"{where}: the scale of channel {channel} lies {frac - least} bits below the layer's largest; at most "
                f"{CHANNEL_SPAN} are supported: crossloom.training.weight_quantizer keeps it in range"
            )
    codes = codes_of(where, plain(weight).numpy(), np.array(fracs).reshape([-1] + [1] * (weight.value.dim() - 1)))
    lo, hi = int_range(round(float(weight.bit_width.detach())), bool(weight.signed), bool(proxy.is_narrow_range))
    return codes, QType(lo, hi, fracs[0] if len(set(fracs)) == 1 else tuple(fracs))


def bias_codes(where: str, bias: Any, frac: int | tuple[int, ...], channels: int) -> IntArray:
    """Return the codes (channels,) of a quantized bias at the accumulator's frac."""
    if not hasattr(bias, "scale") or bias.scale is None:
        raise ExportError(
            f"{where}: its bias is not quantized; needed bias_quant=Int32Bias (or Int16Bias) of brevitas.quant"
        )
    scales = np.broadcast_to(bias.scale.detach().flatten().numpy(), (channels,))
    wanted = np.broadcast_to(np.asarray(frac), (channels,))
    for channel in range(channels):
        if frac_of(f"{where}: bias of channel {channel}", float(scales[channel])) != wanted[channel]:
            raise ExportError(
                f"{where}: its bias has a scale of its own; needed the accumulator's: use Int32Bias of brevitas.quant"
            )
    return codes_of(f"{where}: bias", plain(bias).numpy(), wanted)


def codes_of(where: str, values: AnyArray, frac: Any) -> IntArray:
    """Return values * 2**frac as int64, exactly; raise ExportError where that is no integer."""
    scaled = np.ldexp(values.astype(np.float64), frac)
    codes = np.rint(scaled)
    if not np.array_equal(codes, scaled):
        index = tuple(int(i) for i in np.argwhere(codes != scaled)[0])
        raise ExportError(f"{where}: value {float(values[index])!r} at {list(index)} is no multiple of its scale")
    found: IntArray = codes.astype(np.int64)
    return found
