"""sinabs: LIF and IAF, which by default fire as often as whole thresholds fit and normalize their input."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..chain import Neuron
from .common import Library, numbers, refused, wide


def _neuron(where: str, module: Any) -> Neuron:
    if module.min_v_mem is not None:
        raise refused(where, f"min_v_mem {float(module.min_v_mem):.6g}", "None: a membrane has no floor but its width")
    fires = module.spike_fn
    kind = getattr(fires, "__name__", type(fires).__name__)
    most = {"MultiSpike": None, "SingleSpike": 1}.get(kind, 0)
    if kind == "MaxSpike":
        most = fires.max_num_spikes_per_bin
    if most == 0:
        raise refused(where, f"spike_fn {kind}", "MultiSpike, SingleSpike or MaxSpike(n)")
    resets = type(module.reset_fn).__name__
    if resets == "MembraneSubtract" and module.reset_fn.subtract_value is None:
        reset = "subtract"
    elif resets == "MembraneReset" and module.reset_fn.reset_value == 0:
        reset = "zero"
    else:
        raise refused(where, f"reset_fn {module.reset_fn}", "MembraneSubtract() or MembraneReset()")
    if reset == "zero" and most != 1:
        raise refused(where, f"MembraneReset with {kind}", "SingleSpike beside it")
    decay = numbers(where, module.alpha_mem_calculated, "alpha_mem")
    current = module.alpha_syn_calculated
    synapse = None if current is None else numbers(where, current, "alpha_syn")
    return Neuron(
        where,
        decay,
        numbers(where, module.spike_threshold, "spike_threshold"),
        np.ones(1) if synapse is None else synapse,  # the current decays after its input came in
        reset,
        normed=bool(module.norm_input),
        most=most,
        synapse=synapse,
    )


@contextmanager
def _any_batch(neurons: Sequence[Any], steps: int) -> Iterator[None]:
    """Let squeezed layers take any batch of so many steps."""
    squeezed = [(n, n.batch_size, n.num_timesteps) for n in neurons if hasattr(n, "num_timesteps")]
    try:
        for neuron, _, _ in squeezed:
            neuron.batch_size, neuron.num_timesteps = -1, steps
        yield
    finally:
        for neuron, batch, count in squeezed:
            neuron.batch_size, neuron.num_timesteps = batch, count


def _from_rest(neuron: Any) -> None:
    for name, _ in list(neuron.named_buffers()):
        neuron.register_buffer(name, torch.zeros(0))


def _run(model: nn.Module, neurons: Sequence[nn.Module], x: Tensor, steps: int, at_once: bool) -> None:
    for neuron in neurons:
        _from_rest(neuron)
    xs = x.expand(steps, *x.shape[1:]).transpose(0, 1)
    squeezed = any(hasattr(neuron, "num_timesteps") for neuron in neurons)
    with _any_batch(neurons, steps):
        model(xs.flatten(0, 1) if squeezed else xs)
    for neuron in neurons:
        _from_rest(neuron)


def _heard(module: nn.Module, heard: list[Tensor], steps: int) -> Tensor:
    found = heard[0]
    if hasattr(module, "num_timesteps"):
        found = found.reshape(-1, steps, *found.shape[1:])
    return found.transpose(0, 1)


def _made(neuron: Neuron, axes: int) -> Callable[[Tensor], Tensor]:
    import sinabs.activation as activation
    import sinabs.layers as layers

    given = {
        "spike_threshold": wide(neuron.theta, axes),
        "spike_fn": activation.MultiSpike if neuron.most is None else activation.SingleSpike,
        "reset_fn": activation.MembraneSubtract() if neuron.reset == "subtract" else activation.MembraneReset(),
    }
    if (neuron.decay == 1).all():
        module = layers.IAF(**given)
    else:
        module = layers.LIF(tau_mem=wide(-1 / np.log(neuron.decay), axes), norm_input=neuron.normed, **given)

    def steps(currents: Tensor) -> Tensor:
        _from_rest(module)
        found: Tensor = module(currents.transpose(0, 1))
        return found.transpose(0, 1)

    return steps


_NEURONS = dict.fromkeys(("LIF", "IAF", "LIFSqueeze", "IAFSqueeze"), _neuron)
SINABS = Library("sinabs", "sinabs", _NEURONS, _run, _heard, _made)
