"""The errors of the HLS stage."""

from crossloom.sim.errors import CrossloomError


class HlsError(CrossloomError, RuntimeError):
    """A network that a flow cannot express, sources that are missing, or a tool or C simulation that fails."""
