"""`crossloom cost`: what each layer costs, without any tool."""

from __future__ import annotations

import argparse

from crossloom.sim import cost, load

from ..designs import find_design
from ..tables import table
from . import Report


def run(args: argparse.Namespace) -> Report:
    """Tabulate a design's layers."""
    network = load(find_design(args.design)).network
    total = cost(network)
    rows: list[list[object]] = [
        [
            layer.name,
            layer.op,
            "x".join(map(str, layer.shape)),
            *([network.edges[layer.name].steps] if network.timed else []),
            layer.bits,
            layer.weight_bits or "",
            layer.parameters,
            layer.macs,
            layer.memory_bits,
        ]
        for layer in total.layers
    ]
    time = ["steps"] if network.timed else []
    rows.append(["total", "", "", *("" for _ in time), "", "", total.parameters, total.macs, total.memory_bits])
    header = ["layer", "operator", "output", *time, "bits", "weight bits", "parameters", "products", "memory bits"]
    text = table(header, rows) + "\nbits: width of the output edge; counted from the structure, all banks included"
    if network.timed:
        text += "; products are those of all steps"
    return Report({"name": network.name, **total.to_json()}, text)
