"""`crossloom demo`: the whole way once, from a recipe to answers, in a few minutes."""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from pathlib import Path

from crossloom.sim import InputError, load

from ..accelerator import Accelerator
from ..progress import bar
from . import Report
from .tables import percent, table
from .train import need_training, summary
from .verify import verify

DESIGN = "digits-cnn"


def run(args: argparse.Namespace) -> Report:
    """Train digits-cnn afresh in its folder, verify every edge of every test image, and classify a few."""
    need_training()
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
    checks = verify(artifact, images, folder, asked=True, devices=["integer"])
    with Accelerator(finished.path) as accelerator:
        found = accelerator(images)
    right = float((found.labels == dataset.labels[dataset.test]).mean())
    total = sum(checks["differences"].values())
    data = {
        **summary(finished),
        "verify": checks,
        "differences": total,
        "seconds": time.perf_counter() - start,
        "training_seconds": trained,
    }
    cost = int(found.macs.mean())
    rows = [
        ["test accuracy", percent(right), f"measured, {len(images)} images, integer simulator"],
        [
            "weights, activations",
            f"{quantization.weight_bits} and {quantization.activation_bits} bits",
            "from the recipe",
        ],
        ["products an image", f"{cost:,}", "counted"],
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
        ["time", f"{data['seconds']:.0f} s", "measured, on this machine"],
    ]
    text = table([DESIGN, "", ""], rows) + f"\ndifferences: {total}"
    return Report(data, text, int(total > 0))
