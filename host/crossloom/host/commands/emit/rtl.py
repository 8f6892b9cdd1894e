"""`crossloom emit rtl`: a design's core as a folder of SystemVerilog, memories and registers."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from crossloom.sim import load
from crossloom.sim.folder import check_output

from ...designs import find_design
from ...folding_choice import compiled
from .. import Report
from ..synth import budget_of


def run(args: argparse.Namespace) -> Report:
    """Write the folder."""
    from crossloom.rtl.core.generate import COMMAND, generate
    from crossloom.rtl.errors import RtlError
    from crossloom.rtl.estimate.cycles import image_cycles

    network = load(find_design(args.design)).network
    out = Path(args.out) if args.out else Path("runs") / f"{network.name}-rtl"
    check_output(out, COMMAND, RtlError)
    program = compiled(network, args.folding, budget_of(args))
    files = generate(program, out)
    folding, cycles = program.folding, image_cycles(program)
    data = {
        "name": network.name,
        "folder": str(out),
        "files": [path.relative_to(out).as_posix() for path in files],
        "folding": asdict(folding),
        "cycles_model": {"latency": cycles.latency, "interval": cycles.interval},
    }
    text = (
        f"{network.name}: {len(files)} files in {out}, an array of {folding.rows} x {folding.cols} x {folding.pix} "
        f"multipliers; {cycles.latency:,} cycles an image, {cycles.interval:,} between images (modelled)\n"
        f"resources: crossloom synth {args.design} --folding {folding}"
    )
    return Report(data, text)
