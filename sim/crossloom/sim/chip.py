"""The chip that networks are built for: its part, what it has of each resource, and what a design may take."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Chip:
    """One device: `part` as Vivado names it; LUT6, flip-flops, block RAMs of 36 Kib and DSP48E1 slices that it has.

    `usable_lut` leaves a placer room to breathe. DS190 (Zynq-7000 overview) has the counts.
    """

    name: str
    part: str
    lut: int
    ff: int
    bram36: int
    dsp: int
    usable_lut: int

    @property
    def resources(self) -> dict[str, int]:
        """What it has, by the names that reports use."""
        return {"lut": self.lut, "ff": self.ff, "bram36": self.bram36, "dsp": self.dsp}


# Seven LUTs of eight, rounded up to a thousand.
XC7Z020 = Chip("xc7z020", "xc7z020clg400-1", 53_200, 106_400, 140, 220, 47_000)
