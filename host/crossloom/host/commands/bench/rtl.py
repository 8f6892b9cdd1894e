"""`crossloom bench rtl`: generated cores in Verilator and Yosys: cycles of every layer, resources, speed."""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from crossloom.sim import InputError, Network, compare, differing, input_codes, load
from crossloom.sim import run as simulate
from crossloom.sim.cache import cache_folder
from crossloom.sim.places import write_file
from crossloom.sim.shapes import cifar_sha_shape, cifar_shape
from crossloom.sim.types import AnyArray

from ...designs import find_design
from ...folding_choice import compiled
from ...pages import earlier_results
from ...progress import during
from ...tables import table
from ...workers import worker_processes
from .. import Report
from ..synth import budget_of, resources
from .rtl_images import Images, images_of, over_images, told

if TYPE_CHECKING:
    from crossloom.rtl.compiler.program import Program

IMAGES = 4  # the last one's cycles are those of images that follow each other closely
FRAMES = 20  # through cocotb
_MODEL_SECONDS, _COCOTB_SECONDS = 300, 120  # what they take at most: only the bars ask
COCOTB = "digits-cnn", "digits-sha"
_RESOURCES = ("lut", "ff", "bram36", "dsp", "logic_ns")


@dataclass(frozen=True)
class Design:
    """A network, its folding, and where that is to be chosen what it may take; `images` of its test set besides."""

    make: Callable[[], Network]
    folding: str
    budget: Mapping[str, int] | None = None
    images: bool = False


def _shipped(name: str) -> Callable[[], Network]:
    return lambda: load(find_design(name)).network


def _spiking(name: str, **budget: int) -> Design:
    return Design(_shipped(name), "throughput", {"lut": 6000} | budget, True)


# What is measured, and with which folding. The name of a shipped design ends before a colon.
DESIGNS = {
    "digits-sha": Design(_shipped("digits-sha"), "8x8x2x4"),
    "cifar-shape": Design(cifar_shape, "32x32x2x16+220"),
    "cifar-shape-small": Design(cifar_shape, "32x24x2x8+220"),
    "cifar-sha-shape": Design(cifar_sha_shape, "32x32x2x16+220"),
    "digits-snn": _spiking("digits-snn"),
    "mnist-snn": _spiking("mnist-snn"),
    "mnist-snn:lut": _spiking("mnist-snn", dsp=0),
    "nmnist-snn": _spiking("nmnist-snn"),
}


def measure(name: str, synth: bool, budget: Mapping[str, int], images: Images | None = None) -> dict[str, Any]:
    """Everything about one design; `budget` goes before its own where its folding is to be chosen."""
    from crossloom.rtl.estimate.pipeline import streaming
    from crossloom.rtl.sources import sources_sha256

    design = DESIGNS[name]
    network = design.make()
    own = None if design.budget is None else {**design.budget, **budget}
    program = compiled(network, design.folding, own)
    codes = _codes(network, IMAGES) if images is None else input_codes(network.input, images.images[:IMAGES])
    data: dict[str, Any] = {
        "folding": asdict(program.folding),
        "sources_sha256": sources_sha256("core"),
        "products": int(simulate(network, codes=codes[:1]).macs[0]),
    }
    data |= _simulated(name, program, codes)
    if images is not None:
        data |= over_images(program, images)
    array = program.folding.rows * program.folding.cols * program.folding.pix
    ideal = streaming(network, array)
    data["streaming"] = {
        "latency_cycles": ideal.latency,
        "interval_cycles": ideal.interval,
        "multipliers": array,
        "origin": "estimated: an ideal pipeline of layers with as many multipliers, all always busy",
    }
    if synth:
        found = resources(program)
        data |= {key: found[key] for key in (*_RESOURCES, "logic_path")} | {"budget": found["budget"] | (own or {})}
        data["resources_origin"] = "estimated: Yosys for an xc7z020, neither placed nor routed"
    return data


