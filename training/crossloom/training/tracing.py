"""Traces a Brevitas model at the shapes of a sample, and records what flows through it, quantizer by quantizer."""

from __future__ import annotations

import inspect
import operator
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import torch
from brevitas.nn.quant_layer import QuantWeightBiasInputOutputLayer
from torch import Tensor, fx, nn

from crossloom.sim import ExportError

from .spiking.layers import Count, First, Last, LIFLayer, SpikeInput, Sum

Tap: TypeAlias = tuple[str, str, int]
"""Where a value is seen: name of the graph's node, "" for its result or the name of a quantizer inside, which call."""

QUANTIZERS = ("input_quant", "bias_quant", "output_quant", "act_quant", "trunc_quant", "membrane")
CHANGES = "crossloom_changes"
"""In the `meta` of a node that writes in place: other nodes whose values it changed, and whether as a whole."""


def brevitas_class(module: nn.Module) -> type[nn.Module] | None:
    """Return the nearest class of Brevitas' layers that a module is of, None where it is no such layer."""
    for kind in type(module).__mro__:
        if kind.__module__.startswith("brevitas.") and not kind.__module__.startswith("brevitas.nn.mixin"):
            return kind
    return None


def _forward_of(module: nn.Module) -> type:
    """The class whose forward a module runs."""
    return next(kind for kind in type(module).__mro__ if "forward" in vars(kind))


class DoesNotRun(Exception):
    """What a user's model raised on the sample, as its cause, and the layer or operation where."""

    def refusal(self, what: str, shape: tuple[int, ...]) -> ExportError:
        """Say so of the part `what` of a model, called on an image of `shape`."""
        cause = self.__cause__
        text = next(iter(str(cause).splitlines()), "") or type(cause).__name__
        needed = "a model for images of that shape, (height, width, channels)"
        if "scale required" in text:
            needed = "return_quant_tensor=True in the quantizer before it, or no quantized bias"
        return ExportError(
            f"{what}: it does not run on an image of {list(shape)} ({self}: {text[:300]}); needed {needed}"
        )


class _Shaped(fx.Proxy):
    """A proxy whose sizes are numbers, but for the first axis: the same graph must serve any number of images."""

    tracer: LeafTracer

    def __getattr__(self, k: str) -> Any:
        held = self.tracer.values.get(self.node)
        if held is None:
            return super().__getattr__(k)
        if not hasattr(held, k):
            raise AttributeError(f"{type(held).__name__!r} has no attribute {k!r}")
        tensor = getattr(held, "value", held)
        if isinstance(tensor, Tensor):
            if k == "shape":
                return self._sizes(tensor)
            if k in ("ndim", "dtype", "device"):
                return getattr(tensor, k)
            if k in ("dim", "ndimension"):
                return lambda: tensor.ndim
            if k == "size":
                return partial(self._size, tensor)
            if k == "value":
                return self.tracer.create_proxy("call_function", getattr, (self, "value"), {})
        return super().__getattr__(k)

    def _sizes(self, tensor: Tensor) -> tuple[Any, ...]:
        if tensor.ndim == 0:
            return ()
        return (self.tracer.create_proxy("call_method", "size", (self, 0), {}), *tensor.shape[1:])

    def _size(self, tensor: Tensor, dim: int | None = None) -> Any:
        sizes = self._sizes(tensor)
        return sizes if dim is None else sizes[dim]

    def __iadd__(self, other: Any) -> Any:
        if isinstance(self.tracer.values.get(self.node), Tensor):
            return self.tracer.create_proxy("call_function", operator.iadd, (self, other), {}, name="add")
        return self + other


