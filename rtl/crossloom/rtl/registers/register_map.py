"""Register maps: one description from which SystemVerilog, C and Python constants are written."""

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

from ..errors import RegisterError

_NAME = re.compile(r"[A-Z][A-Z0-9_]*\Z")
_ACCESS = ("ro", "rw", "wo", "w1c")


@dataclass(frozen=True)
class Field:
    """Bits `low .. low + width - 1` of a register; unsigned unless the text says otherwise."""

    name: str
    low: int
    width: int
    text: str


@dataclass(frozen=True)
class Register:
    """A 32-bit word at a byte offset: `ro`, `rw`, `wo` or `w1c` (write 1 to clear), its value after reset, its bits."""

    name: str
    offset: int
    access: str
    text: str
    reset: int = 0
    fields: tuple[Field, ...] = ()


@dataclass(frozen=True)
class Window:
    """A memory of 32-bit words that is written from a byte offset on; `size` bytes are set aside for it."""

    name: str
    offset: int
    size: int
    text: str


@dataclass(frozen=True)
class RegisterMap:
    """The address space of one core: names in capitals, `address_bits` bits of byte addresses."""

    name: str
    address_bits: int
    registers: tuple[Register, ...]
    windows: tuple[Window, ...] = ()

    def __post_init__(self) -> None:
        taken: dict[int, str] = {}
        for register in self.registers:
            self._check(register.name, register.offset, 4, taken)
            if register.access not in _ACCESS or not 0 <= register.reset < 2**32:
                raise RegisterError(
                    f"{self.name}.{register.name}: access {register.access!r}, reset {register.reset}; one of"
                    f" {', '.join(_ACCESS)} and 32 bits are needed; correct the map"
                )
            used = 0
            for field in register.fields:
                bits = ((1 << field.width) - 1) << field.low
                if not _NAME.match(field.name) or used & bits or not 0 < bits < 2**32:
                    raise RegisterError(
                        f"{self.name}.{register.name}.{field.name}: bits {field.low}+{field.width} overlap or leave the"
                        " word; fields of their own within 32 bits are needed; correct the map"
                    )
                used |= bits
        for window in self.windows:
            self._check(window.name, window.offset, window.size, taken)

    def _check(self, name: str, offset: int, size: int, taken: dict[int, str]) -> None:
        """Refuse a bad name, an unaligned or overlapping place."""
        if not _NAME.match(name) or name in taken.values():
            raise RegisterError(f"{self.name}.{name}: not a new name in capitals; rename it")
        if offset % 4 or size % 4 or size < 4 or not 0 <= offset <= 2**self.address_bits - size:
            raise RegisterError(
                f"{self.name}.{name}: {size} bytes at {offset:#x}; whole words within {self.address_bits} bits of"
                " address are needed; move it"
            )
        for word in range(offset, offset + size, 4):
            if word in taken:
                raise RegisterError(f"{self.name}.{name}: {word:#x} is {taken[word]}'s; move one of them")
            taken[word] = name

    def offset(self, name: str) -> int:
        """The byte offset of a register or window; RegisterError if there is none of that name."""
        places = {r.name: r.offset for r in self.registers} | {w.name: w.offset for w in self.windows}
        if name in places:
            return places[name]
        raise RegisterError(f"{self.name}: no register or window {name!r}; see the map for the names")

    def field(self, register: str, name: str) -> Field:
        """A register's bits of some name; RegisterError if there are none."""
        for entry in self.registers:
            for field in entry.fields if entry.name == register else ():
                if field.name == name:
                    return field
        raise RegisterError(f"{self.name}: no bits {name!r} in register {register!r}; see the map for the names")

    def constants(self) -> Iterator[tuple[str, int, int, str]]:
        """Every constant as (name, value, bits, text): addresses, resets where not zero, and fields' LSB and MASK."""
        for register in self.registers:
            yield f"{register.name}_OFFSET", register.offset, self.address_bits, f"{register.access}: {register.text}"
            if register.reset:
                yield f"{register.name}_RESET", register.reset, 32, ""
            for field in register.fields:
                name = f"{register.name}_{field.name}"
                yield f"{name}_LSB", field.low, 5, field.text
                yield f"{name}_MASK", ((1 << field.width) - 1) << field.low, 32, ""
        for window in self.windows:
            yield f"{window.name}_OFFSET", window.offset, self.address_bits, window.text
            yield f"{window.name}_SIZE", window.size, self.address_bits, ""

    def systemverilog(self) -> str:
        """A package `<name>_regs_pkg` of localparams."""
        lines = [
            f"// Addresses and bits of {self.name}. Written by crossloom.rtl.registers from its description;",
            "// change that and run `python -m crossloom.rtl.write_packages`, a test compares them.",
            "// verilator lint_off UNUSEDPARAM",
            f"package {self.name}_regs_pkg;",
        ]
        for name, value, bits, text in self.constants():
            if text:
                lines.extend(f"  // {part}" for part in textwrap.wrap(text, 94))
            if name.endswith("_LSB"):
                lines.append(f"  localparam int unsigned {name} = {value};")
            else:
                lines.append(f"  localparam logic [{bits - 1}:0] {name} = {bits}'h{value:0{(bits + 3) // 4}x};")
        return "\n".join([*lines, "endpackage", "// verilator lint_on UNUSEDPARAM", ""])

    def c_header(self) -> str:
        """A C header of `#define`s, prefixed by the core's name."""
        prefix = self.name.upper()
        lines = [f"/* Addresses and bits of {self.name}, written by crossloom.rtl. */", f"#ifndef {prefix}_REGS_H"]
        lines.append(f"#define {prefix}_REGS_H")
        for name, value, _bits, text in self.constants():
            lines.append(f"#define {prefix}_{name} 0x{value:x}u{f' /* {text} */' if text else ''}")
        return "\n".join([*lines, "#endif", ""])

    def python(self) -> str:
        """A Python module of constants."""
        lines = [f'"""Addresses and bits of {self.name}, written by crossloom.rtl."""', ""]
        for name, value, _bits, text in self.constants():
            lines.append(f"{name} = 0x{value:x}{f'  # {text}' if text else ''}")
        return "\n".join([*lines, ""])
