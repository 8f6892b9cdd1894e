"""`crossloom bench tile`: the in-memory-computing tile in RTL: its cycles, its equality with the model, its size."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from crossloom.sim import InputError
from crossloom.sim.chip import XC7Z020
from crossloom.sim.places import write_file

from ...pages import earlier_results
from ...progress import bar, during
from ...tables import table
from .. import Report

# Rows read at a time, and in how many segments that reads 128 rows.
SEGMENTS = {"128": 1, "64": 2, "32": 4}
NAMES = {"lut": "LUT", "ff": "flip-flops", "bram36": "BRAM36", "dsp": "DSP48E1"}


def run(args: argparse.Namespace) -> Report:
    """Measure; with `args.out`, write the JSON to a file as well."""
    if args.tiles < 1:
        raise InputError(f"--tiles {args.tiles}; needed at least 1")
    if args.seed < 0:
        raise InputError(f"--seed {args.seed}; needed 0 or more")
    path = Path(args.out) if args.out else None
    if path is not None:
        earlier_results(path, "campaign", "bench tile")
    from crossloom.rtl.tile.campaign import FULL, build_tile, campaign, cycles_per_product, latency_cycles
    from crossloom.rtl.verilator.tools import verilator_version
    from crossloom.rtl.yosys.synth import synthesize

    during("model, seconds", 20, lambda: build_tile(FULL).close())
    cycles = {name: cycles_per_product(FULL, segments) for name, segments in SEGMENTS.items()}
    latency = {name: latency_cycles(FULL, segments) for name, segments in SEGMENTS.items()}
    with bar("random tiles", args.tiles) as progress:
        found = campaign(FULL, args.tiles, args.seed, progress=progress)
    data: dict[str, Any] = {
        "rows": FULL["Rows"],
        "columns": FULL["Cols"],
        "columns_a_cycle": FULL["Lanes"],
        "verilator": verilator_version(),
        "cycles_per_product": {**cycles, "origin": "simulated: Verilated RTL, 8-bit inputs, by rows read at a time"},
        "latency_cycles": {**latency, "origin": "simulated: one frame, first beat in to last beat out"},
        "campaign": {**asdict(found), "origin": "simulated: Verilated RTL against the integer model"},
        "resources": None,
    }
    if not args.no_synthesis:
        report = during("synthesis, seconds", 120, lambda: synthesize("imc_tile", FULL))
        data["resources"] = {
            **{name: getattr(report, name) for name in NAMES},
            "budget": XC7Z020.resources,
            "share": report.share(),
            "origin": "estimated: Yosys for an xc7z020, neither placed nor routed",
        }
    if path is not None:
        write_file(path, json.dumps(data, indent=1) + "\n", InputError)
    return Report(data, _text(data), 1 if found.differences or found.counter_differences else 0)


def _text(data: dict[str, Any]) -> str:
    found = data["campaign"]
    rows: list[list[object]] = [
        [name, data["cycles_per_product"][name], data["latency_cycles"][name]] for name in SEGMENTS
    ]
    text = (
        f"imc_tile of {data['rows']} x {data['columns']} cells, {data['columns_a_cycle']} columns a cycle, simulated\n"
    )
    text += table(["rows read at a time", "cycles a product of 8-bit inputs", "latency, cycles"], rows)
    text += (
        f"\n{found['differences']:,} of {found['results']:,} results and {found['counter_differences']:,} of "
        f"{found['counters']:,} counters differ from the integer model: {found['tiles']:,} random tiles, inputs and "
        f"configurations, seed {found['seed']} (simulated)"
    )
    resources = data["resources"]
    if resources is None:
        return text + "\nresources: not estimated (--no-synthesis)"
    sizes: list[list[object]] = [
        [words, f"{resources[name]:,g}" if name == "bram36" else f"{resources[name]:,}",
         f"{resources['budget'][name]:,g}", f"{100 * resources['share'][name]:.1f} %"]
        for name, words in NAMES.items()
    ]  # fmt: skip
    return text + "\n" + table(["resource, estimated by Yosys", "tile", "xc7z020", "share"], sizes)
