"""`crossloom crossbar`: a design's accuracy on resistive arrays, for methods against wire resistance."""

from __future__ import annotations

import argparse
import math
import shlex
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from crossloom.sim import InputError, load
from crossloom.sim.crossbar import (
    DEVICES,
    ArraySpec,
    Device,
    Physics,
    Sweep,
    check_untimed,
    overhead,
    steps,
    study,
    sweep,
)
from crossloom.sim.crossbar.nonlinear import SHAPES, CellLaw
from crossloom.sim.crossbar.twin_layers import TwinPoint, compare_twins
from crossloom.sim.places import write_file
from crossloom.sim.types import AnyArray

from ..crossbar_page import page, shown
from ..designs import find_design
from ..pages import check_page
from ..progress import bar
from ..tables import percent, table
from ..testset import test_set
from . import Report


def numbers(option: str, text: str) -> list[float]:
    """Return the comma-separated numbers of an option; raise InputError for anything else, or none."""
    try:
        found = [float(part) for part in text.split(",")]
    except ValueError:
        found = []
    if not found or not all(math.isfinite(value) for value in found):
        raise InputError(f"{option} {text[:60]!r}: needed numbers with commas between, as in 1e-5,1e-4")
    return found


def cells(name: str) -> Device:
    """Return the device of --cells; raise InputError for a name that is none."""
    if name not in DEVICES:
        raise InputError(f"--cells {name[:40]!r}: unknown; needed one of {', '.join(DEVICES)}")
    return DEVICES[name]


def law(text: str, device: Device) -> CellLaw | None:
    """Return the cells' law of --law: None for Ohm's, the device's own, or SHAPE:V0; raise InputError for others."""
    if text == "linear":
        return None
    if text == "device":
        return device.law
    shape, _, volts = text.partition(":")
    if shape not in SHAPES or shape == "linear":
        raise InputError(f"--law {text[:40]!r}: unknown; needed linear, device, sinh:V0 or tanh:V0, as tanh:0.2")
    return CellLaw(shape, numbers("--law", volts)[0])


def _images(images: AnyArray, labels: AnyArray, most: int) -> tuple[AnyArray, AnyArray]:
    """At most `most` images, evenly among all, always the same ones."""
    if most < 2:
        raise InputError(f"--images {most}; needed at least 2")
    chosen = np.linspace(0, len(images) - 1, min(most, len(images))).astype(np.intp)
    return images[chosen], labels[chosen]


def run(args: argparse.Namespace) -> Report:
    """Measure; with `args.out`, write a page as well."""
    design = find_design(args.design)
    artifact = load(design)
    check_untimed(artifact.network)  # before anybody looks for its test images
    rho, methods = numbers("--rho", args.rho), args.methods.split(",")
    adc_bits = None if args.adc_bits == 0 else args.adc_bits
    base = ArraySpec(args.rows, args.columns, args.cell_bits, adc_bits=adc_bits)
    random = args.variation or args.noise
    device = cells(args.cells)
    physics = Physics(device, None, args.variation, args.noise, args.seed, law(args.law, device))
    seeds = args.seeds if args.seeds is not None else 5 if random else 1
    path = Path(args.out) if args.out else None
    if path is not None:
        check_page(path)
    images, labels = _images(*test_set(artifact, args), args.images)
    total = len(rho) * len(methods) * seeds * (len(images) - args.calibrate)
    with bar("images", total) as progress:
        found = sweep(
            artifact.network,
            images,
            labels,
            rho,
            methods,
            base=base,
            physics=physics,
            active_rows=args.active_rows,
            calibrate=args.calibrate,
            seeds=seeds,
            progress=progress,
        )
    data = _data(found, base, physics, args)
    text = _text(found, base, physics, args)
    if args.twin:
        with bar("twins", len(rho) * len(methods)) as progress:
            twins = compare_twins(
                artifact.network,
                images,
                labels,
                rho,
                methods,
                base=base,
                physics=physics,
                active_rows=args.active_rows,
                calibrate=args.calibrate,
                progress=progress,
            )
        names = [field.name for field in fields(TwinPoint)]
        data["twin"] = {m: {name: [getattr(p, name) for p in row] for name in names} for m, row in twins.items()}
        text += "\n\n" + _twin_text(found, twins)
    if path is not None:
        with bar("steps of the page", steps(found)) as progress:
            figures = study(
                artifact.network,
                images,
                labels,
                found,
                base=base,
                physics=physics,
                active_rows=args.active_rows,
                progress=progress,
            )
        name = args.design if args.design == design.stem else design.name
        command = f"crossloom crossbar {shlex.quote(name)} --rho {args.rho} --methods {args.methods} --out FILE"
        write_file(path, page(artifact, figures, base, physics, command), InputError)
        data["page"] = str(path)
        text += f"\npage: {path}, {path.stat().st_size:,} bytes; open it in a browser"
    return Report(data, text)


