"""`crossloom emit`: sources for other tools, each kind in a module of its own."""

from __future__ import annotations

import argparse
from importlib import import_module

from . import Report


def run(args: argparse.Namespace) -> Report:
    """Write what was asked for."""
    report: Report = import_module(f".emit_{args.what}", __package__).run(args)
    return report
