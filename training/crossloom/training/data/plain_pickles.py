"""Reads the pickles that data sets are published as, without running or importing anything that they name.

It follows the operations that such files need, by itself, and makes arrays of bytes, texts, integers, lists, tuples and
dicts. Any other operation, or name of a function, is refused: there is nothing here that could call one.
"""

from __future__ import annotations

import pickletools
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from crossloom.sim.errors import ConfigError
from crossloom.sim.text import printable

from .files import check_file, reason, shown
from .labelled import Images

MAX_FILE = MAX_TEXTS = 1 << 30
MAX_OPERATIONS = 2_000_000
_PROTOCOLS = range(2, 5)
_NUMPY = ("numpy.core.multiarray", "numpy._core.multiarray")  # before numpy 2, and since
_NAMES = {
    **{(module, "_reconstruct"): "array" for module in _NUMPY},
    ("numpy", "ndarray"): "ndarray",
    ("numpy", "dtype"): "dtype",
    ("_codecs", "encode"): "encode",
}
_VALUES = (
    "SHORT_BINSTRING", "BINSTRING", "SHORT_BINUNICODE", "BINUNICODE", "SHORT_BINBYTES", "BINBYTES", "BINBYTES8",
    "BININT", "BININT1", "BININT2", "LONG1",
)  # fmt: skip
_CONSTANTS: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


class _Mark:
    """Where the items of a list, a dict or a tuple begin on the stack."""


@dataclass(frozen=True)
class _Named:
    """A function or class by what it stands for here; never looked up."""

    what: str


@dataclass
class _Bytes:
    """An array that is being made; `pixels` is set by its state."""

    pixels: Images | None = None


@dataclass
class _Machine:
    """The stack and the memory of a pickle; strings of Python 2 are latin-1 texts here."""

    stack: list[Any] = field(default_factory=list)
    memory: dict[int, Any] = field(default_factory=dict)
    room: int = 0  # bytes that may still be made of texts: one text may stand in many places

    def pop(self) -> Any:
        if not self.stack or isinstance(self.stack[-1], _Mark):
            raise ValueError("nothing where a value is needed")
        return self.stack.pop()

    def top(self, kind: type) -> Any:
        if not self.stack or not isinstance(self.stack[-1], kind):
            raise ValueError(f"no {kind.__name__.lstrip('_').lower()} to add to")
        return self.stack[-1]

    def marked(self) -> list[Any]:
        for place in range(len(self.stack) - 1, -1, -1):
            if isinstance(self.stack[place], _Mark):
                items = self.stack[place + 1 :]
                del self.stack[place:]
                return items
        raise ValueError("no beginning of a list, a dict or a tuple")

    def step(self, name: str, argument: Any) -> None:
        """Do one operation other than STOP; raise ValueError for one that such files have no need of."""
        stack = self.stack
        if name in _VALUES:
            stack.append(argument)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in ("BINPUT", "LONG_BINPUT", "MEMOIZE"):
            value = self.pop()
            stack.append(value)
            self.memory[len(self.memory) if name == "MEMOIZE" else argument] = value
        elif name in ("BINGET", "LONG_BINGET"):
            if argument not in self.memory:
                raise ValueError(f"value {argument} is not there")
            stack.append(self.memory[argument])
        elif name in _TUPLES:
            stack.append(tuple([self.pop() for _ in range(_TUPLES[name])][::-1]))
        elif name == "EMPTY_LIST":
            stack.append([])
        elif name == "EMPTY_DICT":
            stack.append({})
        elif name == "MARK":
            stack.append(_Mark())
        elif name == "TUPLE":
            stack.append(tuple(self.marked()))
        elif name in ("APPEND", "APPENDS"):
            items = self.marked() if name == "APPENDS" else [self.pop()]
            self.top(list).extend(items)
        elif name in ("SETITEM", "SETITEMS"):
            items = self.marked() if name == "SETITEMS" else [self.pop(), self.pop()][::-1]
            self._set(items)
        elif name in ("GLOBAL", "STACK_GLOBAL"):
            pair = str(argument).split(" ", 1) if name == "GLOBAL" else [self.pop(), self.pop()][::-1]
            stack.append(_named(*pair))
        elif name == "REDUCE":
            arguments, function = self.pop(), self.pop()
            stack.append(self._made(function, arguments))
        elif name == "BUILD":
            state = self.pop()
            if not stack or stack[-1] != _Named("uint8"):  # which has no byte order that the state could say
                self.top(_Bytes).pixels = self._pixels(state)
        elif name not in ("PROTO", "FRAME"):
            raise ValueError(f"operation {name}")
        elif name == "PROTO" and argument not in _PROTOCOLS:
            raise ValueError(f"protocol {argument}")

    def _set(self, items: list[Any]) -> None:
        target = self.top(dict)
        if len(items) % 2:
            raise ValueError("a key without a value")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not isinstance(key, str | bytes):  # tuples of tuples would take for ever to hash
                raise ValueError(f"a key that is {type(key).__name__}")
            target[key if isinstance(key, str) else key.decode("latin-1")] = value

    def _made(self, function: Any, arguments: Any) -> Any:
        """What a call would have made: an array to be filled, the type of bytes, or the bytes of a latin-1 text."""
        what = function.what if isinstance(function, _Named) else None
        match what, arguments:
            case "array", (_Named("ndarray"), (0,), "b" | b"b"):
                return _Bytes()
            case "dtype", ("u1", *_):
                return _Named("uint8")
            case "encode", (str(text), "latin1"):
                return self._encoded(text)
        raise ValueError("a call that makes no array of bytes")

    def _pixels(self, state: Any) -> Images:
        """Return the array of a state (version, shape, type, Fortran's order, data)."""
        match state:
            case (int(), tuple(shape), _Named("uint8"), bool(fortran), str() | bytes() as held):
                data = self._encoded(held) if isinstance(held, str) else held
                if not all(type(side) is int and side >= 0 for side in shape) or not 1 <= len(shape) <= 4:
                    raise ValueError("an array of no shape")
                size = 1
                for side in shape:
                    size *= side
                if size != len(data):
                    raise ValueError(f"an array of {size} bytes holds {len(data)}")
                return np.frombuffer(data, np.uint8).reshape(shape, order="F" if fortran else "C")
        raise ValueError("an array of something other than bytes")

    def _encoded(self, text: str) -> bytes:
        self.room -= len(text)
        if self.room < 0:
            raise ValueError(f"texts of more than {MAX_FILE >> 30} GiB in all")
        return text.encode("latin-1")