def _codes(network: Network, count: int) -> AnyArray:
    """Random images of all levels."""
    shape = (count, *network.input.shape)
    return input_codes(network.input, np.random.default_rng(0).integers(0, network.input.levels, shape, dtype=np.uint8))


def _simulated(name: str, program: Program, codes: AnyArray) -> dict[str, Any]:
    """Cycles of the core in Verilator, and how many codes differ from the integer simulator's."""
    from crossloom.rtl.core.simulation import CoreModel
    from crossloom.rtl.estimate.cycles import image_cycles
    from crossloom.rtl.estimate.layers import layers_of, model_layers

    network = program.network
    # In a process of its own: the peak is that of all programs that a process has run so far.
    with worker_processes(1) as pool:
        built = during(
            f"{name}: building, seconds", _MODEL_SECONDS, pool.submit(_build, name, str(program.folding)).result
        )
    model = CoreModel(program, trace=True)
    try:
        start = time.perf_counter()
        first = model.run(codes[:1])[1]
        seconds = time.perf_counter() - start
        answers, run = model.run(codes)
        edges, taps = model.edges(), model.taps()
    finally:
        model.close()
    wanted = simulate(network, codes=codes, edges=edges)
    differences = compare(network, wanted.edges, edges)
    wrong = differences.total + int(differing(wanted, answers).sum())
    branch = 0 if answers.branch is None else int(answers.branch[-1])
    _, last = run.clocked()
    kind = "test" if DESIGNS[name].images else "random"
    cycles, measured = image_cycles(program, branch), layers_of(program, ((int(n), int(a), int(b)) for n, a, b in taps))
    return {
        "latency_cycles": int(first.latency[0]),
        "interval_cycles": int(last[-1] - last[-2]),
        "latency_model": cycles.latency,
        "interval_model": cycles.interval,
        "layers": [
            {
                "name": ours.name,
                "operator": ours.operator,
                "multipliers": ours.multipliers,
                "products": ours.products,
                "cycles_model": model_layer.cycles,
                "cycles_measured": ours.cycles,
                "busy": round(ours.busy, 4),
                "used": round(ours.used, 4),
            }
            for ours, model_layer in zip(measured, model_layers(program, branch), strict=True)
        ],
        "codes_compared": differences.codes,
        "differences": wrong,
        "build_s": built and round(built[0], 1),
        "build_peak_gib": built and round(built[1], 2),
        "image_s": round(seconds, 4),
        "origin": f"simulated: Verilated RTL, {len(codes)} {kind} images; layers of the last; seconds measured",
    }


def _build(name: str, folding: str) -> tuple[float, float] | None:
    """Build a core's library: seconds, and GiB that its largest program took; None where it was built before."""
    from crossloom.rtl.core.simulation import CoreModel

    before, start = {*cache_folder().glob("*.so")}, time.monotonic()
    CoreModel(compiled(DESIGNS[name].make(), folding), trace=True).close()
    if not {*cache_folder().glob("*.so")} - before:
        return None
    # Linux counts KiB, macOS bytes.
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return time.monotonic() - start, peak / (2**30 if platform.system() == "Darwin" else 2**20)


def speed(design: str) -> dict[str, Any]:
    """The same frames of a shipped design through the same core in cocotb and in the library."""
    from crossloom.rtl.core.cocotb_speed import compare_speed
    from crossloom.sim.frames import frame_beats

    artifact = load(find_design(design))
    assert artifact.golden is not None and artifact.golden.inputs is not None
    network = artifact.network
    frames = frame_beats(network, input_codes(network.input, artifact.golden.inputs[:FRAMES]))
    found = during(f"{design}: cocotb, seconds", _COCOTB_SECONDS, lambda: compare_speed(compiled(network), frames))
    return {
        **asdict(found),
        "speedup": round(found.speedup, 1),
        "origin": "measured in one run: processor time for the same frames, the fastest round of each, without "
        "building and starting",
    }


