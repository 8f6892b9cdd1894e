"""The system around a core on a Zynq-7000: address map, DMA, processor, and the files that describe it."""

from .hwh import HwhCore, HwhRegister, write_hwh
from .system import (
    CLOCK_MHZ,
    CORE,
    DMA,
    DMA_PARAMETERS,
    DMA_VLNV,
    LENGTH_BITS,
    MEMORY,
    PS_VLNV,
    RTL_VLNV,
    Region,
    clock_divisors,
)

__all__ = [
    "CLOCK_MHZ",
    "CORE",
    "DMA",
    "DMA_PARAMETERS",
    "DMA_VLNV",
    "LENGTH_BITS",
    "MEMORY",
    "PS_VLNV",
    "RTL_VLNV",
    "HwhCore",
    "HwhRegister",
    "Region",
    "clock_divisors",
    "write_hwh",
]