def read_plain_pickle(path: Path) -> dict[str, Any]:
    """Return the dict of a pickle of protocol 2 to 4: arrays of bytes, texts, bytes, integers, lists, tuples, dicts.

    Raises ConfigError (one line) for a file over 1 GiB, more than two million operations, a damaged one, and any
    operation or name beyond these; what a file declares, but doesn't hold, takes no memory.
    """
    check_file(path, "needed a file of the data set; check the path")
    where, needed = shown(path), "needed the original file; get it again"
    try:
        if path.stat().st_size > MAX_FILE:
            raise ConfigError(f"{where}: more than {MAX_FILE >> 30} GiB; {needed}")
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{where}: cannot be read ({reason(error)}); {needed}") from None
    machine = _Machine(room=MAX_TEXTS)
    try:
        for count, (name, argument) in enumerate(_operations(data)):
            if name == "STOP":
                break
            if count >= MAX_OPERATIONS:
                raise ValueError(f"more than {MAX_OPERATIONS:,} operations")
            machine.step(name, argument)
        found = machine.pop()
        if not isinstance(found, dict) or machine.stack:
            raise ValueError("no dict")
    except (ValueError, TypeError, OverflowError, MemoryError, UnicodeError) as error:
        raise ConfigError(f"{where}: not read as a pickle of plain values ({reason(error)}); {needed}") from None
    return {key: value.pixels if isinstance(value, _Bytes) else value for key, value in found.items()}


def _operations(data: bytes) -> Iterator[tuple[str, Any]]:
    """Yield the operations by name; raises ValueError where the data ends too early or is no pickle."""
    if data[:1] != b"\x80":
        raise ValueError("no pickle of protocol 2 to 4")
    for operation, argument, _ in pickletools.genops(BytesIO(data)):
        yield operation.name, argument


def _named(module: Any, name: Any) -> _Named:
    key = (module, name)
    if not isinstance(module, str) or not isinstance(name, str) or key not in _NAMES:
        raise ValueError(f"it names {printable(module, 40)}.{printable(name, 40)}, which is not called here")
    return _Named(_NAMES[key])
