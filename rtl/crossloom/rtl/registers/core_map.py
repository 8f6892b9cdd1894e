"""The register map of a generated core: one source for its SystemVerilog, C and Python constants."""

from ..compiler.words import ENUM_BITS, Memory
from .register_map import Field, Register, RegisterMap

IDENTITY = 0x434C4F31  # "CLO1"
VERSION = 0x00010001
IDENTITY_WORDS = 8  # of a SHA-256

_ERRORS = (
    Field("SHORT", 0, 1, "a frame ended early; its result has status SHORT"),
    Field("LONG", 1, 1, "a packet did not end; its last result has status LONG; clearing this ends the drop"),
    Field("BUSY", 2, 1, "a bank or PACKET was written while an image was inside; the write was ignored"),
    Field("ADDRESS", 3, 1, "an address without a register was read (as 0) or written (ignored)"),
    Field(
        "VALUE",
        4,
        1,
        "a partial word, a place without a bank, or a wrong count of classes or frames was written, in vain",
    ),
    Field("STALL", 5, 1, "the output waited TIMEOUT cycles for its reader; nothing is lost"),
)
COUNTERS = (
    ("FRAMES_IN", "frames begun by the engine"),
    ("FRAMES_OUT", "results sent"),
    ("FRAMES_SHORT", "frames that ended early"),
    ("FRAMES_LONG", "frames that did not end"),
    ("ERRORS", "errors of any kind"),
    ("CYCLES", "cycles in which an image was inside"),
    ("STALLS", "cycles in which the output waited"),
    ("SATURATIONS", "codes clipped to their type's range, and membranes to theirs"),
    ("SPIKES", "spikes that neurons made; 0 where there are none"),
)


def _identity(name: str, offset: int, access: str, text: str) -> list[Register]:
    return [Register(f"{name}_{i}", offset + 4 * i, access, text if i == 0 else "") for i in range(IDENTITY_WORDS)]


CORE = RegisterMap(
    name="core",
    address_bits=12,
    registers=(
        Register("ID", 0x00, "ro", "the letters CLO1", IDENTITY),
        Register("VERSION", 0x04, "ro", "major in the upper half", VERSION),
        Register(
            "CONTROL",
            0x08,
            "wo",
            "actions",
            fields=(
                Field("RESET", 0, 1, "drop every frame inside, keep banks and settings; reset the DMA as well"),
                Field("CLEAR", 1, 1, "set all counters to 0"),
            ),
        ),
        Register(
            "STATUS",
            0x0C,
            "ro",
            "state",
            fields=(Field("BUSY", 0, 1, "an image is inside"), Field("DROP", 1, 1, "discarding a long frame's tail")),
        ),
        Register("ERROR", 0x10, "w1c", "what went wrong since it was cleared", fields=_ERRORS),
        Register("TIMEOUT", 0x14, "rw", "cycles of waiting output that set ERROR.STALL; 0 is never", 1 << 20),
        Register(
            "PACKET",
            0x28,
            "rw",
            "frames that a packet may have, 1..65535; TLAST ends a packet of frames, and that of their results",
            1,
        ),
        Register(
            "BANK_PLACE",
            0x18,
            "rw",
            "where BANK_DATA writes",
            fields=(
                Field("WORD", 0, 20, "word"),
                Field("MEMORY", 20, ENUM_BITS[Memory], ", ".join(f"{m.value} {m.name.lower()}" for m in Memory)),
            ),
        ),
        Register("BANK_PART", 0x1C, "rw", "part of the word, 16 bits; a write to BANK_DATA adds 1"),
        Register("BANK_HIGH", 0x24, "rw", "the upper 4 of the 36 bits that BANK_DATA writes"),
        Register(
            "BANK_DATA",
            0x20,
            "wo",
            "36 bits of a bank, these the lower 32; WEIGHTS reads 0 from then until WEIGHTS_7 is written",
        ),
        *_identity("STRUCTURE", 0x40, "ro", "SHA-256 of the structure that the core was built for, first bytes lowest"),
        *_identity("FIXED", 0x60, "ro", "SHA-256 of structure and the tensors that cannot be rewritten"),
        *_identity("WEIGHTS", 0x80, "rw", "SHA-256 of everything, for the banks' present content"),
        *(Register(name, 0xC0 + 4 * i, "ro", text) for i, (name, text) in enumerate(COUNTERS)),
    ),
)
