"""Runs a user's modules in eval mode and leaves them, and torch's random numbers, as they were."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def evaluating(*roots: nn.Module) -> Iterator[None]:
    """Put `roots` into eval mode, without gradients and autocast; give back every attribute as it was before.

    Modes of single modules, and torch's random numbers, are as before too; what tensors hold is not looked after.
    """
    modules = {id(module): module for root in roots for module in root.modules()}
    kept = [m for m in modules.values() if not isinstance(m, torch.jit.ScriptModule)]
    before = [(module, dict(vars(module))) for module in kept]
    try:
        with torch.random.fork_rng(devices=[]), torch.no_grad(), torch.autocast("cpu", enabled=False):
            for root in roots:
                root.eval()
            yield
    finally:
        for module, attributes in before:
            vars(module).clear()
            vars(module).update(attributes)


@contextmanager
def unchanged(*roots: nn.Module) -> Iterator[None]:
    """As `evaluating`, and give back what every parameter and buffer held, should a forward write to one."""
    tensors = {id(t): t for root in roots for t in (*root.parameters(), *root.buffers())}
    before = [(tensor, tensor.detach().clone(), tensor._version) for tensor in tensors.values()]
    with evaluating(*roots):
        try:
            yield
        finally:
            for tensor, held, version in before:
                if tensor._version != version:
                    tensor.copy_(held)
