"""Device presets, every parameter in SI units with its source, and what real devices do to a written array.

A source is a document, "derived: ..." from one, or the word "assumption". The statistical models (ours, chosen for
positive conductances and a mean that stays where it was written) are stated at each function; all take their random
numbers from a `numpy.random.Generator` that the caller seeds.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from ..errors import InputError
from .nonlinear import SHAPES, CellLaw
from .tile import MAX_SIEMENS, FloatArray, checked

ASSUMPTION = "assumption"
MODES = ("gate", "voltage")

_SWANN = "arXiv 2406.14706 (8T-SRAM, 7 nm, 128x128)"
_WAN = "fit of aihwkit (inference/noise/reram.py) to Wan et al., Nature 608, 504 (2022)"


@dataclass(frozen=True)
class Quantity:
    """A number, its SI unit ("1" where it has none), and where it comes from."""

    value: float
    unit: str
    source: str

    def __post_init__(self) -> None:
        if not np.isfinite(self.value):
            raise InputError(f"device: a quantity of {self.value} {self.unit}; needed a finite number")
        if not self.unit or not self.source:
            raise InputError("device: a quantity without unit or source; needed both ('1', 'assumption')")


@dataclass(frozen=True)
class Device:
    """A cell and the wires around it. Conductances are those at zero bias."""

    name: str
    mode: str
    """"gate": the input drives a transistor's gate; "voltage": the input is the row line's voltage."""
    law_shape: str
    """Shape of the cell's current against its voltage, as in `CellLaw`."""
    law_source: str
    law_v0: Quantity
    """Volts; of no effect where the shape is "linear"."""
    g_on: Quantity
    g_off: Quantity
    read_volt: Quantity
    row_wire: Quantity
    """Ohm of a row segment, one cell long."""
    column_wire: Quantity
    """Ohm of a column segment, one cell long; in gate mode bit line and source line together."""
    driver: Quantity
    """Ohm; in gate mode of no effect."""
    sense: Quantity
    """Ohm; in gate mode the whole terminal resistance of the two rails."""
    program_sigma: Quantity
    """Standard deviation of the logarithm of a written conductance."""
    read_sigma: Quantity
    """Standard deviation of one reading, relative to the conductance."""
    stuck_on: Quantity
    """Probability that a cell stays at g_on whatever is written."""
    stuck_off: Quantity
    drift_exponent: Quantity
    """Mean exponent n of the conductance's decay (t / t0)^-n."""
    drift_sigma: Quantity
    """Standard deviation of that exponent from cell to cell."""
    drift_t0: Quantity
    """Seconds after writing at which drift starts to count."""
    cell_bits: Quantity
    """The most bits that one cell keeps."""

    def __post_init__(self) -> None:
        where = f"device {self.name!r}"
        if self.mode not in MODES or self.law_shape not in SHAPES:
            raise InputError(f"{where}: mode {self.mode!r}, law {self.law_shape!r}; needed one of {MODES}, {SHAPES}")
        for name, quantity in self.quantities().items():
            if quantity.value < 0 and name != "drift_exponent":
                raise InputError(f"{where}: {name} is {quantity.value} {quantity.unit}; needed 0 or more")
        if not self.g_off.value < self.g_on.value <= MAX_SIEMENS:
            raise InputError(f"{where}: g_off {self.g_off.value} S, g_on {self.g_on.value} S; needed g_off < g_on")
        if self.stuck_on.value + self.stuck_off.value > 1:
            raise InputError(f"{where}: stuck_on and stuck_off sum to more than 1; needed probabilities")
        if self.drift_t0.value <= 0:
            raise InputError(f"{where}: drift_t0 {self.drift_t0.value} s; needed more than 0")

    def quantities(self) -> dict[str, Quantity]:
        """Every parameter by name, with unit and source."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if isinstance(value, Quantity)}

    @property
    def law(self) -> CellLaw:
        """The cell's current against its voltage."""
        return CellLaw(self.law_shape, self.law_v0.value if self.law_shape != "linear" else 1.0)


