"""From an artifact that a recipe made back to its Brevitas network, so that it can be trained further."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from brevitas.nn import QuantConv2d, QuantIdentity, QuantLinear, QuantReLU
from torch import Tensor, nn

from crossloom.sim import LIF, Artifact, Conv2d, Dense, Edge, ExportError, Flatten, Node, Requant, Threshold
from crossloom.sim.identity import weights_sha256
from crossloom.sim.network import INPUT
from crossloom.sim.types import QType

from .config import Config, parse_config
from .hierarchical import AnyNetwork, build_quantized_network, build_routed
from .hierarchy import Hierarchy
from .inputs import FloatArray
from .layers import identifier
from .plan import ConvStep, DenseStep, ResidualStep, Step, make_hierarchy_plan, make_plan
from .prove import convert_model
from .quantizers import CHANNEL_SPAN, range_parameter
from .spiking.fitting import encoder_of
from .spiking.layers import LIFLayer


@dataclass(frozen=True, eq=False)
class Restored:
    """A Brevitas network in eval mode that computes what the artifact does, its recipe, and its input table.

    `values` (levels, 1 or C) float32: what an image value becomes at the model's input.
    """

    model: AnyNetwork
    config: Config
    values: FloatArray


def recipe_of(artifact: Artifact) -> Config:
    """Return the recipe that an artifact was trained by; raise ExportError where it carries none."""
    where = f"{artifact.network.name}: its recipe"
    table = artifact.info.get("config")
    if not isinstance(table, dict):
        raise ExportError(f"{where}: missing from its information; needed an artifact that 'crossloom train' made")
    return parse_config(table, where)


def restore(artifact: Artifact) -> Restored:
    """Return the Brevitas network of an artifact whose information has the recipe it was trained by.

    Weights and biases become their codes times their scale, scales the powers of two that the types state. Exporting
    the result gives the artifact's own weights identity, which is checked. Raises ExportError where there is no
    recipe, or it does not describe the network.
    """
    network = artifact.network
    where, config = f"{network.name}: its recipe", recipe_of(artifact)
    if len(network.input.shape) != 3:
        raise ExportError(f"{where}: {network.name} reads a vector; needed a network that reads images")
    height, width, channels = network.input.shape
    shape = (channels, height, width)
    route = network.route
    if (route is None) != (config.hierarchy is None):
        found = "flat" if config.hierarchy is None else "hierarchical"
        raise ExportError(f"{where}: {found}, which the network is not; needed the recipe it was trained by")
    model: AnyNetwork
    if route is None:
        _check_steps(make_plan(config, shape, len(network.classes)).steps, network.nodes)
        model = build_quantized_network(config, shape, len(network.classes))
        _fill(model, network.nodes, network.edges)
    else:
        members = tuple(branch.classes for branch in route.branches)
        hierarchy = Hierarchy(tuple(branch.name for branch in route.branches), members, "artifact")
        plan = make_hierarchy_plan(config, shape, len(members), route.capacity)
        _check_steps((*plan.trunk, *plan.coarse, *plan.branch), (*network.nodes, *route.branches[0].nodes))
        model = build_routed(config, shape, hierarchy, route.capacity)
        _fill(model.trunk, network.nodes, network.edges)
        _fill(model.head, network.nodes, network.edges)
        for index, (bank, branch) in enumerate(zip(model.banks, route.branches, strict=True)):
            _fill(bank, (*network.nodes, *branch.nodes), {**network.edges, **network.branch_edges[index]})
    frac = network.input.type.frac
    assert isinstance(frac, int)
    values = np.ldexp(network.input.table.astype(np.float64), -frac).astype(np.float32)
    model.eval()
    size = height, width, channels
    again = convert_model(model, network.name, network.classes, size, values, encoder_of(config)).network
    if weights_sha256(again) != weights_sha256(network):
        raise ExportError(f"{where}: describes another network; needed the recipe it was trained by")
    return Restored(model, config, values)


def _check_steps(steps: Sequence[Step], nodes: Sequence[Node], path: str = "") -> None:
    """Raise ExportError unless every layer of a recipe is a node of its size, before memory is asked for it."""
    named = {node.name: node.op for node in nodes}
    for step in steps:
        if isinstance(step, ResidualStep):
            _check_steps(step.main, nodes, f"{path}{step.name}.main.")
            if step.projection is not None:
                _check_steps((step.projection,), nodes, f"{path}{step.name}.shortcut.")
        elif isinstance(step, ConvStep | DenseStep):
            op, name = named.get(identifier(path + step.name)), identifier(path + step.name)
            wanted: tuple[int, ...] = (step.outputs, step.inputs)
            if isinstance(step, ConvStep):
                wanted = (step.outputs, step.kernel, step.kernel, step.inputs // step.groups)
            if not isinstance(op, Conv2d if isinstance(step, ConvStep) else Dense) or op.weight.shape != wanted:
                found = "missing" if op is None else f"a {op.kind}"
                found += f" of {list(op.weight.shape)}" if isinstance(op, Conv2d | Dense) else ""
                raise ExportError(
                    f"node {name!r}: {found}; its recipe makes weights {list(wanted)}; needed the recipe that the "
                    "network was trained by"
                )


def _fill(model: nn.Module, nodes: Sequence[Node], edges: Mapping[str, Edge]) -> None:
    """Set the parameters of every Brevitas layer in `model` from the nodes of the same names."""
    named = {node.name: node for node in nodes}
    for path, layer in model.named_modules():
        if isinstance(layer, LIFLayer):
            _set_neurons(layer, path, named, edges)
            continue
        if not isinstance(layer, QuantConv2d | QuantLinear | QuantReLU | QuantIdentity):
            continue
        if path == "quant_input":
            _set_range(layer, edges[INPUT].type)
            continue
        node = named.get(identifier(path))
        where = f"node {identifier(path)!r}"
        if node is None:
            raise ExportError(f"{where}: missing; needed the recipe that the network was trained by")
        if isinstance(layer, QuantReLU | QuantIdentity):
            if not isinstance(node.op, Requant):
                raise ExportError(f"{where}: a {node.op.kind}; its recipe makes a requant of it")
            _set_range(layer, node.op.out)
        elif isinstance(node.op, Conv2d | Dense):
            before = named.get(node.inputs[0])
            flat = before is not None and isinstance(before.op, Flatten)
            image = edges[before.inputs[0]].shape if before is not None and flat else None
            _set_weights(where, layer, node.op, edges[node.inputs[0]], image)
        else:
            raise ExportError(f"{where}: a {node.op.kind}; its recipe makes a layer with weights of it")


def _set_neurons(layer: LIFLayer, path: str, named: Mapping[str, Node], edges: Mapping[str, Edge]) -> None:
    """Set what neurons have learned; what they have not is the recipe's, which the weights identity is checked for."""
    node = named.get(identifier(path))
    if not layer.learn:
        return
    if node is None or not isinstance(node.op, Threshold if layer.steps == 1 else LIF):
        raise ExportError(f"node {identifier(path)!r}: no lif; its recipe learns the thresholds or leaks of one")
    frac = np.broadcast_to(edges[node.inputs[0]].type.frac, layer.channels)
    with torch.no_grad():
        if isinstance(node.op, Threshold):  # of one step: the highest threshold that these are multiples of
            sums = node.op.thresholds << layer.guard
            theta = ((sums - int(layer.rule.strict)) // np.arange(1, layer.rule.most + 1)).min(axis=1)
        else:
            theta = node.op.theta
            if "leak" in layer.learn:
                layer.leak.copy_(torch.from_numpy(node.op.leak.astype(np.float32)))
        if "theta" in layer.learn:
            layer.theta.copy_(_values(theta.astype(np.float64), frac + layer.guard))


def _set_range(layer: Any, type_: QType) -> None:
    """Set the learned range of an activation quantizer from its type: half a bit inside its step of the ceiling."""
    assert isinstance(type_.frac, int)
    bits = int(layer.act_quant.bit_width()) - int(bool(layer.act_quant.is_signed))
    with torch.no_grad():
        range_parameter(layer).fill_(bits - type_.frac - 0.5)


def _set_weights(where: str, layer: Any, op: Conv2d | Dense, source: Edge, image: tuple[int, ...] | None) -> None:
    """Set weights and biases; `image` (H, W, C) is what the input was flattened from: torch counts channels first."""
    codes = op.weight.astype(np.float64)
    if isinstance(op, Conv2d):
        codes = codes.transpose(0, 3, 1, 2)
    elif image is not None:
        codes = codes.reshape(-1, *image).transpose(0, 3, 1, 2).reshape(len(codes), -1)
    if codes.shape != tuple(layer.weight.shape):
        raise ExportError(f"{where}: weights {list(codes.shape)}; its recipe makes {list(layer.weight.shape)}")
    fracs = np.broadcast_to(op.weight_type.frac, len(codes))
    codes = _inside(codes, 1 << (int(layer.weight_quant.bit_width()) - 1), fracs)
    with torch.no_grad():
        layer.weight.copy_(_values(codes, fracs.reshape([-1] + [1] * (codes.ndim - 1))))
        layer.bias.copy_(_values(op.bias.astype(np.float64), fracs + source.type.frac))


def _inside(codes: Any, half: int, fracs: Any) -> Any:
    """Return codes (rows, ...) whose greatest magnitude in a row asks for the scale that the row has.

    A scale is 2^ceil(log2 max|w|) over `half`: a greatest code of half / 2 exactly would ask for the finer scale, so
    it moves up by a quarter of a code, which rounds back. A row of zeros at the finest scale that a layer may have
    was not dead, but too small: it gets half a code, which rounds to zero.
    """
    peak = np.abs(codes).reshape(len(codes), -1).max(axis=1).reshape([-1] + [1] * (codes.ndim - 1))
    moved = (np.abs(codes) == half / 2) & (peak == half / 2)
    codes = codes + np.where(moved, np.sign(codes) / 4, 0.0)
    small = (peak.ravel() == 0) & (fracs - fracs.min() == CHANNEL_SPAN)
    codes.reshape(len(codes), -1)[small, 0] = 0.5
    return codes


def _values(codes: Any, frac: Any) -> Tensor:
    return torch.from_numpy(np.ldexp(codes, -np.asarray(frac)).astype(np.float32))
