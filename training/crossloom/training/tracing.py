"""Traces a Brevitas model and records what flows through it, quantizer by quantizer."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import torch
from torch import Tensor, fx, nn

from crossloom.sim import ExportError

Tap: TypeAlias = tuple[str, str, int]
"""Where a value is seen: name of the graph's node, "" for its result or the name of a quantizer inside, which call."""

QUANTIZERS = ("input_quant", "bias_quant", "output_quant", "act_quant", "trunc_quant")


class LeafTracer(fx.Tracer):
    """A torch.fx tracer that keeps every Brevitas layer whole."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Return whether `m` is one node of the graph."""
        return m.__module__.startswith("brevitas.") or super().is_leaf_module(m, module_qualified_name)


def trace(model: nn.Module) -> fx.GraphModule:
    """Return the torch.fx graph of a model with Brevitas layers whole; raise ExportError where it cannot be traced."""
    try:
        graph = LeafTracer().trace(model)
    except Exception as error:  # torch.fx raises several kinds, all of them about the user's forward
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ExportError(
            f"model: torch.fx cannot trace it ({reason}); needed a forward without branches on data"
        ) from None
    return fx.GraphModule(model, graph)


class Recorder(fx.Interpreter):
    """Runs a traced model and keeps the values at the wanted taps, or at all of them."""

    def __init__(self, traced: fx.GraphModule, wanted: set[Tap] | None = None) -> None:
        super().__init__(traced, garbage_collect_values=wanted is not None)
        self.wanted = wanted
        self.seen: dict[Tap, Any] = {}
        self.result: Any = None
        self._calls: dict[str, int] = {}

    def record(self, values: Any) -> dict[Tap, Any]:
        """Run float32 images (N, C, H, W), or what a part of a network reads; `result` is what the model returned.

        Returns what was seen, QuantTensors and tensors as they come.
        """
        self.seen = {}
        with torch.no_grad():
            self.result = self.run(values)
        return self.seen

    def run_node(self, n: fx.Node) -> Any:
        """Run one node, listening to the quantizers inside it."""
        handles = []
        if n.op == "call_module":
            module = self.module.get_submodule(str(n.target))
            self._calls = {}
            for name in QUANTIZERS:
                quantizer = getattr(module, name, None)
                if isinstance(quantizer, nn.Module):
                    handles.append(quantizer.register_forward_hook(self._listener(n.name, name)))
        try:
            result = super().run_node(n)
        finally:
            for handle in handles:
                handle.remove()
        self._keep((n.name, "", 0), result)
        return result

    def _listener(self, node: str, name: str) -> Callable[..., None]:
        return partial(self._heard, node, name)

    def _heard(self, node: str, name: str, module: nn.Module, inputs: Any, output: Any) -> None:
        call = self._calls.get(name, 0)
        self._calls[name] = call + 1
        self._keep((node, name, call), output)

    def _keep(self, tap: Tap, value: Any) -> None:
        if self.wanted is None or tap in self.wanted:
            self.seen[tap] = value


def plain(value: Any) -> Tensor:
    """Return the float values of a QuantTensor or tensor."""
    tensor = value.value if hasattr(value, "value") else value
    assert isinstance(tensor, Tensor)
    return tensor.detach()
