"""From the nodes and edges of a NIR file to a chain of layers: order by the edges, shapes by our own arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np

from crossloom.sim import ForeignError
from crossloom.sim.text import printable
from crossloom.sim.types import AnyArray

from ..geometry import convolution_pads
from .chain import Chain, Flat, Layer, Pool, Reals, Weights, reals
from .nir_dialects import Unsaid, assumptions, check_dialect, dialect_step, neuron_of
from .nir_file import NirFile
from .shapes import after, wide_kernel

NEURONS = ("LIF", "IF", "CubaLIF")


def ordered(file: NirFile) -> list[str]:
    """Return the names of the nodes from Input to Output, along the edges.

    Raises ForeignError for a graph that is no chain: several inputs or outputs, branches, cycles, nodes apart.
    """
    ends: dict[str, list[str]] = {"Input": [], "Output": []}
    for name, node in file.nodes.items():
        if node["type"] in ends:
            ends[node["type"]].append(name)
    for kind, names in ends.items():
        if len(names) != 1:
            raise ForeignError(f"graph: {len(names)} {kind} nodes; needed one")
    following: dict[str, list[str]] = {name: [] for name in file.nodes}
    before: dict[str, list[str]] = {name: [] for name in file.nodes}
    for a, b in file.edges:
        for name in (a, b):
            if name not in following:
                raise ForeignError(f"graph: an edge to {_said(name)}, which is no node; needed edges between nodes")
        following[a].append(b)
        before[b].append(a)
    _refuse_cycle(following)
    (first,), (last,) = ends["Input"], ends["Output"]
    for name, found in (*following.items(), *before.items()):
        if len(found) > 1:
            listed = ", ".join(_said(other) for other in found[:4])
            raise ForeignError(f"node {_said(name)}: {len(found)} edges ({listed}); needed a chain: one in and one out")
    chain, name = [first], first
    while following[name]:
        name = following[name][0]
        chain.append(name)
    if name != last:
        raise ForeignError(f"node {_said(name)}: nothing follows it; needed a way to the Output")
    apart = [name for name in file.nodes if name not in chain]
    if apart:
        raise ForeignError(f"node {_said(apart[0])}: not on the way from Input to Output; needed one chain")
    return chain


def _refuse_cycle(following: Mapping[str, list[str]]) -> None:
    """Raise ForeignError naming the nodes of a cycle."""
    done: set[str] = set()
    for start in following:
        path: list[str] = []
        pending = [(start, 0)]
        while pending:
            name, depth = pending.pop()
            del path[depth:]
            if name in path:
                shown = " -> ".join(_said(n) for n in [*path[path.index(name) :], name][:8])
                raise ForeignError(
                    f"graph: a cycle, {shown}; no operator carries one; needed a network that runs forward"
                )
            if name in done and depth:
                continue
            path.append(name)
            done.add(name)
            pending += [(other, depth + 1) for other in following[name]]


def _said(name: str) -> str:
    return repr(printable(name))


def chain_of(file: NirFile, writer: str, step: float | None, shape: tuple[int, ...] | None, unsaid: Unsaid) -> Chain:
    """Return the layers of a file of `writer`, whose steps are `step` seconds, on images (H, W, C) or (C,) features.

    `shape` in the place of the file's. Raises ForeignError naming the node that cannot be carried over.
    """
    check_dialect(file, writer, unsaid)
    names = ordered(file)
    seconds = dialect_step(writer) if step is None else step
    if not (seconds > 0 and np.isfinite(seconds)):
        raise ForeignError(f"--step {seconds}: needed seconds above 0")
    given = _input_shape(file.nodes[names[0]], shape)
    layers: list[Layer] = []
    current = given
    for name in names[1:-1]:
        node, where, plain = file.nodes[name], f"node {_said(name)}", printable(name)
        kind = node["type"]
        if kind in NEURONS:
            layer: Layer = neuron_of(plain, node, writer, seconds, unsaid)
        elif kind in _LAYERS:
            layer = replace(_LAYERS[kind](where, node, current), name=plain)
        else:
            known = ", ".join((*_LAYERS, *NEURONS))
            hint = " (a recurrent layer is one)" if kind == "NIRGraph" else ""
            raise ForeignError(f"{where}: a {printable(kind)[:40]}{hint} has no integer form; known are {known}")
        current = after(layer, current)
        layers.append(layer)
    if not layers:
        raise ForeignError("graph: nothing between Input and Output; needed layers")
    return Chain(writer, given, tuple(layers), assumptions(writer, unsaid))


def _input_shape(node: Mapping[str, Any], given: tuple[int, ...] | None) -> tuple[int, ...]:
    """The shape of an image (H, W, C) or of features (C,): `given`, which must fit, or the file's."""
    found = np.asarray(node["shape"]).reshape(-1) if "shape" in node else np.zeros(0)
    shape = [int(n) for n in found.tolist()] if found.dtype.kind in "iuf" else []
    if len(shape) in (2, 4) and shape[0] == 1:  # a batch of one, as norse writes it
        shape = shape[1:]
    if len(shape) not in (1, 3) or min(shape) < 1:
        if given is None:
            raise ForeignError(
                "graph: its Input has no shape of an image or of features; needed one; give it by --input"
            )
        return given
    own = (shape[0],) if len(shape) == 1 else (shape[1], shape[2], shape[0])
    if given is None:
        return own
    if given != own and not (len(own) == 1 and own[0] == int(np.prod(given))):
        said = " x ".join(map(str, own))
        raise ForeignError(
            f"--input {' x '.join(map(str, given))}: the file's Input is {said}; give that, or leave it out"
        )
    return given


