"""`crossloom import`: a network of another program, each kind of file in a module of its own."""

from __future__ import annotations

import argparse
from importlib import import_module
from pathlib import Path

from crossloom.sim import InputError
from crossloom.sim.text import printable

from .. import Report

KINDS = ("nir",)


def run(args: argparse.Namespace) -> Report:
    """Import one file; InputError for a kind that is not known by its suffix."""
    kind = Path(args.file).suffix.lower().removeprefix(".")
    if kind not in KINDS:
        known = " or ".join(f".{name}" for name in KINDS)
        raise InputError(f"{printable(args.file, 400)}: no kind of file that is known; needed a {known} file")
    report: Report = import_module(f".{kind}", __name__).run(args)
    return report
