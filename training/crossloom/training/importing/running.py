"""Originals that a library itself runs: a user's model, or the layers of a file with the library's own neurons."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from crossloom.sim import ForeignError

from ..state import unchanged
from .chain import Chain, Neuron, Reals
from .integers import ImportSettings
from .libraries.known import LIBRARIES, installed
from .measuring import Original, Spikes, _read, by_rule
from .modules import Model


def by_library(chain: Chain, settings: ImportSettings) -> Original:
    """Return the layers of a file with neurons of the library that wrote it; by its rule where it cannot be had."""
    version = installed(chain.writer)
    odd = any(not n.spikes or n.late or (len(n.decay) > 1 and n.synapse is not None) for n in chain.neurons)
    if version is None or odd:
        return by_rule(chain, settings)
    library = LIBRARIES[chain.writer]
    made: dict[str, Callable[[Tensor], Tensor]] = {}

    def neurons(neuron: Neuron, currents: Reals) -> Reals:
        if neuron.name not in made:
            made[neuron.name] = library.made(neuron, currents.ndim - 2)
        with torch.no_grad():
            found = made[neuron.name](torch.from_numpy(np.ascontiguousarray(currents, dtype=np.float32)))
        return np.asarray(found.numpy(), dtype=np.float64)

    return by_rule(chain, settings, neurons, f"neurons of {library.name} {version}")


def by_model(model: Model, settings: ImportSettings) -> Original:
    """Return a user's model as the original: it runs itself, its layers of neurons are listened to."""
    version = installed(model.origin.package)
    names = [neuron.name for neuron in model.chain.neurons]
    last = model.chain.layers[-1]

    def run(values: Reals) -> tuple[Spikes, Any]:
        heard: dict[str, list[Tensor]] = {name: [] for name in names}
        ends: list[Tensor] = []
        buffers = [(module, dict(module._buffers)) for module in model.module.modules()]
        handles = [
            module.register_forward_hook(partial(_listen, heard[name]))
            for name, module in zip(names, model.neurons, strict=True)
        ]
        if not isinstance(last, Neuron):
            handles.append(model.module.get_submodule(last.name).register_forward_hook(partial(_listen, ends)))
        try:
            with torch.no_grad(), unchanged(model.module):
                model.module.eval()
                x = torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))
                try:
                    model.origin.run(model.module, model.neurons, x, settings.steps, model.calls > 1)
                except (RuntimeError, ValueError, TypeError, IndexError) as error:
                    text = next(iter(str(error).splitlines()), "") or type(error).__name__
                    shape = list(values.shape[2:])
                    raise ForeignError(
                        f"model: it does not run on images of {shape} ({text[:200]}); needed one that does"
                    ) from error
        finally:
            for handle in handles:
                handle.remove()
            for module, held in buffers:  # states of neurons, which libraries put in the place of others
                module._buffers.update(held)
        found: dict[str, Any] = {}
        for name, module in zip(names, model.neurons, strict=True):
            found[name] = model.origin.heard(module, heard[name], settings.steps).numpy()
        if isinstance(last, Neuron):
            return found, _read(found[last.name], settings, True)
        out = model.origin.heard(model.neurons[-1], ends, settings.steps).numpy()
        return found, _read(out, settings, False)

    return Original(f"the model itself, {model.origin.name} {version or 'of no stated version'}", run)


def _listen(into: list[Tensor], module: nn.Module, given: Any, result: Any) -> None:
    into.append((result[0] if isinstance(result, tuple) else result).detach().clone())
