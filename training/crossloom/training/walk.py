"""Goes through the torch.fx graph of a Brevitas model in order, and has every node made into operators."""

from __future__ import annotations

import math
import operator
from dataclasses import replace
from typing import Any

import brevitas.nn as qnn
import torch
from torch import fx, nn
from torch.nn import functional

from crossloom.sim import ExportError, Flatten, LeakyReLU
from crossloom.sim.ops.leaky import MAX_LEAK

from . import pools
from .calls import bound, module_arguments
from .layers import LayerBuilder, identifier
from .logits import finished_logits
from .spiking import exporting
from .spiking.layers import Count, First, Last, LIFLayer, SpikeInput, Sum
from .tracing import CHANGES, plain
from .values import RAW, Value

RANDOM = (
    *(functional.dropout, functional.dropout1d, functional.dropout2d, functional.dropout3d),
    *(functional.alpha_dropout, functional.feature_alpha_dropout, torch.dropout),
)
DROPOUTS = nn.Dropout | nn.Dropout1d | nn.Dropout2d | nn.Dropout3d | nn.AlphaDropout | nn.FeatureAlphaDropout
SOFTMAXES = nn.Softmax | nn.LogSoftmax | nn.Softmax2d | nn.Sigmoid | nn.LogSigmoid
SOFTMAX_CALLS = (functional.softmax, functional.log_softmax, torch.softmax, torch.log_softmax, torch.sigmoid)
NO_SOFTMAX = "needed the logits alone, whose greatest is the same answer: leave it out of the model that is exported"
BATCH_NORM = (
    "a batch norm; needed it folded into the layer before it, before training with quantization: "
    "crossloom.training.fold_batch_norm(model)"
)


