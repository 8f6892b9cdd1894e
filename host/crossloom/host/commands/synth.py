"""`crossloom synth`: what a design's core takes of a chip, estimated by Yosys."""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crossloom.sim import InputError, load
from crossloom.sim.chip import XC7Z020

from ..designs import find_design
from ..folding_choice import folding_of
from ..progress import during
from ..tables import table
from . import Report

if TYPE_CHECKING:
    from crossloom.rtl.compiler.program import Program

NAMES = {"lut": "LUT", "ff": "flip-flops", "bram36": "BRAM36", "dsp": "DSP48E1"}
# What a synthesis takes at most, by the array's multipliers: only the bar asks.
_SECONDS, _SECONDS_EACH = 120, 0.7


def resources(program: Program, *, modules: bool = False) -> dict[str, Any]:
    """LUT, FF, BRAM36, DSP and the longest path of the generated top with its memories.

    `budget` is what the figures are held against: what an array is chosen within by default, fewer LUTs than an
    xc7z020 has, and flip-flops as many. `modules` tells every module apart, which takes a second run.
    """
    from crossloom.rtl.core.generate import generate, listed_sources
    from crossloom.rtl.yosys.synth import synthesize

    with tempfile.TemporaryDirectory(prefix="crossloom-rtl-") as work:
        folder = Path(work) / "core"
        generate(program, folder)
        array = program.folding.rows * program.folding.cols * program.folding.pix
        report = during(
            f"synthesis of {program.network.name}, seconds",
            int(_SECONDS + _SECONDS_EACH * array),
            lambda: synthesize(
                "top", sources=listed_sources(folder), memories=folder, modules=modules, seconds=4 * 3600
            ),
        )
    data = report.as_dict()
    data["budget"] |= {"lut": XC7Z020.usable_lut, "bram36": XC7Z020.bram36, "dsp": XC7Z020.dsp}
    return data


def budget_of(args: argparse.Namespace) -> dict[str, int]:
    """What the core may take, where it was asked; InputError for less than nothing or more than an xc7z020 has."""
    asked = {name: getattr(args, name) for name in NAMES if getattr(args, name, None) is not None}
    for name, value in asked.items():
        if value > XC7Z020.resources[name]:
            raise InputError(f"--{name} {value}: an xc7z020 has {XC7Z020.resources[name]:,}; give as many or fewer")
        if value < 0:
            raise InputError(f"--{name} {value}: needed 0 or more")
    return asked


def run(args: argparse.Namespace) -> Report:
    """Estimate; exit code 1 where the core takes more than the budget.

    `budget` is what the figures were held against: what was asked, and 47,000 LUT and the chip's others where nothing
    was. A named array is synthesized whatever was asked, as long as its estimate fits the chip.
    """
    from crossloom.rtl.compiler.program import compile_network

    budget = budget_of(args)
    network = load(find_design(args.design)).network
    within = {name: most for name, most in budget.items() if name != "ff"}
    found = compile_network(network, folding_of(network, args.folding, within))
    data = {"name": network.name, "folding": asdict(found.folding), **resources(found, modules=True)}
    data["origin"] = "estimated: Yosys, neither placed nor routed"
    data["budget"] |= budget
    over = [name for name in NAMES if data[name] > data["budget"][name]]
    data["fits"] = not over
    return Report(data, text(data, over), 1 if over else 0)


def text(data: dict[str, Any], over: list[str]) -> str:
    """The tables that people read."""
    rows: list[list[object]] = [
        [words, f"{data[name]:,g}", f"{data['budget'][name]:,g}", _share(data[name], data["budget"][name]),
         "over budget" if name in over else ""]
        for name, words in NAMES.items()
    ]  # fmt: skip
    found = table([f"{data['name']}, estimated by Yosys", "core", "budget", "share", ""], rows)
    largest = sorted(data["modules"].items(), key=lambda entry: -entry[1]["lut"])
    modules: list[list[object]] = [
        [name, int(own["instances"]), *(f"{own[key]:,g}" for key in NAMES)] for name, own in largest
    ]
    found += "\n\n" + table(["module, its own cells", "instances", *NAMES.values()], modules)
    return found + f"\n\nlongest path through logic, without routing: {data['logic_ns']:.2f} ns (estimated)"


def _share(value: float, most: float) -> str:
    return f"{100 * value / most:.1f} %" if most else "none to take"
