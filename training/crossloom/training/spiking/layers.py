"""Modules of spiking networks: neurons on the sums of a layer, and what makes one answer of all steps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from brevitas.quant_tensor import IntQuantTensor
from torch import Tensor, nn

from crossloom.sim.errors import InputError
from crossloom.sim.ops.lif import LIF, MAX_LEAK
from crossloom.sim.types import MAX_ACC_BITS

from .lif import Neurons, Rule, State, lif
from .settings import LEARNED, SURROGATES


class LIFLayer(nn.Module):
    """LIF neurons, to the bit those of `crossloom.sim.LIF`, on what a layer of one power-of-two scale or more returns.

    Time lies in the batch, step by step: rows t * N to (t + 1) * N are step t, so that layers without a state need not
    know of it. Reads (steps * N, ...), or with `first` (N, ...), which is then the input at every step. Returns spikes
    (steps * N, ...) of scale 1, or with `readout` the membranes, as values, of neurons that never spike.

    `theta` is a value; the contract's threshold is round(theta * 2^(frac + guard)) for the frac of each channel, at
    least 1. `learn` names what of "theta" and "leak" is a parameter of every channel. `rule.rounds` false: on plain
    tensors, nothing rounded. Raises NetworkError for a rule that no LIF has.
    """

    theta: Tensor
    leak: Tensor
    membrane: nn.Identity

    def __init__(
        self,
        channels: int,
        *,
        steps: int,
        rule: Rule | None = None,
        theta: float = 1.0,
        leak: int = 2,
        guard: int = 8,
        learn: tuple[str, ...] = (),
        first: bool = False,
        readout: bool = False,
    ) -> None:
        super().__init__()
        rule = Rule() if rule is None else rule
        if readout:
            rule = replace(rule, reset="none", when="now", most=1, through_time=True)
        # What a network's operator refuses, this does.
        self._operator([1], [leak], guard, rule, rule.bits or MAX_ACC_BITS, steps)
        if rule.bits is not None and rule.most >= 1 << (rule.bits - 1):
            raise InputError(
                f"lif: {rule.most} spikes a step in membranes of {rule.bits} bits; needed room for as many thresholds: "
                f"{rule.most.bit_length() + 1} bits or more"
            )
        if rule.surrogate not in SURROGATES:
            raise InputError(f"lif: surrogate {rule.surrogate!r}; needed one of {', '.join(SURROGATES)}")
        if rule.reset == "zero" and rule.when == "next" and not rule.detach_reset:
            raise InputError('lif: detach_reset=False beside reset "zero" when "next"; needed True; leave it out')
        for name in learn:
            if name not in LEARNED or (name == "leak" and not leak) or readout:
                found = f"lif: learn {name!r} of leak {leak}{', a readout' if readout else ''}"
                raise InputError(f"{found}; needed {' or '.join(LEARNED)}, of neurons that have it; leave it out")
        if not theta > 0:
            raise InputError(f"lif: theta {theta}; needed a number above 0; write 1.0")
        self.channels, self.steps, self.guard, self.rule = channels, steps, guard, rule
        self.learn, self.first, self.readout = learn, first, readout
        for name, start in (("theta", theta), ("leak", leak)):
            tensor = torch.full((channels,) if name in learn else (), float(start))
            if name in learn:
                self.register_parameter(name, nn.Parameter(tensor))
            else:
                self.register_buffer(name, tensor)
        self.membrane = nn.Identity()  # membranes of all steps pass through it where somebody listens
        self.state: State | None = None
        self.stepping = False
        self.watched = False
        self.activity: Tensor | None = None

    @staticmethod
    def _operator(theta: Any, leak: Any, guard: int, rule: Rule, bits: int, steps: int) -> LIF:
        return LIF(
            theta, leak, guard, rule.reset, rule.when, bits=bits, steps=steps, strict=rule.strict, most=rule.most
        )

    def operator(self, frac: Any, bits: int) -> LIF:
        """Return the operator for sums of `frac` (an int, or one for each channel), its membranes `bits` wide."""
        scale = 2.0 ** -torch.as_tensor(frac, dtype=torch.float32)
        theta, leak, _ = (t.detach().double().reshape(-1).numpy() for t in self.neurons(scale))
        return self._operator(theta.astype("<i8"), leak.astype("<i1"), self.guard, self.rule, bits, self.steps)

    def neurons(self, scale: Tensor) -> Neurons:
        """Return thresholds in membrane units, leaks and the unit, rounded to the contract, for sums of `scale`."""
        unit = (2.0**self.guard / scale.detach()).reshape(-1) if self.rule.rounds else torch.ones(1)
        unit = unit.reshape(()) if unit.numel() == 1 else unit
        theta, leak = self.theta * unit, self.leak
        if self.rule.rounds:
            # As many thresholds as a step may have spikes fit the membrane.
            greatest = ((1 << ((self.rule.bits or MAX_ACC_BITS) - 1)) - 1) // self.rule.most
            theta = _straight(theta, theta.round().clamp(1, _float32_below(greatest)))
        if "leak" in self.learn:
            leak = _straight(leak, leak.round().clamp(1, MAX_LEAK))
        return Neurons(theta, leak, unit)

    def forward(self, x: Any) -> Any:
        """Return spikes (steps * N, ...), or membranes of a readout; while `stepping`, of one step from `state` on."""
        scale = getattr(x, "scale", None)
        value: Tensor = x.value if scale is not None else x
        if self.rule.rounds and scale is None:
            raise InputError("lif: its input carries no scale; set return_quant_tensor=True in the layer before it")
        steps = 1 if self.stepping else self.steps
        rows = 1 if self.first else steps
        if len(value) % rows or value.shape[1] != self.channels:
            raise InputError(
                f"lif: reads {list(value.shape)}; needed ({rows} steps * N, {self.channels}, ...); check steps, first"
            )
        wide = (-1, *(1,) * (value.dim() - 2))
        neurons = self.neurons(torch.ones(()) if scale is None else scale)
        neurons = Neurons(*(t.reshape(wide) if t.numel() > 1 else t for t in neurons))
        heard = self.readout or bool(self.membrane._forward_hooks)
        xs = value.reshape(rows, -1, *value.shape[1:])
        found = lif(xs, neurons, self.rule, steps, self.state if self.stepping else None, heard)
        if self.stepping:
            self.state = State(*(None if t is None else t.detach() for t in found.state))  # type: ignore[arg-type]
        if self.watched and not self.readout:
            self.activity = found.spikes.mean()
        if found.membranes is not None:
            shown = self.membrane(found.membranes.flatten(0, 1))
            if self.readout:
                return shown
        spikes = found.spikes.flatten(0, 1)
        if not self.rule.rounds:
            return spikes
        bits = torch.tensor(float(self.rule.most.bit_length()))
        return IntQuantTensor(spikes, torch.ones(()), torch.zeros(()), bits, False, self.training)

    def extra_repr(self) -> str:
        """What is not the default of every layer."""
        return f"{self.channels}, steps={self.steps}, leak={self.leak.tolist() if self.leak.dim() == 0 else 'learned'}"


class Sum(nn.Module):
    """The sum of two quantized tensors with a power-of-two scale each, of the finer one: what neurons may read."""

    def forward(self, a: Any, b: Any) -> Any:
        """Return the sum as a QuantTensor, exact while its integers stay below 2^24."""
        scale, bits = torch.minimum(a.scale, b.scale), torch.tensor(32.0)
        return IntQuantTensor(a.value + b.value, scale, torch.zeros(()), bits, True, self.training)


class SpikeInput(nn.Module):
    """What stands before the first layer where the image comes as spikes, 0 and 1: gives them their scale, 1."""

    def forward(self, x: Tensor) -> Any:
        """Return the same as a QuantTensor of one bit."""
        return IntQuantTensor(x, torch.ones(()), torch.zeros(()), torch.ones(()), False, self.training)


class _Reduce(nn.Module):
    """(steps * N, ...) to (N, ...); with one step at a time, what it reads."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.steps = steps
        self.stepping = False

    def _by_step(self, x: Any) -> Tensor:
        value: Tensor = getattr(x, "value", x)
        return value.reshape(1 if self.stepping else self.steps, -1, *value.shape[1:])


