"""What a design is, in a few facts."""

from __future__ import annotations

from typing import Any

from crossloom.sim import Artifact, cost, synaptic_operations
from crossloom.sim.identity import structure_sha256, weights_sha256


def accuracy_of(artifact: Artifact) -> float | None:
    """Test accuracy as a fraction, from what was measured at export; None where nothing was."""
    found = artifact.info.get("accuracy")
    value = found.get("value") if isinstance(found, dict) else None
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _operations(artifact: Artifact) -> float | None:
    """Products with codes that are not 0, per image of the golden set, or of those of it that travel along."""
    golden = artifact.golden
    if golden is None:
        return None
    images = golden.images if golden.inputs is None else golden.inputs
    return float(sum(counts.mean() for counts in synaptic_operations(artifact.network, images).values()))


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
        "membrane_bits": total.membrane_bits,
        "steps": network.steps,
        "synaptic_operations_mean": _operations(artifact) if network.steps > 1 else None,
        "input": {"shape": list(network.input.shape), "levels": network.input.levels},
        "classes": list(network.classes),
        "hierarchy": network.hierarchy,
    }
