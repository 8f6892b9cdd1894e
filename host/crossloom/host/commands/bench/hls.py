"""`crossloom bench hls`: compile time and speed of both HLS flows in C simulation, beside the integer simulator."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
from typing import Any

from crossloom.sim import InputError, load
from crossloom.sim.programs import run_program

from ...designs import find_design
from ...progress import bar
from ...tables import table
from .. import Report

DEVICES = ("hls-native", "hls4ml")
ROUNDS = 3  # fresh compilations of each flow
MIN_RUNS = 5
SECONDS = 0.5  # of a run


def _timed(design: str, runs: int, devices: tuple[str, ...], cache: str) -> Any:
    """What a process of its own measures, with its own folder of compiled libraries."""
    command = [sys.executable, "-m", f"{__package__}.hls_timing", design, str(runs), str(SECONDS), *devices]
    environment = {**os.environ, "XDG_CACHE_HOME": cache}
    said = run_program(command, where=f"bench: {devices[0]}", environment=environment)
    return json.loads(said.splitlines()[-1])


def run(args: argparse.Namespace) -> Report:
    """Measure; cold compilations start from an empty folder of libraries."""
    if args.runs < MIN_RUNS:
        raise InputError(f"bench: --runs {args.runs}; needed at least {MIN_RUNS} for a median")
    design = str(find_design(args.design))
    artifact = load(find_design(args.design))
    if artifact.network.timed:
        timed = f"{artifact.network.name}: {artifact.network.timed}"
        raise InputError(
            f"{timed}: hls4ml, which is timed beside our kernels, reads no steps; needed a network without"
        )
    if artifact.golden is None or artifact.golden.inputs is None:
        raise InputError(f"{args.design}: carries no test images to time with; needed a design with golden inputs")
    cold: dict[str, list[float]] = {device: [] for device in DEVICES}
    warm: dict[str, list[float]] = {device: [] for device in DEVICES}
    with bar("timing", ROUNDS * len(DEVICES) + 1) as progress:
        for turn in range(ROUNDS):
            with tempfile.TemporaryDirectory(prefix="crossloom-bench-") as cache:
                for i, device in enumerate(DEVICES):
                    cold[device].append(_timed(design, 0, (device,), cache))
                    warm[device].append(_timed(design, 0, (device,), cache))
                    progress(turn * len(DEVICES) + i + 1)
                if turn == ROUNDS - 1:
                    speeds = _timed(design, args.runs, (*DEVICES, "integer"), cache)
    data: dict[str, Any] = {
        "origin": "measured",
        "design": artifact.network.name,
        "images": len(artifact.golden.inputs),
        "runs": args.runs,
        "machine": f"{platform.machine()}, {os.cpu_count()} processors",
        **{
            device: {
                "compile_s": round(statistics.median(cold[device]), 2),
                "cached_s": round(statistics.median(warm[device]), 3),
                "images_per_s": round(speeds[device], 1),
            }
            for device in DEVICES
        },
        "integer": {"images_per_s": round(speeds["integer"], 1)},
    }
    rows: list[list[object]] = [
        [name, data[name].get("compile_s", ""), data[name].get("cached_s", ""), f"{data[name]['images_per_s']:,.0f}"]
        for name in (*DEVICES, "integer")
    ]
    text = f"{data['design']}, batches of {data['images']} images, measured, medians of {args.runs} alternating runs\n"
    return Report(data, text + table(["device", "compile s", "cached s", "images/s"], rows))
