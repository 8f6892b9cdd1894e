"""Crossloom's RTL stage: sources, register maps, lint, Verilated models and synthesis reports."""

from .errors import RtlError
from .registers import Field, Register, RegisterMap, Window
from .sources import find_sources, read_sources
from .synth import ResourceReport, synthesize
from .tools import lint
from .verilated import Model, build_model

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
