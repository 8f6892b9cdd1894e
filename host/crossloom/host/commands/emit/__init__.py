"""`crossloom emit`: sources for other tools, each kind in a module of its own."""

from __future__ import annotations

import argparse
from importlib import import_module

from crossloom.sim import InputError

from .. import Report


def run(args: argparse.Namespace) -> Report:
    """Write what was asked for; InputError for a folder without a name."""
    if args.out == "":
        raise InputError("--out '': no name; the name of a folder is needed; leave --out away for runs/NAME-...")
    report: Report = import_module(f".{args.what}", __name__).run(args)
    return report
