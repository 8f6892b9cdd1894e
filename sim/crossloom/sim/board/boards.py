"""Boards as data: one small JSON file each, with the settings of the processor that no overlay decides."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..installation import bitstreams
from ..strict_json import made, parsed, text

DEFAULT_BOARD = "pynq-z2"
FORMAT = 1
MAX_BYTES = 64 << 10  # of a file, which is untrusted
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*\Z")
_PART = re.compile(r"xc[a-z0-9-]{4,40}\Z")
_PS = re.compile(r"[a-z][a-z0-9_]{0,40}\Z")
_KEY = re.compile(r"[A-Z][A-Z0-9_]{0,80}\Z")
_VALUE = re.compile(r"[A-Za-z0-9 .:_/()+-]{1,80}\Z")  # nothing that Tcl would read as more than text


@dataclass(frozen=True)
class Board:
    """A board: its part, the IP of its processor (`ps`), settings of that IP by name, and who says so."""

    name: str
    title: str
    part: str
    ps: str
    source: str
    settings: Mapping[str, str]


def board_names() -> list[str]:
    """Names of the boards that are here, sorted."""
    folder = bitstreams()
    return sorted(path.stem for path in folder.glob("boards/*.json")) if folder else []


def load_board(name: str) -> Board:
    """The board of a name; InputError, one line, where there is none or its file is not one."""
    folder = bitstreams()
    if folder is None or name not in board_names():
        raise InputError(f"board {name[:40]!r}: unknown; one of {', '.join(board_names()) or 'none'} is needed")
    path = folder / "boards" / f"{name}.json"
    with path.open("rb") as handle:
        board = read_board(handle.read(MAX_BYTES + 1), path)
    if board.name != name:
        raise InputError(f"{path}: is of board {board.name!r}; needed {name!r}, as the file is called; rename one")
    return board


def read_board(data: bytes, where: Path | str) -> Board:
    """The board in the bytes of its file; InputError, one line, for anything else."""
    if len(data) > MAX_BYTES:
        raise InputError(f"{where}: more than {MAX_BYTES:,} bytes; a board takes a few thousand; take another file")
    try:
        plain = parsed(data)
        if not isinstance(plain, dict) or plain.pop("format", None) != FORMAT:
            raise ValueError(f"no board of format {FORMAT}")
        readers = {"name": _matching(_NAME), "part": _matching(_PART), "ps": _matching(_PS)}
        return made(Board, plain, {**readers, "title": text, "source": text, "settings": _settings})
    except (ValueError, RecursionError) as error:
        said = str(error).splitlines()[0][:160]
        raise InputError(f"{where}: no description of a board ({said}); see bitstreams/boards/pynq-z2.json") from None


def _matching(pattern: re.Pattern[str]) -> Any:
    def read(value: Any) -> str:
        if not pattern.match(text(value)):
            raise ValueError(f"{value[:40]!r} is not of the form {pattern.pattern.removesuffix('Z')[:-1]}")
        return str(value)

    return read


def _settings(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        raise ValueError("settings are no object")
    key, setting = _matching(_KEY), _matching(_VALUE)
    return {key(name): setting(given) for name, given in value.items()}
