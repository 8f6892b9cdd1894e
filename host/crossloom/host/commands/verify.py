"""`crossloom verify`: every edge of every test image, against the golden digests, the torch model and the devices."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from crossloom.sim import Artifact, InputError, input_codes, load, simulated_digests
from crossloom.sim import run as simulate
from crossloom.sim.types import AnyArray

from ..backends import open_backend
from ..designs import find_design
from ..progress import bar
from . import Report
from .tables import table


def _test_images(artifact: Artifact, args: argparse.Namespace) -> AnyArray:
    golden = artifact.golden
    if golden is None:
        raise InputError(f"{args.design}: carries no golden vectors; export it with a test set")
    if golden.inputs is not None:
        return golden.inputs
    from crossloom.training import test_images

    return test_images(golden.dataset, data=args.data, data_dir=args.data_dir)


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
    from crossloom.training import RunMismatch, compare_run

    try:
        with bar("torch model", len(images)) as progress:
            return compare_run(artifact.network, run_dir, images, progress)
    except RunMismatch as error:
        if asked:
            raise
        return None, str(error)


def run(args: argparse.Namespace) -> Report:
    """Verify one design; exit code 1 on any difference."""
    artifact = load(find_design(args.design))
    network, golden = artifact.network, artifact.golden
    images = _test_images(artifact, args)
    assert golden is not None
    differences: dict[str, int] = {}
    first: dict[str, str] = {}
    skipped: dict[str, str] = {}

    def note(name: str, count: int | None, words: str | None) -> None:
        if count is None:
            skipped[name] = words or ""
        else:
            differences[name] = count
            if words:
                first[name] = words

    note("golden", *_golden(artifact, images))
    run_dir = Path(args.run_dir) if args.run_dir else Path("runs") / network.name
    note("torch", *_torch(artifact, run_dir, images, bool(args.run_dir)))
    for device in filter(None, args.devices.split(",")):
        note(device, *_device(artifact, device.strip(), images))
    data: dict[str, Any] = {
        "name": network.name,
        "sha256": artifact.sha256,
        "vectors": golden.vectors,
        "layers": len(network.edges),
        "differences": differences,
        "first": first,
        "skipped": skipped,
    }
    rows: list[list[object]] = [[name, str(count), first.get(name, "")] for name, count in differences.items()]
    rows += [[name, "not compared", why] for name, why in skipped.items()]
    total = sum(differences.values())
    text = f"{network.name}: {golden.vectors:,} test images of {golden.dataset}, {len(network.edges)} edges each\n"
    text += table(["against", "differences", ""], rows) + f"\ndifferences: {total}"
    return Report(data, text, int(total > 0))
