"""Makes the neurons that a recipe's section [spiking] describes, and what their activity adds to the loss."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .layers import LIFLayer, neurons_of
from .lif import Rule
from .settings import SpikingConfig


def make_neurons(spiking: SpikingConfig, channels: int, first: bool, readout: bool, rounds: bool) -> LIFLayer:
    """Return a layer's neurons; a readout has no leak: its membranes are sums over time."""
    rule = Rule(
        reset=spiking.reset,
        when=spiking.when,
        strict=spiking.strict,
        most=spiking.most,
        bits=spiking.membrane_bits if rounds else None,
        rounds=rounds,
        surrogate=spiking.surrogate,
        width=spiking.surrogate_width,
        detach_reset=spiking.detach_reset,
        through_time=spiking.mode == "bptt",
    )
    layer = LIFLayer(
        channels,
        steps=spiking.steps,
        rule=rule,
        theta=spiking.theta,
        leak=0 if readout else spiking.leak,
        guard=spiking.guard,
        learn=() if readout else spiking.learn,
        first=first,
        readout=readout,
    )
    layer.watched = spiking.rate_weight > 0
    return layer


def activity_penalty(model: nn.Module, spiking: SpikingConfig) -> Tensor:
    """Return what the last forward pass's spikes add to the loss; see `rate_weight`."""
    total = torch.zeros(())
    for layer in neurons_of(model):
        if layer.activity is not None:
            total = total + torch.relu(layer.activity - spiking.rate_target).square()
    return spiking.rate_weight * total
