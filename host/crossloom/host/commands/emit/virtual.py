"""`crossloom emit virtual`: a design's overlay for the virtual board, as `pynq` loads it."""

from __future__ import annotations

import argparse
from pathlib import Path

from crossloom.sim import load
from crossloom.sim.errors import DeviceError
from crossloom.sim.folder import check_output, write_folder

from ...designs import find_design
from ...folding_choice import compiled
from .. import Report

COMMAND = "crossloom emit virtual"


def run(args: argparse.Namespace) -> Report:
    """Write the folder."""
    from ...board.virtual.bitstream import overlay_of

    network = load(find_design(args.design)).network
    out = Path(args.out) if args.out else Path("runs") / f"{network.name}-virtual"
    check_output(out, COMMAND, DeviceError)
    files = write_folder(out, overlay_of(compiled(network)), COMMAND, DeviceError)
    data = {"name": network.name, "folder": str(out), "files": [path.relative_to(out).as_posix() for path in files]}
    text = f"{network.name}: an overlay for the virtual board in {out}; docs/board.md says how pynq loads it"
    return Report(data, text)
