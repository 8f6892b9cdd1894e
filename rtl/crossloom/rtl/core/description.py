"""What a host must know of a built core, as `core.json` beside it: sizes, registers, identities, places of banks."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import Any

from crossloom.sim.board.build_record import DESCRIPTION
from crossloom.sim.chip import XC7Z020
from crossloom.sim.errors import DeviceError
from crossloom.sim.frames import FrameLayout, frame_layout
from crossloom.sim.strict_json import count, flag, made, many, parsed, sha256, text, whole

from ..compiler.bank_layout import BankLayout, Place, bank_layout
from ..compiler.program import Program
from ..compiler.sizes import Folding, Sizes
from ..compiler.words import Bank, Kind
from ..errors import RegisterError, RtlError
from ..estimate.cycles import image_cycles
from ..registers.core_map import CORE
from ..registers.register_map import Field, Register, RegisterMap
from .contents import identities_of

FILE = DESCRIPTION
FORMAT = 2
MAX_BYTES = 64 << 20  # of a description, which is untrusted
_MOST = (1 << 31) - 1  # words of a memory, sweeps, rows


@dataclass(frozen=True)
class CoreDescription:
    """A core: hashes in hexadecimal, cycles of the slowest branch's image by the exact model, frame sizes, registers.

    With `layout` a host writes another network's coarse head and branches without compiling anything.
    """

    name: str
    structure: str
    fixed: str
    weights: str
    latency: int
    interval: int
    frame: FrameLayout
    registers: RegisterMap
    layout: BankLayout

    def to_json(self) -> bytes:
        """As the text of `core.json`, the same bytes for the same core; RtlError where nobody would read as many."""
        data = (json.dumps({"format": FORMAT, **asdict(self)}, indent=1) + "\n").encode("ascii")
        if len(data) > MAX_BYTES:
            raise RtlError(
                f"{self.name}: {len(self.layout.places):,} sweeps can be rewritten, {len(data):,} bytes of {FILE}; at "
                f"most {MAX_BYTES:,} are read: name a larger array, or take fewer channels in the branches"
            )
        return data


def describe(program: Program) -> CoreDescription:
    """The description of the core that a program makes."""
    identities = identities_of(program.network)
    cycles = [image_cycles(program, branch) for branch in range(len(program.banks))]
    return CoreDescription(
        program.network.name,
        identities["STRUCTURE"],
        identities["FIXED"],
        identities["WEIGHTS"],
        max(each.latency for each in cycles),
        max(each.interval for each in cycles),
        frame_layout(program.network),
        CORE,
        bank_layout(program),
    )


def read_description(data: bytes, where: str = FILE) -> CoreDescription:
    """The description in the bytes of a `core.json`; DeviceError, one line, for anything else."""
    if len(data) > MAX_BYTES:
        raise DeviceError(f"{where}: {len(data):,} bytes; at most {MAX_BYTES:,} are read: take what emit wrote")
    try:
        plain = parsed(data)
        if not isinstance(plain, dict) or plain.pop("format", None) != FORMAT:
            raise DeviceError(f"{where}: not a core's description of format {FORMAT}; take the file that emit wrote")
        return made(
            CoreDescription,
            plain,
            {
                **dict.fromkeys(("structure", "fixed", "weights"), sha256),
                "frame": lambda value: made(FrameLayout, value, {"input_signed": flag}),
                "registers": _registers,
                "layout": _layout,
                "name": text,
            },
        )
    except (ValueError, TypeError, KeyError, RecursionError, RtlError, RegisterError) as error:
        if isinstance(error, DeviceError):
            raise
        raise DeviceError(
            f"{where}: no description of a core ({str(error).splitlines()[0][:160]}); take the file that emit wrote"
        ) from None


def _registers(value: Any) -> RegisterMap:
    def register(item: Any) -> Register:
        bits = many(lambda field: made(Field, field, {"name": text, "text": text}))
        return made(Register, item, {"name": text, "access": text, "text": text, "fields": bits})

    return made(RegisterMap, value, {"name": text, "registers": many(register), "windows": _no_windows})


def _no_windows(value: Any) -> tuple[()]:
    if value != []:
        raise ValueError("a core has no windows")
    return ()


def _names(kind: type) -> list[str]:
    return [field.name for field in fields(kind)]


def _layout(value: Any) -> BankLayout:
    def place(item: Any) -> Place:
        at = dict.fromkeys(("channel", "weights", "params", "tables", "neurons"), count(_MOST))
        return made(Place, item, {"layer": text, "kind": lambda number: Kind(whole(number)), "banked": flag, **at})

    def folding(item: Any) -> Folding:
        found = made(Folding, item, {})
        if found.rows * found.cols * found.pix > XC7Z020.lut + 4 * XC7Z020.dsp:
            raise ValueError(f"an array of {found} is larger than the chip")
        return found

    sizes = dict.fromkeys(_names(Sizes), count(_MOST)) | {
        **dict.fromkeys(("x_bits", "w_bits", "acc_bits", "code_bits", "scale_bits", "mem_bits", "mem_min"), count(64)),
        **dict.fromkeys(("shift_min", "shift_max"), count(64, -64)),
    }
    return made(
        BankLayout,
        value,
        {
            "folding": folding,
            "sizes": lambda item: made(Sizes, item, sizes),
            "banks": many(lambda item: made(Bank, item, dict.fromkeys(_names(Bank), count(_MOST)))),
            "places": many(place),
        },
    )
