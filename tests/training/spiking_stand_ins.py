"""Neurons that stand in for those of four libraries: the same attributes, the same rules written anew, no more.

`installed` makes the packages that the importer imports where it needs them. The libraries themselves are run by
`test_import_libraries.py`, where they are installed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType, SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn


def fires(value: Any) -> Tensor:
    return value.float()


class Leaky(nn.Module):
    """snnTorch's: above the threshold, reset one step later, undecayed; zero at once."""

    __module__ = "snntorch.neurons"

    def __init__(self, beta: Any, threshold: Any = 1.0, reset_mechanism: str = "subtract", **given: Any) -> None:
        super().__init__()
        self.beta, self.threshold = torch.as_tensor(beta), torch.as_tensor(threshold)
        self.reset_mechanism_val = torch.tensor(["subtract", "zero", "none"].index(reset_mechanism))
        self.graded_spikes_factor = torch.as_tensor(given.get("graded_spikes_factor", 1.0))
        self.inhibition, self.state_quant = given.get("inhibition", False), given.get("state_quant", False)
        self.reset_delay, self.init_hidden = given.get("reset_delay", True), given.get("init_hidden", False)
        self.register_buffer("mem", torch.zeros(0), False)

    def reset_mem(self) -> Tensor:
        self.mem = torch.zeros_like(self.mem)
        return self.mem

    def forward(self, x: Tensor, mem: Tensor | None = None) -> Any:
        mem = self.mem if mem is None else mem
        mem = mem if mem.shape == x.shape else torch.zeros_like(x)
        before = fires(mem > self.threshold)
        if self.reset_mechanism_val == 1:
            mem = mem * (1 - before)
        mem = self.beta * mem + x - (before * self.threshold if self.reset_mechanism_val == 0 else 0)
        self.mem = mem
        spikes = fires(mem > self.threshold)
        return spikes if self.init_hidden else (spikes, mem)


class Lapicque(Leaky):
    """A class of snnTorch's that the importer does not know."""

    __module__ = "snntorch.neurons"


class LIFNode(nn.Module):
    """SpikingJelly's: at the threshold, reset at once, hard or soft."""

    __module__ = "spikingjelly.activation_based.neuron"

    def __init__(
        self, tau: float = 2.0, decay_input: bool = True, v_threshold: float = 1.0, v_reset: Any = 0.0
    ) -> None:
        super().__init__()
        self.tau, self.decay_input, self.v_threshold, self.v_reset = tau, decay_input, v_threshold, v_reset
        self.step_mode, self.v = "s", torch.zeros(())

    def one(self, x: Tensor) -> Tensor:
        self.v = self.v + ((x - self.v) / self.tau if self.decay_input else x - self.v / self.tau)
        spikes = fires(self.v >= self.v_threshold)
        self.v = self.v - spikes * self.v_threshold if self.v_reset is None else self.v * (1 - spikes)
        return spikes

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([self.one(step) for step in x]) if self.step_mode == "m" else self.one(x)


class LIF(nn.Module):
    """sinabs': as many spikes as whole thresholds fit, of (batch, time, ...)."""

    __module__ = "sinabs.layers"

    def __init__(self, decay: float, spike_fn: Any, reset_fn: Any, norm_input: bool = True, **given: Any) -> None:
        super().__init__()
        self.alpha_mem_calculated, self.alpha_syn_calculated = torch.tensor(decay), None
        self.spike_threshold, self.spike_fn, self.reset_fn = torch.tensor(0.5), spike_fn, reset_fn
        self.norm_input, self.min_v_mem = norm_input, given.get("min_v_mem")
        self.register_buffer("v_mem", torch.zeros(0))

    def forward(self, x: Tensor) -> Tensor:
        v, out = torch.zeros_like(x[:, 0]), []
        for t in range(x.shape[1]):
            v = self.alpha_mem_calculated * v + x[:, t] * ((1 - self.alpha_mem_calculated) if self.norm_input else 1)
            spikes = (v > 0) * torch.div(v, self.spike_threshold, rounding_mode="trunc")
            if self.spike_fn.__name__ == "SingleSpike":
                spikes = fires(v >= self.spike_threshold)
            subtract = type(self.reset_fn).__name__ == "MembraneSubtract"
            v = v - spikes * self.spike_threshold if subtract else v * (spikes == 0)
            out.append(spikes)
        return torch.stack(out, 1)


class MultiSpike:
    """As the class of that name."""


class SingleSpike:
    """As the class of that name."""


class MembraneSubtract:
    """As the class of that name."""

    subtract_value = None


class MembraneReset:
    """As the class of that name."""

    reset_value = 0.0


class LIFBoxCell(nn.Module):
    """norse's: above the threshold, reset at once, its state outside."""

    __module__ = "norse.torch.module"

    def __init__(self, reset_method: Callable[..., Any], **p: Any) -> None:
        super().__init__()
        zero = torch.zeros(())
        plain = {"tau_mem_inv": torch.tensor(256.0), "v_leak": zero, "v_reset": zero, "v_th": torch.tensor(0.25)}
        self.p, self.dt = SimpleNamespace(**{**plain, **p}, reset_method=reset_method), 1 / 1024

    def forward(self, x: Tensor, v: Tensor | None = None) -> tuple[Tensor, Tensor]:
        v = torch.zeros_like(x) if v is None else v
        v = v + self.dt * self.p.tau_mem_inv * (x - v)
        spikes = fires(v > self.p.v_th)
        return spikes, v - spikes * self.p.v_th if self.p.reset_method is reset_subtract else v * (1 - spikes)


def reset_value() -> None:
    """As the function of that name."""


def reset_subtract() -> None:
    """As the function of that name."""


class SequentialState(nn.Sequential):
    """norse's container: states go in and out beside the values."""

    __module__ = "norse.torch.module"
    stateful_layers = True

    def forward(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        state = [None] * len(self) if state is None else state
        for index, module in enumerate(self):
            if isinstance(module, LIFBoxCell):
                x, state[index] = module(x, state[index])
            else:
                x = module(x)
        return x, state


def install(monkeypatch: Any) -> None:
    """Make what the importer imports of SpikingJelly to run a model."""

    def reset_net(model: nn.Module) -> None:
        for module in model.modules():
            if isinstance(module, LIFNode):
                module.v = torch.zeros(())

    package = ModuleType("spikingjelly")
    inner: Any = ModuleType("spikingjelly.activation_based")
    inner.functional = SimpleNamespace(reset_net=reset_net)
    monkeypatch.setitem(sys.modules, "spikingjelly", package)
    monkeypatch.setitem(sys.modules, "spikingjelly.activation_based", inner)
    monkeypatch.setattr("crossloom.training.importing.running.installed", lambda package: "of the tests")
