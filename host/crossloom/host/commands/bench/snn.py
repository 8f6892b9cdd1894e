"""`crossloom bench snn`: a training step beside snnTorch and SpikingJelly, its memory, and the integer simulator."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
import warnings
from importlib import metadata
from pathlib import Path
from typing import Any

from crossloom.sim import InputError
from crossloom.sim import run as simulate
from crossloom.sim.places import write_file
from crossloom.sim.programs import run_program

from ...extras import need_training
from ...pages import earlier_results
from ...progress import bar
from ...tables import table
from .. import Report

MIN_RUNS = 5
MEMORY_STEPS = 4, 8, 16, 32
MODES = "bptt", "sltt"
OTHERS = "snntorch", "spikingjelly"
NAMES = {"crossloom": "Crossloom", "snntorch": "snnTorch", "spikingjelly": "SpikingJelly"}
SECONDS = 0.1  # of one stretch of forward passes
INSTALL = "pip install 'crossloom[snn-bench]'"


def _milliseconds(calls: dict[str, Any], runs: int, tick: Any) -> dict[str, float]:
    """Medians of alternating runs in CPU time, which other programs disturb less, after two that do not count."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(runs + 2):
        for name, call in calls.items():
            start = time.process_time()
            call()
            times[name].append(1e3 * (time.process_time() - start))
        tick()
    return {name: statistics.median(found[2:]) for name, found in times.items()}


def _images_per_second(calls: dict[str, Any], images: int, runs: int, tick: Any) -> dict[str, float]:
    """Medians of alternating stretches of calls in CPU time, after two that do not count: whole sets of images."""
    speeds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(runs + 2):
        for name, call in calls.items():
            start, done = time.process_time(), 0
            while (spent := time.process_time() - start) < SECONDS:
                call()
                done += images
            speeds[name].append(done / spent)
        tick()
    return {name: statistics.median(found[2:]) for name, found in speeds.items()}


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _memory(mode: str, steps: int) -> float:
    command = [sys.executable, "-m", f"{__package__}.snn_memory", mode, str(steps)]
    # What is freed goes back at once, so that memory is what tensors take.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MALLOC_MMAP_THRESHOLD_": "65536"}
    said = run_program(command, where="bench: the memory run", environment=environment)
    return float(said.splitlines()[-1])


def run(args: argparse.Namespace) -> Report:
    """Measure in one thread; medians of `args.runs` alternating runs."""
    if args.runs < MIN_RUNS:
        raise InputError(f"bench: --runs {args.runs}; needed at least {MIN_RUNS} for a median")
    path = Path(args.out) if args.out else None
    if path is not None:
        earlier_results(path, "step_ms", "bench snn")
    need_training()
    from crossloom.training.steps import torch_threads

    from . import snn_models as models

    done = 0
    total = 2 * (args.runs + 2) + len(MODES) * len(MEMORY_STEPS)
    with warnings.catch_warnings(), torch_threads(1), bar("timing", total) as progress:
        warnings.simplefilter("ignore")

        def tick() -> None:
            nonlocal done
            done += 1
            progress(done)

        made = {"crossloom": models.crossloom(), "snntorch": models.snntorch(False)}
        made |= {"spikingjelly": models.spikingjelly(False), "snntorch once": models.snntorch(True)}
        made |= {"spikingjelly once": models.spikingjelly(True)}
        steps = {name: models.training_step(model) for name, model in made.items() if model is not None}
        found: dict[str, float | None] = {**dict.fromkeys(made), **_milliseconds(steps, args.runs, tick)}
        network, (pixels, _) = models.integer_network(), models.images(models.BATCH)
        forward: dict[str, Any] = {"integer": lambda: simulate(network, pixels)}
        if made["snntorch"] is not None:
            forward["snntorch"] = models.forward(made["snntorch"])
        speeds: dict[str, float | None] = {"integer": None, "snntorch": None}
        speeds |= _images_per_second(forward, models.BATCH, args.runs, tick)
        peaks: dict[str, dict[str, float]] = {mode: {} for mode in MODES}
        for mode in MODES:
            for count in MEMORY_STEPS:
                peaks[mode][str(count)] = _memory(mode, count)
                tick()
    data: dict[str, Any] = {
        "step_ms": {name: found[name] for name in NAMES},
        "peak_mib": peaks,
        "images_per_s": speeds,
        "origin": "measured",
        "runs": args.runs,
        "versions": {name: _version(name) for name in ("torch", "numpy", "brevitas", *OTHERS)},
    }
    if path is not None:
        write_file(path, json.dumps(data, indent=1) + "\n", InputError)
    return Report(data, _text(data, found, args.runs))


def _text(data: dict[str, Any], found: dict[str, float | None], runs: int) -> str:
    def shown(value: float | None, form: str = ".1f") -> str:
        return "not installed" if value is None else format(value, form)

    ours = data["step_ms"]["crossloom"]
    rows: list[list[object]] = []
    for name, label in NAMES.items():
        whole, once = found[name], found.get(f"{name} once")
        again = "" if name == "crossloom" else shown(once)
        rows.append([label, shown(whole), again, "" if not whole else f"{ours / whole:.2f}"])
    text = f"training step of 784-256-10, 128 images, 25 steps, one thread: CPU ms, measured, medians of {runs} runs\n"
    text += table(["", "as in its tutorials", "first layer once, by hand", "Crossloom takes, of that"], rows)
    text += "\n\nmemory of a training step of 2,048 images above what is there before it, MiB (measured)\n"
    peaks = data["peak_mib"]
    text += table(
        ["steps", *(mode.upper() for mode in MODES)],
        [[str(n), *(f"{peaks[mode][str(n)]:.1f}" for mode in MODES)] for n in MEMORY_STEPS],
    )
    speeds = data["images_per_s"]
    text += f"\n\nforward pass, images/s (measured): integer simulator {shown(speeds['integer'], ',.0f')}, "
    text += f"snnTorch {shown(speeds['snntorch'], ',.0f')}"
    missing = [NAMES[name] for name in OTHERS if data["step_ms"][name] is None]
    return text + (f"\n{' and '.join(missing)} not installed; to compare: {INSTALL}" if missing else "")
