"""`crossloom bench`: measurements, each in a module of its own."""

from __future__ import annotations

import argparse
from importlib import import_module

from .. import Report


def run(args: argparse.Namespace) -> Report:
    """Run the measurement that was asked for."""
    report: Report = import_module(f".{args.what}", __name__).run(args)
    return report
