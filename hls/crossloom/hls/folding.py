"""How many products each layer of the native flow does in a cycle, chosen for the PYNQ-Z2, and what that takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from crossloom.sim.network import INPUT, Network

from .ops import NATIVE, Fold
from .ops.base import WIDE_LANES, Site, divisors

# What the chip has beyond these is for line buffers, requantisation, AXI and the router.
DSP_BUDGET = 200
LUT_BUDGET = 20_000
RESULT = "(result)"  # the process that writes the answer, called like no node


@dataclass(frozen=True)
class Folding:
    """A choice for a whole network and its estimates, none of them measured.

    `folds` by layer with products; `lanes`: codes side by side on each edge; `cycles`: clock cycles of each process
    for one image, `interval` the greatest of them; `dsp` and `lut` are those of the multipliers alone.
    """

    folds: Mapping[str, Fold]
    lanes: Mapping[str, int]
    cycles: Mapping[str, int]
    dsp: int
    lut: int
    origin: str = "estimated"

    @property
    def interval(self) -> int:
        """Cycles between images, when nothing outside waits."""
        return max(self.cycles.values())

    @property
    def slowest(self) -> str:
        """The process that sets the interval, the first of equals."""
        return max(self.cycles, key=lambda name: self.cycles[name])


def choose_folding(network: Network, dsp: int = DSP_BUDGET, lut: int = LUT_BUDGET) -> Folding:
    """Give multipliers to the slowest layer, again and again, until it has no use for more or the budget is spent.

    The same network gives the same folding. A single product a cycle is always granted.
    """
    steps = fold_steps(network)
    at = dict.fromkeys(steps, 0)
    found = estimate_folding(network, {name: steps[name][0] for name in steps})
    while found.slowest in steps:
        # Past steps that change nothing, such as inputs that do not divide the lanes of a Dense layer's source.
        for step in range(at[found.slowest] + 1, len(steps[found.slowest])):
            tried = estimate_folding(
                network, {name: steps[name][step if name == found.slowest else at[name]] for name in steps}
            )
            if tried.cycles[found.slowest] < found.cycles[found.slowest]:
                break
        else:
            break
        if tried.dsp > dsp or tried.lut > lut:
            break
        at[found.slowest], found = step, tried
    return found


def fold_steps(network: Network) -> dict[str, list[Fold]]:
    """For each layer with products what it can do in a cycle, from one product on, in the order of `choose_folding`."""
    found = {node.name: NATIVE[node.op.kind].folds(node.op) for node in network.producers.values()}
    return {name: steps for name, steps in found.items() if steps}


def estimate_folding(network: Network, wanted: Mapping[str, Fold]) -> Folding:
    """Lanes, cycles and multipliers that follow from one of the steps of each layer.

    A Dense layer takes no more inputs at once than its stream brings side by side.
    """
    edges = network.edges
    lanes = {INPUT: max(d for d in divisors(edges[INPUT].channels) if d <= WIDE_LANES)}
    cycles = {INPUT: edges[INPUT].image_size}
    folds, dsp, lut = {}, 0, 0
    for node in network.producers.values():
        inputs, arriving = tuple(edges[name] for name in node.inputs), tuple(lanes[name] for name in node.inputs)
        site = Site(node.name, node.op, inputs, edges[node.name], arriving)
        found = NATIVE[node.op.kind].estimate(site, wanted.get(node.name, Fold()))
        lanes[node.name] = found.lanes
        cycles[node.name] = found.cycles * (1 if node.op.timed else site.edge.steps)
        if found.fold is not None:
            folds[node.name] = found.fold
        dsp, lut = dsp + found.dsp, lut + found.lut
    cycles[RESULT] = sum(edges[name].size for name in _outputs(network)) * 2
    return Folding(MappingProxyType(folds), MappingProxyType(lanes), MappingProxyType(cycles), dsp, lut)


def _outputs(network: Network) -> list[str]:
    return [network.output, *([network.route.output] if network.route else [])]
