"""What undoing an order of the rows costs: an input permutation in front of each tile, from stated assumptions.

The paper (arXiv 2406.14706) says under 1 % energy, about 1 % latency and about 16 % area with one converter an array;
how its permutation is built is not available. Two ways of ours:

- "network": a Benes network (Bell Syst. Tech. J. 43, 1641 (1964)) between input register and word lines, which takes
  all inputs at once. n inputs, n a power of two, need n log2 n - n/2 two-by-two switches in 2 log2 n - 1 stages.
- "table": inputs that arrive one after another are written to a permuted place of the register. A memory keeps the
  places; the address is read beside the input, so it takes no time.
"""

from __future__ import annotations

from dataclasses import dataclass

from .devices import ASSUMPTION, Quantity
from .spec import ArraySpec


@dataclass(frozen=True)
class Costs:
    """Areas, times and energies that the model is computed from."""

    cell_area: Quantity
    adc_area: Quantity
    periphery: Quantity
    switch_area: Quantity
    conversion_time: Quantity
    switch_time: Quantity
    conversion_energy: Quantity
    switch_energy: Quantity
    table_energy: Quantity


# 7 nm, orders of magnitude.
COSTS_7NM = Costs(
    cell_area=Quantity(5e-14, "m2", ASSUMPTION + ": 8T-SRAM cell of 0.05 um2"),
    adc_area=Quantity(3e-10, "m2", ASSUMPTION + ": 7-bit converter of 300 um2"),
    periphery=Quantity(0.3, "1", ASSUMPTION + ": drivers, register and shift-add over the cells' area"),
    switch_area=Quantity(3e-13, "m2", ASSUMPTION + ": two multiplexers and a latch, 0.3 um2"),
    conversion_time=Quantity(1e-9, "s", ASSUMPTION),
    switch_time=Quantity(1e-11, "s", ASSUMPTION + ": with its wire"),
    conversion_energy=Quantity(5e-13, "J", ASSUMPTION),
    switch_energy=Quantity(2e-16, "J", ASSUMPTION + ": with its wire, every switch toggling"),
    table_energy=Quantity(5e-15, "J", ASSUMPTION + ": one bit read"),
)


@dataclass(frozen=True)
class Overhead:
    """Shares that one way of permuting adds to a tile without it; estimated."""

    way: str
    area: float
    latency: float
    energy: float


def overhead(spec: ArraySpec, input_bits: int, adcs: int = 1, costs: Costs = COSTS_7NM) -> tuple[Overhead, ...]:
    """Return both ways' shares for a tile of `spec` with `adcs` converters, one product of `input_bits`-bit inputs.

    Each bit and part of the rows is one step, in which every column is converted; the network settles before each.
    The cells' own energy is left out, which makes the shares of energy upper bounds.
    """
    n, depth = 1, 0
    while n < spec.rows:
        n, depth = 2 * n, depth + 1
    stages = max(2 * depth - 1, 0)
    switches = n // 2 * stages
    steps = input_bits * -(-spec.rows // (spec.active_rows or spec.rows))
    cells = spec.rows * spec.columns * costs.cell_area.value
    area = cells * (1 + costs.periphery.value) + adcs * costs.adc_area.value
    time = steps * -(-spec.columns // adcs) * costs.conversion_time.value
    energy = steps * spec.columns * costs.conversion_energy.value
    bits = spec.rows * depth
    return (
        Overhead(
            "network",
            switches * costs.switch_area.value / area,
            steps * stages * costs.switch_time.value / time,
            steps * switches * costs.switch_energy.value / energy,
        ),
        Overhead("table", bits * costs.cell_area.value / area, 0.0, bits * costs.table_energy.value / energy),
    )
