"""Crossloom's HLS stage: hand-written kernels and hls4ml projects, exact in C simulation without vendor tools."""

from .csim import Simulation, build_library
from .errors import HlsError
from .sources import find_include

__all__ = ["HlsError", "Simulation", "build_library", "find_include"]
