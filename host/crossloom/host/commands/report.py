"""`crossloom report`: one HTML page that shows how a design decides, errs and what it costs."""

from __future__ import annotations

import argparse
import os
import shlex
from pathlib import Path

from crossloom.sim import Artifact, InputError, load
from crossloom.sim.types import AnyArray

from ..designs import find_design
from ..progress import bar
from ..report.figures import measure
from ..report.page import MARKER, page
from . import Report
from .tables import percent, table
from .train import need_training


def _test_set(artifact: Artifact, args: argparse.Namespace) -> tuple[AnyArray, AnyArray]:
    """Return the test images and labels that the golden digests were made with."""
    golden = artifact.golden
    if golden is None:
        raise InputError(f"{args.design}: carries no golden vectors of test images; export it with a test set")
    if golden.inputs is not None and golden.labels is not None:
        return golden.inputs, golden.labels
    need_training()
    from crossloom.training.workflow import test_set

    images, labels = test_set(artifact, args.data, args.data_dir)
    if len(images) != golden.vectors:
        raise InputError(
            f"test images: {len(images)}; the golden digests are of {golden.vectors} images of {golden.dataset}"
        )
    return images, labels


def _check_target(path: Path) -> None:
    """Raise InputError before any work where the page cannot go: only an earlier report is overwritten."""
    try:
        if not path.parent.is_dir():
            raise InputError(f"{path}: cannot be written (no such folder); make it, or name another file with --out")
        if not os.path.lexists(path):
            return
        ours = False
        if path.is_file():
            with path.open("rb") as file:
                ours = file.read(len(MARKER)) == MARKER.encode()
    except (OSError, ValueError) as error:
        raise _unwritable(path, error) from error
    if not ours:
        raise InputError(f"{path}: exists and is no report of ours; move it, or name another file with --out")


def _unwritable(path: Path, error: OSError | ValueError) -> InputError:
    shown = str(path) if str(path).isprintable() else repr(str(path))
    reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return InputError(f"{shown}: cannot be written ({reason}); name another file with --out")


def run(args: argparse.Namespace) -> Report:
    """Measure one design on its test images and write its page."""
    design = find_design(args.design)
    artifact = load(design)
    path = Path(args.out or f"{artifact.network.name}-report.html")
    _check_target(path)
    images, labels = _test_set(artifact, args)
    with bar("test images", len(images)) as progress:
        figures = measure(artifact, images, labels, progress)
    # The file's name, not its path: a page that is passed on says nothing of the machine it was made on.
    command = f"crossloom report {shlex.quote(args.design if args.design == design.stem else design.name)}"
    try:
        path.write_text(page(figures, command), encoding="utf-8")
    except (OSError, ValueError) as error:
        raise _unwritable(path, error) from error
    data = {"report": str(path), **figures.to_json()}
    rows = [
        ["test accuracy", f"{percent(figures.accuracy)} ({figures.origin})"],
        ["routed right", percent(figures.coarse_accuracy)],
        ["wrong answers", f"{data['wrong']:,}"],
    ]
    if not figures.branches:
        del rows[1]
    rows += [["note", note] for note in figures.notes]
    rows.append(["report", f"{path}, {path.stat().st_size:,} bytes; open it in a browser"])
    return Report(data, table([artifact.network.name, ""], rows))
