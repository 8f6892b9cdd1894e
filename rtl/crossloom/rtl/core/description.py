"""What a host must know of a built core, as `core.json` beside it: sizes, registers, identities, places of banks."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from typing import Any, TypeVar

from crossloom.sim.errors import DeviceError
from crossloom.sim.frames import FrameLayout, frame_layout

from ..compiler.bank_layout import BankLayout, Place, bank_layout
from ..compiler.program import Program
from ..compiler.sizes import Folding, Sizes
from ..compiler.words import Bank, Kind
from ..errors import RegisterError, RtlError
from ..estimate.cycles import image_cycles
from ..registers.core_map import CORE
from ..registers.register_map import Field, Register, RegisterMap
from .contents import identities_of

FILE = "core.json"
FORMAT = 1
MAX_BYTES = 64 << 20  # of a description, which is untrusted
_HASH_DIGITS = 64
_LIMIT = 1 << 62
_Made = TypeVar("_Made")


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
        """As the text of `core.json`, the same bytes for the same core."""
        return (json.dumps({"format": FORMAT, **asdict(self)}, indent=1) + "\n").encode("ascii")


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
        plain = json.loads(data)
        if not isinstance(plain, dict) or plain.pop("format", None) != FORMAT:
            raise DeviceError(f"{where}: not a core's description of format {FORMAT}; take the file that emit wrote")
        return _made(
            CoreDescription,
            plain,
            {
                **dict.fromkeys(("structure", "fixed", "weights"), _sha256),
                "frame": lambda value: _made(FrameLayout, value, {"input_signed": _flag}),
                "registers": _registers,
                "layout": _layout,
                "name": _text,
            },
        )
    except (ValueError, TypeError, KeyError, RecursionError, RtlError, RegisterError) as error:
        if isinstance(error, DeviceError):
            raise
        raise DeviceError(
            f"{where}: no description of a core ({str(error).splitlines()[0][:160]}); take the file that emit wrote"
        ) from None


def _made(kind: type[_Made], value: Any, readers: dict[str, Callable[[Any], Any]]) -> _Made:
    """A dataclass from an object with exactly its fields; those without a reader are integers."""
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]  # callers give dataclasses
    if not isinstance(value, dict) or sorted(value) != sorted(names):
        raise ValueError(f"{kind.__name__} needs {', '.join(names)}")
    whole: Callable[[Any], Any] = _whole
    return kind(**{name: readers.get(name, whole)(value[name]) for name in names})


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= _LIMIT:
        raise ValueError(f"{str(value)[:40]!r} is no integer")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{str(value)[:40]!r} is neither true nor false")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.isprintable():
        raise ValueError(f"{str(value)[:40]!r} is no printable text")
    return value


def _sha256(value: Any) -> str:
    if len(_text(value)) != _HASH_DIGITS or set(value) - set("0123456789abcdef"):
        raise ValueError(f"{value[:40]!r} is no SHA-256")
    return str(value)


def _all(read: Callable[[Any], _Made]) -> Callable[[Any], tuple[_Made, ...]]:
    def many(value: Any) -> tuple[_Made, ...]:
        if not isinstance(value, list):
            raise ValueError(f"{str(value)[:40]!r} is no list")
        return tuple(read(item) for item in value)

    return many


def _registers(value: Any) -> RegisterMap:
    def register(item: Any) -> Register:
        bits = _all(lambda field: _made(Field, field, {"name": _text, "text": _text}))
        return _made(Register, item, {"name": _text, "access": _text, "text": _text, "fields": bits})

    return _made(RegisterMap, value, {"name": _text, "registers": _all(register), "windows": _no_windows})


def _no_windows(value: Any) -> tuple[()]:
    if value != []:
        raise ValueError("a core has no windows")
    return ()


def _layout(value: Any) -> BankLayout:
    def place(item: Any) -> Place:
        kind = {"layer": _text, "kind": lambda number: Kind(_whole(number)), "banked": _flag}
        return _made(Place, item, kind)

    return _made(
        BankLayout,
        value,
        {
            "folding": lambda item: _made(Folding, item, {}),
            "sizes": lambda item: _made(Sizes, item, {}),
            "banks": _all(lambda item: _made(Bank, item, {})),
            "places": _all(place),
        },
    )
