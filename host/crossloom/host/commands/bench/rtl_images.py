"""The test images of a shipped design through its core in Verilator: cycles, spikes, accuracy, answers compared."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from crossloom.sim import differing, input_codes, load
from crossloom.sim import run as simulate
from crossloom.sim.types import AnyArray

from ...designs import find_design
from ...progress import bar, during
from ...testset import test_images

if TYPE_CHECKING:
    from crossloom.rtl.compiler.program import Program

_SECONDS_A_MILLION = 3  # what a million cycles take at most: only the bar asks


@dataclass(frozen=True, eq=False)
class Images:
    """Test images uint8 (N, *shape) of a data set by name, and their labels (N,)."""

    dataset: str
    images: AnyArray
    labels: AnyArray


def images_of(design: str, data_dir: str | None) -> Images:
    """The test images that a shipped design carries, or those of its data set in a folder, or in one of its own there.

    Raises ConfigError or InputError where they are not at hand.
    """
    artifact = load(find_design(design))
    dataset = artifact.golden.dataset if artifact.golden else ""
    if data_dir is not None and (own := Path(data_dir) / dataset.split(" ")[0]).is_dir():
        data_dir = str(own)
    found = test_images(artifact, argparse.Namespace(design=design, data=None, data_dir=data_dir), labelled=True)
    assert found.labels is not None
    return Images(dataset, found.images, found.labels)


def over_images(program: Program, images: Images) -> dict[str, Any]:
    """All images in a row: cycles from one result to the next, the first one's from its first beat, spikes, answers."""
    from crossloom.rtl.core.simulation import CoreModel
    from crossloom.rtl.estimate.cycles import image_cycles

    network, count = program.network, len(images.images)
    codes = input_codes(network.input, images.images)
    model = CoreModel(program)
    try:
        seconds = int(_SECONDS_A_MILLION * count * image_cycles(program).interval / 1e6) + 1
        answers, run = during(f"{network.name}: {count:,} images, seconds", seconds, lambda: model.run(codes))
        spikes = model.counters()["SPIKES"]
    finally:
        model.close()
    with bar(f"{network.name}: the same in the integer simulator", count) as progress:
        wanted = simulate(network, codes=codes, progress=progress)
    first, last = run.clocked()
    cycles = np.diff(last, prepend=first[0] - 1)
    return {
        "dataset": images.dataset,
        "images": count,
        "cycles_mean": round(float(cycles.mean()), 1),
        "cycles_max": int(cycles.max()),
        "spikes_mean": round(spikes / count, 2),
        "accuracy": round(float((answers.labels == images.labels).mean()), 4),
        "answers_differing": int(differing(wanted, answers).sum()),
        "images_origin": "simulated: Verilated RTL, images back to back; the first one's cycles are its latency",
    }


def told(data: dict[str, Any]) -> str:
    """The line that people read."""
    return (
        f"{data['images']:,} images of {data['dataset']}: {data['cycles_mean']:,.1f} cycles on average, "
        f"{data['cycles_max']:,} at most, {data['spikes_mean']:,.1f} spikes, {100 * data['accuracy']:.2f} % right; "
        f"{data['answers_differing']:,} answers differ from the integer simulator's (simulated)"
    )
