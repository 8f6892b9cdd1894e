"""`crossloom demo`: the whole way once, from a recipe to answers, in a few minutes."""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from pathlib import Path

import numpy as np

from crossloom.sim import InputError, cost, load
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

DESIGN = "digits-sha"


def run(args: argparse.Namespace) -> Report:
    """Train digits-sha afresh in its folder, verify every edge of every test image, and classify a few."""
    need_training()
    from crossloom.training.hierarchy import tree
    from crossloom.training.workflow import find_dataset, find_recipe, train_and_export

    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    start = time.perf_counter()
    folder = Path(args.out) / DESIGN
    if folder.exists():
        if not (folder / "checkpoint.pt").is_file():
            raise InputError(f"{folder}: exists and is no earlier demo; name another folder with --out")
        shutil.rmtree(folder)
    config = find_recipe(DESIGN)
    dataset = find_dataset(config.data)
    quantization = config.quantization
    say(f"training {DESIGN} on {len(dataset.train):,} real images of {dataset.name}, "
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
    write_file(path, page(measure(artifact, images, labels), f"crossloom report {finished.path.name}"), InputError)
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
        ["super-classes right", percent(data["coarse_accuracy"]), "measured, as above"],
        [
            "products an image",
            f"{data['macs_mean']:,}",
            f"counted; flat {counted.macs_flat:,}, B-CNN {counted.macs_bcnn:,}",
        ],
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
    assert finished.trained.hierarchy is not None
    grouped = tree(finished.trained.hierarchy, finished.trained.classes)
    text = f"{grouped}\n\n{table([DESIGN, '', ''], rows)}\ndifferences: {total}"
    return Report(data, text, int(total > 0))
