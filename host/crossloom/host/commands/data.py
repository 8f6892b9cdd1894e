"""`crossloom data fetch`: the published files of a data set, checked, where training looks for them."""

from __future__ import annotations

import argparse

from crossloom.sim.text import printable

from . import Report


def run(args: argparse.Namespace) -> Report:
    """Fetch one data set and say where it lies."""
    from crossloom.training.data.fetching import fetch

    folder = fetch(args.name, args.to)
    data = {"name": args.name, "folder": str(folder)}
    return Report(data, f"{args.name}: ready in {printable(folder, 400)}")
