"""The engine's program: what each word of its memories says, in Python, as bits and as a SystemVerilog package."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import TypeVar

NAME = "program_pkg"


class Kind(IntEnum):
    """What becomes of a sweep's sums."""

    REQUANT = 0
    THRESHOLD = 1
    LOGITS = 2
    POOL = 3
    SPIKES = 4


class After(IntEnum):
    """What follows a sweep's last score."""

    NOTHING = 0
    ROUTE = 1
    FINISH = 2


class Memory(IntEnum):
    """A memory of which every branch has its own words, or for the rows a number: where a host writes banks."""

    WEIGHTS = 0
    PARAMS = 1
    TABLES = 2
    ROWS = 3
    NEURONS = 4


class Reset(IntEnum):
    """What a spike does to its membrane."""

    NONE = 0
    SUBTRACT = 1
    ZERO = 2


# Bits of each enum: there is room for operators and memories to come.
ENUM_BITS: Mapping[type[IntEnum], int] = {Kind: 4, After: 3, Memory: 4, Reset: 2}


@dataclass(frozen=True)
class Sweep:
    """One pass over an image for one block of output channels: what the sequencer and the window read.

    For oy, for ox (by Pix where `paired`), for segment, for dy, for dx, for input block: one array cycle; segments of
    all time steps follow each other. Addresses
    are words of a feature bank, coordinates pixels; `x0`, `y0` <= 0 are the first window's corner, `row0` its row.
    """

    last: int  # the program's last sweep
    sync: int  # waits until everything before it is written
    result: int  # waits for that, and until the result before it is sent
    banked: int  # waits until the branch is known, and reads its weights
    pool: int  # maxima, no sums
    hold: int  # every tap reads the same weights
    unrolled: int  # one tap reads several columns of the window, a group of rows each
    paired: int
    weights: int  # first word
    first_segment: int
    last_segment: int
    kernel_h: int  # less 1, as all counts below
    kernel_w: int
    height: int  # of the input, not less 1
    width: int
    out_h: int
    out_w: int
    y0: int
    x0: int
    step_y: int
    step_x: int  # from one output pixel to the next
    jump_x: int  # from one output of the sweep to the next: step_x, times Pix where paired
    row: int  # words from one row to the next
    row0: int
    row_step: int  # step_y rows
    plane: int  # words from one block of Rows channels to the next
    pad: int  # stored code outside the image
    cool: int  # cycles that draining one step of an output takes
    gap: int  # and those that the next sweep must leave after the last one


@dataclass(frozen=True)
class Segment:
    """Input blocks that one tap reads: `blocks` (less 1) words from `base` on, a plane apart.

    With `shift` none: the accumulators double in `blocks` cycles. With `stop` what is summed up leaves after it: a time
    step's last one.
    """

    base: int
    blocks: int
    image: int  # lies in the image's own buffer
    shift: int
    stop: int


@dataclass(frozen=True)
class Drain:
    """The same sweep as its results see it; `base` is a word of the features, for logits one of the result memory."""

    kind: int
    after: int
    banked: int
    paired: int
    out_h: int
    out_w: int
    base: int
    row: int
    plane: int
    chunk: int  # first chunk of its word
    chunks: int  # of Lanes channels, less 1
    params: int  # first word
    rounding: int
    lo: int
    span: int
    tables: int  # first threshold word
    steps: int  # of a threshold's search
    scale: int  # of its counts, or of spikes
    times: int  # time steps, less 1
    image: int  # words from a step's image to the next; 0 keeps the last one alone
    hold: int  # sums of one step serve all
    lif: int  # neurons are between sums and quantizer
    neurons: int  # their first word
    guard: int  # fraction bits of a membrane below the sums'
    limit: int  # bits of a membrane
    reset: int
    later: int  # a step later
    strict: int
    most: int  # spikes a step


@dataclass(frozen=True)
class Config:
    """The frame and the result: one word."""

    height: int  # less 1
    width: int  # less 1
    chunks: int  # less 1
    row: int
    plane: int
    base: int  # of the first image buffer
    base2: int
    lo: int
    coarse: int  # scores
    scores: int
    fine: int  # result word where `scores` start


@dataclass(frozen=True)
class Bank:
    """Where a branch's memories start, from where branch 0's do, and the rows that it uses."""

    weights: int
    params: int
    tables: int
    neurons: int
    rows: int


