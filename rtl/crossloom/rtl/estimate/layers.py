"""What each layer takes of the engine: its sweeps put together, cycles and use of the multipliers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

from crossloom.sim import cost

from ..compiler.program import Program
from ..compiler.words import Kind
from .cycles import image_cycles


@dataclass(frozen=True)
class Layer:
    """One pass over an image: all its sweeps, from the array's first cycle on it to the last one.

    `name` is the edge that it ends in; `source` the operator's own, which differs where a quantizer follows; `kind`
    what becomes of the sums. `multipliers` is what the array has, 0 for maxima; `products` those of the network, for
    one image; `taps` array cycles between cycles `first` and `last`. `bits` of a result, `weight_bits` 0 without
    weights. `banked`: a layer of a branch.
    """

    name: str
    source: str
    operator: str
    kind: Kind
    banked: bool
    multipliers: int
    products: int
    bits: int
    weight_bits: int
    taps: int
    first: int
    last: int

    @property
    def cycles(self) -> int:
        """From the first to the last array cycle, both counted."""
        return self.last - self.first + 1

    @property
    def busy(self) -> float:
        """The share of its cycles in which the array works."""
        return self.taps / self.cycles

    @property
    def used(self) -> float:
        """The share of the array's products in those cycles that are the network's own, not padding or zeros."""
        return self.products / (self.multipliers * self.cycles) if self.multipliers else 0.0


def layers_of(program: Program, sweeps: Iterable[tuple[int, int, int]]) -> list[Layer]:
    """The layers of a program from array cycles, first and last cycle of each sweep, modelled or measured."""
    counted = {layer.name: layer for layer in cost(program.network).layers}
    array = program.folding.rows * program.folding.cols * program.folding.pix
    found = []
    for _, group in groupby(zip(program.passes, sweeps, strict=True), key=lambda pair: id(pair[0])):
        members = list(group)
        entry, spans = members[0][0], [tuple(int(x) for x in span) for _, span in members]
        source = counted[entry.raw or entry.codes or entry.name]
        result = counted[entry.codes or entry.name]
        found.append(
            Layer(
                name=entry.name,
                source=source.name,
                operator=source.op,
                kind=entry.kind,
                banked=entry.banked,
                multipliers=0 if entry.kind is Kind.POOL else array,
                products=source.macs,
                bits=result.bits,
                weight_bits=source.weight_bits,
                taps=sum(span[0] for span in spans),
                first=spans[0][1],
                last=spans[-1][2],
            )
        )
    return found


def model_layers(program: Program, branch: int = 0) -> list[Layer]:
    """The layers of an image that takes `branch`, as the cycle model has them."""
    return layers_of(program, ((s.taps, s.first, s.last) for s in image_cycles(program, branch).sweeps))
