"""Batch norm folded into the convolution or dense layer before it, for our networks and a user's own."""

from __future__ import annotations

import operator
from typing import Any

import torch
from brevitas.nn import QuantConv1d, QuantConv2d, QuantLinear
from brevitas.nn.mixin import QuantBiasMixin
from torch import Tensor, fx, nn

from crossloom.sim.errors import ExportError

from .quantizers import BiasQuant
from .state import evaluating
from .tracing import trace

BatchNorm = nn.BatchNorm1d | nn.BatchNorm2d
_FOLDABLE = (nn.Conv1d, nn.Conv2d, nn.Linear)


def folded(weight: Tensor, bias: Tensor | None, norm: BatchNorm) -> tuple[Tensor, Tensor]:
    """Return weight (outputs, ...) and bias (outputs,) that do what the layer and `norm` in eval mode did.

    w' = w * g and b' = (b - mean) * g + beta with g = gamma / sqrt(var + eps), computed in float64.
    """
    if norm.running_mean is None or norm.running_var is None:
        raise ExportError("batch norm: it keeps no running statistics; needed track_running_stats=True; train it so")
    gain = (norm.running_var.double() + norm.eps).rsqrt()
    shift = torch.zeros_like(gain)
    if norm.affine:
        gain, shift = gain * norm.weight.detach().double(), norm.bias.detach().double()
    start = -norm.running_mean.double() if bias is None else bias.detach().double() - norm.running_mean.double()
    shape = (-1,) + (1,) * (weight.dim() - 1)
    return (weight.detach().double() * gain.view(shape)).to(weight.dtype), (start * gain + shift).to(weight.dtype)


def fold_batch_norm(model: nn.Module) -> nn.Module:
    """Fold each batch norm that stands right after a (Quant)Conv or (Quant)Linear into it, in place; return `model`.

    The batch norm is replaced by nn.Identity; a quantized layer that gains a bias, or has a float one, quantizes it
    at the accumulator's scale. The model keeps its mode. Weight scales follow the folded weights, so train or
    measure again afterwards. Raises ExportError naming a batch norm that cannot be folded: elsewhere in the graph,
    after a layer whose result something else reads too, used twice, or in a model that torch.fx cannot trace.
    """
    with evaluating(model):
        graph = trace(model).graph
    modules = dict(model.named_modules())
    calls = [node for node in graph.nodes if node.op == "call_module"]
    norms = [node for node in calls if isinstance(modules[str(node.target)], BatchNorm)]
    pairs = []
    for node in norms:
        name = str(node.target)
        before = node.args[0]
        where = f"batch norm {name!r}"
        if (
            not isinstance(before, fx.Node)
            or before.op != "call_module"
            or not isinstance(modules[str(before.target)], _FOLDABLE)
        ):
            found = f"it stands after {_describe(before, modules)}"
            raise ExportError(f"{where}: {found}; needed right after a convolution or dense layer")
        for target in (name, str(before.target)):
            uses = sum(str(call.target) == target for call in calls)
            if uses != 1:
                raise ExportError(f"{where}: {target!r} is used {uses} times; needed once, to fold it")
        if len(before.users) != 1:
            raise ExportError(
                f"{where}: {str(before.target)!r} is read by something else too; needed by the batch norm alone"
            )
        pairs.append((name, str(before.target)))
    for name, target in pairs:
        _fold_into(modules[target], modules[name])
        parent, _, child = name.rpartition(".")
        setattr(modules[parent], child, nn.Identity().train(modules[name].training))
    return model


def _describe(before: object, modules: dict[str, nn.Module]) -> str:
    if isinstance(before, fx.Node):
        if before.op == "call_module":
            return f"{type(modules[str(before.target)]).__name__} {str(before.target)!r}"
        if before.op == "placeholder":
            return "the input"
        if before.target is operator.add:
            return "an addition"
        return f"{before.op} {before.name!r}"
    return repr(before)


def _fold_into(layer: Any, norm: Any) -> None:
    weight, bias = folded(layer.weight, layer.bias, norm)
    with torch.no_grad():
        layer.weight.copy_(weight)
        if layer.bias is None:
            layer.bias = nn.Parameter(bias)
        else:
            layer.bias.copy_(bias)
    if isinstance(layer, QuantConv1d | QuantConv2d | QuantLinear):
        if not layer.bias_quant.is_quant_enabled:
            QuantBiasMixin.__init__(layer, bias_quant=BiasQuant)
        # Statistics that a quantizer took from the unfolded weights are taken again.
        layer.weight_quant.init_tensor_quant()
        layer.bias_quant.init_tensor_quant()
        layer.train(layer.training)
