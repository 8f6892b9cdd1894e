"""What a design is, in a few facts."""

from __future__ import annotations

from typing import Any

from crossloom.sim import Artifact, cost
from crossloom.sim.activity import activity
from crossloom.sim.identity import structure_sha256, weights_sha256

from .energy import estimate


def accuracy_of(artifact: Artifact) -> float | None:
    """Test accuracy as a fraction, from what was measured at export; None where nothing was."""
    found = artifact.info.get("accuracy")
    value = found.get("value") if isinstance(found, dict) else None
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def interval_of(share: object) -> list[float] | None:
    """Return the 95 % interval of a share that was measured at export; None where there is none that makes sense."""
    ends = share.get("interval") if isinstance(share, dict) else None
    return ends if isinstance(ends, list) and len(ends) == 2 and all(map(_fraction, ends)) else None


def parts_of(artifact: Artifact) -> dict[str, dict[str, Any]]:
    """Return the accuracies on pieces of the test images by their names, as far as they make sense."""
    found = artifact.info.get("accuracy")
    parts = found.get("parts") if isinstance(found, dict) else None
    pieces = parts.items() if isinstance(parts, dict) else ()
    return {
        str(name): {"value": piece["value"], "images": piece.get("images"), "interval": interval_of(piece)}
        for name, piece in pieces
        if isinstance(piece, dict) and _fraction(piece.get("value"))
    }


def _fraction(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def _activity(artifact: Artifact) -> dict[str, Any]:
    """What a network with time does for an image of the golden set, or of those of it that travel along."""
    network, golden = artifact.network, artifact.golden
    absent = {"spikes_mean": None, "synaptic_operations_mean": None, "activity_images": 0, "energy_estimate": None}
    if golden is None or not network.timed:
        return absent
    images = golden.images if golden.inputs is None else golden.inputs
    found = activity(network, images)
    operations = {name: float(counts.mean()) for name, counts in found.operations.items()}
    return {
        "spikes_mean": {name: float(counts.mean()) for name, counts in found.spikes.items()},
        "synaptic_operations_mean": sum(operations.values()),
        "activity_images": len(images),
        "energy_estimate": estimate(network, operations).to_json(),
    }


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
        "accuracy_interval": interval_of(measured),
        "accuracy_parts": parts_of(artifact),
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
        "membrane_bits": total.membrane_bits,
        "steps": network.steps,
        **_activity(artifact),
        "input": {
            "shape": list(network.input.shape),
            "levels": network.input.levels,
            "encoder": network.input.encoder,
            "steps": network.input.steps,
        },
        "classes": list(network.classes),
        "hierarchy": network.hierarchy,
    }
