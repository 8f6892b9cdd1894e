"""From a trained Brevitas model to a network of exact integers, along its torch.fx graph."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import brevitas.nn as qnn
import numpy as np
import torch
from torch import fx, nn
from torch.nn import functional

from crossloom.sim import Conv2d, Dense, Edge, ExportError, LeakyReLU, Network, NetworkError
from crossloom.sim.builder import Section, finish, finish_routed
from crossloom.sim.ops.leaky import MAX_LEAK

from .inputs import FloatArray
from .layers import RAW, LayerBuilder, Seen, Value, identifier
from .tracing import Recorder, trace


@dataclass(frozen=True, eq=False)
class TracedSection:
    """A traced torch model, or a part of one; `seen` has every edge of it that torch computes too."""

    traced: fx.GraphModule
    seen: Mapping[str, Seen]


@dataclass(frozen=True, eq=False)
class Exported:
    """A network with the traced torch sections that it must equal: all of it, or trunk, coarse head and each branch."""

    network: Network
    values: FloatArray
    sections: tuple[TracedSection, ...]

    @property
    def edges(self) -> int:
        """Number of edges that torch computes too, those of a branch once."""
        return len({name for section in self.sections for name in section.seen})


def convert(
    model: nn.Module, *, name: str, classes: Sequence[str], shape: tuple[int, int, int], values: FloatArray
) -> Exported:
    """Return the integer network of a Brevitas model, not yet proved equal; `prove.export_model` proves it as well.

    `shape` is the image's (H, W, C); `values` (levels, 1 or C) float32 is what an image value becomes at the
    model's input. The model is put in eval mode. Raises ExportError naming the layer, what was found there and
    what is needed.
    """
    try:
        section, build, output, _ = _section("model", model, None, shape, values)
        network = finish(name, build.input_table(), build.section, classes, output.edge or "")
    except NetworkError as error:
        raise ExportError(f"model: {error}") from error
    return Exported(network, values, (section,))


def convert_routed(
    trunk: nn.Module,
    head: nn.Module,
    branches: Mapping[str, nn.Module],
    members: Sequence[Sequence[int]],
    *,
    name: str,
    classes: Sequence[str],
    shape: tuple[int, int, int],
    values: FloatArray,
) -> Exported:
    """Return the integer network of a hierarchical Brevitas model, not yet proved equal.

    `trunk` reads the image and ends in a quantizer; `head` and every branch read what it returns, and return logits:
    one per branch, and as many as the capacity. The first rows of branch k stand for the class indices `members[k]`;
    branches are the same layers with weights of their own. Otherwise as `convert`.
    """
    if len(branches) < 2 or len(members) != len(branches):
        count = f"{len(branches)} branch(es) and the classes of {len(members)}"
        raise ExportError(f"model: {count}; needed at least 2 branches, and members for each; correct them")
    try:
        section, build, source, reached = _section("trunk", trunk, None, shape, values, stream=True)
        sections, known = [section], build.section.edges
        part = partial(_section, shape=shape, values=values, start=source)
        head_section, head_build, coarse, _ = part("head", head, reached, known=known)
        sections.append(head_section)
        banks: dict[str, Section] = {}
        output = RAW
        for bank, branch in branches.items():
            found, branch_build, output, _ = part(f"branch {bank!r}", branch, reached, known=head_build.edges)
            sections.append(found)
            banks[bank] = branch_build.section
        _make_alike(banks)
        named = {bank: (rows, banks[bank]) for bank, rows in zip(banks, members, strict=True)}
        assert source.edge is not None and coarse.edge is not None and output.edge is not None
        parts = build.section, head_build.section, named
        network = finish_routed(
            name, build.input_table(), *parts, classes, source.edge, coarse=coarse.edge, fine=output.edge
        )
    except NetworkError as error:
        raise ExportError(f"model: {error}") from error
    return Exported(network, values, tuple(sections))


def _section(
    what: str,
    model: nn.Module,
    reads: Any,
    shape: tuple[int, int, int],
    values: FloatArray,
    *,
    stream: bool = False,
    start: Value = RAW,
    known: Mapping[str, Edge] | None = None,
) -> tuple[TracedSection, LayerBuilder, Value, Any]:
    """Trace a model and build its nodes; return (section, builder, what it returns, that in torch for one image).

    `reads` is what the section reads in torch, None for a grey image.
    """
    model.eval()
    traced = trace(model)
    if reads is None:
        reads = torch.from_numpy(np.zeros((1, shape[2], *shape[:2]), np.float32) + values[0].reshape(1, -1, 1, 1))
    recorder = Recorder(traced)
    try:
        seen = recorder.record(reads)
    except Exception as error:  # whatever the user's model raises on an image of the stated shape
        raise ExportError(
            f"{what}: it does not run on an image of {list(shape)} ({str(error).splitlines()[0]})"
        ) from error
    build = LayerBuilder(seen, shape, values, start=start, known=known, banked=start.edge is not None)
    output = _Walk(traced, build).all(stream)
    return TracedSection(traced, build.seen), build, output, recorder.result


def _make_alike(banks: Mapping[str, Section]) -> None:
    """Make every bias as wide as the widest of its layer in any bank; refuse banks of other layers."""
    kinds = {name: [(node.name, node.op.kind) for node in bank.nodes] for name, bank in banks.items()}
    first = next(iter(banks))
    for name, found in kinds.items():
        if found != kinds[first]:
            raise ExportError(
                f"branch {name!r}: other layers than {first!r} ({_listed(found)}; there {_listed(kinds[first])}); "
                "needed the same layers in every branch"
            )
    for index in range(len(kinds[first])):
        nodes = [bank.nodes[index] for bank in banks.values()]
        bits = max((node.op.bias_bits for node in nodes if isinstance(node.op, Conv2d | Dense)), default=0)
        for bank, node in zip(banks.values(), nodes, strict=True):
            if isinstance(node.op, Conv2d | Dense):
                bank.nodes[index] = replace(node, op=replace(node.op, bias_bits=bits))


def _listed(nodes: Sequence[tuple[str, str]]) -> str:
    kinds = [kind for _, kind in nodes]
    return ", ".join(kinds[:6]) + (", ..." if kinds[6:] else "")


class _Walk:
    """Goes through the torch.fx graph in order and appends nodes."""

    def __init__(self, traced: fx.GraphModule, build: LayerBuilder) -> None:
        self.traced, self.build = traced, build
        self.known: dict[fx.Node, Any] = {}

    def all(self, stream: bool = False) -> Value:
        """Walk every node; return the logits, or for a trunk the `stream` that head and branches read."""
        for node in self.traced.graph.nodes:
            self.build.current = node
            if node.op == "placeholder":
                if any(isinstance(v, Value) for v in self.known.values()):
                    raise ExportError(f"model: a second input {node.target!r}; needed one, the image")
                self.known[node] = self.build.start
            elif node.op == "output":
                return self.stream(node.args[0]) if stream else self.logits(node.args[0])
            elif node.op == "call_module":
                self.known[node] = self.module(self.traced.get_submodule(str(node.target)))
            else:
                self.known[node] = self.function()
        raise AssertionError("a traced graph ends in an output")

    def stream(self, result: Any) -> Value:
        """Check what a trunk returns."""
        value = self.known.get(result) if isinstance(result, fx.Node) else None
        if not isinstance(value, Value) or value.edge is None or value.relu:
            raise ExportError("trunk: its result is not quantized; end it with a QuantReLU or QuantIdentity")
        if self.build.edges[value.edge].accumulator:
            raise ExportError("trunk: its result is a sum that is not quantized; end it with a quantizer")
        return value

    def logits(self, result: Any) -> Value:
        """Check what the model returns."""
        value = self.known.get(result) if isinstance(result, fx.Node) else None
        if not isinstance(value, Value):
            raise ExportError(f"model: it returns {type(result).__name__}; needed the logits alone")
        if value.edge is None or value.relu:
            raise ExportError("model: its result is not quantized; needed the logits of a quantized layer")
        if value.order is not None:
            raise ExportError("model: its result is a flattened image; needed one logit per class from a dense layer")
        edge = self.build.edges[value.edge]
        if len(edge.shape) == 3 and edge.shape[:2] == (1, 1):
            value = self.build.flatten(value)
        return value

    def module(self, module: nn.Module) -> Any:
        """Return the value of a call_module node."""
        where = str(self.build.current.target)
        args: Any = self.build.current.args
        if isinstance(module, nn.Dropout | nn.Dropout2d | nn.Identity):
            return self.known[_node(args[0])]
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            raise ExportError(
                f"{where}: a batch norm; needed it folded into the layer before it, before training with quantization: "
                "crossloom.training.fold_batch_norm(model)"
            )
        if isinstance(module, qnn.QuantEltwiseAdd):
            operands = [self.build.proxy(module, "input_quant", self.value(a), i) for i, a in enumerate(args[:2])]
            return self.build.proxy(module, "output_quant", self.build.add(operands, tap=None))
        if isinstance(module, qnn.QuantCat):
            listed = [self.value(a) for a in args[0]]
            joined = [self.build.proxy(module, "input_quant", v, i) for i, v in enumerate(listed)]
            dim = self.build.current.kwargs.get("dim", args[1] if len(args) > 1 else 1)
            return self.build.proxy(module, "output_quant", self.build.concat(joined, dim, tap=None))
        x = self.value(args[0])
        if isinstance(module, qnn.QuantConv2d | qnn.QuantLinear):
            return self.build.layer(where, module, x)
        if isinstance(module, qnn.QuantIdentity | qnn.QuantReLU):
            x = self.build.proxy(module, "input_quant", x)
            x = replace(x, relu=True) if isinstance(module, qnn.QuantReLU) else x
            if not module.act_quant.is_quant_enabled:
                return self.build.relu(replace(x, relu=False)) if x.relu else x
            return self.build.activation(where, module.act_quant, x, identifier(where), self.build.tap())
        if isinstance(module, nn.ReLU):
            return self.build.relu(x)
        if isinstance(module, nn.LeakyReLU):
            return self.leaky_relu(x, module.negative_slope)
        if isinstance(module, nn.Flatten):
            if (module.start_dim, module.end_dim) != (1, -1):
                raise ExportError(
                    f"{where}: Flatten from {module.start_dim} to {module.end_dim}; needed all but the batch"
                )
            return self.build.flatten(x)
        if isinstance(module, nn.MaxPool2d):
            return self.build.max_pool(
                x, module.kernel_size, module.stride, module.padding, module.dilation, module.ceil_mode
            )
        if isinstance(module, qnn.TruncAvgPool2d | qnn.TruncAdaptiveAvgPool2d):
            return self.build.trunc_pool(where, module, x)
        if isinstance(module, nn.AvgPool2d):
            return self.build.avg_pool(
                x, module.kernel_size, module.stride, module.padding, module.ceil_mode, module.divisor_override
            )
        if isinstance(module, nn.AdaptiveAvgPool2d):
            return self.build.adaptive_pool(x, module.output_size)
        raise ExportError(
            f"{where}: {type(module).__name__} has no exact integer form here; needed one of {_SUPPORTED}"
        )

    def function(self) -> Any:
        """Return the value of a function, method or attribute node."""
        node = self.build.current
        what = str(node.target) if node.op == "call_method" else node.target
        args: Any = node.args
        kwargs = node.kwargs
        if what in (getattr, operator.getitem, "size"):
            base = self.known.get(args[0]) if isinstance(args[0], fx.Node) else None
            # x.value of a QuantTensor is x; sizes are numbers that only a reshape may read.
            return base if what is getattr and args[1] == "value" else None
        if what in (operator.add, operator.iadd, torch.add, "add", "add_", "__add__") and set(kwargs) <= {"alpha"}:
            if kwargs.get("alpha", 1) != 1:
                raise ExportError(f"{node.name}: a scaled addition; needed a plain one")
            return self.build.add([self.value(a) for a in args[:2]])
        if what in (torch.cat, torch.concat):
            dim = kwargs.get("dim", args[1] if len(args) > 1 else 0)
            return self.build.concat([self.value(a) for a in args[0]], dim)
        if what in (functional.relu, torch.relu, "relu"):
            return self.build.relu(self.value(args[0]))
        if what is functional.leaky_relu:
            return self.leaky_relu(
                self.value(args[0]), kwargs.get("negative_slope", args[1] if len(args) > 1 else 0.01)
            )
        if what in (functional.dropout, functional.dropout2d, "contiguous", "clone", "detach"):
            return self.known[_node(args[0])]
        if what in (torch.flatten, "flatten"):
            rest = [*args[1:], *kwargs.values()]
            if rest not in ([1], [1, -1]):
                raise ExportError(f"{node.name}: flatten{tuple(rest)}; needed flatten(1)")
            return self.build.flatten(self.value(args[0]))
        if what in ("view", "reshape", torch.reshape):
            sizes = args[1] if len(args) == 2 and isinstance(args[1], tuple | list) else args[1:]
            if len(sizes) != 2 or (
                sizes[1] != -1 and sizes[1] != self.build.edges[self.value(args[0]).edge or ""].size
            ):
                raise ExportError(f"{node.name}: {what}{tuple(map(str, sizes))}; needed one to (N, -1)")
            return self.build.flatten(self.value(args[0]))
        if what in (functional.max_pool2d, functional.avg_pool2d, functional.adaptive_avg_pool2d):
            return self.functional_pool(what)
        if what in (torch.mean, "mean"):
            dims = kwargs.get("dim", args[1] if len(args) > 1 else None)
            if not isinstance(dims, tuple | list) or sorted(d % 4 for d in dims) != [2, 3]:
                raise ExportError(f"{node.name}: mean over {dims}; needed (2, 3), the whole image")
            keep = kwargs.get("keepdim", args[2] if len(args) > 2 else False)
            x = self.build.adaptive_pool(self.value(args[0]), 1, self.build.tap() if keep else None)
            return x if keep else self.build.flatten(x)
        kind = getattr(what, "__name__", str(what))
        raise ExportError(f"{node.name}: {node.op} {kind} has no exact integer form here; needed one of {_SUPPORTED}")

    def value(self, argument: Any) -> Value:
        """Return the value of an argument of the current node."""
        found = self.known.get(argument) if isinstance(argument, fx.Node) else None
        if not isinstance(found, Value):
            raise ExportError(
                f"{self.build.current.name}: it reads {argument}, which is no quantized image; needed one"
            )
        return found

    def leaky_relu(self, x: Value, slope: Any) -> Value:
        """LeakyReLU, where its slope is 2^-1 to 2^-15, so that its product is a shift."""
        leak = 1 - math.frexp(slope)[1] if isinstance(slope, float) else 0
        if not 1 <= leak <= MAX_LEAK or slope != 2.0**-leak:
            near = round(-math.log2(slope)) if isinstance(slope, float) and 0 < slope < 1 else 1
            raise ExportError(
                f"{self.build.where()}: negative_slope={slope}; needed 2**-1 to 2**-{MAX_LEAK}, whose product is a "
                f"shift; train with 2**-{min(max(near, 1), MAX_LEAK)}"
            )
        return self.build.emit(self.build.name(), LeakyReLU(leak), x, tap=self.build.tap(), order=x.order)

    def functional_pool(self, what: Callable[..., Any]) -> Value:
        """Pooling called as a function."""
        args: list[Any] = list(self.build.current.args)
        kwargs: dict[str, Any] = dict(self.build.current.kwargs)
        x = self.value(args.pop(0))
        if what is functional.adaptive_avg_pool2d:
            return self.build.adaptive_pool(x, kwargs.get("output_size", args[0] if args else None))
        names = ["kernel_size", "stride", "padding", *(["dilation"] if what is functional.max_pool2d else [])]
        found = {**dict(zip([*names, "ceil_mode"], args, strict=False)), **kwargs}
        stride = found.get("stride")
        if what is functional.max_pool2d:
            rest = found.get("padding", 0), found.get("dilation", 1), bool(found.get("ceil_mode", False))
            return self.build.max_pool(x, found["kernel_size"], stride, *rest)
        rest_avg = found.get("padding", 0), bool(found.get("ceil_mode", False)), found.get("divisor_override")
        return self.build.avg_pool(x, found["kernel_size"], stride, *rest_avg)


_SUPPORTED = (
    "QuantConv2d, QuantLinear, QuantIdentity, QuantReLU, LeakyReLU, QuantEltwiseAdd, QuantCat, +, torch.cat, max and "
    "average pooling, TruncAvgPool2d, flatten, Dropout"
)


def _node(argument: Any) -> fx.Node:
    assert isinstance(argument, fx.Node)
    return argument
