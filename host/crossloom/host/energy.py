"""An estimate of what an image costs in energy, from published figures of single operations; nothing is measured here.

Counted for a spiking network: an addition and a read of the weight for each synaptic operation; products where a layer
reads other codes than spikes; three additions, a read and a write of the membrane for each neuron and step. For the CNN
of the same shapes: a product, an addition and a read of the weight for each multiply-accumulate of one step, its codes
being as wide as its weights. Every operation fetches its weight from memory: a machine that keeps weights in registers
fetches fewer. Left out in both: moving codes, control, clock, leakage, and what comes and goes off chip.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from crossloom.sim import Network, cost

SOURCE = "M. Horowitz, Computing's energy problem (and what we can do about it), ISSCC 2014, figure 1.1.9: 45 nm, 0.9 V"
ADD = {8: 0.03, 32: 0.1}
"""pJ of an integer addition by its bits; a line between them, in proportion to the bits below."""
MULTIPLY = {8: 0.2, 32: 3.1}
"""pJ of an integer product by the bits of both factors; in proportion to the product of the bits from 8 x 8 (32 x 32
comes out at 3.2)."""
MEMORY = {8 << 13: 10.0, 32 << 13: 20.0, 1024 << 13: 100.0}
"""pJ of an access to 64 bits by the bits of the memory (8 KiB, 32 KiB, 1 MiB), read or written."""
WORD = 64
PER_NEURON = 3  # additions a step: the leak's, the input's, and the comparison's or the reset's


def add_pj(bits: int) -> float:
    """Return the pJ of an addition.

    >>> add_pj(8), add_pj(4), round(add_pj(32), 3)
    (0.03, 0.015, 0.1)
    """
    (low, first), (high, second) = ADD.items()
    return first * bits / low if bits <= low else first + (second - first) * (bits - low) / (high - low)


def multiply_pj(a: int, b: int) -> float:
    """Return the pJ of a product of codes of `a` and `b` bits.

    >>> multiply_pj(8, 8), multiply_pj(4, 4)
    (0.2, 0.05)
    """
    bits, energy = next(iter(MULTIPLY.items()))
    return energy * a * b / bits**2


def access_pj(bits: int, memory: int) -> float:
    """Return the pJ of reading or writing `bits` of a memory of so many bits, the least published one that holds it.

    >>> access_pj(32, 8 << 13), access_pj(64, 100 << 13)
    (5.0, 100.0)
    """
    energy = next((pj for size, pj in MEMORY.items() if memory <= size), max(MEMORY.values()))
    return energy * bits / WORD


@dataclass(frozen=True)
class Energy:
    """pJ an image: additions and products, reads of weights, reads and writes of membranes."""

    arithmetic: float
    weights: float
    membranes: float

    @property
    def total(self) -> float:
        """All of it."""
        return self.arithmetic + self.weights + self.membranes

    @property
    def memory(self) -> float:
        """The fraction that goes to memories."""
        return (self.weights + self.membranes) / self.total if self.total else 0.0

    def to_json(self) -> dict[str, float]:
        """Plain data in pJ."""
        return {
            "total": self.total,
            "arithmetic": self.arithmetic,
            "weights": self.weights,
            "membranes": self.membranes,
        }


@dataclass(frozen=True)
class Estimate:
    """A network of time and the CNN of the same shapes."""

    spiking: Energy
    cnn: Energy

    def to_json(self) -> dict[str, Any]:
        """Plain data, with unit, origin and source."""
        return {
            "unit": "pJ per image",
            "origin": "estimated",
            "source": SOURCE,
            "spiking": self.spiking.to_json(),
            "cnn_same_shapes": self.cnn.to_json(),
        }


def reads_spikes(network: Network, layer: str) -> bool:
    """Whether a layer's products are with -1, 0 and 1 alone, so that it adds only."""
    type_ = network.edges[network.producers[layer].inputs[0]].type
    return type_.lo >= -1 and type_.hi <= 1


def estimate(network: Network, operations: Mapping[str, float]) -> Estimate:
    """Estimate a network's energy, given each layer's synaptic operations of an image."""
    spiking, cnn = [Energy(0.0, 0.0, 0.0)], [Energy(0.0, 0.0, 0.0)]
    for layer in cost(network).layers:
        edge = network.edges[layer.name]
        if layer.membrane_bits:
            neurons = edge.image_size
            moved = 2 * access_pj(edge.type.bits, layer.membrane_bits)
            spiking.append(Energy(neurons * PER_NEURON * add_pj(edge.type.bits), 0.0, neurons * moved))
        if not layer.macs:
            continue
        source = network.edges[network.producers[layer.name].inputs[0]].type
        read = access_pj(layer.weight_bits, layer.memory_bits // layer.banks)
        once, bits = layer.macs // edge.steps, edge.type.bits
        if reads_spikes(network, layer.name):
            count, wide = operations[layer.name], layer.weight_bits
            spiking.append(Energy(count * add_pj(bits), count * read, 0.0))
            bits += wide - 1
        else:
            wide = source.bits
            spiking.append(
                Energy(layer.macs * (multiply_pj(layer.weight_bits, wide) + add_pj(bits)), layer.macs * read, 0.0)
            )
        cnn.append(Energy(once * (multiply_pj(layer.weight_bits, wide) + add_pj(bits)), once * read, 0.0))
    return Estimate(_sum(spiking), _sum(cnn))


def _sum(parts: list[Energy]) -> Energy:
    return Energy(sum(p.arithmetic for p in parts), sum(p.weights for p in parts), sum(p.membranes for p in parts))


def shown(pj: float) -> str:
    """Return an energy with its unit.

    >>> shown(8.12), shown(812.4), shown(45678.0), shown(3.2e6)
    ('8.12 pJ', '812 pJ', '45.7 nJ', '3.20 uJ')
    """
    size, unit = next(((size, unit) for size, unit in ((1e6, "uJ"), (1e3, "nJ")) if pj >= size), (1.0, "pJ"))
    value = pj / size
    return f"{value:.{2 if value < 10 else 1 if value < 100 else 0}f} {unit}"
