"""Counts the array cycles that a core would save by skipping codes that are all 0, on test images of shipped designs.

`python benchmarks/skipping.py [--data-dir DIR]` writes skipping.json beside this file; `make figures` then tells it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from crossloom.host import find_design
from crossloom.host.commands.bench.rtl_images import images_of
from crossloom.rtl.compiler.program import Folding, compile_network
from crossloom.rtl.estimate.zeros import live_taps
from crossloom.sim import input_codes, load, run

DESIGNS = "mnist-snn", "nmnist-snn", "digits-snn", "digits-cnn", "digits-sha"
FOLDINGS = Folding(8, 8, 1, 4), Folding(8, 8, 2, 4), Folding(16, 8, 1, 4), Folding(16, 8, 2, 4)
IMAGES = 100


def study(name: str, data_dir: str | None) -> dict[str, dict[str, float]]:
    """A design's array cycles an image at each folding, the share that is all 0, and cycles with each way to skip."""
    network, images = load(find_design(name)).network, images_of(name, data_dir).images[:IMAGES]
    codes = input_codes(network.input, images)
    edges = run(network, codes=codes, edges=list(network.edges)).edges
    found = {}
    for folding in FOLDINGS:
        sweeps = list(live_taps(compile_network(network, folding), edges))
        taps = sum(live.taps.size * live.most for live in sweeps)
        now = sum(live.now for live in sweeps)
        found[str(folding)] = {
            "taps": taps / len(images),
            "zero": 1 - sum(int(live.taps.sum()) for live in sweeps) / taps,
            "cycles": now / len(images),
            "cycles_scanned": sum(live.scanned for live in sweeps) / len(images),
            "cycles_by_group": sum(live.by_group for live in sweeps) / len(images),
        }
    return found


def main(argv: Sequence[str]) -> None:
    """Measure all designs and write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", help="folder of unpacked data sets, for designs that do not carry their images")
    args = parser.parse_args(argv)
    found = {name: study(name, args.data_dir) for name in DESIGNS}
    path = Path(__file__).with_name("skipping.json")
    path.write_text(json.dumps({"images": IMAGES, "designs": found}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
