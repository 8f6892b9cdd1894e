"""How arrays are built and read: their size, cells, word lines a step, converters and corrections, checked."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import InputError
from .devices import SRAM_8T, Device
from .nonlinear import CellLaw
from .tile import MAX_OHM

ORDERS = ("none", "swann", "greedy")
RANGES = ("full", "calibrated")
MAX_SIDE = 4096
MAX_CELL_BITS = 8
MAX_ADC_BITS = 16


def _check(name: str, value: object, lo: int, hi: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not lo <= value <= hi:
        raise InputError(f"array: {name} is {repr(value)[:40]}; needed an integer in {lo}..{hi}")


@dataclass(frozen=True)
class ArraySpec:
    """The arrays that layers are cut into, and how their columns are read. Raises InputError for what cannot be built.

    Weights are differential sign-magnitude: of each output, every slice of `cell_bits` bits takes one column for the
    positive weights and one for the negative. Inputs come bit by bit, a step for each bit and each part of the rows.
    """

    rows: int = 128
    columns: int = 128
    cell_bits: int = 1
    active_rows: int | None = None
    """Partial word-line activation (PWA): rows read at a time, neighbours in the order of the rows; None is all."""
    adc_bits: int | None = 7
    """None is as many as no count can overflow."""
    adc_range: str = "full"
    """"full": steps of at least one count, wide enough for all active rows; "calibrated": see `Adc`."""
    clip_share: float = 1e-3
    """Share of conversions that a calibrated range may clip, and from which a run warns."""
    order: str = "none"
    """Row order of each tile: "none", "swann" (density times activity) or "greedy" (minimised first-order loss)."""
    gain: bool = False
    """Whether each column's sum is multiplied by a calibrated Q1.15 number."""

    def __post_init__(self) -> None:
        _check("rows", self.rows, 1, MAX_SIDE)
        _check("columns", self.columns, 2, MAX_SIDE)
        _check("cell_bits", self.cell_bits, 1, MAX_CELL_BITS)
        if self.active_rows is not None:
            _check("active_rows", self.active_rows, 1, self.rows)
        if self.adc_bits is not None:
            _check("adc_bits", self.adc_bits, 1, MAX_ADC_BITS)
        for name, value, known in (("order", self.order, ORDERS), ("adc_range", self.adc_range, RANGES)):
            if value not in known:
                raise InputError(f"array: {name} {str(value)[:40]!r}; needed one of {', '.join(known)}")
        if not 0 <= self.clip_share < 1:
            raise InputError(f"array: clip_share {self.clip_share}; needed a share from 0 to below 1")

    @property
    def calibrates(self) -> bool:
        """Whether inputs must be measured before the arrays can be set up."""
        return self.order != "none" or self.gain or self.adc_range == "calibrated"


@dataclass(frozen=True)
class Physics:
    """The cells and wires of every array, and one seed for all that is random in them.

    Cells are linear unless `law` says otherwise; stuck cells come with `variation`.
    """

    device: Device = SRAM_8T
    rho: float | None = None
    """Wire resistance of a cell times g_on, in place of the device's; drivers and sense amplifiers stay as they are."""
    variation: bool = False
    noise: bool = False
    seed: int = 0
    law: CellLaw | None = None
    """The cells' current against their voltage, in voltage mode: `device.law`, or another; None is Ohm's law."""

    def __post_init__(self) -> None:
        if self.law is not None and self.law.shape != "linear" and self.device.mode != "voltage":
            raise InputError(
                f"physics: {self.law.shape} cells in {self.device.name}, whose inputs drive gates; needed a device "
                "whose inputs are voltages, as reram"
            )
        if self.rho is not None and not 0 <= self.rho <= MAX_OHM * self.device.g_on.value / 2:  # a NaN fails both
            raise InputError(f"physics: rho {self.rho}; needed a finite number, 0 or more (1e-5 to 2e-3 is usual)")
        if isinstance(self.seed, bool) or not isinstance(self.seed, int) or self.seed < 0:
            raise InputError(f"physics: seed {repr(self.seed)[:40]}; needed an integer, 0 or more")

    @property
    def row_ohm(self) -> float:
        """Ohm of a row segment; rho sets it only where row wires carry current."""
        wire = self.device.row_wire.value
        return wire if self.rho is None or self.device.mode == "gate" else self.rho / self.device.g_on.value

    @property
    def column_ohm(self) -> float:
        """Ohm of a column segment, in gate mode bit line and source line together."""
        return self.device.column_wire.value if self.rho is None else self.rho / self.device.g_on.value
