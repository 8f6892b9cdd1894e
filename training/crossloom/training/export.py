"""From a trained Brevitas model to a network of exact integers, operator by operator; what cannot be is refused by name."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import brevitas.nn as qnn
import numpy as np
import torch
from torch import fx, nn
from torch.nn import functional

from crossloom.sim import (
    Add,
    Concat,
    Conv2d,
    Dense,
    Edge,
    ExportError,
    Flatten,
    Input,
    MaxPool,
    Network,
    NetworkError,
    Node,
    QType,
    Requant,
    Rounding,
    SumPool,
)
from crossloom.sim.network import INPUT
from crossloom.sim.ops import Op
from crossloom.sim.ops.quantize import MAX_SHIFT, MIN_SHIFT
from crossloom.sim.types import IntArray, bits_of

from .inputs import FloatArray
from .quantized import activation_type, bias_codes, codes_of, frac_of, int_range, rounding_of, weight_codes
from .trace import Recorder, Tap, plain, trace


@dataclass(frozen=True)
class Seen:
    """How an edge looks in torch: at which tap, and for a flat edge which torch position each code has."""

    tap: Tap
    order: tuple[int, ...] | None


@dataclass(frozen=True, eq=False)
class Exported:
    """A network with the traced torch model that it must equal. `seen` has every edge that torch computes too."""

    network: Network
    traced: fx.GraphModule
    values: FloatArray
    seen: Mapping[str, Seen]


@dataclass(frozen=True)
class _Value:
    """A torch value during the walk: an edge, or the raw images; `relu` waits for the quantizer to clip.

    `order` (flat edges): code j of the edge is element order[j] in torch, which flattens channels first.
    """

    edge: str | None
    relu: bool = False
    order: tuple[int, ...] | None = None


def convert(
    model: nn.Module, *, name: str, classes: Sequence[str], shape: tuple[int, int, int], values: FloatArray
) -> Exported:
    """Return the integer network of a Brevitas model, not yet proved equal; `export` proves it as well.

    `shape` is the image's (H, W, C); `values` (levels, 1 or C) float32 is what an image value becomes at the
    model's input. The model is put in eval mode. Raises ExportError naming the layer, what was found there and
    what is needed.
    """
    model.eval()
    traced = trace(model)
    grey = np.zeros((1, shape[2], *shape[:2]), np.float32) + values[0].reshape(1, -1, 1, 1)
    recorder = Recorder(traced)
    try:
        seen = recorder.record(torch.from_numpy(grey))
    except Exception as error:  # whatever the user's model raises on an image of the stated shape
        raise ExportError(
            f"model: it does not run on an image of {list(shape)} ({str(error).splitlines()[0]})"
        ) from error
    walk = _Walk(traced, seen, shape, values)
    try:
        output = walk.all()
        network = Network(name, walk.input_table(), tuple(walk.nodes), output, tuple(classes))
    except NetworkError as error:
        raise ExportError(f"model: {error}") from error
    return Exported(network, traced, values, walk.seen)


class _Walk:
    """Goes through the torch.fx graph in order and appends nodes."""

    def __init__(
        self, traced: fx.GraphModule, recorded: Mapping[Tap, Any], shape: tuple[int, int, int], values: FloatArray
    ) -> None:
        self.traced, self.recorded, self.shape, self.values = traced, recorded, shape, values
        self.nodes: list[Node] = []
        self.edges: dict[str, Edge] = {}
        self.seen: dict[str, Seen] = {}
        self.table: IntArray | None = None
        self.known: dict[fx.Node, Any] = {}
        self.current: fx.Node

    # -- the graph --------------------------------------------------------------------------------------------

    def all(self) -> str:
        """Walk every node; return the name of the logits' edge."""
        for node in self.traced.graph.nodes:
            self.current = node
            if node.op == "placeholder":
                if None in {v.edge for v in self.known.values() if isinstance(v, _Value)}:
                    raise ExportError(f"model: a second input {node.target!r}; needed one, the image")
                self.known[node] = _Value(None)
            elif node.op == "output":
                return self.logits(node.args[0])
            elif node.op == "call_module":
                self.known[node] = self.module(self.traced.get_submodule(str(node.target)))
            else:
                self.known[node] = self.function()
        raise AssertionError("a traced graph ends in an output")

    def logits(self, result: Any) -> str:
        """Check what the model returns."""
        value = self.known.get(result) if isinstance(result, fx.Node) else None
        if not isinstance(value, _Value):
            raise ExportError(f"model: it returns {type(result).__name__}; needed the logits alone")
        if value.edge is None or value.relu:
            raise ExportError("model: its result is not quantized; needed the logits of a quantized layer")
        if value.order is not None:
            raise ExportError("model: its result is a flattened image; needed one logit per class from a dense layer")
        edge = self.edges[value.edge]
        if len(edge.shape) == 3 and edge.shape[:2] == (1, 1):
            value = self.flatten(value)
        assert value.edge is not None
        return value.edge

    def module(self, module: nn.Module) -> Any:
        """Return the value of a call_module node."""
        where, args = str(self.current.target), self.current.args
        if isinstance(module, nn.Dropout | nn.Dropout2d | nn.Identity):
            return self.known[_node(args[0])]
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            raise ExportError(
                f"{where}: a batch norm; needed it folded into the layer before it, before training with quantization: "
                "crossloom.training.fold_batch_norm(model)"
            )
        if isinstance(module, qnn.QuantEltwiseAdd):
            operands = [self.proxy(module, "input_quant", self.value(a), i) for i, a in enumerate(args[:2])]
            return self.proxy(module, "output_quant", self.add(operands, tap=None))
        if isinstance(module, qnn.QuantCat):
            listed = [self.value(a) for a in args[0]]
            joined = [self.proxy(module, "input_quant", v, i) for i, v in enumerate(listed)]
            dim = self.current.kwargs.get("dim", args[1] if len(args) > 1 else 1)
            return self.proxy(module, "output_quant", self.concat(joined, dim, tap=None))
        x = self.value(args[0])
        if isinstance(module, qnn.QuantConv2d | qnn.QuantLinear):
            return self.layer(where, module, x)
        if isinstance(module, qnn.QuantIdentity | qnn.QuantReLU):
            x = self.proxy(module, "input_quant", x)
            x = replace(x, relu=True) if isinstance(module, qnn.QuantReLU) else x
            if not module.act_quant.is_quant_enabled:
                return self.relu(replace(x, relu=False)) if x.relu else x
            return self.activation(where, module.act_quant, x, _identifier(where), self.tap())
        if isinstance(module, nn.ReLU):
            return self.relu(x)
        if isinstance(module, nn.Flatten):
            if (module.start_dim, module.end_dim) != (1, -1):
                raise ExportError(
                    f"{where}: Flatten from {module.start_dim} to {module.end_dim}; needed all but the batch"
                )
            return self.flatten(x)
        if isinstance(module, nn.MaxPool2d):
            return self.max_pool(
                x, module.kernel_size, module.stride, module.padding, module.dilation, module.ceil_mode
            )
        if isinstance(module, qnn.TruncAvgPool2d | qnn.TruncAdaptiveAvgPool2d):
            return self.trunc_pool(where, module, x)
        if isinstance(module, nn.AvgPool2d):
            return self.avg_pool(
                x, module.kernel_size, module.stride, module.padding, module.ceil_mode, module.divisor_override
            )
        if isinstance(module, nn.AdaptiveAvgPool2d):
            return self.adaptive_pool(x, module.output_size)
        raise ExportError(
            f"{where}: {type(module).__name__} has no exact integer form here; needed one of {_SUPPORTED}"
        )

    def function(self) -> Any:
        """Return the value of a function, method or attribute node."""
        node = self.current
        what = str(node.target) if node.op == "call_method" else node.target
        args, kwargs = node.args, node.kwargs
        if what in (getattr, operator.getitem, "size"):
            base = self.known.get(args[0]) if isinstance(args[0], fx.Node) else None
            # x.value of a QuantTensor is x; sizes are numbers that only a reshape may read.
            return base if what is getattr and args[1] == "value" else None
        if what in (operator.add, operator.iadd, torch.add, "add", "add_", "__add__") and set(kwargs) <= {"alpha"}:
            if kwargs.get("alpha", 1) != 1:
                raise ExportError(f"{node.name}: a scaled addition; needed a plain one")
            return self.add([self.value(a) for a in args[:2]])
        if what in (torch.cat, torch.concat):
            dim = kwargs.get("dim", args[1] if len(args) > 1 else 0)
            return self.concat([self.value(a) for a in args[0]], dim)
        if what in (functional.relu, torch.relu, "relu"):
            return self.relu(self.value(args[0]))
        if what in (functional.dropout, functional.dropout2d, "contiguous", "clone", "detach"):
            return self.known[_node(args[0])]
        if what in (torch.flatten, "flatten"):
            rest = [*args[1:], *kwargs.values()]
            if rest not in ([1], [1, -1]):
                raise ExportError(f"{node.name}: flatten{tuple(rest)}; needed flatten(1)")
            return self.flatten(self.value(args[0]))
        if what in ("view", "reshape", torch.reshape):
            sizes = args[1] if len(args) == 2 and isinstance(args[1], tuple | list) else args[1:]
            if len(sizes) != 2 or sizes[1] != -1 and sizes[1] != self.edges[self.value(args[0]).edge or ""].size:
                raise ExportError(f"{node.name}: {what}{tuple(map(str, sizes))}; needed one to (N, -1)")
            return self.flatten(self.value(args[0]))
        if what in (functional.max_pool2d, functional.avg_pool2d, functional.adaptive_avg_pool2d):
            return self.functional_pool(what)
        if what in (torch.mean, "mean"):
            dims = kwargs.get("dim", args[1] if len(args) > 1 else None)
            if not isinstance(dims, tuple | list) or sorted(d % 4 for d in dims) != [2, 3]:
                raise ExportError(f"{node.name}: mean over {dims}; needed (2, 3), the whole image")
            keep = kwargs.get("keepdim", args[2] if len(args) > 2 else False)
            x = self.adaptive_pool(self.value(args[0]), 1, self.tap() if keep else None)
            return x if keep else self.flatten(x)
        kind = getattr(what, "__name__", str(what))
        raise ExportError(f"{node.name}: {node.op} {kind} has no exact integer form here; needed one of {_SUPPORTED}")

    def value(self, argument: Any) -> _Value:
        """Return the value of an argument of the current node."""
        found = self.known.get(argument) if isinstance(argument, fx.Node) else None
        if not isinstance(found, _Value):
            raise ExportError(f"{self.current.name}: it reads {argument}, which is no quantized image; needed one")
        return found

    def tap(self, name: str = "", call: int = 0) -> Tap:
        return (self.current.name, name, call)

    # -- edges ------------------------------------------------------------------------------------------------

    def emit(
        self, name: str, op: Op, *sources: _Value, tap: Tap | None, order: tuple[int, ...] | None = None
    ) -> _Value:
        """Append a node reading `sources`, under a name of its own; remember where torch shows its edge."""
        names = []
        for source in sources:
            if source.edge is None:
                raise ExportError(f"{self.where()}: it reads the raw image; put a QuantIdentity first")
            if source.relu:
                raise ExportError(f"{self.where()}: it reads a ReLU that is not quantized; use QuantReLU")
            names.append(source.edge)
        base, number = name, 1
        while name in self.edges or name == INPUT:
            number += 1
            name = f"{base}_{number}"
        try:
            edge = op.infer(self.where(), [self.edges[n] for n in names], False)
        except NetworkError as error:
            raise ExportError(str(error)) from error
        self.edges[name] = edge
        self.nodes.append(Node(name, op, tuple(names)))
        if tap is not None:
            self.seen[name] = Seen(tap, order)
        return _Value(name, order=order)

    def where(self) -> str:
        return str(self.current.target) if self.current.op == "call_module" else self.current.name

    def name(self, suffix: str = "") -> str:
        return _identifier(self.where() if self.current.op == "call_module" else self.current.name) + suffix

    def image(self, x: _Value) -> tuple[int, ...]:
        """Shape (H, W, C) of a value that must be an image."""
        if x.edge is None or len(self.edges[x.edge].shape) != 3:
            raise ExportError(
                f"{self.where()}: it reads {'the raw image' if x.edge is None else 'a flat value'}; needed a quantized image"
            )
        return self.edges[x.edge].shape

    # -- operators --------------------------------------------------------------------------------------------

    def proxy(self, module: Any, name: str, x: _Value, call: int = 0) -> _Value:
        """Pass a value through a quantizer inside a layer, where there is one."""
        quantizer = getattr(module, name, None)
        if quantizer is None or not quantizer.is_quant_enabled:
            return x
        where = f"{self.where()}.{name}"
        return self.activation(where, quantizer, x, self.name(f"_{name}"), self.tap(name, call))

    def activation(self, where: str, quantizer: Any, x: _Value, name: str, tap: Tap) -> _Value:
        """Quantize: the raw image by a table, an edge by a Requant."""
        type_, rounding = activation_type(where, quantizer)
        assert isinstance(type_.frac, int)
        if x.relu:
            type_ = QType(max(type_.lo, 0), type_.hi, type_.frac)
        if x.edge is None:
            return self.raw(where, quantizer, type_, tap)
        edge = self.edges[x.edge]
        if edge.type == type_ and not edge.accumulator:
            return x
        return self.requant(where, replace(x, relu=False), type_, rounding, name, tap)

    def requant(self, where: str, x: _Value, out: QType, rounding: Rounding, name: str, tap: Tap | None) -> _Value:
        frac = self.edges[x.edge or ""].type.frac
        fracs = frac if isinstance(frac, tuple) else (frac,)
        assert isinstance(out.frac, int)
        shift = np.array([f - out.frac for f in fracs])
        if shift.min() < MIN_SHIFT or shift.max() > MAX_SHIFT:
            raise ExportError(
                f"{where}: shifts by {shift.min()}..{shift.max()} bits; supported are {MIN_SHIFT}..{MAX_SHIFT}"
            )
        return self.emit(name, Requant(shift, rounding, out), x, tap=tap, order=x.order)

    def raw(self, where: str, quantizer: Any, type_: QType, tap: Tap) -> _Value:
        """Make the input table: each level of each channel through torch's own quantizer."""
        if self.table is not None:
            raise ExportError(f"{where}: a second quantizer on the image; needed one, read by every layer")
        with torch.no_grad():
            quantized = plain(quantizer(torch.from_numpy(np.ascontiguousarray(self.values))))
        self.table = codes_of(where, quantized, type_.frac)
        self.edges[INPUT] = Edge(self.shape, type_)
        self.seen[INPUT] = Seen(tap, None)
        return _Value(INPUT)

    def input_table(self) -> Input:
        """Return the network's input, once the walk is done."""
        if self.table is None:
            raise ExportError("model: nothing quantizes the image; begin with a QuantIdentity")
        return Input(self.shape, self.edges[INPUT].type, self.table)

    def relu(self, x: _Value) -> _Value:
        """ReLU: nothing to do on unsigned codes, a clip on signed ones, left to the quantizer on a sum."""
        if x.edge is None or self.edges[x.edge].accumulator:
            return replace(x, relu=True)
        type_ = self.edges[x.edge].type
        if type_.lo >= 0:
            return x
        return self.requant(
            self.where(), x, QType(0, max(type_.hi, 0), type_.frac), Rounding.FLOOR, self.name(), self.tap()
        )

    def layer(self, where: str, module: Any, x: _Value) -> _Value:
        """Convolution or dense layer, with whatever quantizers it carries."""
        x = self.proxy(module, "input_quant", x)
        if x.edge is None:
            raise ExportError(f"{where}: it reads the raw image; put a QuantIdentity first")
        codes, type_ = weight_codes(where, module)
        source = self.edges[x.edge].type.frac
        if not isinstance(source, int) or self.edges[x.edge].accumulator:
            raise ExportError(f"{where}: its input is not quantized; put a QuantReLU or QuantIdentity before it")
        acc = type_.frac + source if isinstance(type_.frac, int) else tuple(f + source for f in type_.frac)
        bias = np.zeros(len(codes), np.int64)
        if module.bias is not None:
            bias = bias_codes(where, self.recorded.get(self.tap("bias_quant")), acc, len(codes))
        bias_bits = bits_of(min(int(bias.min()), -1), max(int(bias.max()), 0))
        hidden = module.output_quant.is_quant_enabled
        tap = None if hidden else self.tap()
        if isinstance(module, qnn.QuantConv2d):
            self.image(x)
            _need(where, "dilation", _pair(module.dilation) == (1, 1), module.dilation, "1")
            _need(where, "padding_mode", module.padding_mode == "zeros", module.padding_mode, "zeros")
            kernel, stride = _pair(module.kernel_size), _pair(module.stride)
            pad = self.padding(where, module, kernel, stride)
            op: Op = Conv2d(codes.transpose(0, 2, 3, 1), bias, type_, bias_bits, stride, pad, 0, module.groups)
        else:
            op = Dense(codes if x.order is None else codes[:, list(x.order)], bias, type_, bias_bits)
        y = self.emit(self.name(), op, x, tap=tap)
        return self.proxy(module, "output_quant", y)

    def padding(
        self, where: str, module: Any, kernel: tuple[int, int], stride: tuple[int, int]
    ) -> tuple[int, int, int, int]:
        """(top, bottom, left, right) of a convolution."""
        if getattr(module, "is_same_padded_strided", False):
            raise ExportError(f"{where}: padding 'same' with a stride; needed numbers")
        if module.padding == "valid":
            return 0, 0, 0, 0
        if module.padding == "same":
            (top, left), (h, w) = [(k - 1) // 2 for k in kernel], [k - 1 for k in kernel]
            return top, h - top, left, w - left
        ph, pw = _pair(module.padding)
        return ph, ph, pw, pw

    def add(self, operands: list[_Value], tap: Tap | None | str = "here") -> _Value:
        """Sum of two streams."""
        for x in operands:
            if x.edge is not None and self.edges[x.edge].accumulator:
                raise ExportError(f"{self.where()}: it adds a sum that is not quantized; put a QuantIdentity before it")
        if operands[0].order != operands[1].order:
            raise ExportError(
                f"{self.where()}: it adds values that were flattened differently; add them before flattening"
            )
        tap = self.tap() if tap == "here" else tap
        assert not isinstance(tap, str)
        name = self.name() if self.current.op != "call_module" else self.name("_sum")
        return self.emit(name, Add(), *operands, tap=tap, order=operands[0].order)

    def concat(self, parts: list[_Value], dim: Any, tap: Tap | None | str = "here") -> _Value:
        """Streams side by side along the channels."""
        if dim != 1:
            raise ExportError(f"{self.where()}: joins dimension {dim}; needed 1, the channels")
        order: list[int] = []
        for part in parts:
            size = self.edges[part.edge].size if part.edge else 0
            order += [len(order) + i for i in (part.order or range(size))]
        flat = any(part.order is not None for part in parts)
        tap = self.tap() if tap == "here" else tap
        assert not isinstance(tap, str)
        return self.emit(self.name(), Concat(), *parts, tap=tap, order=tuple(order) if flat else None)

    def flatten(self, x: _Value) -> _Value:
        """Image to vector; torch counts channels first, we channels last."""
        if x.edge is not None and len(self.edges[x.edge].shape) == 1:
            return x
        h, w, c = self.image(x)
        order = tuple(int(i) for i in np.arange(c * h * w).reshape(c, h, w).transpose(1, 2, 0).ravel())
        plain_order = None if h * w == 1 else order
        name = self.name() if self.current.op != "output" else f"{x.edge}_flat"
        tap = None if self.current.op == "output" else self.tap()
        return self.emit(name, Flatten(), x, tap=tap, order=plain_order)

    def max_pool(
        self, x: _Value, kernel: Any, stride: Any, padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False
    ) -> _Value:
        """Max pooling."""
        _need(self.where(), "dilation", _pair(dilation) == (1, 1), dilation, "1")
        _need(self.where(), "ceil_mode", not ceil_mode, ceil_mode, "False")
        ph, pw = _pair(padding)
        op = MaxPool(_pair(kernel), _pair(kernel if stride is None else stride), (ph, ph, pw, pw))
        return self.emit(self.name(), op, x, tap=self.tap())

    def avg_pool(
        self,
        x: _Value,
        kernel: Any,
        stride: Any,
        padding: Any = 0,
        ceil_mode: bool = False,
        divisor: int | None = None,
        tap: Tap | None | str = "here",
    ) -> _Value:
        """Average pooling over a power-of-two window: a sum at a finer scale."""
        where, size = self.where(), _pair(kernel)
        _need(where, "padding", _pair(padding) == (0, 0), padding, "0")
        _need(where, "ceil_mode", not ceil_mode, ceil_mode, "False")
        _need(where, "divisor_override", divisor in (None, math.prod(size)), divisor, "the window's size")
        if math.prod(size) & (math.prod(size) - 1):
            raise ExportError(
                f"{where}: averages {size[0]}x{size[1]} = {math.prod(size)} pixels; needed a power of two, whose mean is a shift"
            )
        tap = self.tap() if tap == "here" else tap
        assert not isinstance(tap, str)
        return self.emit(self.name(), SumPool(size, _pair(kernel if stride is None else stride)), x, tap=tap)

    def adaptive_pool(self, x: _Value, output_size: Any, tap: Tap | None | str = "here") -> _Value:
        """Average pooling to a given size that divides the image's."""
        h, w, _ = self.image(x)
        sizes = [n if o is None else int(o) for n, o in zip((h, w), _pair(output_size), strict=True)]
        if h % sizes[0] or w % sizes[1]:
            raise ExportError(f"{self.where()}: pools {h}x{w} to {sizes[0]}x{sizes[1]}; needed sizes that divide it")
        kernel = h // sizes[0], w // sizes[1]
        return self.avg_pool(x, kernel, kernel, tap=tap)

    def functional_pool(self, what: Callable[..., Any]) -> _Value:
        """Pooling called as a function."""
        args, kwargs = list(self.current.args), dict(self.current.kwargs)
        x = self.value(args.pop(0))
        if what is functional.adaptive_avg_pool2d:
            return self.adaptive_pool(x, kwargs.get("output_size", args[0] if args else None))
        names = ["kernel_size", "stride", "padding", *(["dilation"] if what is functional.max_pool2d else [])]
        found = {**dict(zip([*names, "ceil_mode"], args, strict=False)), **kwargs}
        stride = found.get("stride")
        if what is functional.max_pool2d:
            rest = found.get("padding", 0), found.get("dilation", 1), bool(found.get("ceil_mode", False))
            return self.max_pool(x, found["kernel_size"], stride, *rest)
        rest_avg = found.get("padding", 0), bool(found.get("ceil_mode", False)), found.get("divisor_override")
        return self.avg_pool(x, found["kernel_size"], stride, *rest_avg)

    def trunc_pool(self, where: str, module: Any, x: _Value) -> _Value:
        """Brevitas' average pooling with a rounding of its own: a sum, then a Requant to the type that it shows."""
        quantizer = module.trunc_quant
        result = self.recorded[self.tap("trunc_quant")] if quantizer.is_quant_enabled else None
        if isinstance(module, qnn.TruncAdaptiveAvgPool2d):
            y = self.adaptive_pool(x, module.output_size, tap=None)
        else:
            y = self.avg_pool(
                x,
                module.kernel_size,
                module.stride,
                module.padding,
                module.ceil_mode,
                module.divisor_override,
                tap=None,
            )
        if result is None or not hasattr(result, "scale"):
            raise ExportError(
                f"{where}: its input carries no scale; set return_quant_tensor=True in the quantizer before it"
            )
        lo, hi = int_range(round(float(result.bit_width)), bool(result.signed), bool(quantizer.is_narrow_range))
        type_ = QType(lo, hi, frac_of(where, float(result.scale)))
        return self.requant(
            where, y, type_, rounding_of(where, str(quantizer.rounding_mode)), self.name("_trunc"), self.tap()
        )


_SUPPORTED = (
    "QuantConv2d, QuantLinear, QuantIdentity, QuantReLU, QuantEltwiseAdd, QuantCat, +, torch.cat, max and average "
    "pooling, TruncAvgPool2d, flatten, Dropout"
)


def _identifier(path: str) -> str:
    """A module path as an identifier: features.0.conv -> features_0_conv.

    >>> _identifier("features.0.Conv"), _identifier("0"), _identifier("_x")
    ('features_0_conv', 'n0', 'x')
    """
    name = re.sub(r"[^a-z0-9_]", "_", path.lower()).strip("_") or "node"
    name = name if name[0].isalpha() else f"n{name}"
    return name[:48]


def _node(argument: Any) -> fx.Node:
    assert isinstance(argument, fx.Node)
    return argument


def _pair(value: Any) -> tuple[int, int]:
    a, b = value if isinstance(value, tuple | list) else (value, value)
    return a, b


def _need(where: str, what: str, fits: bool, found: object, wanted: str) -> None:
    if not fits:
        raise ExportError(f"{where}: {what}={found}; needed {wanted}")