class LeafTracer(fx.Tracer):
    """A torch.fx tracer that keeps every Brevitas layer whole, and computes along on a `sample` where there is one.

    So it keeps a spiking layer. A subclass of a Brevitas layer is the layer. Where it has a forward of its own, that is
    traced, and what it asks of Brevitas' own forward is one node, of the layer without the subclass: `twins` by path.
    """

    def __init__(self, sample: Any = None) -> None:
        super().__init__()
        self.sample = sample
        self.values: dict[fx.Node, Any] = {}
        self.twins: dict[str, nn.Module] = {}
        self._computing = False

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Return whether `m` is one node of the graph."""
        if isinstance(m, LIFLayer | Count | First | Last | SpikeInput | Sum):
            return True
        return _forward_of(m).__module__.startswith("brevitas.") or super().is_leaf_module(m, module_qualified_name)

    def call_module(self, m: nn.Module, forward: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Make a node of a module, or trace into it; compute what is only computed along."""
        return forward(*args, **kwargs) if self._computing else super().call_module(m, forward, args, kwargs)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, fx.Proxy]) -> Any:
        """Make a node of a parameter that a forward reads."""
        return attr_val if self._computing else super().getattr(attr, attr_val, parameter_proxy_cache)

    def proxy(self, node: fx.Node) -> fx.Proxy:
        """Return the proxy of a node."""
        return _Shaped(node, self)

    def create_proxy(self, kind: str, target: Any, args: Any, kwargs: Any, *more: Any, **named: Any) -> fx.Proxy:
        """Make a node and compute what it stands for; note what it changes in place."""
        proxy = super().create_proxy(kind, target, args, kwargs, *more, **named)
        if self.sample is not None and kind != "output":
            self._compute(proxy.node)
        return proxy

    def to_bool(self, obj: fx.Proxy) -> bool:
        """Decide by the size of a batch as the sample's is; by nothing that a tensor holds."""
        held = self.values.get(obj.node)
        return held if isinstance(held, bool) else super().to_bool(obj)

    def create_args_for_root(self, root_fn: Any, is_module: bool, concrete_args: Any = None) -> Any:
        """Make the image's placeholder; further inputs of a forward keep their defaults."""
        given = list(inspect.signature(root_fn).parameters.values())
        if is_module and len(given) > 2 and all(p.default is not p.empty for p in given[2:]):

            def single(module: nn.Module, x: Any) -> Any:
                return root_fn(module, x)

            return super().create_args_for_root(single, is_module, concrete_args)
        return super().create_args_for_root(root_fn, is_module, concrete_args)

    def _compute(self, node: fx.Node) -> None:
        if node.op == "placeholder":
            first = not any(n.op == "placeholder" for n in self.values)
            if not first:
                raise ExportError(f"model: a second input {str(node.target)!r}; needed one, the image")
            self.values[node] = self.sample
            return
        for other in node.all_input_nodes:
            if other not in self.values:  # a buffer, which torch.fx makes a node of without a proxy
                self._compute(other)
        args, kwargs = fx.node.map_arg((node.args, node.kwargs), lambda n: self.values[n])
        read = [t for t in map(_tensor, (self.values[n] for n in node.all_input_nodes)) if t is not None]
        before = [tensor._version for tensor in read]
        self._computing = True
        try:
            self.values[node] = self._result(node, args, kwargs)
        except Exception as error:  # whatever the user's model raises on a sample of the stated shape
            raise DoesNotRun(str(node.target) if node.op == "call_module" else node.name) from error
        finally:
            self._computing = False
        for tensor, version in zip(read, before, strict=True):
            if tensor._version != version:
                node.meta[CHANGES] = [
                    (other, _place(found) == _place(tensor))
                    for other, found in ((n, _tensor(v)) for n, v in self.values.items() if n is not node)
                    if found is not None and _storage(found) == _storage(tensor)
                ]

    def _result(self, node: fx.Node, args: Any, kwargs: Any) -> Any:
        target: Any = node.target
        if node.op == "call_module":
            module = self.twins.get(target) or self.root.get_submodule(target)
            return module(*args, **kwargs)
        if node.op == "get_attr":
            return operator.attrgetter(target)(self.root)
        return target(*args, **kwargs) if node.op == "call_function" else getattr(args[0], target)(*args[1:], **kwargs)


def _tensor(value: Any) -> Tensor | None:
    value = getattr(value, "value", value)
    return value if isinstance(value, Tensor) else None


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _place(tensor: Tensor) -> tuple[Any, ...]:
    return tensor.shape, tensor.stride(), tensor.storage_offset()


@contextmanager
def _own_forwards(model: nn.Module, tracer: LeafTracer) -> Iterator[None]:
    """While tracing, let a subclass of a Brevitas layer with a forward of its own reach Brevitas' as one node."""
    paths: dict[int, str] = {}
    patched: dict[Any, Any] = {}

    def call(original: Any, module: nn.Module, *args: Any, **kwargs: Any) -> Any:
        if tracer._computing or id(module) not in paths:
            return original(module, *args, **kwargs)
        return tracer.create_proxy("call_module", paths[id(module)], args, kwargs)

    for path, module in model.named_modules():
        base = brevitas_class(module)
        if base is None or _forward_of(module).__module__.startswith("brevitas."):
            continue
        twin = object.__new__(base)
        vars(twin).update(vars(module))
        paths[id(module)], tracer.twins[path] = path, twin
        owner = _forward_of(twin)
        if owner not in patched:
            patched[owner] = vars(owner)["forward"]
    try:
        for owner, original in patched.items():
            owner.forward = lambda m, *a, _original=original, **k: call(_original, m, *a, **k)
        yield
    finally:
        for owner, original in patched.items():
            owner.forward = original


def trace(model: nn.Module, sample: Any = None) -> fx.GraphModule:
    """Return the torch.fx graph of a model with Brevitas layers whole; raise ExportError where it cannot be traced.

    `sample`, a batch that the model reads: sizes are numbers then, and nodes that write in place say so in their
    `meta`. Raises DoesNotRun where the model fails on it.
    """
    tracer = LeafTracer(sample)
    try:
        with _own_forwards(model, tracer):
            graph = tracer.trace(model)
    except (DoesNotRun, ExportError):
        raise
    except Exception as error:  # torch.fx raises several kinds, all of them about the user's forward
        raise ExportError(f"model: torch.fx cannot trace it: {_reason(error)}") from None
    if not tracer.twins:
        return fx.GraphModule(model, graph)
    roots: dict[str, Any] = {}
    for node in graph.nodes:
        path = str(node.target)
        if node.op == "call_module":
            roots[path] = tracer.twins.get(path) or model.get_submodule(path)
        elif node.op == "get_attr":
            roots[path] = operator.attrgetter(path)(model)
    return fx.GraphModule(roots, graph)


