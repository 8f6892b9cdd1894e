"""Crossloom's RTL stage: sources, register maps, lint, Verilated models and synthesis reports."""

from .errors import RtlError
from .registers.register_map import Field, Register, RegisterMap, Window
from .sources import find_sources, read_sources
from .verilator.model import Model, build_model
from .verilator.tools import lint
from .yosys.synth import ResourceReport, synthesize

__all__ = [
    "Field",
    "Model",
    "Register",
    "RegisterMap",
    "ResourceReport",
    "RtlError",
    "Window",
    "build_model",
    "find_sources",
    "lint",
    "read_sources",
    "synthesize",
]
