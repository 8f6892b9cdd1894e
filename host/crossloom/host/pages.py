"""What commands share: the test images of a design, and the file of a page that may be written."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from crossloom.sim import Artifact, Golden, InputError
from crossloom.sim.text import printable
from crossloom.sim.types import AnyArray

from .extras import need_training
from .report.document import MARKER


def test_images(artifact: Artifact, args: argparse.Namespace) -> AnyArray:
    """Return the test images that the golden digests were made with: the design's own, or those of its data set."""
    golden = _golden(artifact, args)
    return golden.inputs if golden.inputs is not None else _from_training(artifact, golden, args)[0]


def test_set(artifact: Artifact, args: argparse.Namespace) -> tuple[AnyArray, AnyArray]:
    """Return the same images with their labels."""
    golden = _golden(artifact, args)
    if golden.inputs is not None and golden.labels is not None:
        return golden.inputs, golden.labels
    return _from_training(artifact, golden, args)


def _golden(artifact: Artifact, args: argparse.Namespace) -> Golden:
    if artifact.golden is None:
        raise InputError(f"{args.design}: carries no golden vectors of test images; export it with a test set")
    return artifact.golden


def _from_training(artifact: Artifact, golden: Golden, args: argparse.Namespace) -> tuple[AnyArray, AnyArray]:
    need_training()
    from crossloom.training.workflow import test_set

    images, labels = test_set(artifact, args.data, args.data_dir)
    if len(images) != golden.vectors:
        needed = f"the {golden.vectors} of '{printable(golden.dataset)}' that the golden digests are of"
        raise InputError(f"test images: {len(images)}; needed {needed}")
    return images, labels


def check_page(path: Path) -> None:
    """Raise InputError before any work where the page cannot go: only an earlier report is overwritten."""
    shown = printable(path, 400)
    try:
        folder = path.parent.is_dir()
        if folder and not os.path.lexists(path):
            return
        ours = False
        if path.is_file():
            with path.open("rb") as file:
                ours = file.read(len(MARKER)) == MARKER.encode()
    except (OSError, ValueError) as error:
        raise _unwritable(path, error) from error
    if not folder:
        raise InputError(f"{shown}: cannot be written (no such folder); make it, or name another file with --out")
    if not ours:
        raise InputError(f"{shown}: exists and is no report of ours; move it, or name another file with --out")


def _unwritable(path: Path, error: OSError | ValueError) -> InputError:
    shown = printable(path, 400)
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return InputError(f"{shown}: cannot be written ({reason}); name another file with --out")


def write_page(path: Path, text: str) -> None:
    """Write a page; raise InputError where it cannot be."""
    try:
        path.write_text(text, encoding="utf-8")
    except (OSError, ValueError) as error:
        raise _unwritable(path, error) from error
