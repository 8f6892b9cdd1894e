"""Reads JSON of others field by field: what is not exactly what was expected is a ValueError that says so."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, TypeVar

_HASH_DIGITS = 64
_LIMIT = 1 << 62
_DIGITS = 20
_Made = TypeVar("_Made")


def parsed(data: bytes | str) -> Any:
    """The values of a JSON text; ValueError (RecursionError where it is nested too deeply) for anything else."""

    def integer(digits: str) -> int:
        if len(digits) > _DIGITS:
            raise ValueError(f"a number of {len(digits)} digits")
        return int(digits)

    return json.loads(data, parse_int=integer)


def made(kind: type[_Made], value: Any, readers: Mapping[str, Callable[[Any], Any]]) -> _Made:
    """A dataclass from an object with exactly its fields; those without a reader are integers."""
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]  # callers give dataclasses
    if not isinstance(value, dict) or sorted(value) != sorted(names):
        raise ValueError(f"{kind.__name__} needs {', '.join(names)}")
    read: Callable[[Any], Any] = whole
    return kind(**{name: readers.get(name, read)(value[name]) for name in names})


def whole(value: Any) -> int:
    """An integer below 2**62 in magnitude."""
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) >= _LIMIT:
        raise ValueError(f"{str(value)[:40]!r} is no integer")
    return value


def count(most: int, least: int = 0) -> Callable[[Any], int]:
    """A reader of integers from `least` to `most`."""

    def read(value: Any) -> int:
        if not least <= whole(value) <= most:
            raise ValueError(f"{value} is not within {least} to {most}")
        return int(value)

    return read


def number(value: Any) -> float:
    """A number that is finite and below 2**62 in magnitude; an integer stays one."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < _LIMIT:
        raise ValueError(f"{str(value)[:40]!r} is no number")
    return value


def flag(value: Any) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise ValueError(f"{str(value)[:40]!r} is neither true nor false")
    return value


def text(value: Any) -> str:
    """Text on one line, printable."""
    if not isinstance(value, str) or not value.isprintable():
        raise ValueError(f"{str(value)[:40]!r} is no printable text")
    return value


def sha256(value: Any) -> str:
    """A SHA-256 in hexadecimal."""
    if len(text(value)) != _HASH_DIGITS or set(value) - set("0123456789abcdef"):
        raise ValueError(f"{value[:40]!r} is no SHA-256")
    return str(value)


def many(read: Callable[[Any], _Made]) -> Callable[[Any], tuple[_Made, ...]]:
    """A reader of lists of what `read` reads."""

    def read_all(value: Any) -> tuple[_Made, ...]:
        if not isinstance(value, list):
            raise ValueError(f"{str(value)[:40]!r} is no list")
        return tuple(read(item) for item in value)

    return read_all
