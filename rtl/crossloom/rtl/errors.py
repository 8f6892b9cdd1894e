"""The errors of the RTL stage."""

from crossloom.sim.errors import CrossloomError


class RtlError(CrossloomError, RuntimeError):
    """Sources that are missing or refused by a tool, a tool that fails, or a model that does not answer in time."""


class RegisterError(CrossloomError, ValueError):
    """A register map that contradicts itself, or a name that it does not have."""
