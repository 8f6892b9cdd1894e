"""Where `pynq` looks for an overlay by name: the shipped designs, `NAME/NAME.bit` beside `NAME/NAME.loom`."""

from crossloom.sim.installation import bitstreams

# What the package reads of an entry point; it takes the first.
__path__ = [str(bitstreams() or "")]
