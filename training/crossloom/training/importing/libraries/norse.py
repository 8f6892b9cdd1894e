"""norse: LIFBoxCell and IAFCell, which fire above their threshold, reset at once, and keep their state outside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..chain import Neuron
from .common import Library, each_step, need_zero, numbers, refused, step_by_step, wide


def _box(where: str, module: Any) -> Neuron:
    p = module.p
    need_zero(where, p.v_leak, "v_leak")
    need_zero(where, p.v_reset, "v_reset")
    resets = {"reset_value": "zero", "reset_subtract": "subtract"}
    name = getattr(p.reset_method, "__name__", str(p.reset_method))
    if name not in resets:
        raise refused(where, f"reset_method {name[:40]}", "reset_value or reset_subtract")
    decay = 1 - module.dt * numbers(where, p.tau_mem_inv, "tau_mem_inv")
    return Neuron(where, decay, numbers(where, p.v_th, "v_th"), np.ones(1), resets[name], strict=True, normed=True)


def _iaf(where: str, module: Any) -> Neuron:
    need_zero(where, module.p.v_reset, "v_reset")
    return Neuron(where, np.ones(1), numbers(where, module.p.v_th, "v_th"), np.ones(1), "zero", strict=True)


def _run(model: nn.Module, neurons: Sequence[nn.Module], x: Tensor, steps: int, at_once: bool) -> None:
    if not hasattr(model, "stateful_layers"):  # no SequentialState
        each_step(model, x, steps, at_once)
        return
    state = None
    for t in range(steps):
        _, state = model(x[t % len(x)], state)


def _made(neuron: Neuron, axes: int) -> Callable[[Tensor], Tensor]:
    import norse.torch as norse
    from norse.torch.functional.reset import reset_subtract, reset_value

    theta, zero = wide(neuron.theta, axes), torch.zeros(())
    if (neuron.decay == 1).all():
        cell: nn.Module = norse.IAFCell(norse.IAFParameters(v_th=theta))
    else:
        method = reset_subtract if neuron.reset == "subtract" else reset_value
        tau = wide((1 - neuron.decay) * 1024, axes)
        p = norse.LIFBoxParameters(tau_mem_inv=tau, v_leak=zero, v_th=theta, v_reset=zero, reset_method=method)
        cell = norse.LIFBoxCell(p, dt=1 / 1024)

    def steps(currents: Tensor) -> Tensor:
        out, state = [], None
        for current in currents:
            spike, state = cell(current, state)
            out.append(spike)
        return torch.stack(out)

    return steps


NORSE = Library("norse", "norse", {"LIFBoxCell": _box, "IAFCell": _iaf}, _run, step_by_step, _made)
