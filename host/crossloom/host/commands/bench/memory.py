"""Run as a process of its own: peak memory of the integer simulator on a CIFAR-sized network."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np

from crossloom.sim import run
from crossloom.sim.shapes import cifar_shape


def peak_mib() -> float:
    """Largest resident memory of this process so far, in MiB (VmHWM of /proc/self/status)."""
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


def main(count: int) -> None:
    """Run `count` random 32x32x3 images and print one JSON line."""
    network = cifar_shape()
    images = np.random.default_rng(0).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
    start = time.perf_counter()
    macs = int(run(network, images).macs[0])
    seconds = time.perf_counter() - start
    print(json.dumps({"images": count, "macs": macs, "images_per_s": count / seconds, "peak_mib": peak_mib()}))


if __name__ == "__main__":
    main(int(sys.argv[1]))
