"""The registers of an HLS core: one description for the top function, block design, handoff and the docs."""

from __future__ import annotations

from dataclasses import dataclass

from crossloom.sim.board import HwhCore, HwhRegister
from crossloom.sim.frames import IDENTITY_BEATS

TOP = "crossloom_top"
STREAM_IN, STREAM_OUT = "s_axis", "m_axis"
CONTROL = "control"  # the AXI4-Lite bundle: port s_axi_control
VENDOR, LIBRARY, VERSION = "crossloom", "hls", "1.0"  # of the IP
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


def hwh_core() -> HwhCore:
    """The core as its handoff describes it; of an array every word is a register, NAME_0 and so on."""
    bits = (("AP_START", 0), ("AP_DONE", 1), ("AP_IDLE", 2), ("AP_READY", 3), ("AUTO_RESTART", 7))
    control = HwhRegister("CTRL", 0, "rw", "of Vitis HLS", tuple((name, low, 1, "") for name, low in bits))
    words = [
        HwhRegister(
            register.name if register.words == 1 else f"{register.name}_{word}",
            register.offset + 4 * word,
            "rw" if register.written else "ro",
            register.text,
        )
        for register in REGISTERS
        for word in range(register.words)
    ]
    vlnv = f"{VENDOR}:{LIBRARY}:{TOP}:{VERSION}"
    return HwhCore(vlnv, f"s_axi_{CONTROL}", STREAM_IN, STREAM_OUT, (control, *words))