SRAM_8T = Device(
    name="8t-sram",
    mode="gate",
    law_shape="linear",
    law_source=ASSUMPTION + ": the read stack stays in its linear region at the read voltage",
    law_v0=Quantity(1.0, "V", ASSUMPTION),
    g_on=Quantity(40e-6, "S", f"{ASSUMPTION}; the structure is that of {_SWANN}, whose conductances are not available"),
    g_off=Quantity(4e-9, "S", f"{ASSUMPTION}: on/off ratio 1e4"),
    read_volt=Quantity(0.1, "V", ASSUMPTION),
    row_wire=Quantity(0.0, "ohm", "derived: word lines end in gates and carry no current"),
    column_wire=Quantity(5.0, "ohm", f"{ASSUMPTION}: bit and source line together; 2.7 to 7.8 by metal layer"),
    driver=Quantity(0.0, "ohm", "derived: as row_wire"),
    sense=Quantity(0.0, "ohm", ASSUMPTION),
    program_sigma=Quantity(0.05, "1", f"{ASSUMPTION}: transistor mismatch; the stored bit itself is exact"),
    read_sigma=Quantity(0.005, "1", ASSUMPTION),
    stuck_on=Quantity(0.0, "1", ASSUMPTION + ": repaired before use"),
    stuck_off=Quantity(0.0, "1", ASSUMPTION + ": repaired before use"),
    drift_exponent=Quantity(0.0, "1", "derived: a powered SRAM cell restores its state"),
    drift_sigma=Quantity(0.0, "1", "derived: as drift_exponent"),
    drift_t0=Quantity(1.0, "s", ASSUMPTION),
    cell_bits=Quantity(1.0, "1", "derived: a latch has two states"),
)

FEFET = Device(
    name="fefet",
    mode="gate",
    law_shape="tanh",
    law_source="Curtice, IEEE Trans. MTT 28(5), 448 (1980): drain current saturates as tanh(alpha V_DS)",
    law_v0=Quantity(0.2, "V", ASSUMPTION + "; gate mode is solved in the linear region, v well below it"),
    g_on=Quantity(10e-6, "S", ASSUMPTION + ": 1e-6 to 20e-6"),
    g_off=Quantity(1e-9, "S", ASSUMPTION + ": on/off ratio 1e4"),
    read_volt=Quantity(0.05, "V", ASSUMPTION),
    row_wire=Quantity(0.0, "ohm", "derived: word lines end in gates and carry no current"),
    column_wire=Quantity(3.0, "ohm", ASSUMPTION + ": a shorter cell than 8t-sram's"),
    driver=Quantity(0.0, "ohm", "derived: as row_wire"),
    sense=Quantity(0.0, "ohm", ASSUMPTION),
    program_sigma=Quantity(0.1, "1", ASSUMPTION + "; that it depends on state and size: arXiv 2312.15444"),
    read_sigma=Quantity(0.01, "1", ASSUMPTION),
    stuck_on=Quantity(1e-3, "1", ASSUMPTION),
    stuck_off=Quantity(1e-3, "1", ASSUMPTION),
    drift_exponent=Quantity(0.005, "1", ASSUMPTION),
    drift_sigma=Quantity(0.002, "1", ASSUMPTION),
    drift_t0=Quantity(1.0, "s", ASSUMPTION),
    cell_bits=Quantity(2.0, "1", ASSUMPTION + ": four states told apart at program_sigma"),
)

