"""snnTorch: Leaky and Synaptic, which fire above their threshold and by default reset one step later."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..chain import Neuron
from .common import Library, each_step, numbers, refused, step_by_step, wide


def _neuron(where: str, module: Any) -> Neuron:
    if module.inhibition:
        raise refused(where, "inhibition=True, one spike among all neurons", "inhibition=False")
    if module.state_quant:
        raise refused(where, "state_quant", "state_quant=False: the membrane's width is proved, never rounded")
    if numbers(where, module.graded_spikes_factor, "graded_spikes_factor").tolist() != [1.0]:
        raise refused(
            where, f"graded_spikes_factor {module.graded_spikes_factor}", "1: multiply the next weights instead"
        )
    reset = ("subtract", "zero", "none")[int(module.reset_mechanism_val)]
    two = type(module).__name__ == "Synaptic"
    when = "next" if reset == "subtract" or (two and reset == "zero") else "now"
    if not module.reset_delay:
        if reset == "subtract":
            raise refused(
                where,
                "reset_mechanism='subtract' with reset_delay=False, which subtracts twice and hands back",
                "reset_delay=True, or reset_mechanism='zero'",
            )
        when = "now"
    return Neuron(
        where,
        np.clip(numbers(where, module.beta, "beta"), 0, 1),
        numbers(where, module.threshold, "threshold"),
        np.ones(1),
        reset,
        when,
        strict=True,
        synapse=np.clip(numbers(where, module.alpha, "alpha"), 0, 1) if two else None,
    )


def _run(model: nn.Module, neurons: Sequence[nn.Module], x: Tensor, steps: int, at_once: bool) -> None:
    for neuron in neurons:
        neuron.reset_mem()  # type: ignore[operator]  # a method of snnTorch's
    each_step(model, x, steps, at_once)


def _made(neuron: Neuron, axes: int) -> Callable[[Tensor], Tensor]:
    import snntorch as snn

    given = {
        "beta": wide(neuron.decay, axes),
        "threshold": wide(neuron.theta, axes),
        "reset_mechanism": neuron.reset,
    }
    if neuron.synapse is not None:
        given["alpha"] = wide(neuron.synapse, axes)
    module = (snn.Leaky if neuron.synapse is None else snn.Synaptic)(**given)

    def steps(currents: Tensor) -> Tensor:
        state = [torch.zeros_like(currents[0])] * (1 if neuron.synapse is None else 2)
        out = []
        for current in currents:
            spike, *state = module(current, *state)
            out.append(spike)
        return torch.stack(out)

    return steps


SNNTORCH = Library("snnTorch", "snntorch", {"Leaky": _neuron, "Synaptic": _neuron}, _run, step_by_step, _made)
