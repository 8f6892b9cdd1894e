"""LIF neurons over all their time steps as one differentiable function, forward in exact integers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from crossloom.sim.errors import ExportError
from crossloom.sim.types import EXACT_FLOAT32, EXACT_FLOAT64

BLOCK = 1 << 16
"""Neurons times steps that a pass over several steps takes at a time, so that they stay in a core's cache."""


@dataclass(frozen=True)
class Rule:
    """What neurons do, as `crossloom.sim.LIF` says it, and the gradient that stands for a spike's.

    `bits` of the membrane, None where it never saturates. `rounds` false: the leak is not rounded, for the float phase.
    `surrogate` "atan": w/2 / (1 + (pi/2 w z)^2), or "triangle": max(0, 1 - |z|/w) / w, of z = v/theta - 1 with w =
    `width`. `through_time` false: no gradient from one step to the one before (SLTT, arXiv 2302.14311).
    """

    reset: str = "subtract"
    when: str = "now"
    strict: bool = False
    most: int = 1
    bits: int | None = None
    rounds: bool = True
    surrogate: str = "atan"
    width: float = 2.0
    detach_reset: bool = True
    through_time: bool = True


class State(NamedTuple):
    """Between two steps: membranes after their reset, and the spikes of the last step that still take effect."""

    membrane: Tensor
    spikes: Tensor | None


class Neurons(NamedTuple):
    """Thresholds in membrane units, leaks k, and membrane units in 1: 0-dim, or with an axis for each of an input's."""

    theta: Tensor
    leak: Tensor
    unit: Tensor


class Fired(NamedTuple):
    """Spikes (steps, N, ...) float32; membranes before their reset as values, where asked for; the state after it."""

    spikes: Tensor
    membranes: Tensor | None
    state: State


def lif(
    x: Tensor, neurons: Neurons, rule: Rule, steps: int, state: State | None = None, membranes: bool = False
) -> Fired:
    """Run `steps` steps on sums `x` (steps or 1, N, ...) in float32 or float64, values that are integers times unit^-1.

    `neurons.unit` is 2^(frac + guard): how many membrane units 1 is. Computes in float32 where every number stays
    below 2^24, else in float64; raises ExportError past 2^53. Gradients reach x, theta (also as what a reset takes
    off, unless detached) and leak, straight through every rounding.
    """
    spikes, shown, last, pending = _LIF.apply(  # type: ignore[no-untyped-call]  # torch's own stub lacks the annotation
        x, neurons.theta, neurons.leak, neurons.unit, rule, steps, state, membranes, torch.is_grad_enabled()
    )
    return Fired(spikes, shown, State(last, pending))


def carrier(x: Tensor, neurons: Neurons, rule: Rule, steps: int, state: State | None = None) -> torch.dtype:
    """Return the dtype that carries every number of these steps exactly; raise ExportError where none does."""
    if not rule.rounds:
        return torch.float32
    axes = [axis for axis in range(x.dim()) if axis != 2] if neurons.unit.numel() > 1 else None
    peak = torch.linalg.vector_norm(x.detach(), math.inf, dim=axes)
    reach = float((peak * neurons.unit.detach().reshape(-1)).max())
    level = float(neurons.theta.detach().max()) * rule.most + 1
    start = 0.0 if state is None else float(state.membrane.abs().max())
    slow = float(neurons.leak.detach().max()) if float(neurons.leak.detach().min()) > 0 else math.inf
    # A leak of k holds a constant input's membrane at 2^k times it, rounding included.
    grown = start + (reach + 1) * min(float(steps), 2.0 ** min(slow, 32.0) + 1)
    if rule.bits is not None:
        grown = min(grown, 2.0 ** (rule.bits - 1))
    bound = 2 * grown + reach + level
    if not bound < EXACT_FLOAT64:
        raise ExportError(
            f"lif: membranes up to {bound:.3g} units; needed less than 2^53; fewer guard bits, or narrower weights"
        )
    return torch.float32 if bound < EXACT_FLOAT32 else torch.float64


