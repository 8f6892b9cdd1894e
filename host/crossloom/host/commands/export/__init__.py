"""`crossloom export`: a design as a file of another format, each in a module of its own."""

from __future__ import annotations

import argparse
from importlib import import_module

from .. import Report


def run(args: argparse.Namespace) -> Report:
    """Write the file that was asked for."""
    report: Report = import_module(f".{args.format}", __name__).run(args)
    return report