def _data(found: Sweep, base: ArraySpec, physics: Physics, args: argparse.Namespace) -> dict[str, Any]:
    return {
        "rho": list(found.rho),
        "methods": {
            method: {
                "accuracy": [point.accuracy for point in points],
                "low": [point.interval[0] for point in points],
                "high": [point.interval[1] for point in points],
                "clipped": [point.clipped for point in points],
                **({"newton": [p.newton / max(p.solved, 1) for p in points]} if physics.law is not None else {}),
            }
            for method, points in found.points.items()
        },
        "ideal": found.ideal,
        "interval": "Wilson, 95 %, over images times seeds",
        "images": found.images,
        "calibration_images": found.calibrated,
        "seeds": found.seeds,
        "device": physics.device.name,
        "law": None if physics.law is None else {"shape": physics.law.shape, "v0": physics.law.v0},
        "variation": physics.variation,
        "noise": physics.noise,
        "rows": base.rows,
        "columns": base.columns,
        "cell_bits": base.cell_bits,
        "adc_bits": base.adc_bits,
        "active_rows": args.active_rows,
        "arrays": found.arrays,
        "origin": "simulated",
    }


def _twin_text(found: Sweep, twins: dict[str, tuple[TwinPoint, ...]]) -> str:
    rows: list[list[object]] = [
        [
            method,
            f"{value:g}",
            f"{100 * point.physics:.2f}",
            f"{100 * point.twin:.2f}",
            f"{100 * point.agree:.2f}",
            f"{100 * point.differ:.2f}",
            f"{point.rms:.3f}",
            f"{point.worst:.0f}",
            f"{point.rms_ideal:.3f}",
        ]
        for method, points in twins.items()
        for value, point in zip(found.rho, points, strict=True)
    ]
    head = [
        "twin of",
        "rho",
        "physics, %",
        "twin, %",
        "same label, %",
        "codes off, %",
        "rms",
        "worst",
        "no tables, rms",
    ]
    return (
        table(head, rows)
        + "\nsimulated, one seed; codes are the converters', of layers fed with exact inputs; the twin "
        "is the integer model of rtl/src/imc_tile.sv"
    )


def _text(found: Sweep, base: ArraySpec, physics: Physics, args: argparse.Namespace) -> str:
    kinds = [name for name, on in (("variation", physics.variation), ("noise", physics.noise)) if on]
    bent = "" if physics.law is None else f"{physics.law.shape} (v0 {physics.law.v0:g} V) "
    adc = "lossless converters" if base.adc_bits is None else f"{base.adc_bits}-bit converters"
    head = (
        f"{args.design} on {found.arrays} arrays of {base.rows} x {base.columns} {bent}{physics.device.name} cells, "
        f"{adc}, {' and '.join(kinds) or 'no variation, no noise'}\n"
        f"{found.images:,} images, {found.seeds} seed{'s' if found.seeds > 1 else ''}, {found.calibrated} more images "
        f"for calibration; ideal {percent(found.ideal)}; pwa reads {args.active_rows} rows at a time\n"
    )
    rows: list[list[object]] = [[method, *map(shown, points)] for method, points in found.points.items()]
    text = head + table(["accuracy, %", *(f"rho {value:g}" for value in found.rho)], rows)
    text += "\nsimulated; [95 % intervals after Wilson, over images times seeds]; rho is wire ohms a cell times g_on"
    for method, points in found.points.items():
        newton, solved = sum(point.newton for point in points), sum(point.solved for point in points)
        if newton:
            text += (
                f"\nnote: {method}: Anderson's iteration failed for {newton:,} of {solved:,} vectors; Newton's method "
                "took over"
            )
        names = sorted({name for point in points for name in point.over})
        if names:
            worst = max(point.clipped for point in points)
            text += (
                f"\nwarning: {method}: converters clip more than {100 * base.clip_share:g} % in "
                f"{', '.join(names[:8])}{' and more' if len(names) > 8 else ''} ({100 * worst:.2g} % of all at worst)"
            )
    if any(name in method.split("+") for method in found.points for name in ("swann", "greedy")):
        ways = "; ".join(
            f"{way.way}: area +{100 * way.area:.1f} %, latency +{100 * way.latency:.1f} %, "
            f"energy +{100 * way.energy:.1f} %"
            for way in overhead(base, 4)
        )
        text += f"\nundoing an order in front of each tile (estimated, one converter a tile, 4-bit inputs): {ways}"
    return text
