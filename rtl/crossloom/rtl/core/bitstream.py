"""A generated core as an IP, and the script that builds its bitstream."""

from __future__ import annotations

from crossloom.sim.board import Board, CoreIp, block_design_script
from crossloom.sim.board.block_design import REPOSITORY
from crossloom.sim.board.packaging import Sources, packaging

from ..registers.core_map import VERSION
from .generate import LIST, MEMORIES, TOP
from .handoff import hwh_core
from .tops import WRAPPER

CORE_VERSION = f"{VERSION >> 16}.{VERSION & 0xFFFF}"
_CLOCK, _RESET = "aclk", "aresetn"


def bitstream_script(name: str, board: Board, clock_mhz: float) -> str:
    """`build_bitstream.tcl` for a folder that `generate` writes: packages its IP, then as `block_design_script`."""
    core = hwh_core()
    package = packaging(core, Sources(LIST, TOP, MEMORIES, WRAPPER, _CLOCK, _RESET), board)
    return block_design_script(name, CoreIp(core, _CLOCK, _RESET, REPOSITORY, package), board, clock_mhz)