def _numbers(where: str, node: Mapping[str, Any], what: str) -> Reals:
    if what not in node or isinstance(node[what], dict | str):
        raise ForeignError(f"{where}: a {node['type']} without {what}; needed it; write the file again")
    return reals(where, node[what], what)


def _affine(where: str, node: Mapping[str, Any], shape: tuple[int, ...]) -> Layer:
    weight = _numbers(where, node, "weight")
    if weight.ndim != 2 or 0 in weight.shape:
        raise ForeignError(f"{where}: weights of shape {list(weight.shape)}; needed (out, in)")
    bias = _numbers(where, node, "bias") if node["type"] == "Affine" else np.zeros(len(weight))
    if bias.shape != (len(weight),):
        raise ForeignError(f"{where}: biases of shape {list(bias.shape)}; needed [{len(weight)}]")
    return Weights(where, weight, bias)


def _conv(where: str, node: Mapping[str, Any], shape: tuple[int, ...]) -> Layer:
    weight = _numbers(where, node, "weight")
    if weight.ndim != 4 or 0 in weight.shape:
        raise ForeignError(f"{where}: weights of shape {list(weight.shape)}; needed (out, in / groups, height, width)")
    bias = _numbers(where, node, "bias") if "bias" in node else np.zeros(len(weight))
    if bias.shape != (len(weight),):
        raise ForeignError(f"{where}: biases of shape {list(bias.shape)}; needed [{len(weight)}]")
    stride, dilation = (_pair(where, node, what, 1, {"dilation": 1}) for what in ("stride", "dilation"))
    groups = _whole(where, node, "groups", 1)
    if max((n - 1) * d for n, d in zip(weight.shape[2:], dilation, strict=True)) > 254:
        raise ForeignError(f"{where}: kernel {list(weight.shape[2:])} at dilation {list(dilation)}; at most 255 x 255")
    weight = wide_kernel(weight, dilation)
    padding = node.get("padding", np.zeros(2, np.int64))
    if isinstance(padding, str) and (padding not in ("same", "valid") or (padding == "same" and stride != (1, 1))):
        found = f"padding {printable(padding)[:20]!r} at stride {list(stride)}"
        raise ForeignError(f"{where}: {found}; needed numbers, 'valid', or 'same' at stride 1")
    given = padding if isinstance(padding, str) else _pair(where, {**node, "padding": padding}, "padding", 0)
    # Of a stride of 1, as 'same' needs it, the size of the image does not matter.
    pad = convolution_pads(SimpleNamespace(padding=given), (weight.shape[2], weight.shape[3]), (0, 0))
    own: AnyArray = np.asarray(node.get("input_shape", ())).reshape(-1)
    if own.dtype.kind in "iuf" and len(own) == 2 and own.tolist() != list(shape[:2]):
        found = f"its input_shape is {own.tolist()}, what reaches it is {list(shape[:2])}"
        raise ForeignError(f"{where}: {found}; needed the same")
    return Weights(where, weight, bias, stride, pad, groups)


def _pool(where: str, node: Mapping[str, Any], shape: tuple[int, ...]) -> Layer:
    if _pair(where, node, "padding", 0, {"padding": 0}) != (0, 0):
        raise ForeignError(f"{where}: a padded {node['type']}; needed none")
    kernel = _pair(where, node, "kernel_size", 1)
    return Pool(where, "sum" if node["type"] == "SumPool2d" else "avg", kernel, _pair(where, node, "stride", 1))


def _pair(
    where: str, node: Mapping[str, Any], what: str, least: int, defaults: Mapping[str, int] | None = None
) -> tuple[int, int]:
    """Two integers, height and width, of a node that may have one for both."""
    value = node.get(what, (defaults or {}).get(what))
    found: AnyArray = np.asarray(value).reshape(-1)
    if value is None or found.dtype.kind not in "iuf" or len(found) not in (1, 2):
        raise ForeignError(f"{where}: {what} is missing or no pair; needed one for height and width")
    whole = [int(n) for n in found.tolist() if np.isfinite(n)]
    if len(whole) != len(found) or (found != whole).any() or min(whole) < least or max(whole) > 255:
        raise ForeignError(f"{where}: {what} {found.tolist()}; needed integers from {least} to 255")
    return whole[0], whole[-1]


def _flatten(where: str, node: Mapping[str, Any], shape: tuple[int, ...]) -> Layer:
    start, end = _whole(where, node, "start_dim", 0), _whole(where, node, "end_dim", -1)
    axes = len(shape)
    if start % axes != 0 or end % axes != axes - 1:
        raise ForeignError(f"{where}: flattens axes {start} to {end} of {axes}; needed all of them: 0 to -1")
    return Flat(where)


def _whole(where: str, node: Mapping[str, Any], what: str, default: int) -> int:
    """One integer of a node."""
    found: AnyArray = np.asarray(node.get(what, default)).reshape(-1)
    if found.dtype.kind not in "iu" or len(found) != 1 or abs(int(found[0])) > 1 << 20:
        raise ForeignError(f"{where}: {what} is no integer; needed one; write the file again")
    return int(found[0])


_LAYERS: dict[str, Callable[[str, Mapping[str, Any], tuple[int, ...]], Layer]] = {
    "Affine": _affine,
    "Linear": _affine,
    "Conv2d": _conv,
    "SumPool2d": _pool,
    "AvgPool2d": _pool,
    "Flatten": _flatten,
}
