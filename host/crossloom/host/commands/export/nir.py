"""A spiking design as a NIR file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from crossloom.sim import load
from crossloom.sim.identity import weights_sha256

from ...designs import find_design
from ...pages import check_new_file
from ...tables import table
from .. import Report


def run(args: argparse.Namespace) -> Report:
    """Write one design, and read it back."""
    from crossloom.training.importing.nir_file import read_nir
    from crossloom.training.importing.nir_own import export_nir, own_network

    network = load(find_design(args.design)).network
    path = Path(args.out or f"{network.name}.nir")
    check_new_file(path)
    export_nir(network, path, args.step)
    file = read_nir(path)
    same = weights_sha256(own_network(file)) == weights_sha256(network)
    data: dict[str, Any] = {
        "name": network.name,
        "format": "nir",
        "file": str(path),
        "nodes": len(file.nodes),
        "same": same,
    }
    rows = [
        ["file", str(path)],
        ["nodes", str(len(file.nodes))],
        ["read back", "the same network" if same else "DIFFERS"],
    ]
    return Report(data, table([network.name, ""], rows), int(not same))
