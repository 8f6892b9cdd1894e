"""The clock registers of a Zynq-7000 (UG585, "SLCR"), as far as `pynq.Clocks` reads and writes them."""

from __future__ import annotations

from crossloom.sim.board import Region, clock_divisors
from crossloom.sim.board.system import IO_PLL_MHZ

REGION = Region(0xF800_0000, 0x1000)
CRYSTAL_MHZ = 50
_FEEDBACK = 12  # of a PLL, its lowest bit
_ARM_PLL, _DDR_PLL, _IO_PLL, _ARM_CLOCK = 0x100, 0x104, 0x108, 0x120
_FPGA_CLOCKS = 0x170, 0x180, 0x190, 0x1A0
_DIVISOR_0, _DIVISOR_1, _SOURCE = 8, 20, 4
_DIVISOR_MASK, _FEEDBACK_MASK = 0x3F, 0x7F


class Slcr:
    """Registers by byte offset; PLLs and clocks as the boot image of a PYNQ-Z2 leaves them, FCLKs at 100 MHz."""

    def __init__(self) -> None:
        first, second = clock_divisors(100)
        clock = first << _DIVISOR_0 | second << _DIVISOR_1
        plls = {_ARM_PLL: 1300, _DDR_PLL: 1050, _IO_PLL: IO_PLL_MHZ}
        self._words = {at: mhz // CRYSTAL_MHZ << _FEEDBACK for at, mhz in plls.items()}
        self._words |= {_ARM_CLOCK: 2 << _DIVISOR_0, **dict.fromkeys(_FPGA_CLOCKS, clock)}

    def read(self, offset: int) -> int:
        """A register; those that nobody wrote are 0."""
        return self._words.get(offset, 0)

    def write(self, offset: int, value: int) -> None:
        """Write a register."""
        self._words[offset] = value

    def fclk_mhz(self, clock: int) -> float:
        """The frequency of an FCLK: its PLL by both divisors; a divisor of 0 counts as 1."""
        word = self._words[_FPGA_CLOCKS[clock]]
        pll = {2: _ARM_PLL, 3: _DDR_PLL}.get(word >> _SOURCE & 3, _IO_PLL)
        mhz = CRYSTAL_MHZ * (self._words[pll] >> _FEEDBACK & _FEEDBACK_MASK)
        divisors = [max(word >> low & _DIVISOR_MASK, 1) for low in (_DIVISOR_0, _DIVISOR_1)]
        return mhz / divisors[0] / divisors[1]
