"""How many products each layer of the native flow does in a cycle, chosen for the PYNQ-Z2, and what that takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import gcd, prod
from types import MappingProxyType

from crossloom.sim.network import INPUT, Network, Node
from crossloom.sim.ops import Add, Concat, Conv2d, Dense, MaxPool, SumPool

# What the chip has beyond these is for line buffers, requantisation, AXI and the router.
DSP_BUDGET = 200
LUT_BUDGET = 20_000
# A 4 by 4 bit product with its adder takes 40 to 49 LUT in Yosys; above this many bit products a DSP is used.
LUT_PER_BIT_PRODUCT = 2.8
MAX_LUT_BIT_PRODUCTS = 20
# Output channels side by side: so many before input codes are, so many at most. A stream's width is registers in every
# kernel that it passes.
WIDE_LANES, MAX_LANES = 16, 64


@dataclass(frozen=True)
class Fold:
    """`outputs` x `inputs` products a cycle."""

    outputs: int = 1
    inputs: int = 1

    @property
    def products(self) -> int:
        """Multipliers."""
        return self.outputs * self.inputs


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


def _nodes(network: Network) -> list[Node]:
    return [*network.nodes, *(network.route.branches[0].nodes if network.route else ())]


def fold_steps(network: Network) -> dict[str, list[Fold]]:
    """For each layer with products what it can do in a cycle, from one product on, in the order of `choose_folding`."""
    return {node.name: _steps(node.op) for node in _nodes(network) if isinstance(node.op, Conv2d | Dense)}


def _divisors(n: int) -> list[int]:
    return [d for d in range(1, n + 1) if n % d == 0]


def _steps(op: Conv2d | Dense) -> list[Fold]:
    groups = op.groups if isinstance(op, Conv2d) else 1
    outputs = len(op.weight) // groups
    inputs = op.weight.shape[-1]
    first = [d for d in _divisors(outputs) if d <= WIDE_LANES]
    found = [Fold(o) for o in first]
    found += [Fold(first[-1], i) for i in _divisors(inputs)[1:]]
    # Wider still: the rest of a group, then several groups side by side, each with all its inputs.
    found += [Fold(o, inputs) for o in _divisors(outputs) if o > first[-1]]
    found += [Fold(outputs * g, inputs) for g in _divisors(groups)[1:]]
    return [fold for fold in found if fold.outputs <= MAX_LANES]


def estimate_folding(network: Network, wanted: Mapping[str, Fold]) -> Folding:
    """Lanes, cycles and multipliers that follow from one of the steps of each layer.

    A Dense layer takes no more inputs at once than its stream brings side by side.
    """
    edges = network.edges
    lanes = {INPUT: max(d for d in _divisors(edges[INPUT].channels) if d <= WIDE_LANES)}
    cycles = {INPUT: edges[INPUT].size}
    folds, dsp, lut = {}, 0, 0
    for node in _nodes(network):
        op, sources, edge = node.op, [edges[name] for name in node.inputs], edges[node.name]
        arriving = [lanes[name] for name in node.inputs]
        elements = sources[0].size // arriving[0]
        lanes[node.name] = gcd(*arriving)
        if isinstance(op, Conv2d | Dense):
            fold = wanted[node.name]
            if isinstance(op, Dense):
                fold = Fold(fold.outputs, gcd(fold.inputs, arriving[0]))
            folds[node.name], lanes[node.name] = fold, fold.outputs
            pixels = edge.size // len(op.weight)
            products = pixels * op.weight.size // fold.products
            # A convolution reads a row, then computes one; a Dense layer multiplies while it reads, then writes.
            cycles[node.name] = products + (elements if isinstance(op, Conv2d) else edge.size // fold.outputs)
            x, w = sources[0].type.bits, op.weight_type.bits
            if x * w <= MAX_LUT_BIT_PRODUCTS:
                lut += int(fold.products * x * w * LUT_PER_BIT_PRODUCT)
            else:
                dsp += fold.products * -(-min(x, w) // 18) * -(-max(x, w) // 25)
        elif isinstance(op, MaxPool | SumPool):
            cycles[node.name] = elements + edge.size // arriving[0] * prod(op.kernel_size)
        elif isinstance(op, Add | Concat):
            cycles[node.name] = edge.size // lanes[node.name]
        else:
            cycles[node.name] = elements
    cycles["result"] = sum(edges[name].size for name in _outputs(network)) * 2
    return Folding(MappingProxyType(folds), MappingProxyType(lanes), MappingProxyType(cycles), dsp, lut)


def _outputs(network: Network) -> list[str]:
    return [network.output, *([network.route.output] if network.route else [])]
