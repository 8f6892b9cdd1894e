"""The README of each folder of sources: a table of its modules, read from their header comments."""

from __future__ import annotations

import re
from pathlib import Path

from .errors import RtlError
from .sources import find_sources

FOLDERS = {
    "packages": "What several modules must agree on: written from Python, but for the layout of the array.",
    "cells": "Parts that know nothing of networks: streams, memories, adders, the bus.",
    "array": "What multiplies and sums, and what feeds it: windows of feature codes, weights, sums, maxima.",
    "engine": "What runs a program on the array: sequence, quantizers, scores, loading.",
    "core": "The engine behind AXI4-Stream and AXI4-Lite: frames, registers, identities.",
    "tile": "The digital twin of an in-memory-computing tile, a peripheral of its own.",
}
_HEADER = re.compile(r"(?://.*\n)+")
_TESTS = re.compile(r"tests/rtl/(test\w+\.py)")


def header(path: Path) -> str:
    """A source's header comment as one line; RtlError without one."""
    found = _HEADER.match(path.read_text(encoding="ascii"))
    if not found:
        raise RtlError(f"{path}: no comment at its head; a sentence, the model and the testbench are needed; write one")
    return " ".join(line.lstrip("/ ") for line in found[0].splitlines())


def row(path: Path) -> tuple[str, str, str, str]:
    """Module, purpose, testbenches and status of a source."""
    text = header(path)
    purpose = re.split(r"(?<=[a-z0-9)])[:.](?: |$)", text, maxsplit=1)[0]
    benches = ", ".join(f"`{name}`" for name in dict.fromkeys(_TESTS.findall(text)))
    if path.stem.endswith("_pkg"):
        status = "written from Python" if "Written by" in text else "by its users"
    else:
        status = "benched, proved" if "roof" in text else "benched" if benches else "in the bench of its user"
    return f"[{path.stem}]({path.name})", purpose, benches, status


def readme(folder: str) -> str:
    """The README of one folder of sources, Markdown."""
    rows = [row(path) for path in sorted((find_sources() / folder).glob("*.sv"))]
    lines = [
        f"# rtl/src/{folder}/",
        "",
        FOLDERS[folder],
        "Written from the modules' headers by `python -m crossloom.rtl.write_packages`; a test compares them.",
        "",
        "| module | purpose | tests/rtl/ | status |",
        "| --- | --- | --- | --- |",
        *(f"| {' | '.join(cells)} |" for cells in rows),
        "",
    ]
    return "\n".join(lines)
