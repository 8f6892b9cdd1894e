"""`crossloom build hls`: Vitis HLS and Vivado on a design's project, and what their reports say."""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from typing import Any

from crossloom.sim import InputError, load

from ..designs import find_design
from ..tables import table
from . import Report
from .emit.hls import project_folder

WIDTH = 100


def _progress(line: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{line[:WIDTH]}")
        sys.stderr.flush()


def _cycles(least: int | None, most: int | None) -> str:
    if least is None or most is None:
        return "not known"
    return f"{most:,}" if least == most else f"{least:,} to {most:,}"


def _rows(found: dict[str, Any]) -> list[list[object]]:
    """The figures that people ask for, with their origins."""
    synthesis, simulation = found["csynth"], found["cosim"]
    used, timing = found["utilization"], found["timing"]
    rows: list[list[object]] = []
    for name, part in (("synthesis", synthesis), ("co-simulation", simulation)):
        for what in ("latency", "interval"):
            cycles = _cycles(part[f"{what}_min"], part[f"{what}_max"])
            rows.append([f"{what} of {part['of']}", f"{cycles} cycles", f"{part['origin']} by {name}"])
    for what in ("lut", "ff", "bram36", "dsp"):
        rows.append([what, f"{used[what]:,}", f"{used['origin']} by {used['tool']}"])
    met = "met" if timing["met"] else "NOT met"
    return [*rows, ["worst slack", f"{timing['wns_ns']} ns, {met}", f"{timing['origin']} by {timing['tool']}"]]


def run(args: argparse.Namespace) -> Report:
    """Emit the project and build it; without the tools, exit code 1 and what would have been run."""
    from crossloom.hls.build import build, commands, missing_tools, write_baseline
    from crossloom.hls.emit import emit

    if not 0 < args.hours < math.inf:
        raise InputError(f"build: --hours {args.hours:g}; needed more than 0, and an end")
    artifact = load(find_design(args.design))
    name, out = artifact.network.name, project_folder(artifact, args)
    emit(artifact, args.flow, out)
    missing, lines = missing_tools(), commands(out)
    if missing:
        data = {"name": name, "flow": args.flow, "folder": str(out), "missing": missing, "commands": lines}
        text = f"{name}: not built: {' and '.join(missing)} not on PATH; the project is in {out}; would have run:\n  "
        return Report(data, text + "\n  ".join(lines), 1)
    try:
        found = build(artifact.network, args.flow, out, seconds=args.hours * 3600, progress=_progress)
    finally:
        _progress("")
    baseline = Path(args.baseline or Path("hls", "baselines", "vitis", f"{name}.json"))
    write_baseline(found, baseline)
    data = {"name": name, "folder": str(out), "missing": [], "commands": lines, "baseline": str(baseline), **found}
    text = f"{name}, {args.flow} flow: built in {out}, figures in {baseline}\n"
    code = 0 if found["timing"]["met"] else 1
    return Report(data, text + table(["figure", "value", "origin"], _rows(found)), code)
