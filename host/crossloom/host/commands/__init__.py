"""One module per command of the command line, each with `run(args) -> Report`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Report:
    """What a command prints: `data` as JSON with --json, else `text`; and its exit code."""

    data: dict[str, Any]
    text: str
    code: int = 0
