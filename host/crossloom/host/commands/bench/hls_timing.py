"""Times HLS devices in a process of its own: `python -m crossloom.host.commands.bench.hls_timing DESIGN RUNS ...`."""

from __future__ import annotations

import json
import statistics
import sys
import time

import numpy as np

from crossloom.sim import Artifact, input_codes, load

from ...backends import open_backend
from ...designs import find_design


def open_seconds(artifact: Artifact, device: str) -> float:
    """How long it takes until a device could run, everything it imports included."""
    start = time.perf_counter()
    backend, _ = open_backend(artifact.network, device)
    backend.run(np.zeros((0, *artifact.network.input.edge.image_shape), np.int64))
    backend.close()
    return time.perf_counter() - start


def images_per_second(artifact: Artifact, devices: list[str], runs: int, seconds: float) -> dict[str, float]:
    """Medians of alternating runs of some seconds over all golden inputs."""
    assert artifact.golden is not None and artifact.golden.inputs is not None
    codes = np.asarray(input_codes(artifact.network.input, artifact.golden.inputs))
    backends = {device: open_backend(artifact.network, device)[0] for device in devices}
    for backend in backends.values():
        backend.run(codes[:1])
    found: dict[str, list[float]] = {device: [] for device in devices}
    for _ in range(runs):
        for device, backend in backends.items():
            start, calls = time.perf_counter(), 0
            while (spent := time.perf_counter() - start) < seconds:
                backend.run(codes)
                calls += 1
            found[device].append(calls * len(codes) / spent)
    return {device: statistics.median(speeds) for device, speeds in found.items()}


def main(design: str, runs: int, seconds: float, devices: list[str]) -> None:
    """Print seconds to open one device, or with more runs than 0 the images a second of each device, as JSON."""
    artifact = load(find_design(design))
    found = images_per_second(artifact, devices, runs, seconds) if runs else open_seconds(artifact, devices[0])
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.argv[4:])
