"""`crossloom build hls`: Vitis HLS and Vivado on a design's project, and what their reports say."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from crossloom.sim import load

from ...designs import find_design
from ...tables import table
from .. import Report
from ..emit.hls import project_folder
from . import not_built, placed, progress


def _cycles(least: int | None, most: int | None) -> str:
    if least is None or most is None:
        return "not known"
    return f"{most:,}" if least == most else f"{least:,} to {most:,}"


def _rows(found: dict[str, Any]) -> list[list[object]]:
    """The figures that people ask for, with their origins."""
    rows: list[list[object]] = []
    for name, part in (("synthesis", found["csynth"]), ("co-simulation", found["cosim"])):
        for what in ("latency", "interval"):
            cycles = _cycles(part[f"{what}_min"], part[f"{what}_max"])
            rows.append([f"{what} of {part['of']}", f"{cycles} cycles", f"{part['origin']} by {name}"])
    return [*rows, *placed(found)]


def run(args: argparse.Namespace) -> Report:
    """Emit the project and build it; without the tools, exit code 1 and what would have been run."""
    from crossloom.hls.build import build, read_baseline, steps, write_baseline
    from crossloom.hls.emit import emit
    from crossloom.sim.board.tools import commands

    artifact = load(find_design(args.design))
    name, out = artifact.network.name, project_folder(artifact, args)
    baseline = Path(args.baseline or Path("hls", "baselines", "vitis", f"{name}.json"))
    read_baseline(baseline)  # raises before hours of work
    emit(artifact, args.flow, out)
    if report := not_built(name, args.flow, out, steps(artifact.network)):
        return report
    try:
        found = build(artifact.network, args.flow, out, seconds=args.hours * 3600, progress=progress)
    finally:
        progress("")
    write_baseline(found, baseline)
    lines = commands(out, steps(artifact.network))
    data = {"name": name, "folder": str(out), "missing": [], "commands": lines, "baseline": str(baseline), **found}
    text = f"{name}, {args.flow} flow: built in {out}, figures in {baseline}\n"
    code = 0 if found["timing"]["met"] else 1
    return Report(data, text + table(["figure", "value", "origin"], _rows(found)), code)
