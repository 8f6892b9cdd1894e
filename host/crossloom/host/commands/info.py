"""`crossloom info`: what a design is."""

from __future__ import annotations

import argparse
from typing import Any

from crossloom.sim import Artifact, cost, load
from crossloom.sim.identity import structure_sha256, weights_sha256

from ..designs import find_design
from . import Report
from .tables import percent, table


def accuracy_of(artifact: Artifact) -> float | None:
    """Test accuracy as a fraction, from what was measured at export; None where nothing was."""
    found = artifact.info.get("accuracy")
    value = found.get("value") if isinstance(found, dict) else None
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def describe(artifact: Artifact) -> dict[str, Any]:
    """The facts of a design by their stable keys."""
    network, total = artifact.network, cost(artifact.network)
    measured = artifact.info.get("accuracy")
    return {
        "name": network.name,
        "sha256": artifact.sha256,
        "structure_sha256": structure_sha256(network),
        "weights_sha256": weights_sha256(network),
        "accuracy": accuracy_of(artifact),
        "accuracy_origin": measured.get("origin") if isinstance(measured, dict) else None,
        "dataset": artifact.golden.dataset if artifact.golden else artifact.info.get("dataset"),
        "vectors": artifact.golden.vectors if artifact.golden else 0,
        "macs_mean": total.macs,
        "macs_flat": total.macs_flat,
        "macs_bcnn": total.macs_bcnn,
        "parameters": total.parameters,
        "weight_bits": total.weight_bits,
        "activation_bits": total.activation_bits,
        "memory_bits": total.memory_bits,
        "input": {"shape": list(network.input.shape), "levels": network.input.levels},
        "classes": list(network.classes),
        "hierarchy": network.hierarchy,
    }


def _beside(macs: int, saved: float) -> str:
    """A baseline's products, and the fraction of them that routing saves, in words."""
    return f"{macs:,} (counted): routing takes {100 * abs(saved):.1f} % {'fewer' if saved >= 0 else 'more'}"


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
    rows = [
        ["structure", data["structure_sha256"][:16]],
        ["weights", data["weights_sha256"][:16]],
        ["test accuracy", f"{percent(data['accuracy'])} ({data['accuracy_origin'] or 'no origin stated'})"],
        ["data set", f"{data['dataset']}, {data['vectors']:,} golden images"],
        ["input", f"{' x '.join(map(str, data['input']['shape']))}, {data['input']['levels']} levels"],
        ["products an image", f"{data['macs_mean']:,} (counted)"],
        *unrouted,
        ["parameters", f"{data['parameters']:,} in {data['memory_bits'] / 8192:.1f} KiB (counted)"],
        ["widest weight", f"{data['weight_bits']} bits"],
        ["widest activation", f"{data['activation_bits']} bits"],
        ["classes", ", ".join(data["classes"][:20]) + (" ..." if len(data["classes"]) > 20 else "")],
    ]
    for branch, names in (data["hierarchy"] or {}).items():
        rows.append([f"  {branch}", ", ".join(names)])
    return Report(data, table([data["name"], ""], rows))
