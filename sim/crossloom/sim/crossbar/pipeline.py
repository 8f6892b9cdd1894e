"""Whole networks on arrays: every Dense and Conv2d read through them, everything else in exact integers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, replace

import numpy as np

from ..errors import InputError
from ..network import Branch, Network, Node, Route
from ..ops import Edge, Kernel, Linear
from ..simulator import run
from ..types import AnyArray, IntArray
from .layer import ArrayLayer, LayerPlan, build_layer, plan_layer
from .spec import ArraySpec, Physics


def _on_arrays(op: Linear, layer: ArrayLayer) -> Linear:
    """The operator with a kernel that reads arrays; its type, bounds and structure stay."""

    def kernel(inputs: Sequence[Edge], output: Edge) -> Kernel:
        return layer.accumulate

    made = copy(op)
    object.__setattr__(made, "kernel", kernel)  # no field: the banks of a route may differ in it
    return made


@dataclass(frozen=True, eq=False)
class NetworkPlan:
    """A network's layers, cut and ordered, by (branch or None, node); `calibrated` images were looked at."""

    network: Network
    spec: ArraySpec
    layers: dict[tuple[int | None, str], LayerPlan]
    calibrated: int

    @property
    def arrays(self) -> int:
        """How many arrays the network takes, all branches included."""
        return sum(plan.arrays for plan in self.layers.values())


@dataclass(frozen=True, eq=False)
class ArrayNetwork:
    """A network on arrays. `network` runs in `crossloom.sim.run` as any other does, physical estimates included.

    Its Dense and Conv2d nodes are bound to their arrays: it can be run, not saved.
    """

    plan: NetworkPlan
    network: Network
    layers: dict[tuple[int | None, str], ArrayLayer]

    def clipped(self) -> dict[str, float]:
        """Share of the conversions so far that clipped, of each layer that clipped more than `spec.clip_share`."""
        found = {layer.plan.where: layer.conversions.share for layer in self.layers.values()}
        return {where: share for where, share in found.items() if share > self.plan.spec.clip_share}

    @property
    def solutions(self) -> tuple[int, int]:
        """Vectors that non-linear cells were solved for so far, and how many of them by Newton's method."""
        counts = [layer.conversions for layer in self.layers.values()]
        return sum(c.solved for c in counts), sum(c.newton for c in counts)

    @property
    def conversions(self) -> tuple[int, int]:
        """Conversions so far, and how many of them clipped."""
        counts = [layer.conversions for layer in self.layers.values()]
        return sum(c.total for c in counts), sum(c.clipped for c in counts)


def _mapped(network: Network) -> Iterator[tuple[int | None, Node, Edge, Edge]]:
    for index, nodes, edges in network.sections():
        for node in nodes:
            if isinstance(node.op, Linear):
                yield index, node, edges[node.inputs[0]], edges[node.name]


def layer_inputs(network: Network, images: AnyArray) -> dict[tuple[int | None, str], IntArray]:
    """Return what each Dense and Conv2d reads in exact arithmetic, codes (n, *shape) by (branch or None, node).

    A branch's layers read the images that are routed to it; where there are none, those of the other branches.
    """
    layers = list(_mapped(network))
    found = run(network, images, edges={node.inputs[0] for _, node, _, _ in layers})
    codes = {}
    for index, node, _, _ in layers:
        seen = found.edges[node.inputs[0]]
        own = found.branch == index
        codes[index, node.name] = seen[own] if index is not None and np.any(own) else seen
    return codes


def check_untimed(network: Network) -> None:
    """Raise InputError for a network with time steps, which arrays do not read."""
    if network.timed:
        needed = 'needed a network without; run this one with device "integer", "hls-native" or "rtl"'
        raise InputError(f"{network.name}: {network.timed}: arrays do not read time steps yet; {needed}")


def plan_network(
    network: Network,
    spec: ArraySpec,
    images: AnyArray | None = None,
    *,
    columns: bool = False,
    samples: bool = False,
) -> NetworkPlan:
    """Cut every Dense and Conv2d into arrays; `images` (N, H, W, C) calibrate where `spec` or `samples` asks for it.

    Layers are calibrated with what `layer_inputs` says that they read. `columns` and `samples` as in `plan_layer`.
    Raises InputError for missing images, for cells that do not fit, and for a network with time steps.
    """
    check_untimed(network)
    measured = (spec.calibrates or samples) and images is not None and len(images) > 0
    codes = layer_inputs(network, images) if measured and images is not None else {}
    layers = {}
    for index, node, x, y in _mapped(network):
        assert isinstance(node.op, Linear)
        where = node.name
        if index is not None and network.route is not None:
            where = f"{network.route.branches[index].name}/{node.name}"
        seen = codes.get((index, node.name))
        layers[index, node.name] = plan_layer(where, node.op, (x, y), spec, seen, columns=columns, samples=samples)
    return NetworkPlan(network, spec, layers, len(images) if measured and images is not None else 0)


def build_network(plan: NetworkPlan, physics: Physics | None = None) -> ArrayNetwork:
    """Program every array and set it up; None is cells without physics.

    All that is random follows from `physics.seed` and the layer's place in the network. Raises InputError for cells
    that the device does not offer, MissingExtraError in voltage mode without scipy.
    """
    seed = physics.seed if physics is not None else 0
    layers = {
        key: build_layer(layer, physics, np.random.default_rng([seed, place]))
        for place, (key, layer) in enumerate(plan.layers.items())
    }
    return bind(plan, layers)


def bind(plan: NetworkPlan, layers: dict[tuple[int | None, str], ArrayLayer]) -> ArrayNetwork:
    """Return the plan's network with these layers in their places."""

    def bound(index: int | None, nodes: tuple[Node, ...]) -> tuple[Node, ...]:
        found = []
        for node in nodes:
            layer = layers.get((index, node.name))
            if layer is None:
                found.append(node)
            else:
                found.append(Node(node.name, _on_arrays(layer.plan.op, layer), node.inputs))
        return tuple(found)

    network, route = plan.network, plan.network.route
    if route is not None:
        branches = tuple(Branch(b.name, b.classes, bound(i, b.nodes)) for i, b in enumerate(route.branches))
        route = Route(route.source, route.output, route.capacity, branches)
    return ArrayNetwork(plan, replace(network, nodes=bound(None, network.nodes), route=route), layers)


def correct(network: Network, images: AnyArray, labels: IntArray, progress: Callable[[int], None] | None = None) -> int:
    """Return how many images get their label; `progress` is told the number of images done."""
    return int(np.count_nonzero(run(network, images, progress=progress).labels == labels))
