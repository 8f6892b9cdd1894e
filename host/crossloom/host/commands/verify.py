"""`crossloom verify`: every edge of every test image, against the golden digests, the torch model and the devices."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from crossloom.sim import Artifact, ConfigError, InputError, input_codes, load, simulated_digests
from crossloom.sim import run as simulate
from crossloom.sim.types import AnyArray

from ..backends import open_backend
from ..designs import find_design
from ..progress import bar
from . import Report
from .tables import table
from .train import need_training


def _test_images(artifact: Artifact, args: argparse.Namespace) -> AnyArray:
    golden = artifact.golden
    if golden is None:
        raise InputError(f"{args.design}: carries no golden vectors; export it with a test set")
    if golden.inputs is not None:
        return golden.inputs
    need_training()
    from crossloom.training.workflow import test_set

    return test_set(artifact, args.data, args.data_dir)[0]


def _golden(artifact: Artifact, images: AnyArray) -> tuple[int, str | None]:
    """Return how many (image, edge) digests differ, and the first one in words."""
    golden, network = artifact.golden, artifact.network
    assert golden is not None
    if len(images) != golden.vectors:
        raise InputError(
            f"test images: {len(images)}; the golden digests are of {golden.vectors} images of {golden.dataset}"
        )
    with bar("golden digests", len(images)) as progress:
        found = simulated_digests(network, images, progress)
    wrong = found != golden.digests
    full = simulate(network, golden.images, edges=golden.edges).edges
    codes = sum(int((full[name] != golden.codes[name]).sum()) for name in golden.edges)
    if not wrong.any() and not codes:
        return 0, None
    if not wrong.any():
        name = next(n for n in golden.edges if (full[n] != golden.codes[n]).any())
        return codes, f"edge {name}: codes of the {len(golden.images)} golden images differ from the simulator's"
    edge = int(np.flatnonzero(wrong.any(axis=0))[0])
    image = int(np.flatnonzero(wrong[:, edge])[0])
    return int(
        wrong.sum()
    ) + codes, f"edge {golden.edges[edge]}, image {image}: the digest differs from the simulator's"


def _device(artifact: Artifact, device: str, images: AnyArray) -> tuple[int, str | None]:
    """Return on how many images a device's scores or branch differ from the simulator's."""
    network = artifact.network
    backend, _ = open_backend(network, device)
    try:
        found = backend.run(input_codes(network.input, images))
    finally:
        backend.close()
    wanted = simulate(network, images)
    scores = np.ma.filled(wanted.scores, 0) != np.ma.filled(found.scores, 0)
    wrong = scores.any(axis=1) | (found.labels != wanted.labels)
    if wanted.branch is not None and found.coarse is not None:
        wrong |= found.coarse != wanted.branch
    first = f"image {int(np.flatnonzero(wrong)[0])}: scores or branch differ" if wrong.any() else None
    return int(wrong.sum()), first


def _torch(artifact: Artifact, run_dir: Path, images: AnyArray, asked: bool) -> tuple[int | None, str | None]:
    """Return the codes that differ from the torch model and the first difference; None and why, where not compared."""
    if not (run_dir / "checkpoint.pt").is_file():
        if asked:
            raise InputError(f"{run_dir}: holds no checkpoint.pt; needed the folder of a training run")
        return None, f"no checkpoint at {run_dir}: train it with 'crossloom train {artifact.network.name}'"
    need_training()
    from crossloom.training.prove import RunMismatch, compare_run

    try:
        with bar("torch model", len(images)) as progress:
            return compare_run(artifact.network, run_dir, images, progress)
    except (RunMismatch, ConfigError) as error:
        # A run that happens to lie there, of other weights or of another version, is no reason to fail.
        if asked:
            raise
        return None, str(error)


def verify(artifact: Artifact, images: AnyArray, run_dir: Path, asked: bool, devices: list[str]) -> dict[str, Any]:
    """Compare the simulator with the golden digests, a run's torch model and devices on uint8 images (N, H, W, C).

    `asked`: the run was named by the user, so that a missing or other checkpoint is an error, not a comparison that
    is left out. Returns the stable keys of `verify --json`.
    """
    golden, network = artifact.golden, artifact.network
    assert golden is not None
    found = {"golden": _golden(artifact, images), "torch": _torch(artifact, run_dir, images, asked)}
    found |= {device: _device(artifact, device, images) for device in devices}
    return {
        "name": network.name,
        "sha256": artifact.sha256,
        "vectors": golden.vectors,
        "layers": len(network.edges),
        "differences": {name: count for name, (count, _) in found.items() if count is not None},
        "first": {name: words for name, (count, words) in found.items() if count},
        "skipped": {name: words for name, (count, words) in found.items() if count is None},
    }


def run(args: argparse.Namespace) -> Report:
    """Verify one design; exit code 1 on any difference."""
    artifact = load(find_design(args.design))
    images = _test_images(artifact, args)
    run_dir = Path(args.run_dir) if args.run_dir else Path("runs") / artifact.network.name
    devices = [name.strip() for name in args.devices.split(",") if name.strip()]
    data = verify(artifact, images, run_dir, bool(args.run_dir), devices)
    rows: list[list[object]] = [[n, str(count), data["first"].get(n, "")] for n, count in data["differences"].items()]
    rows += [[name, "not compared", why] for name, why in data["skipped"].items()]
    total = sum(data["differences"].values())
    assert artifact.golden is not None
    text = (
        f"{data['name']}: {data['vectors']:,} test images of {artifact.golden.dataset}, {data['layers']} edges each\n"
    )
    text += table(["against", "differences", ""], rows) + f"\ndifferences: {total}"
    return Report(data, text, int(total > 0))
