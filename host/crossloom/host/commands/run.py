"""`crossloom run`: classify images on a device."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from crossloom.sim import InputError
from crossloom.sim.text import printable

from ..accelerator import Accelerator
from ..backends import BEHIND_PYNQ
from ..images import read_images
from ..tables import table
from . import Report

SHOWN = 20


def run(args: argparse.Namespace) -> Report:
    """Classify images; text shows the first 20, JSON all."""
    frames = args.frames
    if frames is None and args.device in ("auto", *BEHIND_PYNQ):
        frames = 1
    with Accelerator(args.design, args.device, overlay=args.overlay, frames=frames) as accelerator:
        golden = accelerator.artifact.golden
        if args.images:
            images, source = read_images(args.images, accelerator.network.input), printable(args.images, 400)
        elif golden is not None:
            images, source = golden.images, f"golden images of '{printable(golden.dataset)}'"
        else:
            raise InputError(f"{args.design}: carries no golden images; name an image file")
        try:
            found = accelerator(images)
        except InputError as error:
            raise InputError(f"{source}: {error}; convert the images") from None
        best = found.top_k(args.top)
        reason, counters = accelerator.reason, accelerator.counters
    data: dict[str, Any] = {
        "labels": found.labels,
        "names": found.names,
        "coarse": found.coarse,
        "top": best,
        "macs_mean": float(np.mean(found.macs)) if len(found.macs) else None,
        "cycles": found.cycles,
        "backend": found.backend,
        "reason": reason,
        "origin": found.origin,
        "counters": counters,
        "source": source,
    }
    rows: list[list[object]] = []
    for i, row in enumerate(best[:SHOWN].tolist()):
        scores = ", ".join(f"{found.classes[c]} ({found.scores[i, c]})" for c in row if c is not None)
        rows.append([i, scores])
    text = [f"{source}: {len(found.labels):,} images on {found.backend} ({found.origin}; {reason})"]
    if found.cycles is not None and len(found.cycles):
        least, most = int(found.cycles.min()), int(found.cycles.max())
        span = f"{most:,}" if least == most else f"{least:,} to {most:,}"
        text.append(
            f"{span} cycles an image, first beat in to last beat out: at most {most / 1e5:.3f} ms at 100 MHz, timing "
            "unchecked"
        )
    text.append(table(["image", "class (score)"], rows))
    if len(found.labels) > SHOWN:
        text.append(f"... {len(found.labels) - SHOWN:,} more; --json lists all")
    return Report(data, "\n".join(text))