class _LIF(torch.autograd.Function):
    """See `lif`. In both directions a loop over the steps whose every line is one pass over one step's neurons."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        theta: Tensor,
        leak: Tensor,
        unit: Tensor,
        rule: Rule,
        steps: int,
        state: State | None,
        membranes: bool,
        keep: bool,
    ) -> tuple[Tensor, Tensor | None, Tensor, Tensor | None]:
        work = carrier(x, Neurons(theta, leak, unit), rule, steps, state)
        x, shape = x.to(work), x.shape[1:]
        # Numbers are 0-dim tensors of the dtype: torch converts any other at every use.
        take, scale, share = theta.to(work), unit.to(work), torch.where(leak > 0, torch.exp2(-leak), 0.0).to(work)
        leaks, half = bool((leak > 0).any()), torch.tensor(0.5 if rule.rounds else 0.0, dtype=work)
        u = torch.empty((steps if keep or membranes else 1, *shape), dtype=work)
        spikes = torch.empty((steps, *shape))
        v = torch.zeros(shape, dtype=work) if state is None else state.membrane.to(work, copy=True)
        before = None if state is None else state.spikes
        scratch = torch.empty(shape, dtype=work)
        rows, zero = (x.unbind() if len(x) > 1 else (x[0] * scale,)), rule.reset == "zero"
        for now, fired, row in zip(_over(u, steps), spikes.unbind(), rows * (steps // len(rows)), strict=True):
            if leaks:
                torch.addcmul(half, v, share, out=scratch)
                if rule.rounds:
                    scratch.floor_()
                v.sub_(scratch)
            if len(rows) > 1:
                torch.addcmul(v, row, scale, out=now)
            else:
                torch.add(v, row, out=now)
            if before is not None:
                if zero:
                    now.masked_fill_(before > 0, 0.0)
                else:
                    now.addcmul_(before.to(work), take, value=-1)
            if rule.bits is not None:
                limit = 2.0 ** (rule.bits - 1)
                now.clamp_(-limit, limit - 1)
            _fire(now, take, rule, fired, scratch)
            if rule.reset == "none" or rule.when == "next":
                v.copy_(now)
                before = fired if rule.reset != "none" else None
            elif zero:
                torch.mul(now, (fired == 0).to(work), out=v)
            else:
                torch.addcmul(now, fired.to(work), take, value=-1, out=v)
        if keep:
            ctx.save_for_backward(u, spikes, theta, leak, unit)
            ctx.start, ctx.rule, ctx.rows = state, rule, len(x)
        shown = u / unit.to(work) if membranes else None
        pending = None if before is None else before.clone()
        ctx.mark_non_differentiable(*(t for t in (v, pending) if t is not None))
        ctx.set_materialize_grads(False)
        return spikes, shown, v, pending

    @staticmethod
    def backward(ctx: Any, g_spikes: Tensor | None, g_shown: Tensor | None, *_: Any) -> tuple[Tensor | None, ...]:
        """Return the gradients of x, theta and leak; inside, gradients are of values, not of membrane units."""
        u, spikes, theta, leak, unit = ctx.saved_tensors
        rule: Rule = ctx.rule
        steps, shape = len(u), u.shape[1:]
        wants_theta, wants_leak = ctx.needs_input_grad[1], ctx.needs_input_grad[2]
        through = rule.through_time and steps > 1
        later, zero = rule.when == "next", rule.reset == "zero"
        attached = through and not rule.detach_reset and rule.reset != "none"
        value, keeps = theta / unit, torch.where(leak > 0, 1 - torch.exp2(-leak), 1.0)
        height = rule.width / 2 if rule.surrogate == "atan" else 1 / rule.width
        gain = height / value
        each = steps == ctx.rows
        gx = torch.empty(u.shape) if each else torch.zeros((1, *shape))
        total_theta, total_leak = torch.zeros_like(theta), torch.zeros_like(leak)
        # Towards the membrane after its reset, and towards the one before it of the step after.
        flow, after, shared = torch.zeros(shape), torch.zeros(shape), torch.empty(shape)
        # A block of steps at a time, where what comes from the reset does not change what goes in.
        block = 1 if attached else max(1, min(steps, BLOCK // max(1, shared.numel())))
        slopes = torch.empty((block, *shape))
        for step in reversed(range(steps)):
            gu, slope, at = gx[step] if each else shared, None, step % block
            back = after if later else flow
            if attached:
                taken = -(u[step].float() / unit if zero else value) * back
                gs = taken if g_spikes is None else g_spikes[step] + taken
                slope = slopes[0]
                _slope_times(gs, u[step].float(), theta, rule, slope)
                if wants_theta and not zero:
                    total_theta -= (spikes[step] * back / unit).sum_to_size(theta.shape)
            elif g_spikes is not None:
                slope = slopes[at]
                if at == block - 1 or step == steps - 1:
                    now = slice(step - at, step + 1)
                    _slope_times(g_spikes[now], u[now].float(), theta, rule, slopes[: at + 1])
            if zero and through and not later:
                flow.masked_fill_(spikes[step] > 0, 0.0)
            if slope is None:
                gu.copy_(flow)
            else:
                if wants_theta:
                    total_theta -= height * (slope * u[step].float() / theta.square()).sum_to_size(theta.shape)
                torch.addcmul(flow, slope, gain, out=gu)
            if g_shown is not None:
                gu += g_shown[step]
            previous = _before(ctx, u, spikes, step)
            if zero and later and previous is not None and previous.spikes is not None:
                gu.masked_fill_(previous.spikes > 0, 0.0)
            if wants_leak and previous is not None:
                old = previous.membrane.float()
                if not later and previous.spikes is not None:  # as the reset left it
                    old = old * (previous.spikes == 0) if zero else old - theta * previous.spikes
                total_leak += (gu * old / unit * math.log(2.0) * torch.exp2(-leak)).sum_to_size(leak.shape)
            if not each:
                gx[0] += gu
            if through:
                torch.mul(gu, keeps, out=flow)
                if attached and later:
                    after.copy_(gu)
        return (
            gx if ctx.needs_input_grad[0] else None,
            total_theta if wants_theta else None,
            total_leak if wants_leak else None,
            *(None,) * 6,
        )


def _over(us: Tensor, steps: int) -> tuple[Tensor, ...]:
    """A place for the membranes of each step: its own, or one for all."""
    return us.unbind() if len(us) == steps else (us[0],) * steps


def _fire(now: Tensor, take: Tensor, rule: Rule, fired: Tensor, scratch: Tensor) -> None:
    """Write the spikes of membranes, in the fastest way that there is."""
    if rule.most > 1:
        torch.div(now, take, rounding_mode="floor", out=scratch)
        fired.copy_(scratch.clamp_(0, rule.most))
    elif rule.rounds and now.dtype is torch.float32:  # integers: at theta they are 1 above theta - 1
        torch.sub(now, take - (1 - int(rule.strict)), out=fired)
        fired.clamp_(0, 1)
    else:
        torch.ge(now, take + int(rule.strict), out=fired)


def _before(ctx: Any, u: Tensor, spikes: Tensor, step: int) -> State | None:
    """The membranes of the step before and the spikes that reset them since; of a start, the membranes alone count."""
    if step == 0:
        return ctx.start  # type: ignore[no-any-return]  # what `forward` put there
    return State(u[step - 1], None if ctx.rule.reset == "none" else spikes[step - 1])


def _slope_times(gs: Tensor, now: Tensor, theta: Tensor, rule: Rule, out: Tensor) -> None:
    """Write gs times the derivative of spikes by z = v / theta, over its height, for membranes in units."""
    one = torch.ones(())
    steep = one * (math.pi / 2 * rule.width if rule.surrogate == "atan" else 1 / rule.width)
    if rule.most == 1:
        torch.addcmul(-steep, now, steep / theta, out=out)
    else:  # of a staircase, that of its nearest step
        torch.div(now, theta, out=out)
        out.sub_(out.round().clamp_(1, rule.most)).mul_(steep)
    if rule.surrogate == "atan":
        torch.addcmul(one, out, out, out=out)
        torch.div(gs, out, out=out)
    else:
        torch.sub(one, out.abs_(), out=out)
        out.clamp_(min=0.0).mul_(gs)
