"""`crossloom emit hls`: a whole Vitis HLS and Vivado project of a design."""

from __future__ import annotations

import argparse
from pathlib import Path

from crossloom.sim import Artifact, load

from ...designs import find_design
from .. import Report


def project_folder(artifact: Artifact, args: argparse.Namespace) -> Path:
    """Where the project goes: --out, or runs/NAME-hls-FLOW."""
    return Path(args.out) if args.out else Path("runs") / f"{artifact.network.name}-hls-{args.flow}"


def run(args: argparse.Namespace) -> Report:
    """Write the project."""
    from crossloom.hls.build import steps
    from crossloom.hls.emit import emit
    from crossloom.sim.board.tools import commands

    artifact = load(find_design(args.design))
    out = project_folder(artifact, args)
    files = emit(artifact, args.flow, out)
    data = {
        "name": artifact.network.name,
        "flow": args.flow,
        "folder": str(out),
        "files": [path.relative_to(out).as_posix() for path in files],
        "commands": commands(out, steps(artifact.network)),
    }
    text = f"{artifact.network.name}, {args.flow} flow: {len(files)} files in {out}; to build it:\n  "
    return Report(data, text + "\n  ".join(data["commands"]))
