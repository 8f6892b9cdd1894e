"""`crossloom verify`: every edge of every test image, against the golden digests, the torch model and the devices."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from crossloom.sim import (
    Artifact,
    ConfigError,
    InputError,
    batches,
    compare,
    differing,
    input_codes,
    load,
    simulated_digests,
)
from crossloom.sim import run as simulate
from crossloom.sim.comparison import joined
from crossloom.sim.simulator import check_images
from crossloom.sim.text import printable
from crossloom.sim.types import AnyArray

from ..backends import BEHIND_PYNQ, check_device, open_backend
from ..designs import find_design, find_overlay
from ..extras import need_training
from ..progress import bar
from ..tables import table
from ..testset import TestImages, test_images
from . import Report

TRANSFERS = (1, 256)  # frames in one, where a DMA moves them


def _golden(artifact: Artifact, tests: TestImages) -> tuple[int, str | None]:
    """Return how many (image, edge) digests differ, of the images that have some, and the first one in words."""
    golden, network = artifact.golden, artifact.network
    assert golden is not None
    known = np.flatnonzero(tests.rows >= 0)
    wrong = np.zeros((len(known), len(golden.edges)), bool)
    with bar("golden digests", len(known)) as progress:
        for part in batches(network, len(known)):
            own = known[part]
            rows = tests.rows[own]
            wrong[part] = simulated_digests(network, tests.images[own], index=rows) != golden.digests[rows]
            progress(part.stop)
    # One by one: an image's codes may be many.
    parts = []
    for row in range(len(golden.images)):
        one = slice(row, row + 1)
        found = simulate(network, golden.images[one], edges=golden.edges, index=row).edges
        parts.append(compare(network, {name: golden.codes[name][one] for name in golden.edges}, found, row))
    full = joined(network, parts)
    if full.first is not None:  # the codes themselves tell more than digests
        return int(wrong.sum()) + full.total, str(full.first)
    if not wrong.any():
        return 0, None
    edge = int(np.flatnonzero(wrong.any(axis=0))[0])
    image = int(known[np.flatnonzero(wrong[:, edge])[0]])
    return int(wrong.sum()), f"edge {golden.edges[edge]}, image {image}: the digest differs from the simulator's"


@dataclass(frozen=True)
class _Found:
    """What a comparison gave: how many differ, None where it was left out; the first, or why left out; of what."""

    count: int | None
    words: str | None
    of: str = ""


def _transfers(artifact: Artifact, device: str, images: AnyArray, overlay: Path | None) -> _Found:
    """Compare a device behind a DMA with the simulator, with one and with many frames a transfer.

    Counts images that differ either way.
    """
    wrong = np.zeros(len(images), bool)
    found = [_device(artifact, device, images, wrong, overlay, frames) for frames in TRANSFERS]
    words = next((one.words for one in found if one.words), None)
    told = " and ".join(f"{frames}" for frames in TRANSFERS)
    return _Found(int(wrong.sum()), words, f"{found[0].of}, {told} frames a transfer")


def _device(
    artifact: Artifact,
    device: str,
    images: AnyArray,
    wrong: npt.NDArray[np.bool_],
    overlay: Path | None = None,
    frames: int | None = None,
) -> _Found:
    """Compare a device with the simulator: each image's scores, branch and label, and every edge that it shows.

    Counts images that differ, which become true in `wrong` (N,), and codes that differ on edges. Either runs each image
    once.
    """
    network = artifact.network
    names, shown, differ = list(network.edges), 0, np.zeros(len(images), bool)
    parts = []
    backend, _ = open_backend(network, device, overlay, frames)
    try:
        backend.run(input_codes(network.input, images[:0]), names)  # compiles what has to be, before the bar begins
        with bar(f"{device}, {frames} a transfer" if frames else device, len(images)) as progress:
            for rows in batches(network, len(images)):
                codes = input_codes(network.input, images[rows], rows.start)
                wanted, found = simulate(network, codes=codes, edges=names), backend.run(codes, names)
                differ[rows], shown = differing(wanted, found), len(found.edges)
                parts.append(compare(network, wanted.edges, found.edges, rows.start))
                del wanted, found  # two batches would be there at once
                progress(rows.stop)
    finally:
        backend.close()
    edges = joined(network, parts)
    first = str(edges.first) if edges.first is not None else None
    if first is None and differ.any():
        first = f"image {int(np.flatnonzero(differ)[0])}: scores, branch or label differ"
    wrong |= differ
    compared = f"{shown} edges, scores, labels" if shown else "scores, labels"
    return _Found(edges.total + int(differ.sum()), first, compared)


def _torch(artifact: Artifact, run_dir: Path, images: AnyArray, asked: bool) -> tuple[int | None, str | None]:
    """Return the codes that differ from the torch model and the first difference; None and why, where not compared."""
    if not (run_dir / "checkpoint.pt").is_file():
        if asked:
            raise InputError(f"{run_dir}: holds no checkpoint.pt; needed the folder of a training run")
        if isinstance(artifact.info.get("imported"), dict):
            return None, "imported: what it was ran beside it then, see 'imported' in its info"
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


def verify(
    artifact: Artifact,
    tests: TestImages,
    run_dir: Path,
    asked: bool,
    devices: list[str],
    overlays: Mapping[str, Path | None] = MappingProxyType({}),
) -> dict[str, Any]:
    """Compare the simulator with the golden digests, a run's torch model and devices on test images.

    `asked`: the run was named by the user, so that a missing or other checkpoint is an error, not a comparison that
    is left out. `overlays`: bitstreams by device, for those behind a DMA. Returns the stable keys of `verify --json`.
    """
    network, images = artifact.network, check_images(artifact.network.input, tests.images)
    found = {"golden": _Found(*_golden(artifact, tests)), "torch": _Found(*_torch(artifact, run_dir, images, asked))}
    for device in devices:
        if device in BEHIND_PYNQ:
            found[device] = _transfers(artifact, device, images, overlays.get(device))
        else:
            found[device] = _device(artifact, device, images, np.zeros(len(images), bool))
    return {
        "name": network.name,
        "sha256": artifact.sha256,
        "vectors": tests.vectors,
        "images": len(images),
        "beyond": tests.beyond,
        "missing": tests.missing,
        "layers": len(network.edges),
        "differences": {name: one.count for name, one in found.items() if one.count is not None},
        "compared": {name: one.of for name, one in found.items() if one.of},
        "first": {name: one.words for name, one in found.items() if one.count},
        "skipped": {name: one.words for name, one in found.items() if one.count is None},
    }


def _covered(tests: TestImages) -> str:
    """Say which of the images given the digests cover."""
    count = len(tests.images)
    text = f"images given: {count:,}, of which {count - tests.beyond:,} have digests here\n"
    if tests.beyond:
        text += f"  {tests.beyond:,} are beyond the digests: only a torch model and devices are compared on them\n"
    if tests.missing:
        text += f"  {tests.missing:,} of the test images with digests are not among them\n"
    return text


def run(args: argparse.Namespace) -> Report:
    """Verify one design; exit code 1 on any difference."""
    design = find_design(args.design)
    artifact = load(design)
    every = test_images(artifact, args)
    tests = every if args.images is None else every.first(args.images)
    run_dir = Path(args.run_dir) if args.run_dir else Path("runs") / artifact.network.name
    devices = [name.strip() for name in args.devices.split(",") if name.strip()]
    for name in devices:
        check_device(name)
    if args.overlay is not None and not set(devices) & set(BEHIND_PYNQ):
        raise InputError(f"--overlay: no device of {args.devices[:80]!r} takes one; name {' or '.join(BEHIND_PYNQ)}")
    overlays = {name: find_overlay(design, name, args.overlay) for name in BEHIND_PYNQ}
    data = verify(artifact, tests, run_dir, bool(args.run_dir), devices, overlays)
    data["missing"], data["left_out"] = every.missing, len(every.images) - len(tests.images)
    rows: list[list[object]] = [
        [name, str(count), data["first"].get(name) or data["compared"].get(name, "")]
        for name, count in data["differences"].items()
    ]
    rows += [[name, "not compared", why] for name, why in data["skipped"].items()]
    total = sum(data["differences"].values())
    assert artifact.golden is not None
    # The digest says which file was verified; what the file calls its test images it may call anything.
    text = f"{data['name']}, SHA-256 {artifact.sha256}: digests of {data['vectors']:,} test images, {data['layers']} "
    text += f"edges each; it calls them '{printable(artifact.golden.dataset)}'\n"
    if args.data is not None:
        text += _covered(every)
    if data["left_out"]:
        text += f"verified on the first {len(tests.images):,} of {len(every.images):,} images, as --images asks\n"
    text += table(["against", "differences", ""], rows) + f"\ndifferences: {total}"
    return Report(data, text, int(total > 0))
