"""The integer simulator: the definition of what every other implementation must compute, at BLAS speed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from .encoders import latency_codes, rate_codes
from .errors import InputError
from .memo import once_per_network
from .network import INPUT, Input, Network, Node
from .ops import Edge, Kernel
from .ops.fusion import fusions
from .result import Result, decide
from .types import AnyArray, IntArray

# Temporaries of one chunk of images; about a last-level cache, so that operators find their input still there.
CHUNK_BYTES = 8 << 20
Sink: TypeAlias = Callable[[str, IntArray, AnyArray], None]
"""Takes an edge's name, the numbers of some images and their codes on it, (n, *image_shape) of the type's dtype."""


@dataclass(frozen=True)
class _Step:
    """A kernel, of one node or of several in a row with the edges `hidden` between them."""

    name: str
    kernel: Kernel
    inputs: tuple[str, ...]
    hidden: frozenset[str]
    scratch: int


@dataclass(frozen=True)
class _Plan:
    """Steps in order, each with the edges that nothing later reads; bytes for an image while they run."""

    steps: tuple[tuple[_Step, tuple[str, ...]], ...]
    bytes_per_image: int


class _Section:
    """A trunk or a branch, ready to run: kernels with their weights in place."""

    def __init__(self, nodes: Sequence[Node], edges: Mapping[str, Edge], outputs: set[str]) -> None:
        self._edges, self._outputs = edges, outputs
        self._given = [name for name in edges if name not in {n.name for n in nodes}]
        self._choices: list[list[_Step]] = []  # by node, what may run from there on: the most nodes first
        self.macs = 0
        for i, node in enumerate(nodes):
            sources, edge = [edges[name] for name in node.inputs], edges[node.name]
            found = []
            for fused in fusions(nodes[i:], edges, outputs):
                *before, last = nodes[i : i + fused.count]
                hidden = frozenset(n.name for n in before)
                found.append(_Step(last.name, fused.kernel, node.inputs, hidden, fused.scratch))
            scratch = node.op.scratch(sources, edge) * (1 if node.op.timed else edge.steps)
            kernel = node.op.batch_kernel(sources, edge)
            self._choices.append([*found, _Step(node.name, kernel, node.inputs, frozenset(), scratch)])
            self.macs += node.op.macs(edge)
        self._hidden = frozenset().union(*(choice[0].hidden for choice in self._choices))
        self._plans: dict[frozenset[str], _Plan] = {}

    def plan(self, wanted: Iterable[str]) -> _Plan:
        """What to run where these edges are asked for."""
        asked = self._hidden.intersection(wanted)
        if asked not in self._plans:
            self._plans[asked] = self._make(asked)
        return self._plans[asked]

    def _make(self, asked: frozenset[str]) -> _Plan:
        steps: list[_Step] = []
        at = 0
        while at < len(self._choices):
            steps.append(next(s for s in self._choices[at] if s.hidden.isdisjoint(asked)))
            at += 1 + len(steps[-1].hidden)
        planned, peak, live = [], 0, set(self._given)
        for i, step in enumerate(steps):
            later = self._outputs.union(*(s.inputs for s in steps[i + 1 :]))
            live.add(step.name)
            held = sum(self._edges[n].image_size * self._edges[n].carrier.itemsize for n in live)
            peak = max(peak, held + step.scratch)
            planned.append((step, tuple(live - later)))
            live &= later
        return _Plan(tuple(planned), peak)


def _run(plan: _Plan, values: dict[str, AnyArray], keep: Callable[[str, AnyArray], None]) -> dict[str, AnyArray]:
    for step, last in plan.steps:
        y = step.kernel(*[values[name] for name in step.inputs])
        values[step.name] = y
        keep(step.name, y)
        for name in last:
            del values[name]
    return values


def _chunk(plans: Sequence[_Plan]) -> int:
    """How many images run at once."""
    return max(1, CHUNK_BYTES // max(plan.bytes_per_image for plan in plans))


class Simulator:
    """The kernels of one network; `run` may be called from several threads."""

    def __init__(self, network: Network) -> None:
        self.network = network
        route = network.route
        outputs = {network.output} | ({route.source} if route else set())
        sections = [
            _Section(nodes, edges, outputs if index is None else {route.output} if route else set())
            for index, nodes, edges in network.sections()
        ]
        self._trunk, self._branches = sections[0], sections[1:]

    def _plans(self, wanted: Iterable[str]) -> list[_Plan]:
        return [section.plan(wanted) for section in (self._trunk, *self._branches)]

    def chunk(self) -> int:
        """How many images run at once where no edges are asked for."""
        return _chunk(self._plans(()))

    def run(
        self,
        images: AnyArray | None = None,
        *,
        codes: AnyArray | None = None,
        edges: Iterable[str] = (),
        sink: Sink | None = None,
        progress: Callable[[int], None] | None = None,
        index: int | IntArray = 0,
    ) -> Result:
        """Run a batch; see `run` of this module."""
        network, route = self.network, self.network.route
        if (images is None) == (codes is None):
            raise InputError("run: needed images or codes, one of them")
        batch = check_images(network.input, images) if images is not None else _check_codes(network.input, codes)
        count = len(batch)
        numbers = image_numbers(count, index)
        wanted = list(dict.fromkeys(edges))
        for name in wanted:
            if name not in network.edges:
                raise InputError(f"run: no edge {str(name)[:80]!r}; this network has {', '.join(network.edges)}")
        types = {n: network.edges[n].type.dtype for n in wanted}
        kept = {n: np.empty((count, *network.edges[n].image_shape), types[n]) for n in wanted if sink is None}
        logits = np.empty((count, network.edges[network.output].size), np.int64)
        branch = np.empty(count, np.int64) if route else None
        fine = np.empty((count, route.capacity), np.int64) if route else None
        macs = np.full(count, self._trunk.macs, np.int64)

        def keeper(rows: slice | IntArray) -> Callable[[str, AnyArray], None]:
            def keep(name: str, y: AnyArray) -> None:
                if name in kept:
                    kept[name][rows] = y
                elif name in types and sink is not None:
                    sink(name, np.arange(count)[rows], y.astype(types[name]))

            return keep

        carrier = network.edges[INPUT].carrier
        trunk, *branches = plans = self._plans(wanted)
        chunk = _chunk(plans)
        for start in range(0, count, chunk):
            rows = slice(start, min(start + chunk, count))
            x = batch[rows]
            x = _look_up(network.input, x, carrier, numbers[rows]) if images is not None else x.astype(carrier)
            keeper(rows)(INPUT, x)
            values = _run(trunk, {INPUT: x}, keeper(rows))
            logits[rows] = values[network.output]
            if route and branch is not None and fine is not None:
                chosen = np.argmax(logits[rows], axis=1)
                branch[rows] = chosen
                for index in np.unique(chosen):
                    inside = np.flatnonzero(chosen == index)
                    source = {route.source: values[route.source][inside]}
                    found = _run(branches[index], source, keeper(start + inside))
                    fine[start + inside] = found[route.output]
                    macs[start + inside] += self._branches[index].macs
            if progress is not None:
                progress(rows.stop)
        labels, scores = decide(network, logits, branch, fine)
        return Result(logits, branch, fine, labels, scores, macs, kept)


def run(
    network: Network,
    images: AnyArray | None = None,
    *,
    codes: AnyArray | None = None,
    edges: Iterable[str] = (),
    sink: Sink | None = None,
    progress: Callable[[int], None] | None = None,
    index: int | IntArray = 0,
) -> Result:
    """Run a batch of images, or of input codes, through the network in exact integer arithmetic.

    `images`: uint8 (N, H, W, C), of events (N, steps, H, W, C), below the table's levels, or floats in [0, 1], which
    become round_half_even((levels - 1) * x); (N, H, W) will do for one channel, (N, C) for one pixel. `codes`: integers
    (N, *image_shape) of the input edge. `edges`: names whose codes to return ("input", nodes, branch nodes); with a
    `sink` it takes them instead, some images of one edge at a time. `progress` is called with the number of images
    done. `index` is the number of the first image in its set, or those of all (N,), from which encoder "rate" draws:
    batches of a set say theirs. Memory beyond the returned arrays does not grow with N.
    Raises InputError for the wrong shape, dtype, range or name.
    """
    # Kept in the network, as its cached properties are: no table of our own would outlive it.
    simulator = vars(network).get("_simulator")
    if simulator is None:
        simulator = vars(network)["_simulator"] = Simulator(network)
    found: Result = simulator.run(images, codes=codes, edges=edges, sink=sink, progress=progress, index=index)
    return found


def input_codes(network_input: Input, images: AnyArray, index: int | IntArray = 0) -> IntArray:
    """Return the input codes (N, *image_shape) of images, in the input type's smallest dtype.

    `index` and what is raised as in `run`.
    """
    checked = check_images(network_input, images)
    numbers = image_numbers(len(checked), index)
    found: IntArray = _look_up(network_input, checked, network_input.type.dtype, numbers)
    return found


def image_numbers(count: int, index: int | IntArray) -> IntArray:
    """The numbers int64 (N,) of `count` images, the first one's or all given; InputError unless each is 0 or more."""
    numbers = np.asarray(index)
    fits = numbers.dtype.kind in "iu" and numbers.shape in ((), (count,)) and not (numbers < 0).any()
    if not fits:
        raise InputError(f"index: {numbers.dtype} {list(numbers.shape)}; needed 0 or more, one or {count} of them")
    found: IntArray = numbers.astype(np.int64) + (np.arange(count) if numbers.ndim == 0 else 0)
    return found


