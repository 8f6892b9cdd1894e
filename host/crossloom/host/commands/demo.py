"""`crossloom demo`: the whole way once, from a recipe to answers, in a few minutes."""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from crossloom.sim import Cost, InputError, cost, load
from crossloom.sim.places import write_file

from ..accelerator import Accelerator
from ..extras import need_training
from ..progress import bar
from ..report.figures import measure
from ..report.page import page
from ..tables import percent, table
from ..testset import TestImages
from . import Report
from .train import summary
from .verify import verify

DESIGNS = "digits-sha", "digits-snn", "digits-cnn"
"""Recipes that need no files, the first unless another one is named."""


def run(args: argparse.Namespace) -> Report:
    """Train a design afresh in its folder, verify every edge of every test image, and classify a few."""
    need_training()
    from crossloom.training.hierarchy import tree
    from crossloom.training.workflow import find_dataset, find_recipe, train_and_export

    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    start = time.perf_counter()
    design: str = args.recipe
    if design not in DESIGNS:
        raise InputError(f"demo: {design[:80]!r}; needed one of {', '.join(DESIGNS)}; others go through train")
    folder = Path(args.out) / design
    if folder.exists():
        if not (folder / "checkpoint.pt").is_file():
            raise InputError(f"{folder}: exists and is no earlier demo; name another folder with --out")
        shutil.rmtree(folder)
    config = find_recipe(design)
    dataset = find_dataset(config.data)
    quantization = config.quantization
    say(f"training {design} on {len(dataset.train):,} real images of {dataset.name}, "
        f"{quantization.weight_bits}-bit weights, {quantization.activation_bits}-bit activations ...")  # fmt: skip
    finished = train_and_export(config, dataset, folder, bars=bar)
    trained = time.perf_counter() - start
    say("verifying every edge of every test image ...")
    artifact = load(finished.path)
    images = dataset.images[dataset.test]
    tests = TestImages(images, dataset.labels[dataset.test], np.arange(len(images)), len(images))
    checks = verify(artifact, tests, folder, asked=True, devices=[])
    with Accelerator(finished.path) as accelerator:
        found = accelerator(images)
    labels = dataset.labels[dataset.test]
    right = float((found.labels == labels).mean())
    path = folder / "report.html"
    figures = measure(artifact, images, labels)
    write_file(path, page(figures, f"crossloom report {finished.path.name}"), InputError)
    counted = cost(artifact.network)
    total = sum(checks["differences"].values())
    data = {
        **summary(finished),
        "verify": checks,
        "differences": total,
        "report": str(path),
        "macs_mean": int(found.macs.mean()),
        "macs_flat": counted.macs_flat,
        "macs_bcnn": counted.macs_bcnn,
        "spikes": None if figures.spikes is None else figures.spikes.to_json(),
        "seconds": time.perf_counter() - start,
        "training_seconds": trained,
    }
    rows = [
        ["test accuracy", percent(right), f"measured, {len(images)} images, integer simulator"],
        [
            "weights, activations",
            f"{quantization.weight_bits} and {quantization.activation_bits} bits",
            "from the recipe",
        ],
        *_own_rows(data, counted),
        [
            "proof against torch",
            f"{finished.proof.codes:,} codes",
            f"{finished.proof.edges} edges of {finished.proof.samples:,} images",
        ],
        [
            "golden digests",
            f"{checks['vectors'] * checks['layers']:,}",
            f"{checks['layers']} edges of {checks['vectors']} images",
        ],
        ["artifact", str(finished.path), f"{finished.path.stat().st_size:,} bytes"],
        ["report", str(path), "open it in a browser"],
        ["time", f"{data['seconds']:.0f} s", "measured, on this machine"],
    ]
    text = f"{table([design, '', ''], rows)}\ndifferences: {total}"
    if finished.trained.hierarchy is not None:
        text = f"{tree(finished.trained.hierarchy, finished.trained.classes)}\n\n{text}"
    return Report(data, text, int(total > 0))


def _own_rows(data: Mapping[str, Any], counted: Cost) -> Iterator[list[str]]:
    """What there is to say of a hierarchy, of time, or of neither."""
    if data["coarse_accuracy"] is not None:
        yield ["super-classes right", percent(data["coarse_accuracy"]), "measured, as above"]
        others = f"counted; flat {counted.macs_flat:,}, B-CNN {counted.macs_bcnn:,}"
        yield ["products an image", f"{data['macs_mean']:,}", others]
        return
    yield ["products an image", f"{data['macs_mean']:,}", "counted"]
    spikes = data["spikes"]
    if spikes is not None:
        yield ["time", f"{spikes['steps']} steps", "from the recipe; spikes and membranes of every one are verified"]
        yield ["spikes an image", f"{spikes['spikes_mean']:,.0f}", "simulated, all test images"]
        yield ["synaptic operations", f"{spikes['synaptic_operations_mean']:,.0f}", "simulated, for an image"]
