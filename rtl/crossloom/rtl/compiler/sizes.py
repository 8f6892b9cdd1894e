"""How large an engine is: its array, what its memories and numbers hold, and where an edge lies in them."""

from __future__ import annotations

from dataclasses import dataclass, fields

from ..errors import RtlError
from .passes import Shape


@dataclass(frozen=True)
class Folding:
    """The size of the array: `rows` inputs by `cols` outputs for each of `pix` pixels, every cycle.

    `lanes` sums are quantized a cycle; it divides rows and cols. `dsp` DSP48E1 may be used for products.
    """

    rows: int
    cols: int
    pix: int = 2
    lanes: int = 8
    dsp: int = 0

    def __post_init__(self) -> None:
        if self.pix not in (1, 2) or min(self.rows, self.cols, self.lanes) < 1 or self.dsp < 0:
            raise RtlError(f"folding {self}: at least one row, column and lane, and 1 or 2 pixels are needed")
        if self.rows % self.lanes or self.cols % self.lanes:
            raise RtlError(
                f"folding {self}: {self.lanes} lanes; they must divide {self.rows} rows and {self.cols} columns: name "
                "others"
            )
        if self.rows // self.lanes > 255:
            raise RtlError(
                f"folding {self}: {self.rows // self.lanes} rows a lane; at most 255 are possible: name more lanes"
            )

    def __str__(self) -> str:
        """As the command line has it."""
        return f"{self.rows}x{self.cols}x{self.pix}x{self.lanes}" + (f"+{self.dsp}" if self.dsp else "")

    @property
    def ways(self) -> int:
        """Ways of the interleaved feature memory: two pixels that are 1, 2 or 3 apart are in two of them."""
        return 1 if self.pix == 1 else 2 * self.pix


@dataclass(frozen=True)
class Sizes:
    """What an engine is built for besides its folding: bits, words, and whether it doubles sums or has thresholds.

    A program asks for the least; an engine that has more runs it as well.
    """

    x_bits: int
    w_bits: int
    acc_bits: int
    code_bits: int  # with sign: every lo and hi
    shift_min: int
    shift_max: int
    features: int  # words a way
    weights: int
    params: int
    tables: int  # threshold words a lane, 0 without thresholds
    steps: int
    scale_bits: int
    results: int
    sweeps: int
    segments: int
    branches: int
    doubling: int
    unroll: int  # rows of a column where one tap reads several, 0 where none does
    timed: int = 0  # whether edges have several time steps
    neurons: int = 0  # words of thresholds and leaks, 0 without neurons
    mem_bits: int = 2  # of membranes, the most and the least
    mem_min: int = 2
    guard_min: int = 0
    guard_max: int = 0
    leak_min: int = 0
    leak_max: int = 0
    most: int = 1  # spikes a step
    later: int = 0  # whether resets may come a step later

    def need(self, name: str, least: Sizes) -> None:
        """Raise RtlError unless an engine of this size can run what needs `least`."""
        for f in fields(self):
            have, need = getattr(self, f.name), getattr(least, f.name)
            if have > need if f.name.endswith("_min") else have < need:
                raise RtlError(f"{name}: needs {f.name} {need}; this engine has {have}: build a larger one")


@dataclass(frozen=True)
class Region:
    """Where an edge lies: `base` word of each way, words a row, an image and a plane.

    A plane is a block of Rows channels of the images of all time steps, one below the other.
    """

    base: int
    row: int
    image: int
    plane: int
    shape: Shape