RERAM = Device(
    name="reram",
    mode="voltage",
    law_shape="sinh",
    law_source="Stanford/ASU model, I = I0 exp(-gap/g0) sinh(V/V0): table 3 of doi 10.1186/s11671-017-2419-8",
    law_v0=Quantity(0.25, "V", "Stanford/ASU model as given in arXiv 1605.04897's code: V0 = 0.25"),
    g_on=Quantity(40e-6, "S", f"{_WAN}: g_max"),
    g_off=Quantity(1e-6, "S", ASSUMPTION),
    read_volt=Quantity(0.2, "V", ASSUMPTION),
    row_wire=Quantity(2.0, "ohm", ASSUMPTION),
    column_wire=Quantity(2.0, "ohm", ASSUMPTION),
    driver=Quantity(100.0, "ohm", ASSUMPTION),
    sense=Quantity(100.0, "ohm", ASSUMPTION),
    program_sigma=Quantity(0.028, "1", f"derived: {_WAN}, 1.10e-6 S at g_max after 1 s, over g_max"),
    read_sigma=Quantity(0.01, "1", "aihwkit (inference/noise/reram.py): short-term read noise about 1 %"),
    stuck_on=Quantity(1e-3, "1", ASSUMPTION),
    stuck_off=Quantity(1e-3, "1", ASSUMPTION),
    drift_exponent=Quantity(0.0, "1", "aihwkit (inference/noise/reram.py): ReRAM does not drift in the usual sense"),
    drift_sigma=Quantity(
        0.0053, "1", f"derived: {_WAN}, spread at g_max growing from 1.10e-6 S at 1 s to 2.65e-6 S at 1 day"
    ),
    drift_t0=Quantity(1.0, "s", f"{_WAN}: first measurement"),
    cell_bits=Quantity(4.0, "1", ASSUMPTION + ": sixteen states, at the edge of program_sigma"),
)

DEVICES = {device.name: device for device in (SRAM_8T, FEFET, RERAM)}


def _cells(where: str, conductance: npt.ArrayLike) -> FloatArray:
    return checked(where, conductance, np.shape(conductance), MAX_SIEMENS, "siemens")


def program(device: Device, levels: npt.ArrayLike, rng: np.random.Generator) -> FloatArray:
    """Return written conductances, siemens, for levels 0..1 between g_off and g_on; any shape.

    Each is log-normal about its target, with the target as its mean; stuck cells are replaced last.
    """
    share = checked("program: levels", levels, np.shape(levels), 1.0, "(0 is g_off, 1 is g_on)")
    target = device.g_off.value + share * (device.g_on.value - device.g_off.value)
    sigma = device.program_sigma.value
    written = target * np.exp(sigma * rng.standard_normal(target.shape) - sigma**2 / 2)
    return stick(device, written, rng)


def stick(device: Device, conductance: npt.ArrayLike, rng: np.random.Generator) -> FloatArray:
    """Return the conductances, siemens, with each cell stuck at g_on or g_off with the device's probabilities."""
    g = _cells("stick: conductance", conductance)
    draw = rng.random(g.shape)
    on, off = device.stuck_on.value, device.stuck_off.value
    result: FloatArray = np.where(draw < on, device.g_on.value, np.where(draw >= 1 - off, device.g_off.value, g))
    return result


def read_noise(device: Device, conductance: npt.ArrayLike, rng: np.random.Generator) -> FloatArray:
    """Return one noisy reading, siemens: normal about each conductance, cut at 0; draw anew for every reading."""
    g = _cells("read_noise: conductance", conductance)
    result: FloatArray = np.maximum(g * (1 + device.read_sigma.value * rng.standard_normal(g.shape)), 0)
    return result


def drift(device: Device, conductance: npt.ArrayLike, seconds: float, rng: np.random.Generator) -> FloatArray:
    """Return conductances, siemens, `seconds` after writing: each times (t / t0)^-n with its own normal exponent n.

    Nothing changes up to t0. The same seed gives the same cells the same exponents at any time.
    """
    g = _cells("drift: conductance", conductance)
    if not 0 <= seconds < np.inf:
        raise InputError(f"drift: {seconds} seconds; needed a finite time, 0 or more")
    exponent = device.drift_exponent.value + device.drift_sigma.value * rng.standard_normal(g.shape)
    age = np.log(max(seconds / device.drift_t0.value, 1.0))
    result: FloatArray = np.minimum(g * np.exp(-exponent * age), MAX_SIEMENS)
    return result