Word = TypeVar("Word", Sweep, Segment, Drain, Config, Bank)

# Bits of every field: as many as any network may need. What a network never uses, synthesis removes.
_ADDRESS, _SIDE = 20, 13
_BITS: dict[type, dict[str, int]] = {
    Sweep: {
        **dict.fromkeys(("last", "sync", "result", "banked", "pool", "hold", "unrolled", "paired"), 1),
        **dict.fromkeys(("weights", "row", "row0", "row_step", "plane"), _ADDRESS),
        **dict.fromkeys(("height", "width", "out_h", "out_w", "y0", "x0"), _SIDE),
        **dict.fromkeys(("kernel_h", "kernel_w"), _SIDE),
        **{
            "step_y": 8,
            "step_x": 8,
            "jump_x": 10,
            "first_segment": 12,
            "last_segment": 12,
            "pad": 32,
            "cool": 16,
            "gap": 8,
        },
    },
    Segment: {"base": _ADDRESS, "blocks": 12, "image": 1, "shift": 1, "stop": 1},
    Drain: {
        **dict.fromkeys(("base", "row", "plane", "params", "tables"), _ADDRESS),
        **{"kind": ENUM_BITS[Kind], "after": ENUM_BITS[After], "banked": 1, "paired": 1},
        **{"out_h": _SIDE, "out_w": _SIDE, "chunk": 8, "chunks": 8},
        **{"rounding": 2, "lo": 33, "span": 32, "steps": 5, "scale": 17},
        **{"times": 12, "image": _ADDRESS, "hold": 1, "lif": 1, "neurons": _ADDRESS, "guard": 5, "limit": 6},
        **{"reset": ENUM_BITS[Reset], "later": 1, "strict": 1, "most": 8},
    },
    Config: {
        **{"height": _SIDE, "width": _SIDE, "chunks": 12, "row": _ADDRESS, "plane": _ADDRESS, "base": _ADDRESS},
        **{"base2": _ADDRESS, "lo": 32, "coarse": 17, "scores": 17, "fine": _ADDRESS},
    },
    Bank: {"weights": _ADDRESS, "params": _ADDRESS, "tables": _ADDRESS, "neurons": _ADDRESS, "rows": 17},
}


# In the order of the dataclass, the most significant first.
_WIDTHS = {kind: {f.name: bits[f.name] for f in fields(kind)} for kind, bits in _BITS.items()}


def widths(kind: type) -> Mapping[str, int]:
    """The fields of a word in their order, the most significant first, with their bits."""
    return _WIDTHS[kind]


def word(entry: Sweep | Segment | Drain | Config | Bank) -> int:
    """The bits of an entry; negative values in two's complement."""
    bits = 0
    for name, width in widths(type(entry)).items():
        bits = bits << width | getattr(entry, name) & ((1 << width) - 1)
    return bits


def enum_lines(name: str, members: Mapping[str, int], bits: int) -> list[str]:
    """Lines of SystemVerilog: the width NAME_BITS and an enum `name_e` of so many bits, its members NAME_MEMBER."""
    values = ",\n".join(f"    {name.upper()}_{member} = {bits}'d{value}" for member, value in members.items())
    width = f"  localparam int unsigned {name.upper()}_BITS = {bits};"
    return [width, f"  typedef enum logic [{bits - 1}:0] {{", values, f"  }} {name}_e;"]


def systemverilog() -> str:
    """A package of the words as packed structs, and of the enums in them."""
    lines = [
        "// The words of the engine's program. Written by crossloom.rtl.compiler.words, which says what",
        "// they mean: `python -m crossloom.rtl.write_packages`, a test compares them.",
        "// verilator lint_off UNUSEDPARAM",
        f"package {NAME};",
    ]
    for enum, bits in ENUM_BITS.items():
        lines += enum_lines(enum.__name__.lower(), {member.name: int(member) for member in enum}, bits)
    for kind in _BITS:
        name, total = kind.__name__.lower(), sum(widths(kind).values())
        lines += [f"  localparam int unsigned {name.upper()}_BITS = {total};", "  typedef struct packed {"]
        lines += [f"    logic [{bits - 1}:0] {field};" for field, bits in widths(kind).items()]
        lines.append(f"  }} {name}_t;")
    return "\n".join([*lines, "endpackage", "// verilator lint_on UNUSEDPARAM", ""])
