"""The register map of `imc_tile`: one source for its SystemVerilog, C and Python constants."""

from .register_map import Field, Register, RegisterMap, Window

IDENTITY = 0x494D4331  # "IMC1"
VERSION = 0x00010000

_ERRORS = (
    Field("SHORT", 0, 1, "a frame ended early and was dropped"),
    Field("LONG", 1, 1, "a frame did not end and was dropped; clearing this accepts the next beat as a new frame"),
    Field("BUSY", 2, 1, "settings or memories were written while frames were inside; the write was ignored"),
    Field("ADDRESS", 3, 1, "an address without a register was read (as 0) or written (ignored)"),
    Field("VALUE", 4, 1, "a value out of range or a partial word was written; the write was ignored"),
    Field("STALL", 5, 1, "the output waited TIMEOUT cycles for its reader; nothing is lost"),
)
_COUNTERS = (
    ("FRAMES_IN", "good frames taken"),
    ("FRAMES_OUT", "frames of results sent"),
    ("FRAMES_DROPPED", "short and long frames"),
    ("ERRORS", "errors of any kind"),
    ("STEPS", "cycles in which the columns worked"),
    ("STALLS", "cycles in which the output waited"),
    ("COUNT_CLIPS", "popcounts beyond the last entry of their table"),
    ("CODE_CLIPS", "ADC codes clipped at 0 or at ADC_TOP"),
    ("Y_CLIPS", "results saturated to 16 bits"),
)

TILE = RegisterMap(
    name="imc_tile",
    address_bits=20,
    registers=(
        Register("ID", 0x00, "ro", "the letters IMC1", IDENTITY),
        Register("VERSION", 0x04, "ro", "major in the upper half", VERSION),
        Register(
            "GEOMETRY",
            0x08,
            "ro",
            "the array",
            fields=(Field("ROWS", 0, 16, "rows"), Field("COLS", 16, 16, "columns")),
        ),
        Register("LANES", 0x0C, "ro", "columns a cycle"),
        Register(
            "CONTROL",
            0x10,
            "wo",
            "actions",
            fields=(
                Field("RESET", 0, 1, "drop every frame inside, keep settings and memories; reset the DMA as well"),
                Field("CLEAR", 1, 1, "set all counters to 0"),
            ),
        ),
        Register(
            "STATUS",
            0x14,
            "ro",
            "state",
            fields=(Field("BUSY", 0, 1, "frames are inside"), Field("DROP", 1, 1, "discarding a long frame's tail")),
        ),
        Register("ERROR", 0x18, "w1c", "what went wrong since it was cleared", fields=_ERRORS),
        Register(
            "FORMAT",
            0x1C,
            "rw",
            "inputs and segments",
            0x00000108,
            (
                Field("BITS", 0, 4, "bits of an input, 1..8"),
                Field("SIGNED", 4, 1, "inputs are two's complement: the top bit counts -2**(BITS-1)"),
                Field("SEGMENTS", 8, 4, "row segments activated in turn, 1..ROWS/32"),
            ),
        ),
        Register("ADC_SCALE", 0x20, "rw", "codes per table unit, 2**-16 each, 16 bits", 512),
        Register("ADC_OFFSET", 0x24, "rw", "added before the floor, 2**-16 codes, signed 32 bits", 32768),
        Register("ADC_TOP", 0x28, "rw", "largest code, 8 bits", 255),
        Register("TIMEOUT", 0x2C, "rw", "cycles of waiting output that set ERROR.STALL; 0 is never", 1 << 20),
        *(Register(name, 0x40 + 4 * i, "ro", text) for i, (name, text) in enumerate(_COUNTERS)),
    ),
    windows=(
        Window("PERM", 0x01000, 0x100, "word k: the inputs of rows 4k .. 4k+3, a byte each"),
        Window("MASK", 0x02000, 0x100, "word segment * ROWS/32 + w: rows 32w .. 32w+31 of a segment"),
        Window("GAIN", 0x03000, 0x400, "word c: column c's gain, unsigned Q1.15"),
        Window("CELL", 0x08000, 0x2000, "word c * ROWS/32 + w: rows 32w .. 32w+31 of column c"),
        Window("TABLE", 0x80000, 0x80000, "word c * 2*ROWS + entry: column c's transfer table, 16 bits"),
    ),
)