class Walk:
    """Goes through the torch.fx graph in order and appends nodes."""

    def __init__(self, traced: fx.GraphModule, build: LayerBuilder) -> None:
        self.traced, self.build = traced, build
        self.known: dict[fx.Node, Any] = {}

    def all(self, stream: bool = False, rows: int = 0) -> Value:
        """Walk every node; return the logits, or for a trunk the `stream` that head and branches read.

        `rows`: how many logits are wanted, 0 for any number.
        """
        for node in self.traced.graph.nodes:
            self.build.current = node
            if node.op == "placeholder":
                if any(isinstance(v, Value) for v in self.known.values()):
                    if not node.users:
                        continue
                    raise ExportError(f"model: a second input {node.target!r}; needed one, the image")
                self.known[node] = self.build.start
            elif node.op == "output":
                return self.stream(node.args[0]) if stream else self.logits(node.args[0], rows)
            elif node.op == "call_module":
                self.known[node] = self.module(self.traced.get_submodule(str(node.target)))
            elif node.op == "get_attr":
                self.known[node] = None  # a parameter that nothing here may read
            else:
                self.known[node] = self.function()
            for other, whole in node.meta.get(CHANGES, ()):
                self.known[other] = self.known[node] if whole else None
        raise AssertionError("a traced graph ends in an output")

    def stream(self, result: Any) -> Value:
        """Check what a trunk returns."""
        value = self.known.get(result) if isinstance(result, fx.Node) else None
        if not isinstance(value, Value) or value.waits:
            raise ExportError("trunk: its result is not quantized; end it with a QuantReLU or QuantIdentity")
        value = self.build.settled(value)
        if self.build.edges[value.edge or ""].accumulator:
            raise ExportError("trunk: its result is a sum that is not quantized; end it with a quantizer")
        return value

    def logits(self, result: Any, rows: int) -> Value:
        """Check what the model returns, and bring it to one scale."""
        value = self.known.get(result) if isinstance(result, fx.Node) else None
        if not isinstance(value, Value):
            raise ExportError(f"model: it returns {type(result).__name__}; needed the logits alone")
        value = replace(self.build.settled(value), after=()) if set(value.after) <= {Flatten()} else value
        if value.waits:
            raise ExportError("model: its result is not quantized; needed the logits of a quantized layer")
        if value.order is not None:
            raise ExportError("model: its result is a flattened image; needed one logit per class from a dense layer")
        return finished_logits(self.build, value, rows)

    def module(self, module: nn.Module) -> Any:
        """Return the value of a call_module node."""
        where = str(self.build.current.target)
        args = module_arguments(self.build.current, module)
        if isinstance(module, DROPOUTS):
            if module.training and module.p > 0:
                raise ExportError(f"{where}: dropout that is on in eval mode too; needed it off; let eval() reach it")
            return self.known[_node(args[0])]
        if isinstance(module, nn.Identity):
            return self.known[_node(args[0])]
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            raise ExportError(f"{where}: {BATCH_NORM}")
        if isinstance(module, SOFTMAXES):
            raise self.no_softmax(where, type(module).__name__)
        if isinstance(module, qnn.QuantEltwiseAdd):
            operands = [self.build.proxy(module, "input_quant", self.value(a), i) for i, a in enumerate(args[:2])]
            return self.build.proxy(module, "output_quant", self.build.add(operands, tap=None))
        if isinstance(module, qnn.QuantCat):
            joined = [self.build.proxy(module, "input_quant", self.value(a), i) for i, a in enumerate(args[0])]
            dim = args[1] if len(args) > 1 else 1
            return self.build.proxy(module, "output_quant", self.build.concat(joined, dim, tap=None))
        if isinstance(module, Sum):
            return self.build.add([self.value(a) for a in args[:2]])
        x = self.value(args[0])
        if isinstance(module, SpikeInput):
            if not (x.edge is None and x == RAW):
                raise ExportError(f"{where}: a SpikeInput in the middle; needed it first, on the image")
            return self.build.spikes()
        if isinstance(module, LIFLayer):
            return exporting.neurons(self.build, module, x)
        if isinstance(module, Count | First | Last):
            return exporting.answer(self.build, module, x)
        if isinstance(module, qnn.QuantConv2d | qnn.QuantLinear):
            return self.build.layer(where, module, x)
        if isinstance(module, qnn.QuantIdentity | qnn.QuantReLU):
            x = self.build.proxy(module, "input_quant", x)
            x = replace(x, relu=True) if isinstance(module, qnn.QuantReLU) else x
            if not module.act_quant.is_quant_enabled:
                return self.build.relu(replace(x, relu=False)) if x.relu else x
            return self.build.activation(where, module.act_quant, x, identifier(where), self.build.tap())
        if isinstance(module, nn.Hardtanh):  # ReLU6 is one
            return self.clip(x, module.min_val, module.max_val)
        if isinstance(module, nn.ReLU):
            return self.build.relu(x)
        if isinstance(module, nn.LeakyReLU):
            return self.leaky_relu(x, module.negative_slope)
        if isinstance(module, nn.Flatten):
            return self.flatten(x)
        if isinstance(module, nn.MaxPool2d):
            window = module.kernel_size, module.stride, module.padding, module.dilation, module.ceil_mode
            return pools.max_pool(self.build, x, *window, module.return_indices)
        if isinstance(module, qnn.TruncAvgPool2d | qnn.TruncAdaptiveAvgPool2d):
            return pools.trunc_pool(self.build, where, module, x)
        if isinstance(module, nn.AvgPool2d):
            window = module.kernel_size, module.stride, module.padding, module.ceil_mode, module.count_include_pad
            return pools.avg_pool(self.build, x, *window, module.divisor_override)
        if isinstance(module, nn.AdaptiveAvgPool2d | nn.AdaptiveMaxPool2d):
            greatest = isinstance(module, nn.AdaptiveMaxPool2d)
            return pools.adaptive_pool(self.build, x, module.output_size, greatest=greatest)
        if isinstance(module, nn.ConstantPad2d):  # ZeroPad2d is one
            return pools.zero_pad(self.build, x, module.padding, module.value)
        raise ExportError(f"{where}: {type(module).__name__} has no exact integer form here; needed one of {SUPPORTED}")

    def function(self) -> Any:
        """Return the value of a function, method or attribute node."""
        node = self.build.current
        what: Any = str(node.target) if node.op == "call_method" else node.target
        if what in (getattr, operator.getitem, "size", "numel"):
            base: Any
            base, *rest = node.args
            # x.value of a QuantTensor is x; sizes are numbers that only a reshape may read.
            return self.known.get(base) if what is getattr and rest == ["value"] and base in self.known else None
        if what in (operator.add, operator.iadd, torch.add, "add", "add_", "__add__", "__iadd__"):
            given = bound(node, "input", "other", "alpha")
            if given.get("alpha", 1) != 1:
                raise ExportError(f"{node.name}: a scaled addition; needed a plain one")
            return self.build.add([self.value(given.get(name)) for name in ("input", "other")])
        if what in (torch.cat, torch.concat, torch.concatenate):
            given = bound(node, "tensors", "dim")
            return self.build.concat([self.value(a) for a in given["tensors"]], given.get("dim", 0))
        if what in (functional.relu, torch.relu, functional.relu_, torch.relu_, "relu", "relu_"):
            return self.build.relu(self.value(bound(node, "input", "inplace")["input"]))
        if what in (functional.leaky_relu, functional.leaky_relu_):
            given = bound(node, "input", "negative_slope", "inplace")
            return self.leaky_relu(self.value(given["input"]), given.get("negative_slope", 0.01))
        if what in (functional.relu6, functional.hardtanh, torch.clamp, torch.clip, "clamp", "clip", "clamp_", "clip_"):
            limits: tuple[str, ...] = ("input", "min", "max")
            if what is functional.relu6:
                limits = "input", "inplace"
            if what is functional.hardtanh:
                limits = "input", "min_val", "max_val", "inplace"
            given = bound(node, *limits)
            low, high = (given.get(name) for name in ("min", "max")) if len(limits) == 3 else (0, 6)
            if what is functional.hardtanh:
                low, high = given.get("min_val", -1), given.get("max_val", 1)
            return self.clip(self.value(given["input"]), low, high)
        if what in (functional.threshold, torch.threshold):
            raise ExportError(f"{node.name}: threshold has no exact integer form here; needed relu or a quantizer")
        if what in RANDOM:
            names = ("input", "p", "train") if what is torch.dropout else ("input", "p", "training", "inplace")
            given = bound(node, *names)
            on = given.get(names[2], what in RANDOM[:4])
            if on and given.get("p", 0.5) > 0:
                raise ExportError(
                    f"{node.name}: dropout that is on in eval mode too; needed it off: F.dropout(x, p, self.training)"
                )
            return self.known[_node(given["input"])]
        if what in ("contiguous", "clone", "detach", "float", "to", "cpu", "type_as", torch.clone):
            source = node.all_input_nodes[0]
            before, after = (plain(self.build.recorded[(name, "", 0)]) for name in (source.name, node.name))
            if before.dtype != after.dtype:
                raise ExportError(f"{node.name}: it makes {before.dtype} into {after.dtype}; needed float32 throughout")
            return self.known[source]
        if what in (torch.flatten, "flatten", "view", "reshape", torch.reshape, torch.squeeze, "squeeze"):
            return self.flatten(self.value(node.all_input_nodes[0] if node.all_input_nodes else None))
        if what in (functional.max_pool2d, functional.avg_pool2d, torch.max_pool2d) or what in _ADAPTIVE:
            return self.pool(what)
        if what is functional.pad:
            given = bound(node, "input", "pad", "mode", "value")
            if given.get("mode", "constant") != "constant":
                raise ExportError(f"{node.name}: pads by {given['mode']}; needed zeros")
            return pools.zero_pad(self.build, self.value(given["input"]), given["pad"], given.get("value"))
        if what in (torch.mean, "mean", torch.amax, "amax"):
            return self.over_image(greatest=what in (torch.amax, "amax"))
        if what in SOFTMAX_CALLS or what in ("softmax", "log_softmax", "sigmoid"):
            kind = getattr(what, "__name__", str(what))
            raise self.no_softmax(node.name, kind)
        if what in (functional.batch_norm, torch.batch_norm):
            raise ExportError(f"{node.name}: {BATCH_NORM}")
        if any(isinstance(self.known.get(other), Value) for other in node.all_input_nodes):
            kind = getattr(what, "__name__", str(what))
            raise ExportError(
                f"{node.name}: {node.op} {kind} has no exact integer form here; needed one of {SUPPORTED}"
            )
        return None  # arithmetic on sizes

    def value(self, argument: Any) -> Value:
        """Return the value of an argument of the current node."""
        found = self.known.get(argument) if isinstance(argument, fx.Node) else None
        if not isinstance(found, Value):
            raise ExportError(
                f"{self.build.current.name}: it reads {argument}, which is no quantized image; needed one"
            )
        return found

    def clip(self, x: Value, low: Any, high: Any) -> Value:
        """Clip at two numbers, the lower one being 0."""
        if low != 0 or not isinstance(high, int | float | None) or (high is not None and high <= 0):
            raise ExportError(
                f"{self.build.where()}: clips at {low} and {high}; needed 0 and a number above it, as ReLU6 does; a "
                "quantizer clips at its own range"
            )
        return self.build.relu(x, None if high is None or math.isinf(high) else float(high))

    def leaky_relu(self, x: Value, slope: Any) -> Value:
        """LeakyReLU, where its slope is 2^-1 to 2^-15, so that its product is a shift."""
        leak = 1 - math.frexp(slope)[1] if isinstance(slope, float) else 0
        if not 1 <= leak <= MAX_LEAK or slope != 2.0**-leak:
            near = round(-math.log2(slope)) if isinstance(slope, float) and 0 < slope < 1 else 1
            raise ExportError(
                f"{self.build.where()}: negative_slope={slope}; needed 2**-1 to 2**-{MAX_LEAK}, whose product is a "
                f"shift; train with 2**-{min(max(near, 1), MAX_LEAK)}"
            )
        return self.build.rising(x, LeakyReLU(leak))

    def flatten(self, x: Value) -> Value:
        """Whatever changes the shape: nothing, or all of an image to one vector."""
        build = self.build
        source, result = (
            build.recorded[(name, "", 0)] for name in (build.current.all_input_nodes[0].name, build.current.name)
        )
        before, after = tuple(plain(source).shape), tuple(plain(result).shape)
        if before == after:
            return x
        single = len(after) < len(before) and math.prod(before[2:]) == 1  # a pixel has one order, whatever the shape
        if (len(after) == 2 or single) and after[0] == before[0] and math.prod(before) == math.prod(after):
            return build.flatten(x)
        raise ExportError(
            f"{build.where()}: it makes {list(before[1:])} a sample into {list(after[1:])}; needed flatten(1)"
        )

    def no_softmax(self, where: str, kind: str) -> ExportError:
        """The refusal of a softmax or sigmoid: at the end it can be left out, inside a quantizer must do its work."""
        last = all(user.op == "output" for user in self.build.current.users)
        return ExportError(
            f"{where}: {kind} has no exact integer form here; {NO_SOFTMAX if last else f'needed one of {SUPPORTED}'}"
        )

    def over_image(self, greatest: bool) -> Value:
        """The mean over the whole image, or the greatest value in it."""
        node = self.build.current
        given = bound(node, "input", "dim", "keepdim")
        dims = given.get("dim")
        if not isinstance(dims, tuple | list) or sorted(d % 4 for d in dims) != [2, 3]:
            kind = "maximum" if greatest else "mean"
            raise ExportError(f"{node.name}: {kind} over {dims}; needed (2, 3), the whole image")
        keep = given.get("keepdim", False)
        tap = self.build.tap() if keep else None
        x = pools.adaptive_pool(self.build, self.value(given["input"]), 1, greatest=greatest, tap=tap)
        return x if keep else self.build.flatten(x)

    def pool(self, what: Any) -> Value:
        """Pooling called as a function."""
        node, build = self.build.current, self.build
        if what in _ADAPTIVE:
            given = bound(node, "input", "output_size", "return_indices")
            if given.get("return_indices"):
                raise ExportError(f"{node.name}: return_indices=True; needed the pooled image alone; leave it out")
            greatest = what is not functional.adaptive_avg_pool2d
            return pools.adaptive_pool(build, self.value(given["input"]), given.get("output_size"), greatest=greatest)
        if what is functional.avg_pool2d:
            names = "kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override"
        else:
            names = "kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices"
        given = bound(node, "input", *names)
        x, rest = self.value(given.pop("input")), {_SHORT.get(name, name): value for name, value in given.items()}
        return (pools.avg_pool if what is functional.avg_pool2d else pools.max_pool)(build, x, **rest)


_ADAPTIVE = (functional.adaptive_avg_pool2d, functional.adaptive_max_pool2d)
_SHORT = {"kernel_size": "kernel", "divisor_override": "divisor"}

SUPPORTED = (
    "QuantConv2d, QuantLinear, QuantIdentity, QuantReLU, LeakyReLU, QuantEltwiseAdd, QuantCat, +, torch.cat, max and "
    "average pooling, TruncAvgPool2d, ReLU, ReLU6, ZeroPad2d, flatten, Dropout, LIFLayer, Count, Last"
)


def _node(argument: Any) -> fx.Node:
    assert isinstance(argument, fx.Node)
    return argument