_REMEDIES = (
    ("cannot be iterated", "it iterates over a tensor", "needed operations on the whole batch"),
    ("control flow", "it branches on the values of a tensor", "needed one path for every image: decide by sizes"),
    ("'len' is not", "it asks for the length of a batch", "needed a forward for any number of images: use x.shape"),
    (
        "not installed as a submodule",
        "it calls a layer that is not registered",
        "assign it in __init__, in a ModuleList",
    ),
    ("positional argument", "its forward takes more than the image", "needed one input: wrap it in a module with one"),
)


def _reason(error: Exception) -> str:
    """What keeps a forward from being traced, where, and what to do."""
    text = next(iter(str(error).splitlines()), "") or type(error).__name__
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not _library(f.filename)]
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    for words, found, needed in _REMEDIES:
        if words in text:
            return f"{found}{place} ({text[:120]}); {needed}"
    return f"its forward fails{place} ({type(error).__name__}: {text[:160]}); needed one of torch operations alone"


def _library(filename: str) -> bool:
    parts = Path(filename).parts
    return "torch" in parts or "brevitas" in parts or Path(filename) == Path(__file__)


class Recorder(fx.Interpreter):
    """Runs a traced model and keeps copies of the values at the wanted taps, or at all of them.

    `exact`: convolutions and dense layers add in float64, for sums that float32 does not carry.
    """

    def __init__(self, traced: fx.GraphModule, wanted: set[Tap] | None = None, exact: bool = False) -> None:
        super().__init__(traced)
        self.wanted, self.exact = wanted, exact
        self.seen: dict[Tap, Any] = {}
        self.result: Any = None
        self._calls: dict[str, int] = {}

    def record(self, values: Any) -> dict[Tap, Any]:
        """Run float32 images (N, C, H, W), or what a part of a network reads; `result` is what the model returned.

        Returns what was seen, QuantTensors and tensors as they come.
        """
        self.seen = {}
        with torch.no_grad():
            self.result = self.run(copied(values))  # a model may write in place
        return self.seen

    def run_node(self, n: fx.Node) -> Any:
        """Run one node, listening to the quantizers inside it."""
        handles = []
        module = self.module.get_submodule(str(n.target)) if n.op == "call_module" else None
        if module is not None:
            self._calls = {}
            for name in QUANTIZERS:
                quantizer = getattr(module, name, None)
                if isinstance(quantizer, nn.Module):
                    handles.append(quantizer.register_forward_hook(self._listener(n.name, name)))
        widened = self.exact and isinstance(module, QuantWeightBiasInputOutputLayer)
        if widened:
            own = vars(module).get("inner_forward_impl")
            vars(module)["inner_forward_impl"] = partial(_in_float64, module)
        try:
            result = super().run_node(n)
        finally:
            for handle in handles:
                handle.remove()
            if widened:
                del vars(module)["inner_forward_impl"]
                if own is not None:
                    vars(module)["inner_forward_impl"] = own
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
            self.seen[tap] = copied(value)


def _in_float64(module: Any, x: Any, weight: Any, bias: Any) -> Any:
    """Brevitas' product of a layer, of the same quantized values in float64."""
    wide = [None if v is None else plain(v).double() for v in (x, weight, bias)]
    result: Tensor = type(module).inner_forward_impl(module, *wide)
    if not module.return_quant_tensor:
        return result
    narrow = x._replace(value=x.value.float())
    return type(module).inner_forward_impl(module, narrow, weight, bias)._replace(value=result)


def random_node(traced: fx.GraphModule, values: Any) -> str | None:
    """Return what answers otherwise when a traced model is run twice on the same values; None where nothing does."""
    runs: list[Mapping[Tap, Any]] = [Recorder(traced).record(values) for _ in range(2)]
    for tap, first in runs[0].items():
        a, b = _tensor(first), _tensor(runs[1][tap])
        if a is not None and b is not None and not torch.equal(a.nan_to_num(), b.nan_to_num()):
            node = next(n for n in traced.graph.nodes if n.name == tap[0])
            return str(node.target) if node.op == "call_module" else node.name
    return None


def copied(value: Any) -> Any:
    """Return a QuantTensor or tensor with values of its own; anything else as it is."""
    if hasattr(value, "_replace") and isinstance(getattr(value, "value", None), Tensor):
        return value._replace(value=value.value.clone())
    return value.clone() if isinstance(value, Tensor) else value


def plain(value: Any) -> Tensor:
    """Return the float values of a QuantTensor or tensor."""
    tensor = value.value if hasattr(value, "value") else value
    assert isinstance(tensor, Tensor)
    return tensor.detach()
