"""Crossloom's HLS stage: hand-written kernels and hls4ml projects, exact in C simulation without vendor tools."""

from .csim import Simulation, build_library
from .errors import HlsError
from .folding import Folding, choose_folding
from .native import native_project, simulate
from .sources import find_include

__all__ = [
    "Folding",
    "HlsError",
    "Simulation",
    "build_library",
    "choose_folding",
    "find_include",
    "native_project",
    "simulate",
]