def check_images(network_input: Input, images: AnyArray) -> AnyArray:
    """Return the images as (N, *shape), still uint8 or float; raise InputError for what no table entry exists for."""
    shape, levels, events = network_input.image_shape, network_input.levels, network_input.encoder == "events"
    images = _array("images", images)
    if images.ndim == len(shape) and len(network_input.shape) == 3 and shape[-1] == 1:
        images = images[..., None] if images.shape[1:] == shape[:-1] else images
    if len(shape) == 3 and shape[:2] == (1, 1) and images.shape[1:] == shape[2:]:
        images = images[:, None, None]
    if images.shape[1:] != shape or images.ndim != len(shape) + 1:
        hint = "; add the batch axis: images[None]" if images.shape in (shape, shape[:-1]) else ""
        needed = f"needed (N, {', '.join(map(str, shape))})"
        raise InputError(f"images: shape {list(images.shape)}; {needed}{hint}")
    if images.dtype == np.uint8:
        if levels < 256 and images.size and images.max() >= levels:
            index = tuple(int(i) for i in np.unravel_index(int(np.argmax(images >= levels)), images.shape))
            raise InputError(
                f"images: value {images[index]} at {list(index)}; this network's images have levels 0..{levels - 1}"
            )
    elif images.dtype.kind == "f" and not events:
        bad = ~((images >= 0) & (images <= 1))  # NaN fails both
        if bad.any():
            index = tuple(int(i) for i in np.unravel_index(int(np.argmax(bad)), bad.shape))
            raise InputError(f"images: value {images[index]} at {list(index)}; floats must lie in 0..1")
    else:
        raise InputError(
            f"images: dtype {images.dtype}; needed uint8 0..{levels - 1}{'' if events else ', or floats in 0..1'}"
        )
    return images


