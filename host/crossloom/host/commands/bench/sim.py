"""`crossloom bench sim`: speed of the integer simulator beside Brevitas and plain torch, and its memory."""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from crossloom.sim import Artifact, InputError, images_at_once, load
from crossloom.sim import run as simulate
from crossloom.sim.programs import run_program
from crossloom.sim.types import AnyArray

from ...designs import find_design
from ...extras import need_training
from ...progress import bar
from ...tables import table
from .. import Report

BATCH = 256  # at most, beside 1: Brevitas and torch take a whole batch at once
MIN_RUNS = 5
SECONDS = 0.25
MEMORY_IMAGES = 10_000
NAMES = ("integer", "brevitas", "torch")


def _contestants(artifact: Artifact, images: AnyArray) -> dict[str, Callable[[], object]]:
    """The three forward passes on the same images; Brevitas and torch get ready-made float tensors."""
    need_training()
    import torch

    from crossloom.training.hierarchical import Hierarchical, build_float_network
    from crossloom.training.inputs import to_float
    from crossloom.training.restore import restore
    from crossloom.training.spiking.fitting import encoder_of

    found = restore(artifact)
    quantized = found.model
    h, w, c = artifact.network.input.shape
    hierarchy = quantized.hierarchy if isinstance(quantized, Hierarchical) else None
    # Time does not depend on the values of the weights: the recipe's fresh float network will do.
    plain = build_float_network(found.config, (c, h, w), len(artifact.network.classes), hierarchy).eval()
    values = np.linspace(0, 1, artifact.network.input.levels, dtype=np.float32)[:, None]
    tensor = to_float(images, values, encoder_of(found.config))

    def forward(model: torch.nn.Module) -> Callable[[], object]:
        def call() -> object:
            with torch.inference_mode(), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return model(tensor)

        return call

    network = artifact.network
    return {"integer": lambda: simulate(network, images), "brevitas": forward(quantized), "torch": forward(plain)}


def _images_per_second(call: Callable[[], object], batch: int) -> float:
    start, calls = time.perf_counter(), 0
    while (spent := time.perf_counter() - start) < SECONDS:
        call()
        calls += 1
    return calls * batch / spent


def _memory() -> dict[str, Any]:
    """Peak memory of a process that runs 10,000 CIFAR-sized images."""
    command = [sys.executable, "-m", f"{__package__}.memory", str(MEMORY_IMAGES)]
    said = run_program(command, where="bench: the memory run")
    result: dict[str, Any] = json.loads(said.splitlines()[-1])
    return result


def run(args: argparse.Namespace) -> Report:
    """Measure; each median is over alternating runs of a quarter of a second."""
    if args.runs < MIN_RUNS:
        raise InputError(f"bench: --runs {args.runs}; needed at least {MIN_RUNS} for a median")
    artifact = load(find_design(args.design))
    if artifact.golden is None or artifact.golden.inputs is None:
        raise InputError(f"{args.design}: carries no test images to time with; needed a design with golden inputs")
    data: dict[str, Any] = {"origin": "measured", "design": artifact.network.name, "runs": args.runs}
    rows: list[list[object]] = []
    batches = sorted({1, min(BATCH, images_at_once(artifact.network))})
    with bar("timing", len(batches) * args.runs + 1) as progress:
        for i, batch in enumerate(batches):
            images = np.resize(artifact.golden.inputs, (batch, *artifact.network.input.shape))
            calls = _contestants(artifact, images)
            for call in calls.values():
                call()
            speeds: dict[str, list[float]] = {name: [] for name in NAMES}
            for turn in range(args.runs):
                for name in NAMES:
                    speeds[name].append(_images_per_second(calls[name], batch))
                progress(i * args.runs + turn + 1)
            medians = {name: statistics.median(speeds[name]) for name in NAMES}
            data[str(batch)] = medians
            ratios = [f"{medians['integer'] / medians[name]:.2f}" for name in NAMES[1:]]
            rows.append([str(batch), *(f"{medians[name]:,.0f}" for name in NAMES), *ratios])
        data["memory"] = _memory()
    memory = data["memory"]
    header = ["batch", "integer", "Brevitas eval", "float torch", "integer / Brevitas", "integer / torch"]
    text = f"images/s on {artifact.network.name}, measured, medians of {args.runs} alternating runs\n"
    text += table(header, rows)
    text += (
        f"\npeak memory: {memory['peak_mib']:,.0f} MiB for {memory['images']:,} images of 32x32x3 through "
        f"{memory['macs'] / 1e6:.1f} million products ({memory['images_per_s']:,.0f} images/s)"
    )
    return Report(data, text)
