"""The registers and addresses of an HLS core: one description for the top function, the block design and the docs."""

from __future__ import annotations

from dataclasses import dataclass

from crossloom.sim.frames import IDENTITY_BEATS

TOP = "crossloom_top"
STREAM_IN, STREAM_OUT = "s_axis", "m_axis"
CONTROL = "control"  # the AXI4-Lite bundle: port s_axi_control
IDENTITY_WORDS = IDENTITY_BEATS * 2


@dataclass(frozen=True)
class Register:
    """An argument of the top function on AXI4-Lite: `words` of 32 bits from a byte offset; the host writes or reads."""

    name: str
    offset: int
    words: int
    written: bool
    text: str


# 0x00 to 0x0f are Vitis HLS' own: bit 0 of 0x00 starts a command, bit 1 says it is done. An output has a word of its
# own behind it (bit 0: written since the last read).
REGISTERS = (
    Register("command", 0x10, 1, True, "what to do: 0 runs frames, 1 loads"),
    Register("frames", 0x18, 1, True, "frames to run; 0 only brings the registers up to date"),
    Register("status", 0x20, 1, False, "of the last command: 0 OK, or the first fault: 1 SHORT, 2 LONG, 3 FOREIGN"),
    Register("loaded", 0x30, 1, False, "1 while the banks hold a whole set of weights"),
    Register("done", 0x40, 1, False, "frames answered since configuration, faulty ones too"),
    Register("short_frames", 0x50, 1, False, "those of them that were short"),
    Register("long_frames", 0x60, 1, False, "those that were long"),
    Register(
        "identities",
        0x80,
        3 * IDENTITY_WORDS,
        False,
        "SHA-256 of structure, of what no load changes, of the weights (zeros while not loaded); 8 words each",
    ),
)

# Byte addresses in the processor's map: name in the block design -> (start, size).
ADDRESSES = {"core": (0x43C0_0000, 0x1_0000), "dma": (0x4040_0000, 0x1_0000)}
MEMORY = (0x0000_0000, 0x2000_0000)  # what the DMA reaches through HP0: 512 MiB
CLOCK_MHZ = 100