def run(args: argparse.Namespace) -> Report:
    """Measure; with `args.out`, write the JSON to a file as well, where figures that were not measured again stay.

    Without designs the comparison with cocotb is measured alone. `budget` of a design is what `synth` holds figures
    against by default. Raises InputError, before any work, where there is nothing to measure or nowhere to write.
    """
    if args.out == "":
        raise InputError("--out '': no name; the name of a file is needed; leave --out away to write none")
    names = [name.strip() for name in args.designs.split(",") if name.strip()]
    if not names and args.no_cocotb:
        raise InputError(
            f"--designs {args.designs[:40]!r} with --no-cocotb: nothing to measure; name some of: {', '.join(DESIGNS)}"
        )
    for name in names:
        if name not in DESIGNS:
            raise InputError(f"--designs {name[:40]!r}: unknown; needed some of: {', '.join(DESIGNS)}")
    budget = budget_of(args)
    images = {name: images_of(name.partition(":")[0], args.data_dir) for name in names if DESIGNS[name].images}
    path = Path(args.out) if args.out else None
    kept = earlier_results(path, "machine", "bench rtl") if path else {}
    data: dict[str, Any] = {}
    for name in names:
        data[name] = measure(name, not args.no_synth, budget, images.get(name))
    if not args.no_cocotb:
        data["cocotb"] = {design: speed(design) for design in COCOTB}
        data["speedup_over_cocotb"] = min(found["speedup"] for found in data["cocotb"].values())
    data["machine"] = f"{platform.machine()}, {os.cpu_count()} processors"
    wrong = sum(data[name]["differences"] + data[name].get("answers_differing", 0) for name in names)
    if path is not None:
        for name in names:
            # Resources that were left out this time are still those of the same core, or else worth nothing.
            old = kept.get(name, {})
            if args.no_synth and all(old.get(key) == data[name][key] for key in ("folding", "sources_sha256")):
                data[name] |= {key: value for key, value in old.items() if key not in data[name]}
        write_file(path, json.dumps(kept | data, indent=1) + "\n", InputError)
    return Report(data, text(data), 1 if wrong else 0)


def text(data: dict[str, Any]) -> str:
    """The tables that people read."""
    parts = []
    for name in DESIGNS:
        if name in data:
            parts.append(_design(name, data[name]))
    for design, found in data.get("cocotb", {}).items():
        parts.append(
            f"{found['frames']} frames of {design}, {found['cycles']:,} cycles: cocotb "
            f"{found['cocotb_s']:.2f} s, library {found['verilated_s']:.4f} s: {found['speedup']} times "
            "faster (measured)"
        )
    return "\n\n".join(parts)


def _design(name: str, data: dict[str, Any]) -> str:
    folding = data["folding"]
    rows: list[list[object]] = [
        [layer["name"], layer["multipliers"], layer["cycles_model"], layer["cycles_measured"],
         f"{100 * layer['busy']:.1f} %", f"{100 * layer['used']:.1f} %"]
        for layer in data["layers"]
    ]  # fmt: skip
    ideal = data["streaming"]
    found = (
        f"{name}: array of {folding['rows']} x {folding['cols']} x {folding['pix']}; {data['latency_cycles']:,} cycles "
        f"an image, {data['interval_cycles']:,} between images (simulated; modelled {data['latency_model']:,} and "
        f"{data['interval_model']:,}); {data['differences']} of {data['codes_compared']:,} codes differ\n"
    )
    if "images" in data:
        found += told(data) + "\n"
    found += table(["layer", "multipliers", "modelled", "simulated", "busy", "own products"], rows)
    found += (
        f"\na pipeline of layers with {ideal['multipliers']:,} multipliers would take at best "
        f"{ideal['latency_cycles']:,} and {ideal['interval_cycles']:,} cycles (estimated)"
    )
    if "budget" not in data:
        return found + "\nresources: not estimated (--no-synth)"
    budget = data["budget"]
    shown = ", ".join(f"{data[key]:,g} of {budget[key]:,g} {key.upper()}" for key in ("lut", "ff", "bram36", "dsp"))
    return found + f"\n{shown}; longest path through logic {data['logic_ns']:.2f} ns (estimated by Yosys)"
