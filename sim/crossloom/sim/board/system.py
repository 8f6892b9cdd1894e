"""The address map and the settings that block design, hardware handoff, virtual board and driver share."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import InputError


@dataclass(frozen=True)
class Region:
    """Bytes `start .. start + size - 1` of the processor's address space."""

    start: int
    size: int

    @property
    def end(self) -> int:
        """The last byte."""
        return self.start + self.size - 1


CORE = Region(0x43C0_0000, 0x1_0000)
DMA = Region(0x4040_0000, 0x1_0000)
MEMORY = Region(0x0000_0000, 0x2000_0000)  # what the DMA reaches through HP0: 512 MiB
CLOCK_MHZ = 100
IO_PLL_MHZ = 1000  # a crystal of 50 MHz times 20, as the boot image of a PYNQ-Z1 or Z2 leaves it

PS_VLNV = "xilinx.com:ip:processing_system7:5.5"
RTL_VLNV = "crossloom:rtl:crossloom_core:1.0"
DMA_VLNV = "xilinx.com:ip:axi_dma:7.1"
LENGTH_BITS = 26  # of a transfer's bytes: up to 2**26 - 1
# Simple mode: one buffer a transfer, aligned to its 64 bits. Bursts of 16 are all that HP0 (AXI3) takes.
DMA_PARAMETERS = {
    "c_include_mm2s": "1",
    "c_include_s2mm": "1",
    "c_include_sg": "0",
    "c_include_mm2s_dre": "0",
    "c_include_s2mm_dre": "0",
    "c_sg_length_width": str(LENGTH_BITS),
    "c_m_axi_mm2s_data_width": "64",
    "c_m_axi_s2mm_data_width": "64",
    "c_m_axis_mm2s_tdata_width": "64",
    "c_mm2s_burst_size": "16",
    "c_s2mm_burst_size": "16",
}


def clock_divisors(mhz: float) -> tuple[int, int]:
    """The two divisors (1..63 each) of the IO PLL whose clock is the nearest at most `mhz`; InputError where none is.

    >>> clock_divisors(100)
    (5, 2)
    """
    pairs = [(a, b) for a in range(1, 64) for b in range(1, 64) if IO_PLL_MHZ / (a * b) <= mhz * (1 + 1e-9)]
    if not pairs or mhz > 250:
        raise InputError(f"clock: {mhz:g} MHz; needed {IO_PLL_MHZ / 63 / 63:.2f} to 250")
    least = min(a * b for a, b in pairs)
    return min((pair for pair in pairs if pair[0] * pair[1] == least), key=lambda p: (abs(p[0] - p[1]), -p[0]))


def clock_reached(mhz: float) -> float:
    """The clock in MHz that `clock_divisors` give, at most `mhz`.

    >>> round(clock_reached(150), 3)
    142.857
    """
    first, second = clock_divisors(mhz)
    return IO_PLL_MHZ / (first * second)
