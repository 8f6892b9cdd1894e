"""`crossloom report`: one HTML page that shows how a design decides, errs and what it costs."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from crossloom.sim import InputError, load
from crossloom.sim.places import write_file

from ..designs import find_design
from ..pages import check_page
from ..progress import bar
from ..report.figures import measure
from ..report.page import page
from ..tables import percent, table
from ..testset import test_set
from . import Report


def run(args: argparse.Namespace) -> Report:
    """Measure one design on its test images and write its page."""
    design = find_design(args.design)
    artifact = load(design)
    path = Path(args.out or f"{artifact.network.name}-report.html")
    check_page(path)
    images, labels = test_set(artifact, args)
    with bar("test images", len(images)) as progress:
        figures = measure(artifact, images, labels, progress)
    # The file's name, not its path: a page that is passed on says nothing of the machine it was made on.
    command = f"crossloom report {shlex.quote(args.design if args.design == design.stem else design.name)}"
    write_file(path, page(figures, command), InputError)
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