def _array(what: str, values: object) -> AnyArray:
    try:
        return np.asarray(values)
    except ValueError:
        raise InputError(f"{what}: lists of unequal lengths; needed an array") from None


def _check_codes(network_input: Input, codes: AnyArray | None) -> AnyArray:
    codes = _array("codes", codes)
    if codes.dtype.kind not in "iu":
        raise InputError(f"codes: dtype {codes.dtype}; needed integers")
    shape = network_input.edge.image_shape
    if codes.shape[1:] != shape or codes.ndim != len(shape) + 1:
        raise InputError(f"codes: shape {list(codes.shape)}; needed (N, {', '.join(map(str, shape))})")
    network_input.type.check("codes", codes, InputError)
    return codes


def _look_up(network_input: Input, images: AnyArray, dtype: np.dtype[np.generic], numbers: IntArray) -> AnyArray:
    """Return the codes of checked images with these numbers."""
    encoder, steps, edge = network_input.encoder, network_input.steps, network_input.edge
    if encoder in ("direct", "events"):
        return _tabled(network_input, images, dtype)
    found = _tabled(network_input, images, np.dtype(np.int32))
    codes = rate_codes(found, steps, network_input.seed, numbers) if encoder == "rate" else latency_codes(found, steps)
    return codes.astype(dtype).reshape(len(images), *edge.image_shape)


@once_per_network
def line_of(network_input: Input) -> tuple[int, int] | None:
    """(start, step) where the code of every value u is start + step * u in all channels, as in most tables."""
    table = network_input.table.astype(np.int64)
    start, step = int(table[0, 0]), int(table[1, 0] - table[0, 0])
    return (start, step) if (table == start + step * np.arange(len(table))[:, None]).all() else None


def _tabled(network_input: Input, images: AnyArray, dtype: np.dtype[np.generic]) -> AnyArray:
    """Return the table's entries for checked images."""
    if images.dtype.kind == "f":
        images = np.rint(images.astype(np.float64) * (network_input.levels - 1)).astype(np.intp)
    line = line_of(network_input)
    if line is not None:  # three times as fast
        start, step = np.array(line).astype(dtype)  # wrapping, as the rest does
        found: AnyArray = images.astype(dtype)
        if step != 1:
            found *= step
        if start != 0:
            found += start
        return found
    table = network_input.table.astype(dtype)
    if table.shape[1] == 1:
        return np.take(table[:, 0], images)
    index = images.astype(np.intp)
    index *= table.shape[1]
    index += np.arange(table.shape[1])
    return np.take(table.ravel(), index)
