"""What a key of a TOML file may hold: rules on dataclass fields, and one line that names what breaks one."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, field, fields
from typing import Any, NoReturn, TypeVar

from crossloom.sim.errors import ConfigError

T = TypeVar("T")


def ruled(needed: str, check: Callable[[object], bool], default: Any = MISSING) -> Any:
    """Return a dataclass field whose values must pass `check`; `needed` says in words what does."""
    return field(default=default, metadata={"needed": needed, "check": check})


def integer(lo: int, hi: int, default: Any = MISSING, or_word: str | None = None) -> Any:
    """Return a field for an integer in lo..hi (true and false are none), or one word where it is given."""

    def check(value: object) -> bool:
        if isinstance(value, str):
            return value == or_word
        return isinstance(value, int) and not isinstance(value, bool) and lo <= value <= hi

    return ruled(f"an integer in {lo}..{hi}" + (f' or "{or_word}"' if or_word else ""), check, default)


def number(lo: float, hi: float, default: float) -> Any:
    """Return a field for a finite number in lo..hi; an integer becomes a float."""

    def check(value: object) -> bool:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return lo <= value <= hi and math.isfinite(value)

    return field(default=default, metadata={"needed": f"a number in {lo:g}..{hi:g}", "check": check, "float": True})


def choice(*names: str, default: Any = MISSING) -> Any:
    """Return a field for one of some words."""
    needed = "one of " + ", ".join(f'"{n}"' for n in names)
    return ruled(needed, lambda value: isinstance(value, str) and value in names, default)


def boolean(default: bool | None) -> Any:
    """Return a field for true or false."""
    return ruled("true or false", lambda value: isinstance(value, bool), default)


def file_path(default: None) -> Any:
    """Return a field for a path."""

    def check(value: object) -> bool:
        return isinstance(value, str) and bool(value.strip()) and "\0" not in value

    return ruled("a path in quotes", check, default)


def names() -> Any:
    """Return a field for a list of distinct texts, a tuple here; none by default."""

    def check(value: object) -> bool:
        if not isinstance(value, list) or not all(isinstance(name, str) and name.strip() for name in value):
            return False
        return len(set(value)) == len(value)

    needed = "a list of distinct texts"
    return field(default=(), metadata={"needed": needed, "check": check, "tuple": True})


def only_words(*known: str) -> Any:
    """Return a field for a list of distinct words out of some, a tuple here; none by default."""

    def check(value: object) -> bool:
        return isinstance(value, list) and all(v in known for v in value) and len(set(value)) == len(value)

    needed = "a list of distinct " + " and ".join(f'"{word}"' for word in known)
    return field(default=(), metadata={"needed": needed, "check": check, "tuple": True})


def shown(value: object) -> str:
    """Return a value as TOML has it, cut to 60 characters."""
    text = {True: "true", False: "false"}[value] if isinstance(value, bool) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def refuse(source: str, section: str, key: str, found: str, needed: str, advice: str) -> NoReturn:
    """Raise ConfigError: `source: [section] key 'key': found; needed ...; advice`."""
    where = f"{source}: [{section}] key {key[:60]!r}" if section else f"{source}: key {key[:60]!r}"
    raise ConfigError(f"{where}: {found}; needed {needed}; {advice}")


def suggestion(word: object, known: list[str], otherwise: str) -> str:
    """Return "did you mean ...?" for the known word nearest to a wrong one, or `otherwise`."""
    near = difflib.get_close_matches(word, known, n=1) if isinstance(word, str) else []
    return f"did you mean {near[0]!r}?" if near else otherwise


def only_known(source: str, section: str, table: Mapping[str, Any], known: list[str]) -> None:
    """Raise ConfigError naming the first key of `table` that is not known."""
    for key in table:
        if key not in known:
            needed = ", ".join(known) or "no key but type"
            refuse(source, section, key, "unknown", needed, suggestion(key, known, "remove it"))


def subtable(source: str, section: str, value: object) -> dict[str, Any]:
    """Return a copy of the table `value`; raise ConfigError where it is something else."""
    if not isinstance(value, dict):
        raise ConfigError(f"{source}: [{section}]: found {shown(value)}; needed a section of keys; write [{section}]")
    return dict(value)


def read_section(source: str, section: str, value: object, kind: type[T], **ready: Any) -> T:
    """Return the dataclass `kind` made from a table, each value checked by its field's rule.

    `ready` are fields that are made already and that the table may not have.
    """
    table = subtable(source, section, value)
    every: tuple[Field[Any], ...] = fields(kind)  # type: ignore[arg-type]  # `kind` is a dataclass
    checked = {f.name: f for f in every if "check" in f.metadata}
    only_known(source, section, table, list(checked))
    values: dict[str, Any] = dict(ready)
    for key, found in table.items():
        rule = checked[key].metadata
        if not rule["check"](found):
            default = checked[key].default
            example = f'"{default}"' if isinstance(default, str) else shown(default)
            advice = f"write {key} = {example}" if default not in (MISSING, None, ()) else "correct it"
            refuse(source, section, key, f"found {shown(found)}", rule["needed"], advice)
        if rule.get("float"):
            found = float(found)
        values[key] = tuple(found) if rule.get("tuple") else found
    return kind(**values)
