"""The system around a core on a Zynq-7000: address map, DMA, processor, and the files that describe and build it."""

from .block_design import CoreIp, block_design_script
from .boards import DEFAULT_BOARD, Board, board_names, load_board
from .build_record import BuildRecord, read_build
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
    clock_reached,
)

__all__ = [
    "CLOCK_MHZ",
    "CORE",
    "DEFAULT_BOARD",
    "DMA",
    "DMA_PARAMETERS",
    "DMA_VLNV",
    "LENGTH_BITS",
    "MEMORY",
    "PS_VLNV",
    "RTL_VLNV",
    "Board",
    "BuildRecord",
    "CoreIp",
    "HwhCore",
    "HwhRegister",
    "Region",
    "block_design_script",
    "board_names",
    "clock_divisors",
    "clock_reached",
    "load_board",
    "read_build",
    "write_hwh",
]
