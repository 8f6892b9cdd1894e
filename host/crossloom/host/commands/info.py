"""`crossloom info`: what a design is."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from crossloom.sim import cost, load
from crossloom.sim.text import printable

from ..designs import find_design
from ..summary import describe
from ..tables import percent, table
from . import Report


def _beside(macs: int, saved: float) -> str:
    """A baseline's products, and the fraction of them that routing saves, in words."""
    return f"{macs:,} (counted): routing takes {100 * abs(saved):.1f} % {'fewer' if saved >= 0 else 'more'}"


def _time(data: Mapping[str, Any]) -> list[list[str]]:
    """What a network with time steps has besides."""
    if data["steps"] == 1:
        return []
    operations = data["synaptic_operations_mean"]
    counted = "no golden images to count them on" if operations is None else f"{operations:,.0f} (simulated)"
    membranes = f"{data['membrane_bits'] / 8192:.1f} KiB of membranes (counted)"
    return [["time", f"{data['steps']} steps, {membranes}"], ["synaptic operations an image", counted]]


def run(args: argparse.Namespace) -> Report:
    """Describe one design."""
    artifact = load(find_design(args.design))
    data, total = describe(artifact), cost(artifact.network)
    unrouted: list[list[str]] = []
    if total.macs_bcnn is not None and total.saved_flat is not None and total.saved_bcnn is not None:
        unrouted = [
            ["  as a flat network", _beside(total.macs_flat, total.saved_flat)],
            ["  as a B-CNN", _beside(total.macs_bcnn, total.saved_bcnn)],
        ]
    origin = printable(data["accuracy_origin"] or "no origin stated")
    rows = [
        ["file", f"SHA-256 {data['sha256']}"],
        ["structure", data["structure_sha256"][:16]],
        ["weights", data["weights_sha256"][:16]],
        ["test accuracy", f"{percent(data['accuracy'])} ({origin})"],
        ["data set", f"'{printable(data['dataset'])}', {data['vectors']:,} golden images"],
        ["input", f"{' x '.join(map(str, data['input']['shape']))}, {data['input']['levels']} levels"],
        ["products an image", f"{data['macs_mean']:,} (counted)"],
        *unrouted,
        *_time(data),
        ["parameters", f"{data['parameters']:,} in {data['memory_bits'] / 8192:.1f} KiB (counted)"],
        ["widest weight", f"{data['weight_bits']} bits"],
        ["widest activation", f"{data['activation_bits']} bits"],
        ["classes", ", ".join(data["classes"][:20]) + (" ..." if len(data["classes"]) > 20 else "")],
    ]
    for branch, names in (data["hierarchy"] or {}).items():
        rows.append([f"  {branch}", ", ".join(names)])
    return Report(data, table([data["name"], ""], rows))
