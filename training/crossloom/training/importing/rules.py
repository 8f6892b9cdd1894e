"""A chain of layers run in float64 by the rules it states: what its integers are compared with at least."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np

from .chain import Chain, Layer, Neuron, Pool, Reals, Weights

Neurons = Callable[[Neuron, Reals], Reals]
"""From the currents (steps, N, ...) of a layer of neurons to its spikes, or membranes, of the same shape."""


def forward(chain: Chain, values: Reals, steps: int, neurons: Neurons | None = None) -> Iterator[tuple[Layer, Reals]]:
    """Yield each layer with what it gives (steps, N, ...), channels first, of images (1 or steps, N, *torch shape).

    `neurons` in the place of the rules.
    """
    x = values
    for layer in chain.layers:
        if isinstance(layer, Neuron):
            x = np.broadcast_to(x, (steps, *x.shape[1:]))
            x = (spikes if neurons is None else neurons)(layer, x)
        else:
            x = _stateless(layer, x.reshape(-1, *x.shape[2:])).reshape(*x.shape[:2], *_shape(layer, x.shape[2:]))
        yield layer, x


def _shape(layer: Layer, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Of one image behind a layer, channels first."""
    if isinstance(layer, Weights) and layer.weight.ndim == 2:
        return (len(layer.weight),)
    if isinstance(layer, Weights | Pool):
        kernel = layer.weight.shape[2:] if isinstance(layer, Weights) else layer.kernel
        pad = layer.pad if isinstance(layer, Weights) else (0, 0, 0, 0)
        size = (shape[1] + pad[0] + pad[1], shape[2] + pad[2] + pad[3])
        windows = tuple((n - k) // s + 1 for n, k, s in zip(size, kernel, layer.stride, strict=True))
        return (len(layer.weight) if isinstance(layer, Weights) else shape[0], *windows)
    return (math.prod(shape),)


def _stateless(layer: Layer, x: Reals) -> Reals:
    """A layer without state on a batch (N, ...)."""
    if isinstance(layer, Weights):
        if layer.weight.ndim == 2:
            return np.asarray(x.reshape(len(x), -1) @ layer.weight.T + layer.bias)
        return _conv(layer, x)
    if isinstance(layer, Pool):
        view = _views(x, layer.kernel, layer.stride)
        found: Reals = view.max((4, 5)) if layer.kind == "max" else view.sum((4, 5))
        return found / math.prod(layer.kernel) if layer.kind == "avg" else found
    return x.reshape(len(x), -1)


def _views(x: Reals, kernel: tuple[int, ...], stride: tuple[int, int]) -> Reals:
    """Return (N, C, OH, OW, kh, kw)."""
    # numpy 1 says one axis where it takes several.
    view = np.lib.stride_tricks.sliding_window_view(x, kernel, axis=(2, 3))  # type: ignore[call-overload, unused-ignore]
    found: Reals = view[:, :, :: stride[0], :: stride[1]]
    return found


def _conv(layer: Weights, x: Reals) -> Reals:
    top, bottom, left, right = layer.pad
    x = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    out, per_group, kh, kw = layer.weight.shape
    view = _views(x, (kh, kw), layer.stride)
    n, _, oh, ow = view.shape[:4]
    found = np.empty((n, out, oh, ow))
    rows = out // layer.groups
    for g in range(layer.groups):
        taps = layer.weight[g * rows : (g + 1) * rows].reshape(rows, -1)
        patch = view[:, g * per_group : (g + 1) * per_group].transpose(0, 2, 3, 1, 4, 5).reshape(n * oh * ow, -1)
        found[:, g * rows : (g + 1) * rows] = (patch @ taps.T).reshape(n, oh, ow, rows).transpose(0, 3, 1, 2)
    return found + layer.bias[:, None, None]


def spikes(neuron: Neuron, x: Reals) -> Reals:
    """Return the spikes (steps, N, ...) of neurons with currents `x`, or the membranes of those without spikes."""

    def wide(values: Reals) -> Reals:
        return values.reshape(-1, *(1,) * (x.ndim - 3))

    decay, theta = wide(neuron.decay), wide(neuron.theta)
    gain = wide(neuron.gain) * (1 - decay if neuron.normed else 1)
    synapse = None if neuron.synapse is None else wide(neuron.synapse)
    i, v, before = np.zeros(x.shape[1:]), np.zeros(x.shape[1:]), np.zeros(x.shape[1:])
    out = np.empty(x.shape)
    for t, current in enumerate(x):
        i = current if synapse is None else synapse * i + current
        v = decay * v + gain * i
        if neuron.when == "next":
            v = v - before * theta if neuron.reset == "subtract" else np.where(before > 0, 0.0, v)
        if not neuron.spikes:
            out[t] = v
            continue
        fired = (v > theta) if neuron.strict else (v >= theta)
        spike = fired * np.floor(v / theta) if neuron.most is None else fired.astype(np.float64)
        out[t] = before if neuron.late else spike
        if neuron.when == "now" and neuron.reset != "none":
            v = v - spike * theta if neuron.reset == "subtract" else np.where(spike > 0, 0.0, v)
        before = spike
    return out
