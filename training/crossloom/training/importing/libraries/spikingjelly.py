"""SpikingJelly: LIFNode, IFNode, ParametricLIFNode and CUBALIFNode, which fire at their threshold and reset at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from torch import Tensor, nn

from ..chain import Neuron, Reals
from .common import Library, each_step, need_zero, numbers, step_by_step, wide


def _of(where: str, module: Any, decay: Reals, **more: Any) -> Neuron:
    if module.v_reset is not None:
        need_zero(where, module.v_reset, "v_reset")
    reset = "subtract" if module.v_reset is None else "zero"
    return Neuron(where, decay, numbers(where, module.v_threshold, "v_threshold"), np.ones(1), reset, **more)


def _lif(where: str, module: Any) -> Neuron:
    return _of(where, module, 1 - 1 / numbers(where, module.tau, "tau"), normed=bool(module.decay_input))


def _parametric(where: str, module: Any) -> Neuron:
    return _of(where, module, 1 - numbers(where, module.w.sigmoid(), "1 / tau"), normed=bool(module.decay_input))


def _if(where: str, module: Any) -> Neuron:
    return _of(where, module, np.ones(1))


def _cuba(where: str, module: Any) -> Neuron:
    decay, current = numbers(where, module.v_decay, "v_decay"), numbers(where, module.c_decay, "c_decay")
    return _of(where, module, decay, synapse=current)


def _run(model: nn.Module, neurons: Sequence[nn.Module], x: Tensor, steps: int, at_once: bool) -> None:
    from spikingjelly.activation_based import functional

    functional.reset_net(model)
    if not at_once and any(getattr(neuron, "step_mode", "s") == "m" for neuron in neurons):
        model(x.expand(steps, *x.shape[1:]).contiguous())
    else:
        each_step(model, x, steps, at_once)
    functional.reset_net(model)


def _heard(module: nn.Module, heard: list[Tensor], steps: int) -> Tensor:
    return heard[0] if getattr(module, "step_mode", "s") == "m" else step_by_step(module, heard, steps)


def _made(neuron: Neuron, axes: int) -> Callable[[Tensor], Tensor]:
    from spikingjelly.activation_based import functional
    from spikingjelly.activation_based import neuron as nodes

    v_reset = 0.0 if neuron.reset == "zero" else None
    # Thresholds and time constants of theirs are plain numbers, or tensors that go with the membrane.
    theta = wide(neuron.theta, axes) if len(neuron.theta) > 1 else float(neuron.theta[0])
    given: dict[str, Any] = {"v_threshold": theta, "v_reset": v_reset}
    if neuron.synapse is not None:
        decays = {"c_decay": float(neuron.synapse[0]), "v_decay": float(neuron.decay[0])}
        module: Any = nodes.CUBALIFNode(**decays, **given)
    elif (neuron.decay == 1).all():
        module = nodes.IFNode(**given)
    else:
        tau = 1 / (1 - neuron.decay)
        module = nodes.LIFNode(tau=2.0, decay_input=neuron.normed, **given)
        module.tau = wide(tau, axes) if len(tau) > 1 else float(tau[0])
    module.step_mode = "m"

    def steps(currents: Tensor) -> Tensor:
        functional.reset_net(module)
        found: Tensor = module(currents)
        return found

    return steps


_NEURONS = {"LIFNode": _lif, "ParametricLIFNode": _parametric, "IFNode": _if, "CUBALIFNode": _cuba}
SPIKINGJELLY = Library("SpikingJelly", "spikingjelly", _NEURONS, _run, _heard, _made)