class Count(_Reduce):
    """The sum over all steps: numbers of spikes."""

    def forward(self, x: Any) -> Tensor:
        """Return (N, ...) float."""
        return self._by_step(x).sum(0)


class First(_Reduce):
    """steps - t for the first step t at which there is a spike, 0 without one: the sooner, the more.

    It is the sum over steps of whether a spike has come, 1 - prod(1 - s), whose derivative by each spike is what
    having it there changes: the steps it comes sooner than the first one, or of that one those until the next.
    """

    def forward(self, x: Any) -> Tensor:
        """Return (N, ...) float."""
        return (1 - (1 - self._by_step(x).clamp(max=1)).cumprod(0)).sum(0)


class Last(_Reduce):
    """What is there at the last step: membranes of a readout."""

    def forward(self, x: Any) -> Tensor:
        """Return (N, ...) float."""
        return self._by_step(x)[-1]


def _float32_below(number: int) -> float:
    """The greatest float32 that is no more than a number."""
    found = np.float32(number)
    return float(found if int(found) <= number else np.nextafter(found, np.float32(0)))


def _straight(raw: Tensor, rounded: Tensor) -> Tensor:
    """The rounded values, with the gradient of the raw ones."""
    return rounded.detach() + (raw - raw.detach())  # in this order the sum is exact


def neurons_of(model: nn.Module) -> list[LIFLayer]:
    """Return every layer of neurons of a model, in order."""
    return [module for module in model.modules() if isinstance(module, LIFLayer)]
