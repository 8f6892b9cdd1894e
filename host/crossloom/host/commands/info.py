"""`crossloom info`: what a design is."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from crossloom.sim import Network, cost, load
from crossloom.sim.text import printable

from ..designs import find_design
from ..energy import shown
from ..summary import describe
from ..tables import between, percent, table
from . import Report


def _beside(macs: int, saved: float) -> str:
    """A baseline's products, and the fraction of them that routing saves, in words."""
    return f"{macs:,} (counted): routing takes {100 * abs(saved):.1f} % {'fewer' if saved >= 0 else 'more'}"


def _time(data: Mapping[str, Any], network: Network) -> list[list[str]]:
    """What a network with time has besides."""
    if network.timed is None:
        return []
    bits = sorted({layer.bits for layer in cost(network).layers if layer.membrane_bits})
    told = f"{data['membrane_bits'] / 8192:.1f} KiB of membranes of {' and '.join(map(str, bits)) or 0} bits (counted)"
    given = data["input"]
    encoded = "seen at every step" if given["steps"] == 1 else f"{given['steps']:,} steps"
    rows = [["time", f"{data['steps']:,} steps, {told}"], ["encoder", f"{given['encoder']}, {encoded}"]]
    if not data["activity_images"]:
        return [*rows, ["synaptic operations an image", "no golden images to count them on"]]
    origin = f"simulated on {data['activity_images']:,} images"
    spikes, energy = data["spikes_mean"], data["energy_estimate"]
    rows.append(["spikes an image", f"{sum(spikes.values()):,.0f} ({origin})"])
    for name, mean in spikes.items():
        edge = network.edges[name]
        rows.append([f"  {name}", f"{mean:,.1f}, {mean / edge.image_size:.4f} a neuron and step"])
    rows.append(["synaptic operations an image", f"{data['synaptic_operations_mean']:,.0f} ({origin})"])
    spiking, cnn = energy["spiking"], energy["cnn_same_shapes"]
    part = 100 * (1 - spiking["arithmetic"] / spiking["total"]) if spiking["total"] else 0.0
    rows.append(["energy an image", f"{shown(spiking['total'])}, {part:.0f} % of it memory (estimated, 45 nm)"])
    rows.append(["  CNN of the same shapes", f"{shown(cnn['total'])} (estimated, 45 nm)"])
    return rows


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
        ["test accuracy", f"{percent(data['accuracy'])}{between(data['accuracy_interval'])} ({origin})"],
        *(
            [f"  {name}", f"{percent(part['value'])}{between(part['interval'])}"]
            for name, part in data["accuracy_parts"].items()
        ),
        ["data set", f"'{printable(data['dataset'])}', {data['vectors']:,} golden images"],
        ["input", f"{' x '.join(map(str, data['input']['shape']))}, {data['input']['levels']} levels"],
        ["products an image", f"{data['macs_mean']:,} (counted)"],
        *unrouted,
        *_time(data, artifact.network),
        ["parameters", f"{data['parameters']:,} in {data['memory_bits'] / 8192:.1f} KiB (counted)"],
        ["widest weight", f"{data['weight_bits']} bits"],
        ["widest activation", f"{data['activation_bits']} bits"],
        ["classes", ", ".join(data["classes"][:20]) + (" ..." if len(data["classes"]) > 20 else "")],
    ]
    for branch, names in (data["hierarchy"] or {}).items():
        rows.append([f"  {branch}", ", ".join(names)])
    return Report(data, table([data["name"], ""], rows))
